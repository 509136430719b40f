//! Who decides to ban an attacker while the actors act.

use std::collections::BTreeSet;
use std::net::IpAddr;

use scandrill_lab::{Decisions, Host, Lab};
use scandrill_model::What;

use super::host;
use super::log::{Log, Trouble, Troubled};
use crate::plan::Plan;

/// Listens for bans of attackers on each host with a defense, from its return on.
pub async fn listen(plan: &Plan, lab: &Lab) -> Result<Decisions, Trouble> {
    let sources: BTreeSet<IpAddr> = plan.reds.iter().map(|red| red.scan.source).collect();
    let hosts: Vec<&Host> =
        plan.sides().into_iter().map(|side| host(lab, side.host)).collect::<Result<_, _>>()?;
    Decisions::start(&hosts, sources).await.trouble("listening for bans")
}

/// Tells what was heard so far.
pub fn tell_so_far(heard: &mut Decisions, log: &Log) {
    for (source, mark) in heard.take() {
        log.emit(What::Marked { source, mark });
    }
}

/// Tells what was heard, and has not been told.
pub async fn tell(heard: Decisions, log: &Log) -> Result<(), Trouble> {
    for (source, mark) in heard.stop().await.trouble("listening for bans")? {
        log.emit(What::Marked { source, mark });
    }
    Ok(())
}
