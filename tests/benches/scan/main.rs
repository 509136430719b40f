//! How long scans take, and what they cost and miss: the built-in scanner, by the kernel's table of verdicts and the
//! plain way, beside nmap and masscan, in the same two namespaces, against the same target, taking turns; the built-in
//! one with the witnesses' captures, too. A port that the built-in scanner reads otherwise than it is ends the benchmark.
//!
//! `cargo bench -p scandrill-tests --bench scan -- [ROW...]`; rows are told by a part of their names. As root: the table
//! needs it.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod lab;
mod rows;
mod run;

use std::error::Error;
use std::io::{Read, Write};
use std::process::ExitCode;

use scandrill_lab::{Inside, Worker, WorkerOptions, dispatch};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    dispatch(work);
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    for (index, row) in rows::all().iter().enumerate() {
        let is_wanted = |text: &String| row.name.contains(text.as_str());
        if !wanted.is_empty() && !wanted.iter().any(is_wanted) {
            continue;
        }
        match in_worker(index) {
            Ok(report) => println!("{report}"),
            Err(error) => {
                println!("{}: {error}", row.name);
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// Each row has a lab of its own.
fn in_worker(row: usize) -> Outcome<String> {
    let options = WorkerOptions { verdicts: true, ..WorkerOptions::default() };
    let mut worker = Worker::start(&row.to_le_bytes(), &options)?;
    let mut report = String::new();
    worker.take_events().read_to_string(&mut report)?;
    let ended = worker.wait()?;
    if ended.code == Some(0) { Ok(report) } else { Err(format!("{report}{}", ended.stderr).into()) }
}

fn work(job: Vec<u8>, mut inside: Inside) -> u8 {
    let row = job.try_into().map_or(0, usize::from_le_bytes);
    let (report, code) = match run::row(&rows::all()[row], inside.verdicts.as_ref()) {
        Ok(report) => (report, 0),
        Err(error) => (error.to_string(), 1),
    };
    u8::from(inside.events.write_all(report.as_bytes()).is_err()).max(code)
}
