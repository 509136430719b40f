//! `scandrill completions`: what a shell needs to complete commands, flags and values.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::CommandLine;
use crate::console::Console;
use crate::failure::Failure;

/// For whom.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Args {
    /// The shell that reads the script
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Prints the script.
pub fn run(args: Args, console: Console) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut CommandLine::command(), "scandrill", &mut script);
    console.out(&String::from_utf8_lossy(&script))?;
    Ok(0)
}
