//! `scandrill lint`: what the text of rules alone tells, with file and line; no lab is built, and nothing is loaded.

use std::path::PathBuf;

use scandrill_defenses::lint::{Finding, checks, lint};
use scandrill_defenses::{Site, rules};
use scandrill_engine::SourceFile;
use scandrill_model::{Backend, Step, Tool};
use scandrill_report::{Colour, Skips, Style, clean, wrap};
use schemars::JsonSchema;
use serde::Serialize;

use super::check::{format_of, rules_file};
use super::output::{Output, write};
use crate::console::Console;
use crate::failure::Failure;

const AFTER_HELP: &str = "\
A finding is a hint about a line. What holds is told by `scandrill check`, which drills the rules.

Examples:
  (sudo ipset save; sudo iptables-save; sudo ip6tables-save) | scandrill lint -
  scandrill lint /etc/nftables.conf
  scandrill lint /etc/iptables/rules.v4 /etc/iptables/rules.v6

Exit codes:
  0  nothing was found
  1  something was found
  2  wrong usage, or a file that cannot be read";

/// What to look at.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Your rules: iptables-save format, an nft file or a shell script; "-" for standard input; several belong together
    #[arg(required_unless_present = "checks", value_name = "RULES")]
    pub rules: Vec<String>,
    /// Write the findings as JSON, "-" for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// List what is looked for instead
    #[arg(long, conflicts_with_all = ["rules", "json"])]
    pub checks: bool,
}

/// What `lint --json` writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LintReport {
    /// Version of this format.
    pub version: u32,
    /// The files, as they were named.
    pub files: Vec<String>,
    /// In the order of the files and of their lines.
    pub findings: Vec<Finding>,
}

/// The version of the format that this build writes.
const VERSION: u32 = 1;

/// Looks at the rules, and tells what it finds.
pub fn run(args: &Args, console: Console) -> Result<u8, Failure> {
    if args.checks {
        console.out(&listed())?;
        return Ok(0);
    }
    let json = args.json.as_deref().map(Output::open).transpose()?;
    let files = args.rules.iter().map(|path| rules_file(path)).collect::<Result<Vec<_>, _>>()?;
    let steps: Vec<Vec<Step>> = files.iter().map(steps).collect::<Result<_, _>>()?;
    let files = files.into_iter().map(|file| file.name).collect();
    let report = LintReport { version: VERSION, files, findings: lint(&steps.concat()) };
    let on_stdout = matches!(json, Some(Output::Stdout));
    write(json, console, || as_json(&report))?;
    if !on_stdout {
        console.out(&page(&report, &console.page(Skips::Allowed)))?;
    }
    Ok(u8::from(!report.findings.is_empty()))
}

/// The loads of a file. Which back end and interface a lab would have makes no difference to the text.
fn steps(file: &SourceFile) -> Result<Vec<Step>, Failure> {
    let site = Site {
        backend: Backend::default(),
        tool: Tool::default(),
        services: Vec::new(),
        interface: "eth0".to_owned(),
    };
    Ok(rules::steps(&file.name, &file.text, format_of(file)?, &site))
}

#[expect(clippy::expect_used, reason = "texts and numbers alone make JSON")]
fn as_json(report: &LintReport) -> String {
    serde_json::to_string_pretty(report).expect("no key is anything but a string") + "\n"
}

/// Every check in one line.
fn listed() -> String {
    let width = checks().iter().map(|check| check.name().len()).max().unwrap_or_default();
    let lines = checks().iter().map(|check| format!("{:width$}  {}\n", check.name(), check.about()));
    lines.collect()
}

/// For people: each finding with its line, and a last line that counts them.
fn page(report: &LintReport, style: &Style) -> String {
    let mut text: String = report.findings.iter().map(|finding| told(finding, style) + "\n").collect();
    text.push_str(&summary(report));
    text.push('\n');
    text
}

fn told(finding: &Finding, style: &Style) -> String {
    let head = format!("{}:{}  {}", clean(&finding.file), finding.line, finding.check);
    let head = if style.colour == Colour::On { format!("\x1b[1m{head}\x1b[0m") } else { head };
    // The line is there to be found again: it is never broken.
    let line = clean(&finding.text);
    let said = [finding.why.clone(), format!("hint: {}", finding.hint)];
    let said = said.iter().flat_map(|text| wrap(text, style.width.max(40) - 2));
    let below: String = std::iter::once(line).chain(said).map(|line| ["  ", &line, "\n"].concat()).collect();
    format!("{head}\n{below}")
}

fn summary(report: &LintReport) -> String {
    let counted =
        |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    let files = counted(report.files.len(), "file");
    match report.findings.len() {
        0 => format!("nothing found in {files}"),
        found => format!("{} in {files}", counted(found, "finding")),
    }
}
