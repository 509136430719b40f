//! Who decides to ban an attacker while the actors act.

use std::collections::BTreeSet;
use std::net::IpAddr;

use scandrill_lab::{Decisions, Lab};
use scandrill_model::What;

use super::log::{Log, Trouble, Troubled};
use crate::plan::Plan;

/// Listens on each host with a defense.
pub struct Deciding(Vec<Decisions>);

impl Deciding {
    /// Listens from now on.
    pub async fn start(plan: &Plan, lab: &Lab) -> Result<Self, Trouble> {
        let sources: BTreeSet<IpAddr> = plan.reds.iter().map(|red| red.scan.source).collect();
        let mut listening = Vec::new();
        for side in plan.sides() {
            let host = lab.host(side.host).trouble("finding a host")?;
            listening.push(Decisions::start(host, sources.clone()).await.trouble("listening for bans")?);
        }
        Ok(Self(listening))
    }

    /// Tells what was heard.
    pub async fn tell(self, log: &Log) -> Result<(), Trouble> {
        for listening in self.0 {
            for (source, mark) in listening.stop().await.trouble("listening for bans")? {
                log.emit(What::Marked { source, mark });
            }
        }
        Ok(())
    }
}
