//! What the witnesses cost a scan of all ports: with and without each, in turns.

use std::fmt::Write as _;

use scandrill_model::{CaseReport, What};

use crate::{Outcome, median, planned, ran};

const ROUNDS: u64 = 7;

/// Whether captures watch, and whether packets are followed.
const WAYS: [(&str, bool, bool); 4] = [
    ("neither", false, false),
    ("packets followed through the rules", false, true),
    ("captures at both ends", true, false),
    ("both", true, true),
];

pub fn measure() -> Outcome<String> {
    let mut took = [const { Vec::new() }; WAYS.len()];
    for round in 0..ROUNDS {
        for ((_, watched, followed), took) in WAYS.iter().zip(&mut took) {
            let mut case = planned("all", round)?;
            (case.plan.watched, case.plan.followed) = (*watched, *followed);
            took.push(scanned(&ran(&case)?)?);
        }
    }
    let took = took.map(median);
    let mut told = "a scan of 65,535 ports with\n".to_owned();
    for ((name, ..), (middle, worst)) in WAYS.iter().zip(took) {
        let ratio = middle / took[0].0;
        writeln!(told, "  {name:<36} {middle:>6.0} ms (worst {worst:.0}), {ratio:.2} times")?;
    }
    Ok(told)
}

/// How long the scan took, in milliseconds.
fn scanned(report: &CaseReport) -> Outcome<f64> {
    let took = report.events.iter().find_map(|event| {
        let What::Scan { took, .. } = event.what else { return None };
        Some(took)
    });
    let took = took.ok_or_else(|| format!("no scan: {:?}", report.problems))?;
    Ok(std::time::Duration::from(took).as_secs_f64() * 1e3)
}
