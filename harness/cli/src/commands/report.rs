//! `scandrill report`: what a run was told as, told again in other forms; parts of one run put together; two runs beside
//! each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use scandrill_model::{Collected, RunReport};
use scandrill_report::compare::{Way, compare};
use scandrill_report::merge;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::output::{Asked, Paged};
use crate::console::Console;
use crate::failure::Failure;

/// Printed below the help.
const EXIT_CODES_HERE: &str = "\
Exit codes:
  0  every case of the run passed; with --compare, nothing got worse
  1  a verdict failed; with --compare, something got worse
  2  wrong usage, or a file that is no report
  3  something could not be judged
  4  nothing ran, or with --strict something was skipped";

/// Which reports, and in which forms.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES_HERE)]
pub struct Args {
    /// Reports that `--json` wrote; several are parts of one run, in their order
    #[arg(value_name = "RESULT", required = true)]
    pub files: Vec<PathBuf>,
    /// Tell what got better and what worse from the first of two reports to the second: verdicts, claims, leaked ports, time
    /// to ban, clients, rules that never match
    #[arg(long, conflicts_with_all = ["json", "junit", "matrix", "strict"])]
    pub compare: bool,
    /// Tell only the cases whose name contains TEXT; several add up
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// The forms to write.
    #[command(flatten)]
    pub asked: Asked,
    /// What is told on the terminal.
    #[command(flatten)]
    pub paged: Paged,
}

/// Tells it.
pub fn run(args: &Args, console: Console) -> Result<u8, Failure> {
    let reports = args.files.iter().map(|path| Ok((path.display().to_string(), read(path)?)));
    let reports: Vec<(String, RunReport)> = reports.collect::<Result<_, Failure>>()?;
    if args.compare {
        return compared(args, &reports, console);
    }
    let whole = merge(reports).map_err(|error| Failure::Usage { message: error.to_string(), help: None })?;
    let whole = filtered(whole, &args.filter)?;
    let outputs = args.asked.open()?;
    let on_stdout = outputs.on_stdout();
    outputs.write(&whole, console)?;
    if !on_stdout {
        console.out(&scandrill_report::terminal(&whole, &args.paged.style(console)))?;
    }
    Ok(Collected::of(&whole.cases).exit_code(args.paged.strict))
}

/// Two runs beside each other.
fn compared(args: &Args, reports: &[(String, RunReport)], console: Console) -> Result<u8, Failure> {
    let [(_, old), (_, new)] = reports else {
        let message = format!("--compare takes two reports, and there are {}", reports.len());
        return Err(Failure::usage(message, "scandrill report --compare OLD.json NEW.json"));
    };
    let old = filtered(old.clone(), &args.filter)?;
    let new = filtered(new.clone(), &args.filter)?;
    let comparison = compare(&old, &new);
    let outputs = args.asked.open()?;
    let on_stdout = outputs.on_stdout();
    outputs.write_comparison(&comparison, console)?;
    if !on_stdout {
        console.out(&scandrill_report::compare::terminal(&comparison, &args.paged.style(console)))?;
    }
    Ok(u8::from(comparison.count(Way::Worse) > 0))
}

/// The cases that are asked for, and what is told of them.
fn filtered(mut report: RunReport, filters: &[String]) -> Result<RunReport, Failure> {
    if filters.is_empty() {
        return Ok(report);
    }
    report.cases.retain(|case| filters.iter().any(|text| case.name.contains(text)));
    if report.cases.is_empty() {
        return Err(Failure::Nothing {
            message: format!("no case's name contains {}", filters.join(" or ")),
            help: None,
        });
    }
    let scenarios: BTreeSet<&str> = report.cases.iter().map(|case| case.scenario.as_str()).collect();
    report.claims.retain(|claim| scenarios.contains(claim.scenario.as_str()));
    report.distributions.retain(|one| filters.iter().any(|text| one.case.contains(text)));
    report.verdict = report.cases.iter().map(|case| case.verdict).max().unwrap_or_default();
    Ok(report)
}

/// What tells a report from other JSON, whatever its version.
#[derive(Deserialize)]
struct Head {
    version: Option<u32>,
    scandrill: Option<String>,
}

/// Reads a report.
fn read(path: &Path) -> Result<RunReport, Failure> {
    let name = path.display();
    let wrong = |message: String| Failure::Usage { message, help: None };
    let text = fs::read_to_string(path).map_err(|error| wrong(format!("reading {name}: {error}")))?;
    let placed = |error: &serde_json::Error| {
        let said = error.to_string();
        let end = said.rfind(" at line ").unwrap_or(said.len());
        format!("{name}:{}:{}: {}", error.line(), error.column(), &said[..end])
    };
    let no_report = || {
        Failure::usage(
            format!("{name} is JSON, but no report of scandrill's"),
            "a report is what `scandrill run --json FILE` writes",
        )
    };
    serde_json::from_str::<IgnoredAny>(&text).map_err(|error| wrong(placed(&error)))?;
    if !text.trim_start().starts_with('{') {
        return Err(no_report());
    }
    let head: Head = serde_json::from_str(&text).map_err(|error| wrong(placed(&error)))?;
    match head {
        Head { version: Some(RunReport::VERSION), scandrill: Some(_) } => {
            serde_json::from_str(&text).map_err(|error| wrong(placed(&error)))
        }
        Head { version: Some(version), scandrill: Some(by) } => Err(Failure::usage(
            format!(
                "{name} is a report of version {version}, by scandrill {by}; this one reads version {}",
                RunReport::VERSION
            ),
            "render it with the scandrill that wrote it",
        )),
        Head { .. } => Err(no_report()),
    }
}
