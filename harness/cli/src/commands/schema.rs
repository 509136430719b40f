//! `scandrill schema`: the JSON Schemas, derived from the very types that are read and written.

use clap::ValueEnum;
use scandrill_engine::ScenarioFile;

use super::lint::LintReport;
use crate::console::Console;
use crate::failure::Failure;

/// Which schema.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Args {
    /// Of what: scenario (editors complete and check files with it), report (what `run --json` writes) or lint (what
    /// `lint --json` writes)
    #[arg(value_enum, default_value_t, hide_possible_values = true)]
    pub of: Document,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Document {
    /// A scenario file.
    #[default]
    Scenario,
    /// The report that `run --json` writes.
    Report,
    /// What `lint --json` writes.
    Lint,
}

/// Prints a schema.
pub fn run(args: Args, console: Console) -> Result<u8, Failure> {
    let schema = match args.of {
        Document::Scenario => schemars::schema_for!(ScenarioFile).to_value(),
        Document::Report => scandrill_report::report_schema(),
        Document::Lint => schemars::schema_for!(LintReport).to_value(),
    };
    console.out(&format!("{schema:#}"))?;
    Ok(0)
}
