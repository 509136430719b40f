//! `scandrill run`: scenarios in, a judged report out.

use std::path::PathBuf;

use scandrill_engine::{Planned, RunOptions, Scanner, run as run_cases};
use scandrill_lab::{clock, machine};
use scandrill_model::{Collected, RunReport};
use strum::IntoEnumIterator;

use super::output::{Asked, Paged};
use super::require_isolation;
use crate::args::EXIT_CODES;
use crate::captures::Captures;
use crate::console::Console;
use crate::failure::Failure;
use crate::progress::Follower;
use crate::selection::Selection;
use crate::shard::Shard;

/// What to run, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line, on its own")]
pub struct Args {
    /// Scenario files, folders of them, or names of built-in ones; the built-in ones by default, except those that
    /// are slow or must fail
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// Run slow scenarios too
    #[arg(long)]
    pub slow: bool,
    /// Run only the cases whose name contains TEXT; several add up
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// Run only the cases of these scanners
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = scanner_parser())]
    pub scanner: Vec<Scanner>,
    /// Labs at the same time [default: eight for each processor]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Start of all random choices; the same seed and case give the same plan [default: the time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Run only the K-th of N parts, for N machines with the same seed; `scandrill report` puts their reports together
    #[arg(long, value_name = "K/N", requires = "seed")]
    pub shard: Option<Shard>,
    /// The forms of the report to write.
    #[command(flatten)]
    pub asked: Asked,
    /// Where the captures of what did not pass are kept [default: a folder of temporary files]
    #[arg(long, value_name = "DIR")]
    pub pcap: Option<PathBuf>,
    /// Keep the captures of what passed, too
    #[arg(long, requires = "pcap")]
    pub pcap_all: bool,
    /// What is told on the terminal.
    #[command(flatten)]
    pub paged: Paged,
    /// Start nothing more after the first case that fails or cannot be judged
    #[arg(long, overrides_with = "keep_going")]
    pub fail_fast: bool,
    /// Run all cases, whatever comes of them (the default)
    #[arg(long)]
    pub keep_going: bool,
    /// Say nothing until the end
    #[arg(long, short)]
    pub quiet: bool,
}

/// Runs what is asked for.
pub fn run(args: &Args, console: Console) -> Result<u8, Failure> {
    let selection = Selection {
        paths: args.paths.clone(),
        filters: args.filter.clone(),
        scanners: args.scanner.clone(),
        slow: args.slow,
        seed: args.seed.unwrap_or_else(seed_of_now),
    };
    let planned = selection.plan()?;
    let planned = match args.shard {
        Some(shard) => part(shard, planned)?,
        None => planned,
    };
    let outputs = args.asked.open()?;
    require_isolation()?;
    let captures = Captures::in_folder(args.pcap.as_deref())?;
    let options = RunOptions {
        seed: selection.seed,
        jobs: jobs(args.jobs),
        fail_fast: args.fail_fast,
        captures: captures.folder().to_owned(),
        keep_all_captures: args.pcap_all,
        keep_events: args.asked.json.is_some(),
    };
    let report = follow(&planned, &options, &Follower::new(console, args.quiet, planned.len()));
    captures.settle();
    let on_stdout = outputs.on_stdout();
    outputs.write(&report, console)?;
    if !on_stdout {
        console.out(&scandrill_report::terminal(&report, &args.paged.style(console)))?;
    }
    Ok(Collected::of(&report.cases).exit_code(args.paged.strict))
}

/// A part of a run that has something to run.
fn part(shard: Shard, planned: Vec<Planned>) -> Result<Vec<Planned>, Failure> {
    let number = planned.len();
    let part = shard.of(planned);
    if part.is_empty() {
        return Err(Failure::Nothing {
            message: format!("this part of {number} cases is empty"),
            help: Some("cut the run into fewer parts".to_owned()),
        });
    }
    Ok(part)
}

/// Runs cases while a person or a log follows.
pub fn follow(planned: &[Planned], options: &RunOptions, follower: &Follower) -> RunReport {
    let report = run_cases(planned, options, &|progress| follower.see(progress));
    follower.end();
    report
}

/// How many labs at once: a case mostly waits for timers. Measured on two processors, the default run takes 78 s with
/// 4 labs at once, 54 s with 8, 40 s with 16, and no less with 32.
pub fn jobs(asked: Option<u16>) -> usize {
    asked.map_or_else(|| machine::cores() * 8, usize::from)
}

/// A seed that a person can type: the clock's lowest 32 bits.
pub fn seed_of_now() -> u64 {
    clock::now().0 & u64::from(u32::MAX)
}

/// The scanners' names, as clap offers and reads them.
pub fn scanner_parser() -> impl clap::builder::TypedValueParser<Value = Scanner> {
    use clap::builder::TypedValueParser;
    let names: Vec<String> = Scanner::iter().map(|scanner| scanner.to_string()).collect();
    clap::builder::PossibleValuesParser::new(names).try_map(|name| name.parse::<Scanner>())
}
