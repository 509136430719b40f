//! Counting: what the plan's counters read right before the actors act, and right after.

use scandrill_lab::{Counters, Lab, conntrack_max, counters};
use scandrill_model::What;

use super::log::{Log, Trouble, Troubled};
use crate::bad_file::nearest;
use crate::plan::{CounterPlan, Plan};

/// Counters that have been read once.
#[must_use = "what has been counted is told"]
pub struct Counting<'a> {
    lab: &'a Lab,
    /// Each with what it read.
    before: Vec<(&'a CounterPlan, u64)>,
}

impl<'a> Counting<'a> {
    /// Reads all counters of the plan.
    pub async fn start(plan: &'a Plan, lab: &'a Lab) -> Result<Self, Trouble> {
        let mut before = Vec::new();
        for counter in &plan.counters {
            before.push((counter, read(counter, lab).await?));
        }
        Ok(Self { lab, before })
    }

    /// Reads them again, and tells the log.
    pub async fn tell(self, log: &Log) -> Result<(), Trouble> {
        for (counter, before) in self.before {
            let after = read(counter, self.lab).await?;
            log.emit(What::Counted { counter: counter.name.clone(), before, after });
        }
        Ok(())
    }
}

async fn read(counter: &CounterPlan, lab: &Lab) -> Result<u64, Trouble> {
    let operation = format!("reading `{}` of {}", counter.counts, counter.host);
    let host = lab.host(&counter.host).trouble(&operation)?;
    let mut all = counters(host).await.trouble(&operation)?;
    if let Some(count) = all.get("conntrack.count").copied() {
        let max = conntrack_max(host).await.trouble(&operation)?;
        all.insert("conntrack.percent".to_owned(), count * 100 / max.max(1));
    }
    value(&all, &counter.counts).ok_or_else(|| {
        let near = nearest(&counter.counts, all.keys().map(String::as_str));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Trouble { operation, error: format!("this kernel has no such counter{near}") }
    })
}

/// Types of ICMP messages are listed once there has been one.
fn value(all: &Counters, name: &str) -> Option<u64> {
    let listed_late = ["IcmpMsg.InType", "IcmpMsg.OutType", "Icmp6.InType", "Icmp6.OutType"];
    let late = listed_late
        .iter()
        .filter_map(|start| name.strip_prefix(start))
        .any(|kind| kind.parse::<u8>().is_ok());
    all.get(name).copied().or(late.then_some(0))
}
