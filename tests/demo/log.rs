//! The log that a view is given is the log that is judged.

use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Failed, Trial};
use scandrill_engine::{Planned, Progress, RunOptions, Scanner, SourceFile, expand, plan_all, read, run};
use scandrill_model::{Event, RunReport, Verdict, What};

/// Tests that need no terminal.
pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("each event of a live case is handed on, and the report has the same", live),
        Trial::test("a case that nobody follows live tells nothing more than before", not_live),
    ]
}

fn planned(live: bool) -> Result<Planned, Failed> {
    let file = SourceFile::new("short.toml", super::SHORT);
    let scenario = read("short", &file, &|path| Err(format!("no {path}"))).map_err(|bad| bad.to_string())?;
    let cases = expand(&Arc::new(scenario), &[Scanner::Builtin]);
    let mut planned = plan_all(cases, 7, |_| String::new()).map_err(|bad| format!("{bad:?}"))?;
    let mut one = planned.pop().ok_or("no case")?;
    one.plan.live = live;
    Ok(one)
}

/// Runs the case; gives its report, and what was handed on.
fn ran(live: bool) -> Result<(RunReport, Vec<Event>), Failed> {
    let folder = tempfile::tempdir()?;
    let options = RunOptions {
        seed: 7,
        jobs: 1,
        fail_fast: false,
        captures: folder.path().join("captures"),
        keep_all_captures: false,
        keep_events: true,
    };
    let told = Mutex::new(Vec::new());
    let report = run(&[planned(live)?], &options, &|progress| {
        if let Progress::Event(event) = progress {
            told.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        }
    });
    if report.verdict != Verdict::Pass {
        return Err(format!("{:?}", report.cases).into());
    }
    Ok((report, told.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

fn live() -> Result<(), Failed> {
    let (report, told) = ran(true)?;
    if report.cases[0].events != told {
        return Err("another log was handed on than that of the report".into());
    }
    // Both while it went on and at its end.
    let requests = told.iter().filter(|event| matches!(event.what, What::Request { .. })).count();
    let all = told.iter().find_map(|event| {
        let What::Requests { failures, .. } = &event.what else { return None };
        Some(failures.len())
    });
    let at =
        |is_it: fn(&What) -> bool| told.iter().filter(move |event| is_it(&event.what)).map(|event| event.at);
    let scanned = at(|what| matches!(what, What::Scan { .. })).next().ok_or("no scan")?;
    let before = at(|what| matches!(what, What::Traffic { .. })).filter(|at| *at < scanned).count();
    let glimpses = at(|what| matches!(what, What::Glimpsed { .. })).count();
    if Some(requests) != all || before < 3 || glimpses < 3 {
        return Err(format!("{requests} requests of {all:?}, {before} traffic, {glimpses} glimpses").into());
    }
    Ok(())
}

fn not_live() -> Result<(), Failed> {
    let (report, told) = ran(false)?;
    let is_live = |event: &&Event| {
        matches!(event.what, What::Traffic { .. } | What::Glimpsed { .. } | What::Request { .. })
    };
    match told.iter().find(is_live) {
        None if report.cases[0].events == told => Ok(()),
        None => Err("another log was handed on than that of the report".into()),
        Some(event) => Err(format!("{event:?}").into()),
    }
}
