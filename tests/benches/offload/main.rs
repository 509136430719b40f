//! What GRO, several receive queues and RPS do for the filter of a virtual link: throughput and the time of an ordinary
//! request, and packets a second that are refused, each with and without, all cells taking turns.
//!
//! `cargo bench -p scandrill-tests --bench offload --profile dev`; it needs ethtool.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod bulk;
mod cell;
mod spread;

use std::process::ExitCode;

use scandrill_lab::{Inside, dispatch};
use scandrill_tests::bench::{Outcome, answer, in_worker, load_average};

fn main() -> ExitCode {
    dispatch(work);
    let before = load_average();
    match in_worker(&[]) {
        Ok(tables) => {
            println!("load average before {before}, after {}\n\n{tables}", load_average());
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn work(_: Vec<u8>, inside: Inside) -> u8 {
    answer(tables, inside)
}

async fn tables() -> Outcome<String> {
    Ok(bulk::table().await? + "\n" + &spread::table().await?)
}
