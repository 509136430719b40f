//! What a log tells of a case that somebody follows live, while the actors act. No verdict rests on it, and a case that
//! nobody follows has none of it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use scandrill_lab::{Lab, clock, glimpse, wait};
use scandrill_model::{Glimpse, What};

use super::Log;
use crate::plan::Plan;

/// From one look to the next: often enough to be seen moving, seldom enough to cost the actors little.
const PACE: Duration = Duration::from_millis(250);
/// A look at much takes long. So many times as long as it took, nobody looks.
const REST: u32 = 4;

/// Acts, and tells meanwhile at the pace of a live view, and once more in the end, where `plan` is followed live.
pub async fn telling<T>(plan: &Plan, acting: impl Future<Output = T>, mut tell: impl AsyncFnMut()) -> T {
    if !plan.live {
        return acting.await;
    }
    let mut acting = pin!(acting);
    loop {
        let begun = clock::now();
        let acted = {
            let round = pin!(async {
                tell().await;
                wait::until_moment(clock::now() + clock::elapsed(begun) * REST).await;
                wait::until_moment(begun + PACE).await;
            });
            match select(&mut acting, round).await {
                // A look that has begun is ended, so that no program of it is left behind.
                Either::Left((acted, round)) => {
                    round.await;
                    Some(acted)
                }
                Either::Right(_) => None,
            }
        };
        if let Some(acted) = acted {
            tell().await;
            return acted;
        }
    }
}

/// Looks at each host with a defense.
pub struct Glimpses<'a> {
    plan: &'a Plan,
    lab: &'a Lab,
    log: &'a Log,
    /// What was told last, by host.
    last: BTreeMap<&'a str, Glimpse>,
}

impl<'a> Glimpses<'a> {
    /// Nothing has been looked at.
    pub fn new(plan: &'a Plan, lab: &'a Lab, log: &'a Log) -> Self {
        Self { plan, lab, log, last: BTreeMap::new() }
    }

    /// Tells of each host what has changed. A host that boots just now is looked at the next time.
    pub async fn tell(&mut self) {
        for side in self.plan.sides() {
            let Ok(host) = self.lab.host(side.host) else { continue };
            let Ok(glimpse) = glimpse(host, self.plan.family).await else { continue };
            if self.last.get(side.host) != Some(&glimpse) {
                self.last.insert(side.host, glimpse.clone());
                self.log.emit(What::Glimpsed { host: side.host.to_owned(), glimpse });
            }
        }
    }
}
