//! What an actor does first where a port is hidden: it knocks. Each step's socket is open until the next step's time has
//! come, as that of a person's client is, so that a slow one sends its SYN again; the last is closed before a scan's window
//! opens, so that nothing of a knock is taken for a probe.

use std::net::{IpAddr, SocketAddr};

use scandrill_lab::{clock, wait};
use scandrill_model::What;

use super::Stage;
use crate::run::{Trouble, Troubled};
use crate::scenario::Knock;

/// Knocks at the target from an address of the actor's host; of a knock without steps it does nothing.
pub async fn knock(
    actor: &str,
    knock: &Knock,
    source: IpAddr,
    host: &str,
    stage: &Stage<'_>,
) -> Result<(), Trouble> {
    if knock.steps.is_empty() {
        return Ok(());
    }
    let host = stage.lab.host(host).trouble("finding a host")?;
    for &(protocol, port) in &knock.steps {
        let until = clock::now() + knock.pace.into();
        let to = SocketAddr::new(stage.plan.target, port);
        let knocking = host.blocking(move || scandrill_lab::knock(protocol, source, to)).await;
        let operation = || format!("knocking at {protocol}/{port}");
        let knocking = knocking.trouble(operation())?.trouble(operation())?;
        wait::until_moment(until).await;
        drop(knocking);
    }
    stage.log.emit(What::Knocked { actor: actor.to_owned(), source, steps: knock.names() });
    Ok(())
}
