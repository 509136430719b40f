//! An administrator: runs its commands, and keeps what they say.

use std::future::{Future, ready};
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
                None => operate(self, host, others(self, stage)).await?,
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

/// Lets those act around whom the operator acts, until they have finished.
async fn others(operator: &OperatorPlan, stage: &Stage<'_>) {
    stage.begun(&operator.name);
    stage.until_finished(&operator.around).await;
}

/// Runs the commands on a host: their exit code, where no signal ended them, and what they said. Those that run while
/// others act are interrupted once they are ready and `meanwhile` is over.
pub async fn operate(
    operator: &OperatorPlan,
    host: &Host,
    meanwhile: impl Future<Output = ()>,
) -> Result<(Option<i32>, Vec<u8>), Trouble> {
    let running = || format!("running the commands of `{}`", operator.name);
    let finished = if operator.around.is_empty() || operator.reboot.is_some() {
        host.alone(&operator.command, LIMIT).await
    } else {
        let ready = operator.ready.as_deref().map(pattern).transpose().trouble(running())?;
        let is_ready =
            |said: &[u8]| ready.as_ref().is_none_or(|ready| ready.is_match(&String::from_utf8_lossy(said)));
        let mut beside = host.beside(&operator.command, LIMIT).trouble(running())?;
        beside.until(READY_LIMIT, is_ready).await.trouble(running())?;
        meanwhile.await;
        beside.interrupt().await
    };
    let Finished { status, stdout, stderr } = finished.trouble(running())?;
    // What bash says before it has joined the two outputs is on the other one.
    Ok((status, [stdout, stderr].concat()))
}

/// Boots the target. Who acts around it does so once the links are up.
async fn boot(
    operator: &OperatorPlan,
    order: Boot,
    host: &Host,
    stage: &Stage<'_>,
) -> Result<(Option<i32>, Vec<u8>), Trouble> {
    stage.machine.boot().await?;
    let load = || operate(operator, host, ready(()));
    let early = if order == Boot::RulesFirst { Some(load().await?) } else { None };
    stage.machine.connect().await?;
    others(operator, stage).await;
    match early {
        Some(loaded) => Ok(loaded),
        None => load().await,
    }
}

/// `exit code 1`.
pub fn in_words(exit: Option<i32>) -> String {
    exit.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"))
}
