//! What a defense costs its machine: memory of tracked connections, of a set of banned addresses and of `recent` lists,
//! beside the manual's table; and processors' time of a flood of SYNs, with and without cookies.
//!
//! `cargo bench -p scandrill-tests --bench cost --profile dev`; as root, because only root may read /proc/slabinfo.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod cookies;
mod memory;
mod slabs;

use std::process::ExitCode;

use scandrill_lab::{Inside, dispatch};
use scandrill_tests::bench::{Outcome, answer, in_worker, load_average};
use serde::{Deserialize, Serialize};

/// What a worker is asked to do.
#[derive(Serialize, Deserialize)]
enum Job {
    /// To have so many entries in the kernel and to keep them.
    Keep(memory::Subject, u32),
    /// To flood with SYNs.
    Cookies,
}

fn main() -> ExitCode {
    dispatch(work);
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Outcome<()> {
    println!("load average before {}\n\n{}", load_average(), memory::table()?);
    println!("{}", in_worker(&serde_json::to_vec(&Job::Cookies)?)?);
    println!("load average after {}", load_average());
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the lab hands it over")]
fn work(job: Vec<u8>, inside: Inside) -> u8 {
    match serde_json::from_slice(&job) {
        Ok(Job::Keep(subject, count)) => memory::keep(subject, count, inside),
        Ok(Job::Cookies) => answer(cookies::compare, inside),
        Err(_) => 1,
    }
}
