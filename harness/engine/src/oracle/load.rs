//! What load came to, and what a kernel counted meanwhile.

use scandrill_model::{Bound, Finding, Verdict};

use super::observations::{CounterSeen, FloodSeen, Observations};
use crate::plan::{CounterPlan, FloodPlan};

/// Counters that say how much there is, and not how often something was.
const AMOUNTS: [&str; 2] = ["conntrack.count", "conntrack.percent"];

/// Compares what a counter came to with what is expected of it.
pub fn counter(plan: &CounterPlan, counted: CounterSeen, expect: Bound, seen: &Observations) -> Finding {
    let (CounterPlan { name, host, counts, .. }, CounterSeen { before, after }) = (plan, counted);
    let (value, observed) = if AMOUNTS.contains(&counts.as_str()) {
        (after, format!("{counts} is {after}"))
    } else {
        // A kernel's counters wrap.
        let grew = after.wrapping_sub(before);
        (grew, format!("{counts} grew by {grew}"))
    };
    let kernel = format!("kernel: {host} counted {before} before the actors acted, and {after} after");
    let floods = seen.floods.iter().map(|(name, flood)| format!("flood: `{name}` {}", in_words(flood)));
    Finding {
        actor: name.clone(),
        subject: counts.clone(),
        expected: expect.to_string(),
        observed,
        verdict: if expect.contains(value) { Verdict::Pass } else { Verdict::Fail },
        witnesses: [kernel].into_iter().chain(floods).collect(),
    }
}

/// `sent 20000 packets in 105 ms`.
fn in_words(flood: &FloodSeen) -> String {
    let FloodSeen { sent, refused, completed, took, .. } = flood;
    let further = [(refused, "more were refused by the link"), (completed, "handshakes were completed")];
    let further = further.iter().filter(|(count, _)| **count > 0);
    let told = std::iter::once(format!("sent {sent} packets in {} ms", took.0));
    told.chain(further.map(|(count, what)| format!("{count} {what}"))).collect::<Vec<_>>().join(", ")
}

/// What a flood must have come to, so that what it did means anything: it was there, and for as long as it was to last.
pub fn broken(plan: &FloodPlan, seen: &Observations) -> Option<String> {
    let name = &plan.name;
    match seen.floods.get(name) {
        None => Some(format!("`{name}` was never seen to act")),
        Some(flood) if flood.sent == 0 => Some(format!("`{name}` sent nothing")),
        Some(flood) if !plan.around.is_empty() && !flood.ended_early => {
            let (sent, around) = (flood.sent, plan.around.join(", "));
            Some(format!(
                "`{name}` had sent all its {sent} packets before {around} had finished: raise `count`"
            ))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use scandrill_model::Millis;

    use super::*;

    fn plan(counts: &str) -> CounterPlan {
        CounterPlan {
            name: "counter".to_owned(),
            host: "target".to_owned(),
            counts: counts.to_owned(),
            expect: Bound { min: 0, max: 0 },
        }
    }

    #[test]
    fn a_counter_is_what_it_grew_by_and_an_amount_what_it_is() {
        let (counted, bound) = (CounterSeen { before: 7, after: 9 }, Bound { min: 2, max: 2 });
        let told = |counts| {
            let finding = counter(&plan(counts), counted, bound, &Observations::default());
            (finding.observed, finding.verdict)
        };
        assert_eq!(told("TcpExt.ListenDrops"), ("TcpExt.ListenDrops grew by 2".to_owned(), Verdict::Pass));
        assert_eq!(told("conntrack.count"), ("conntrack.count is 9".to_owned(), Verdict::Fail));
    }

    #[test]
    fn the_evidence_says_what_the_load_was() {
        let mut seen = Observations::default();
        let flood = FloodSeen { sent: 20, completed: 19, took: Millis(3), ..FloodSeen::default() };
        seen.floods.insert("flood".to_owned(), flood);
        let finding = counter(&plan("Tcp.InSegs"), CounterSeen::default(), Bound { min: 0, max: 0 }, &seen);
        let last = finding.witnesses.last().map(String::as_str);
        assert_eq!(last, Some("flood: `flood` sent 20 packets in 3 ms, 19 handshakes were completed"));
    }
}
