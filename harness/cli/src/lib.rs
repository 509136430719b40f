//! scandrill's command line, and the few functions by which a project's own `cargo test` runs scenarios:
//!
//! ```no_run
//! // tests/firewall.rs, with `harness = false` in Cargo.toml
//! fn main() -> std::process::ExitCode { scandrill::test_folder("tests/firewall") }
//! ```
//!
//! Architecture invariant: only here is anything printed, and only here does a process end. What a run found is
//! decided in the engine and put into words by the report.
#![forbid(unsafe_code)]

mod args;
mod captures;
mod commands;
mod console;
mod failure;
mod interrupt;
mod progress;
mod selection;
mod shard;
mod sources;
mod testing;

use std::process::ExitCode;

pub use testing::{TestRun, test_folder};

/// Becomes a process of a case where the runner started this binary as one, and then never returns. It must be
/// the first call in `main` of every binary that runs cases; [`test_folder`] makes it itself.
pub fn dispatch() {
    scandrill_lab::dispatch(scandrill_engine::work);
}

/// Reads the process's arguments, does what they ask for, and gives the exit code: 0 all pass, 1 a verdict failed,
/// 2 usage or a bad file, 3 something could not be judged, 4 nothing ran or (strict) something was skipped.
pub fn command_line() -> ExitCode {
    commands::main()
}
