//! `scandrill shell`: a scenario's lab with its defense in, and an interactive shell in one of its hosts. The lab is
//! gone when the shell ends.

use std::io::IsTerminal;

use scandrill_engine::{BadFile, Job, Planned, TARGET, is_met, skipped};
use scandrill_lab::{Terminal, Worker, WorkerOptions, clock, read_lines};
use scandrill_model::{Event, Millis, Skipped, What};

use super::require_isolation;
use super::show::planned_one;
use crate::console::Console;
use crate::failure::Failure;

/// Which lab, and where in it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A scenario file, or the name of a built-in one
    pub scenario: String,
    /// The host to work on
    #[arg(default_value = TARGET)]
    pub host: String,
    /// The case to build, by a part of its name; the first by default
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
}

/// Builds the lab, and waits for the shell to end.
pub fn run(args: &Args, console: Console) -> Result<u8, Failure> {
    let planned = planned_one(&args.scenario, &args.filter)?;
    check_host(&planned, &args.host)?;
    check_needs(&planned)?;
    require_isolation()?;
    if !std::io::stdin().is_terminal() {
        console.err("standard input is no terminal: the shell reads commands from it");
    }
    console.err(&format!("{} on {}; `exit` takes the lab away", planned.plan.case, args.host));
    // Ctrl-C is for the shell and what runs in it; this process stays to take the lab away.
    drop(ctrlc::set_handler(|| ()));
    let problems = live(&planned, &args.host)?;
    if problems.is_empty() {
        return Ok(0);
    }
    Err(Failure::Unable { message: problems.join("\n"), help: None })
}

fn check_host(planned: &Planned, host: &str) -> Result<(), Failure> {
    let lab = &planned.plan.lab;
    if lab.host(host).is_some() {
        return Ok(());
    }
    let known: Vec<&str> = lab.hosts.iter().map(|host| host.name.as_str()).collect();
    Err(Failure::usage(format!("no host `{host}` in this lab"), format!("known: {}", known.join(", "))))
}

/// Refuses a lab for which something is missing.
pub fn check_needs(planned: &Planned) -> Result<(), Failure> {
    match planned.plan.needs.iter().find(|need| !is_met(need)) {
        None => Ok(()),
        Some(need) => {
            let Skipped { need, mend } = skipped(need);
            Err(Failure::Nothing { message: format!("this lab needs {need}"), help: Some(mend) })
        }
    }
}

/// Runs the worker to its end; gives what went wrong in it.
fn live(planned: &Planned, host: &str) -> Result<Vec<String>, Failure> {
    let unable =
        |what: &str, error: String| Failure::Unable { message: format!("{what}: {error}"), help: None };
    let job = Job::Shell { plan: Box::new(planned.plan.clone()), host: host.to_owned() };
    let job = serde_json::to_vec(&job).map_err(|error| unable("writing the job", error.to_string()))?;
    let options = WorkerOptions { terminal: Terminal::Inherit, ..WorkerOptions::default() };
    let mut worker =
        Worker::start(&job, &options).map_err(|error| unable("starting the lab", error.to_string()))?;
    let mut problems = Vec::new();
    let until = clock::now() + Millis(u64::from(u32::MAX)).into();
    let read = read_lines(worker.take_events(), until, |line| {
        if let Ok(Event { what: What::Problem { operation, error }, .. }) = serde_json::from_slice(line) {
            problems.push(format!("{operation}: {error}"));
        }
    });
    read.map_err(|error| unable("waiting for the shell", error.to_string()))?;
    worker.wait().map_err(|error| unable("ending the lab", error.to_string()))?;
    Ok(problems)
}

/// A plan's mistakes as a failure.
impl From<Vec<BadFile>> for Failure {
    fn from(bad: Vec<BadFile>) -> Self {
        Self::BadFiles(bad)
    }
}
