//! The lab on a real kernel: what is built, that it carries packets, and that nothing of it outlives its end.
//! It runs as root and as an ordinary user. Each test is a case of its own: `inside` has what runs in workers,
//! `ends` what a runner sees when something of a case is killed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "by these the test's own processes speak")]

mod blue;
mod daemons;
mod decisions;
mod ends;
mod floods;
mod following;
mod forwarding;
mod inside;
mod klog;
mod operating;
mod packets;
mod plans;
mod record;
mod verdicts;
mod wire;
mod world;

use std::io::Read;

use libtest_mimic::{Arguments, Failed, Trial};
use scandrill_lab::{Worker, WorkerOptions};

fn main() {
    scandrill_lab::dispatch(inside::work);
    if let Some(code) = ends::be_a_runner() {
        std::process::exit(code);
    }
    let mut arguments = Arguments::from_args();
    // Labs are many processes; more at once than there are cores only makes each slower.
    arguments.test_threads = arguments.test_threads.or(Some(scandrill_lab::machine::cores()));
    let inside = jobs().map(|(name, _)| Trial::test(format!("inside/{name}"), move || run(name)));
    let trials = inside.chain(ends::trials()).chain(record::trials()).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

/// What is tested inside of workers.
fn jobs() -> impl Iterator<Item = &'static (&'static str, inside::Job)> {
    let of_labs =
        inside::JOBS.iter().chain(wire::JOBS).chain(blue::JOBS).chain(forwarding::JOBS).chain(klog::JOBS);
    of_labs
        .chain(verdicts::JOBS)
        .chain(world::JOBS)
        .chain(operating::JOBS)
        .chain(floods::JOBS)
        .chain(daemons::JOBS)
        .chain(decisions::JOBS)
        .chain(following::JOBS)
}

/// Runs one job to its end; what it printed is the failure's text.
fn run(job: &str) -> Result<(), Failed> {
    let options = WorkerOptions { verdicts: true, ..WorkerOptions::default() };
    let mut worker = Worker::start(job.as_bytes(), &options)?;
    let mut events = String::new();
    worker.take_events().read_to_string(&mut events)?;
    let ended = worker.wait()?;
    if ended.code == Some(0) {
        Ok(())
    } else {
        Err(format!("{:?}\n{events}{}", ended.code, ended.stderr).into())
    }
}
