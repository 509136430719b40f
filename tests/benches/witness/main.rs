//! How true the witnesses are, and what they cost: the captures' time stamps beside tcpdump's, the time of a ban beside the
//! packet at which it is known to land, and a scan of all ports with each witness and without.
//!
//! `cargo bench -p scandrill-tests --bench witness`
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod cost;
mod truth;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use scandrill_engine::{Case, Planned, RunOptions, SourceFile, expand, plan_all, read, run_case, work};
use scandrill_lab::dispatch;
use scandrill_model::CaseReport;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    dispatch(work);
    for measured in [truth::measure(), cost::measure()] {
        match measured {
            Ok(told) => println!("{told}"),
            Err(error) => {
                println!("{error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// The one case of a scenario of this folder.
fn planned(name: &str, seed: u64) -> Outcome<Planned> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/witness");
    let load = |file: &str| {
        let text = std::fs::read_to_string(folder.join(file)).map_err(|error| format!("{file}: {error}"))?;
        Ok(SourceFile::new(file, text))
    };
    let scenario = read(name, &load(&format!("{name}.toml"))?, &load).map_err(|bad| bad.to_string())?;
    let cases = expand(&Arc::new(scenario), &[]);
    let planned = plan_all(cases, seed, Case::name);
    let planned = planned.map_err(|bad| bad.iter().map(ToString::to_string).collect::<String>())?;
    planned.into_iter().next().ok_or_else(|| "no case".into())
}

/// Runs it, and gives its report with all events.
fn ran(planned: &Planned) -> Outcome<CaseReport> {
    let captures = tempfile::tempdir()?;
    let options = RunOptions {
        seed: planned.plan.seed,
        jobs: 1,
        fail_fast: false,
        captures: captures.path().to_owned(),
        keep_all_captures: false,
        keep_events: true,
    };
    Ok(run_case(planned, &options).report)
}

/// Of ascending values the one in the middle.
fn median(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let last = values.last().copied().unwrap_or_default();
    (values.get(values.len() / 2).copied().unwrap_or_default(), last)
}
