//! All 65,535 ports of an undefended target: the built-in tcp-syn beside `nmap -sS -T4 -n -Pn`, each in labs of the
//! same plan, alternating, both watched by the same captures. A port that reads otherwise than it must ends the
//! benchmark.
//!
//! `cargo bench -p scandrill-tests --bench scan`
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use scandrill_engine::{RunOptions, SourceFile, expand, plan_all, read, run, work};
use scandrill_lab::dispatch;
use scandrill_model::{CaseReport, Event, Verdict, What};

/// How many scans of each scanner.
const ROUNDS: usize = 20;

const SCENARIO: &str = r#"
family = "v4"
[target]
services = ["tcp/22", "tcp/80 http", "tcp/65535"]
[[red]]
technique = "tcp-syn"
ports     = "1-65535"
scanner   = ["builtin", "nmap"]
expect.open = "22,80,65535"
expect.rest = "closed"
"#;

fn main() {
    dispatch(work);
    let file = SourceFile::new("scan.toml", SCENARIO);
    let scenario =
        Arc::new(read("scan", &file, &|path| Err(format!("no {path}"))).expect("the scenario is right"));
    let captures = tempfile::tempdir().expect("a directory").keep();
    let mut times: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for round in 0..ROUNDS {
        let planned =
            plan_all(expand(&scenario, &[]), round as u64, |_| String::new()).expect("it can be planned");
        let options = RunOptions {
            seed: round as u64,
            jobs: 1,
            fail_fast: true,
            captures: captures.clone(),
            keep_all_captures: false,
            keep_events: true,
        };
        for case in run(&planned, &options, &|_| ()).cases {
            assert_eq!(case.verdict, Verdict::Pass, "{:?} {:?}", case.findings, case.problems);
            times.entry(case.name.clone()).or_default().push(scanned_for(&case));
        }
    }
    let medians: Vec<f64> = times.iter_mut().map(|(name, times)| tell(name, times)).collect();
    if let [builtin, nmap] = medians[..] {
        println!("  ratio  builtin takes {:.2} of nmap's time (medians)", builtin / nmap);
    }
}

/// From the scanner's start to its result, by the event log.
fn scanned_for(case: &CaseReport) -> Duration {
    let at = |wanted: fn(&What) -> bool| {
        case.events.iter().find(|event: &&Event| wanted(&event.what)).map(|event| event.at)
    };
    let start = at(|what| matches!(what, What::ActorStarted { .. }));
    let end = at(|what| matches!(what, What::Scan { .. }));
    end.zip(start).map(|(end, start)| end.since(start)).expect("both events are in the log")
}

fn tell(name: &str, times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    let (median, worst) = (times[times.len() / 2].as_secs_f64(), times[times.len() - 1].as_secs_f64());
    println!(
        "{name}: 65,535 ports, {} runs, none missed: median {median:.2} s, worst {worst:.2} s",
        times.len()
    );
    median
}
