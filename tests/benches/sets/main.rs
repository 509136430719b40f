//! What it costs to refuse n addresses: by a set, whose time does not depend on n, and by a chain of n rules, whose does.
//! Packets a second through INPUT, the time of an ordinary request, bulk throughput, loading and adding, for none to
//! 100,000 addresses; all cells are there at once and take turns.
//!
//! `cargo bench -p scandrill-tests --bench sets --profile dev`; it takes about two minutes, and draws
//! `tests/benches/figures/sets.svg` anew.
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

mod cells;
mod figure;
mod measure;
mod table;

use std::process::ExitCode;

use scandrill_lab::{Inside, dispatch};
use scandrill_tests::bench::{Outcome, answer, in_worker, load_average};

use crate::measure::Measured;

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
    let before = load_average();
    let cells: Vec<Measured> = serde_json::from_str(&in_worker(&[])?)?;
    println!("load average before {before}, after {}\n\n{}", load_average(), table::all(&cells));
    figure::draw(&cells)
}

fn work(_: Vec<u8>, inside: Inside) -> u8 {
    answer(async || Ok(serde_json::to_string(&measure::all().await?)?), inside)
}
