//! What the repeats of a case came to together: how the times and the leaks of its bans are spread, and whether they keep to what the
//! scenario says of them.

use std::collections::BTreeMap;
use std::time::Duration;

use scandrill_model::{
    BanExpectation, CaseReport, Distribution, Finding, Milestone, RepeatsExpectation, TimeLine, Verdict,
};

use super::timely::judged;
use crate::plan::Plan;

/// A repeat with its report.
pub type Repeat<'a> = (&'a Plan, &'a CaseReport);

/// The distributions of one case, all of whose repeats are given: a few of each attacker whose ban was looked at. They are judged
/// only where each of `repeats` could be.
pub fn distributions(case: &str, repeats: &[Repeat<'_>]) -> Vec<Distribution> {
    let Some((plan, _)) = repeats.first() else { return Vec::new() };
    let of_red = plan.reds.iter().filter_map(|red| Some((red.name.as_str(), red.expect.ban.as_ref()?)));
    of_red.flat_map(|(actor, expect)| of_actor(case, actor, expect, repeats)).collect()
}

fn of_actor(case: &str, actor: &str, expect: &BanExpectation, repeats: &[Repeat<'_>]) -> Vec<Distribution> {
    let lines: Vec<&TimeLine> = repeats
        .iter()
        .filter(|(_, report)| report.verdict <= Verdict::Fail && report.skipped.is_none())
        .filter_map(|(_, report)| report.time_lines.iter().find(|line| line.actor == actor))
        .collect();
    let all = lines.len() == repeats.len();
    QUANTITIES
        .iter()
        .filter_map(|quantity| {
            let mut values: Vec<u64> = lines.iter().filter_map(|line| (quantity.of)(line)).collect();
            values.sort_unstable();
            let mut spread = Distribution {
                case: case.to_owned(),
                actor: actor.to_owned(),
                quantity: quantity.name.to_owned(),
                unit: quantity.unit.to_owned(),
                values,
                findings: Vec::new(),
            };
            if all {
                let late = if quantity.unit == "us" { latest(repeats) } else { Duration::ZERO };
                let found = findings(&spread, quantity, expect).into_iter();
                spread.findings = found.map(|finding| judged(finding, late)).collect();
            }
            (!spread.values.is_empty()).then_some(spread)
        })
        .collect()
}

/// How late the machine woke a thread at most in any of them.
fn latest(repeats: &[Repeat<'_>]) -> Duration {
    let late = repeats.iter().filter_map(|(_, report)| report.late_us).max();
    Duration::from_micros(late.unwrap_or_default())
}

/// Something that is measured of a time line.
struct Quantity {
    name: &'static str,
    unit: &'static str,
    of: fn(&TimeLine) -> Option<u64>,
    /// What is expected of it, where something is.
    bound: fn(&RepeatsExpectation) -> Option<u64>,
}

const QUANTITIES: [Quantity; 3] = [
    Quantity {
        name: "enforced_within",
        unit: "us",
        of: enforced_within,
        bound: |expect| expect.enforced_within.map(|within| within.0.saturating_mul(1000)),
    },
    Quantity { name: "time_to_ban", unit: "us", of: |line| line.time_to_ban_us, bound: |_| None },
    Quantity {
        name: "leaked",
        unit: "ports",
        of: |line| u64::try_from(line.ports_leaked.len()).ok(),
        bound: |expect| expect.leaked,
    },
];

/// From the first probe to the last answer before the ban; nothing where none was answered.
fn enforced_within(line: &TimeLine) -> Option<u64> {
    let first = line.first(Milestone::FirstProbe)?.at;
    let last = line.first(Milestone::LastAnswered).map_or(first, |mark| mark.at);
    u64::try_from(last.since(first).as_micros()).ok()
}

fn findings(spread: &Distribution, quantity: &Quantity, expect: &BanExpectation) -> Vec<Finding> {
    let bounds = expect
        .of_repeats()
        .filter_map(|(word, percent, expect)| Some((word, percent, (quantity.bound)(&expect)?)));
    bounds.map(|(word, percent, bound)| finding(spread, word, percent, bound)).collect()
}

fn finding(spread: &Distribution, word: &str, percent: u8, bound: u64) -> Finding {
    let count = spread.values.len();
    let of = |percent| spread.percentile(percent).unwrap_or_default();
    let (median, p95, worst, unit) = (of(50), of(95), of(100), &spread.unit);
    Finding {
        actor: spread.actor.clone(),
        subject: format!("{word} of {count} repeats, {}", spread.quantity),
        expected: format!("at most {bound} {unit}"),
        observed: format!("median {median}, p95 {p95}, worst {worst} {unit}"),
        verdict: if of(percent) <= bound { Verdict::Pass } else { Verdict::Fail },
        witnesses: vec![format!("repeats: {}", words(&spread.values))],
    }
}

/// Values that fit on a line, each with how often it was seen.
fn words(values: &[u64]) -> String {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for value in values {
        *counts.entry(*value).or_default() += 1;
    }
    let words: Vec<String> = counts
        .into_iter()
        .map(|(value, count)| if count > 1 { format!("{count} times {value}") } else { value.to_string() })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(values: &[u64]) -> Distribution {
        Distribution {
            case: "a/b[builtin,v4]".to_owned(),
            actor: "red".to_owned(),
            quantity: "leaked".to_owned(),
            unit: "ports".to_owned(),
            values: values.to_vec(),
            findings: Vec::new(),
        }
    }

    #[test]
    fn one_bad_repeat_in_twenty_breaks_every_and_not_p95() {
        let values: Vec<u64> = [vec![9; 19], vec![12]].concat();
        assert_eq!(finding(&spread(&values), "p95", 95, 9).verdict, Verdict::Pass);
        let every = finding(&spread(&values), "every", 100, 9);
        assert_eq!(every.verdict, Verdict::Fail);
        assert_eq!(every.observed, "median 9, p95 9, worst 12 ports");
        assert_eq!(every.witnesses, ["repeats: 19 times 9, 12"]);
    }
}
