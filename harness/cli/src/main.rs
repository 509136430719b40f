//! The binary `scandrill`. It is the library's command line and nothing more.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    scandrill::dispatch();
    scandrill::command_line()
}
