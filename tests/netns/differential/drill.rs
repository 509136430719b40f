//! From the text of a scenario to what its scans read.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use libtest_mimic::Failed;
use scandrill_engine::{
    Planned, RunOptions, Scanner, SourceFile, expand, plan_all, possible_states, read, run_case,
};
use scandrill_model::{CaseReport, CellRead, Family, ScanResult, Technique, Verdict, What};

/// An attacker of a scenario who may read anything: it is compared with another, and with the captures.
pub fn red(name: &str, scanner: &str, technique: Technique, ports: &str, more: &str) -> String {
    let flags = if let Technique::TcpFlags(flags) = technique {
        format!("flags = \"{flags}\"\n")
    } else {
        String::new()
    };
    let ports = if ports.is_empty() { String::new() } else { format!("ports = \"{ports}\"\n") };
    let expect = may_read_anything(technique);
    let technique = technique.name();
    format!(
        "[[red]]\nname = \"{name}\"\nscanner = \"{scanner}\"\ntechnique = \"{technique}\"\n{flags}{ports}{more}{expect}\n"
    )
}

/// Every state that the technique can give.
pub fn may_read_anything(technique: Technique) -> String {
    let states = possible_states(technique);
    let words: Vec<String> = states.iter().map(|state| format!("\"{state}\"")).collect();
    format!("expect.rest = [{}]", words.join(", "))
}

/// Plans the one case of a scenario.
pub fn planned(name: &str, family: Family, text: &str) -> Result<Planned, Failed> {
    let file = SourceFile::new(format!("{name}.toml"), format!("family = \"{family}\"\n{text}"));
    let scenario = Arc::new(read(name, &file, &rules).map_err(|bad| bad.to_string())?);
    let cases = expand(&scenario, &[Scanner::Builtin]);
    let planned = plan_all(cases, SEED, |_| String::new()).map_err(|bad| format!("{bad:?}"))?;
    planned.into_iter().next().ok_or_else(|| "no case".into())
}

/// Runs a case, whose witnesses must agree.
pub fn run(planned: &Planned) -> Result<CaseReport, Failed> {
    let folder = tempfile::Builder::new().prefix("scandrill-differential-").tempdir()?;
    let case = run_case(planned, &options(folder.path())).report;
    if case.verdict == Verdict::Pass {
        return Ok(case);
    }
    let captures = folder.keep();
    let CaseReport { verdict, problems, findings, skipped, .. } = case;
    Err(format!("{verdict}: {problems:#?}\n{findings:#?}\n{skipped:?}\n{}", captures.display()).into())
}

fn options(captures: &Path) -> RunOptions {
    RunOptions {
        seed: SEED,
        jobs: 1,
        fail_fast: false,
        captures: captures.to_owned(),
        keep_all_captures: false,
        keep_events: true,
    }
}

const SEED: u64 = 1;

/// What an actor's scan came to.
pub fn result<'a>(case: &'a CaseReport, wanted: &str) -> Result<&'a ScanResult, Failed> {
    let found = case.events.iter().find_map(|event| {
        let What::Scan { actor, result, .. } = &event.what else { return None };
        (actor == wanted).then_some(result)
    });
    found.ok_or_else(|| format!("no scan of {wanted} in the log").into())
}

/// A result port by port.
pub fn reads(result: &ScanResult) -> BTreeMap<u16, CellRead> {
    let groups = result.groups.iter();
    let reads = groups.flat_map(|group| {
        group.ports.iter().map(move |port| CellRead {
            ttl: group.ttl,
            probes: group.probes,
            ..CellRead::new(port, group.state, group.reason.clone())
        })
    });
    reads.map(|read| (read.port, read)).collect()
}

/// The one rules file that a scenario here may name.
fn rules(path: &str) -> Result<SourceFile, String> {
    if path == "mixed.nft" {
        Ok(SourceFile::new(path, crate::paths::MIXED))
    } else {
        Err(format!("no {path}"))
    }
}
