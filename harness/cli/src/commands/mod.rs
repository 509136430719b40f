//! The subcommands, one file each, and the way through them: arguments in, exit code out.

pub mod check;
pub mod completions;
pub mod demo;
mod doctor;
pub mod explain;
pub mod lint;
pub mod list;
mod man;
mod output;
pub mod report;
pub mod run;
pub mod schema;
pub mod shell;
pub mod show;

use std::process::ExitCode;

use clap::Parser;
use scandrill_lab::machine;

use crate::args::{Command, CommandLine};
use crate::console::Console;
use crate::failure::Failure;

/// Reads the arguments, does what they ask for, and tells in the exit code how it went.
pub fn main() -> ExitCode {
    let line = CommandLine::parse();
    let console = Console::new(line.color);
    let done = match &line.command {
        Command::Run(args) => run::run(args, console),
        Command::Demo(args) => demo::run(args, console),
        Command::Report(args) => report::run(args, console),
        Command::Check(args) => check::run(args, console),
        Command::Lint(args) => lint::run(args, console),
        Command::List(args) => list::run(args, console),
        Command::Show(args) => show::run(args, console),
        Command::Explain(args) => explain::run(args, console),
        Command::Doctor => doctor::run(console),
        Command::Shell(args) => shell::run(args, console),
        Command::Schema(args) => schema::run(*args, console),
        Command::Completions(args) => completions::run(*args, console),
        Command::Man => man::run(console),
    };
    match done {
        Ok(code) => code.into(),
        Err(failure) => {
            console.err(&failure.text(console));
            failure.exit_code().into()
        }
    }
}

/// Refuses before anything is made when this machine allows no lab.
fn require_isolation() -> Result<(), Failure> {
    machine::check_isolation().map_err(|unable| Failure::Unable {
        message: format!("this machine allows no lab: {}", unable.why),
        help: Some(unable.mend),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        crate::args::CommandLine::command().debug_assert();
    }
}
