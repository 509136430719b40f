//! `scandrill explain`: one packet in a scenario's lab with its defense in, and the rule that decided on it. The lab is gone
//! afterwards.

use scandrill_engine::{Job, Planned, Question, question};
use scandrill_lab::{Worker, WorkerOptions, clock, read_lines};
use scandrill_model::{Cause, Event, What};
use scandrill_report::Skips;

use super::require_isolation;
use super::shell::check_needs;
use super::show::planned_one;
use crate::console::Console;
use crate::failure::Failure;

/// Which lab, and which packet.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A scenario file, or the name of a built-in one
    pub scenario: String,
    /// The packet: `tcp SOURCE[:PORT] -> target:PORT [FLAGS]`, `udp SOURCE[:PORT] -> target:PORT` or `icmp SOURCE ->
    /// target`. An actor or a host may stand for its address; TCP has SYN set where no flag is named
    #[arg(long, value_name = "PACKET")]
    pub packet: String,
    /// Send N of them, each from the next source port, and explain the last
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: u16,
    /// The case to build, by a part of its name; the first by default
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
}

/// Builds the lab, sends, and prints the packet's way.
pub fn run(args: &Args, console: Console) -> Result<u8, Failure> {
    let planned = planned_one(&args.scenario, &args.filter)?;
    let question = question(&planned.plan, &args.packet, args.repeat)?;
    check_needs(&planned)?;
    require_isolation()?;
    let cause = followed(&planned, question)?;
    console.out(&scandrill_report::explain(&cause, &console.page(Skips::Allowed)))?;
    Ok(0)
}

/// Runs the worker to its end; gives what became of the packet.
fn followed(planned: &Planned, question: Question) -> Result<Cause, Failure> {
    let unable =
        |what: &str, error: String| Failure::Unable { message: format!("{what}: {error}"), help: None };
    let job = Job::Explain { plan: Box::new(planned.plan.clone()), question: Box::new(question) };
    let job = serde_json::to_vec(&job).map_err(|error| unable("writing the job", error.to_string()))?;
    let mut worker = Worker::start(&job, &WorkerOptions::default())
        .map_err(|error| unable("starting the lab", error.to_string()))?;
    let (mut problems, mut cause) = (Vec::new(), None);
    let until = clock::now() + planned.plan.deadline.into();
    let read = read_lines(worker.take_events(), until, |line| match serde_json::from_slice(line) {
        Ok(Event { what: What::Problem { operation, error }, .. }) => {
            problems.push(format!("{operation}: {error}"));
        }
        Ok(Event { what: What::Followed { cause: told }, .. }) => cause = Some(*told),
        Ok(_) => {}
        Err(error) => problems.push(format!("reading the worker's log: {error}")),
    });
    read.map_err(|error| unable("waiting for the lab", error.to_string()))?;
    worker.wait().map_err(|error| unable("ending the lab", error.to_string()))?;
    if !problems.is_empty() {
        return Err(Failure::Unable { message: problems.join("\n"), help: None });
    }
    cause.ok_or_else(|| unable("following the packet", "the lab ended before".to_owned()))
}
