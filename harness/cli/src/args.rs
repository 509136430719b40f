//! The command line as types: what clap reads. Each subcommand's own arguments are in its file.

use clap::{Parser, Subcommand, ValueEnum};

use crate::commands::{check, completions, demo, explain, lint, list, report, run, schema, shell, show};

/// Printed below the help of commands that run cases.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  every case passed
  1  a verdict failed
  2  wrong usage, or a file that is wrong
  3  something could not be judged
  4  nothing ran, or with --strict something was skipped";

/// Drills a firewall: builds a lab of network namespaces, installs a defense in it, attacks it with real scanners
/// while ordinary clients use it, and says what held.
#[derive(Debug, Parser)]
#[command(name = "scandrill", version, after_help = EXIT_CODES, arg_required_else_help = true, max_term_width = 100)]
pub struct CommandLine {
    /// When to use colours: auto (on a terminal), always or never
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_possible_values = true
    )]
    pub color: When,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When something is done that a terminal shows better than a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal.
    #[default]
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run scenarios and judge them
    Run(run::Args),
    /// Watch one case live in a terminal, or a recorded one: attack, defense and clients, and how it ends
    Demo(demo::Args),
    /// Tell a run again from its JSON: as a page, as a summary, put together from parts, or beside another run
    Report(report::Args),
    /// Drill your own rules, without a scenario file
    Check(check::Args),
    /// Say what the text of your own rules alone tells, with file and line
    Lint(lint::Args),
    /// List scenarios and their cases, or the layers of defenses
    List(list::Args),
    /// Tell a scenario's plan in words: lab, defense, actors, expectations
    Show(show::Args),
    /// Send one packet in a scenario's lab with its defense in, and say which rule decided, with file and line
    Explain(explain::Args),
    /// Say what this machine needs and has, and how to mend what is missing
    Doctor,
    /// Build a scenario's lab with its defense in, and open a shell in one of its hosts
    Shell(shell::Args),
    /// Print the JSON Schema of scenario files, of the JSON report or of lint's findings
    Schema(schema::Args),
    /// Print the completion script for a shell
    Completions(completions::Args),
    /// Print the manual page (roff)
    Man,
}
