//! The built-in scanner beside nmap: in the same lab, against the same policy, they must read every port alike, state
//! and reason, by every technique, over both IP versions. Then what nmap cannot be asked about: a target that limits its
//! own errors, a link that loses packets, and replies that are read inside the kernel.

mod agree;
mod cells;
mod drill;
mod evasions;
mod limits;
mod loss;
mod paths;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use scandrill_engine::work;

fn main() -> ExitCode {
    scandrill_lab::dispatch(work);
    let cells = cells::all();
    let asked: usize = cells.iter().map(cells::Cell::size).sum();
    let mut trials: Vec<Trial> = cells.into_iter().map(agree::trial).collect();
    trials.push(Trial::test(format!("{asked} ports are compared"), move || {
        if asked >= PORTS_MIN { Ok(()) } else { Err(format!("fewer than {PORTS_MIN}").into()) }
    }));
    trials.extend(evasions::trials());
    trials.extend(limits::trials());
    trials.extend(loss::trials());
    trials.extend(paths::trials());
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What is promised.
const PORTS_MIN: usize = 5_000;
