//! Scenarios with their times scaled down, beside those whose times are as written: the firewall must say the same, packet
//! by packet, or the short one shows something else than the long one. The pairs are data, in `scaled.toml`.

use std::fmt::Write as _;

use libtest_mimic::{Failed, Trial};
use scandrill_model::{CaseReport, CellFacts, RunReport, What};

use super::binary::scandrill;

/// One test for each pair.
pub fn trials() -> Vec<Trial> {
    let text = include_str!("scaled.toml");
    let table: toml::Table = text.parse().expect("the pairs are TOML");
    let pairs = table["pair"].as_array().expect("there are pairs");
    pairs.iter().map(|pair| trial(name_of(pair, "written"), name_of(pair, "scaled"))).collect()
}

fn name_of(pair: &toml::Value, key: &str) -> String {
    pair[key].as_str().expect("a pair names two scenarios").to_owned()
}

fn trial(written: String, scaled: String) -> Trial {
    Trial::test(format!("{scaled} as {written}"), move || {
        let report = run(&[&written, &scaled])?;
        let sequences: Vec<(&str, String)> =
            report.cases.iter().map(|case| (case.name.as_str(), sequence(case))).collect();
        for scenario in [&written, &scaled] {
            if !report.cases.iter().any(|case| case.scenario == *scenario) {
                return Err(format!("`{scenario}` has no case").into());
            }
        }
        let (first, expected) = &sequences[0];
        match sequences.iter().find(|(_, other)| other != expected) {
            None => Ok(()),
            Some((other, observed)) => Err(format!("{first}:\n{expected}\n{other}:\n{observed}").into()),
        }
    })
}

/// Runs scenarios with the binary under test, and reads its report.
fn run(names: &[&str]) -> Result<RunReport, Failed> {
    let captures = tempfile::tempdir()?;
    let ran = scandrill()
        .env("TMPDIR", captures.path())
        .args(["run", "--quiet", "--slow", "--seed", "1", "--json", "-"])
        .args(names)
        .output()?;
    serde_json::from_slice(&ran.stdout)
        .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&ran.stderr)).into())
}

/// What the firewall decided in a case, in its order, and what was made of it; no times.
fn sequence(case: &CaseReport) -> String {
    let mut text = String::new();
    for event in &case.events {
        // Writing to a string does not fail.
        if let What::Facts { actor, cells, .. } = &event.what {
            let _ = writeln!(text, "  {actor}: {}", answers(cells));
        } else if let What::BanChecked { actor, check } = &event.what {
            let banned = if check.is_banned() { "banned" } else { "served" };
            let _ = writeln!(text, "  {actor}: {banned}");
        }
    }
    for finding in &case.findings {
        let _ = writeln!(text, "  {}, {}: {}", finding.actor, finding.subject, finding.verdict);
    }
    for problem in &case.problems {
        let _ = writeln!(text, "  {problem}");
    }
    text
}

/// A sign for each port in the order in which they were first asked: whether it ever answered.
fn answers(cells: &[CellFacts]) -> String {
    let mut asked: Vec<&CellFacts> = cells.iter().collect();
    asked.sort_by_key(|cell| cell.probes.first().copied());
    asked.into_iter().map(|cell| if cell.reply.is_some() { '+' } else { '-' }).collect()
}
