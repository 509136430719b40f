//! Who acts, and when: each actor starts when those it waits for have finished.

pub mod drive;
pub mod green;
pub mod red;

use std::collections::BTreeSet;

use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use scandrill_lab::{Lab, VerdictSource};

use crate::plan::{Plan, RedPlan};
use crate::run::{Log, Trouble, Window};

/// A red actor that has scanned, and when.
pub type Acted<'a> = (&'a RedPlan, Window);

/// What an actor's future ends with: its name, and its window when it scanned.
type Done<'a> = Result<(&'a str, Option<Acted<'a>>), Trouble>;

/// An actor that has not started.
struct Waiting<'a> {
    after: &'a [String],
    run: LocalBoxFuture<'a, Done<'a>>,
}

/// Runs all actors to their end.
pub async fn act<'a>(
    plan: &'a Plan,
    lab: &'a Lab,
    log: &'a Log,
    verdicts: Option<&'a VerdictSource>,
) -> Result<Vec<Acted<'a>>, Trouble> {
    let reds = plan
        .reds
        .iter()
        .map(|red| Waiting { after: &red.after, run: Box::pin(run_red(red, lab, log, verdicts)) });
    let greens = plan.greens.iter().map(|green| Waiting {
        after: &green.after,
        run: Box::pin(async move {
            green::run(green, plan.target, lab, log).await?;
            Ok((green.name.as_str(), None))
        }),
    });
    let mut waiting: Vec<Waiting<'_>> = reds.chain(greens).collect();
    let mut running = FuturesUnordered::new();
    let mut finished: BTreeSet<&str> = BTreeSet::new();
    let mut acted = Vec::new();
    loop {
        let (ready, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|actor| actor.after.iter().all(|other| finished.contains(other.as_str())));
        running.extend(ready.into_iter().map(|actor| actor.run));
        waiting = later;
        let Some(done) = running.next().await else { return Ok(acted) };
        let (name, scanned) = done?;
        finished.insert(name);
        acted.extend(scanned);
    }
}

async fn run_red<'a>(
    red: &'a RedPlan,
    lab: &'a Lab,
    log: &'a Log,
    verdicts: Option<&'a VerdictSource>,
) -> Done<'a> {
    let window = red::run(red, lab, log, verdicts).await?;
    Ok((red.name.as_str(), Some((red, window))))
}
