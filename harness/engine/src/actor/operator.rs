//! An administrator: runs its commands, and keeps what they say.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use scandrill_lab::{Finished, Host};
use scandrill_model::What;

use super::{Actor, Deed, Stage};
use crate::plan::{OPERATOR_LIMIT_MS, OperatorPlan};
use crate::run::{Trouble, Troubled};
use crate::scenario::{Boot, pattern};

/// How long commands may take.
const LIMIT: Duration = Duration::from_millis(OPERATOR_LIMIT_MS);
/// How long they may take until they are ready.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// How much of what commands say is kept.
const KEPT: usize = 64 * 1024;

impl Actor for OperatorPlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn after(&self) -> &[String] {
        &self.after
    }

    fn around(&self) -> &[String] {
        &self.around
    }

    fn act<'a>(&'a self, stage: &'a Stage<'a>) -> LocalBoxFuture<'a, Result<Deed<'a>, Trouble>> {
        async move {
            let host = stage.lab.host(&self.host).trouble("finding a host")?;
            let (exit, said) = match self.reboot {
                Some(order) => boot(self, order, host, stage).await?,
                None if self.around.is_empty() => operate(self, host).await?,
                None => operate_around(self, host, stage).await?,
            };
            let kept = said.len().min(KEPT);
            stage.log.emit(What::Ran {
                actor: self.name.clone(),
                exit,
                output: String::from_utf8_lossy(&said[..kept]).into_owned(),
                left_out: (said.len() - kept) as u64,
            });
            Ok(Deed::Operated(self, exit))
        }
        .boxed_local()
    }
}

/// Runs the commands on a host: their exit code, where no signal ended them, and what they said.
pub async fn operate(operator: &OperatorPlan, host: &Host) -> Result<(Option<i32>, Vec<u8>), Trouble> {
    let finished = host.alone(&operator.command, LIMIT).await;
    finished.trouble(running(operator)).map(ended)
}

/// Runs the commands while others act: from when they are ready until all of those have finished.
async fn operate_around(
    operator: &OperatorPlan,
    host: &Host,
    stage: &Stage<'_>,
) -> Result<(Option<i32>, Vec<u8>), Trouble> {
    let ready = operator.ready.as_deref().map(pattern).transpose().trouble(running(operator))?;
    let is_ready =
        |said: &[u8]| ready.as_ref().is_none_or(|ready| ready.is_match(&String::from_utf8_lossy(said)));
    let mut beside = host.beside(&operator.command, LIMIT).trouble(running(operator))?;
    beside.until(READY_LIMIT, is_ready).await.trouble(running(operator))?;
    stage.begun(&operator.name);
    stage.until_finished(&operator.around).await;
    beside.interrupt().await.trouble(running(operator)).map(ended)
}

/// Boots the target. Who acts around it does so once the links are up.
async fn boot(
    operator: &OperatorPlan,
    order: Boot,
    host: &Host,
    stage: &Stage<'_>,
) -> Result<(Option<i32>, Vec<u8>), Trouble> {
    stage.machine.boot().await?;
    let early = if order == Boot::RulesFirst { Some(operate(operator, host).await?) } else { None };
    stage.machine.connect().await?;
    stage.begun(&operator.name);
    stage.until_finished(&operator.around).await;
    match early {
        Some(loaded) => Ok(loaded),
        None => operate(operator, host).await,
    }
}

/// What bash says before it has joined the two outputs is on the other one.
fn ended(finished: Finished) -> (Option<i32>, Vec<u8>) {
    (finished.status, [finished.stdout, finished.stderr].concat())
}

fn running(operator: &OperatorPlan) -> String {
    format!("running the commands of `{}`", operator.name)
}

/// `exit code 1`.
pub fn in_words(exit: Option<i32>) -> String {
    exit.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"))
}
