//! An administrator: runs its commands, and keeps what they say.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use scandrill_lab::Host;
use scandrill_model::What;

use super::{Actor, Deed, Stage};
use crate::plan::{OPERATOR_LIMIT_MS, OperatorPlan};
use crate::run::{Trouble, Troubled};

/// How much of what commands say is kept.
const KEPT: usize = 64 * 1024;

impl Actor for OperatorPlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn after(&self) -> &[String] {
        &self.after
    }

    fn act<'a>(&'a self, stage: &'a Stage<'a>) -> LocalBoxFuture<'a, Result<Deed<'a>, Trouble>> {
        async move {
            let host = stage.lab.host(&self.host).trouble("finding a host")?;
            let (exit, said) = operate(self, host).await?;
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
    let limit = Duration::from_millis(OPERATOR_LIMIT_MS);
    let finished = host.alone(&operator.command, limit).await;
    let finished = finished.trouble(format!("running the commands of `{}`", operator.name))?;
    // What bash says before it has joined the two outputs.
    Ok((finished.status, [finished.stdout, finished.stderr].concat()))
}

/// `exit code 1`.
pub fn in_words(exit: Option<i32>) -> String {
    exit.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"))
}
