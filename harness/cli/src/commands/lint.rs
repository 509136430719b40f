//! `scandrill lint`: a static look at rules. Nothing is built, nothing is sent, and nobody has to be root.

use scandrill_defenses::lint::{Finding, lint};
use scandrill_defenses::{Site, rules};
use scandrill_model::{Backend, Tool};

use crate::console::Console;
use crate::failure::Failure;
use crate::rules_file;

const AFTER_HELP: &str = "\
A finding is a hint at a line, and no verdict: `scandrill check` shows what the rules really do. Several files are
read as loaded into one kernel, one after the other.

Examples:
  sudo iptables-save | scandrill lint -
  scandrill lint rules.v4 rules.v6

Exit codes:
  0  nothing was found
  1  something was found
  2  wrong usage, or a file that cannot be read";

/// What to look at, and how to tell it.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Rules: iptables-save format, an nft file or a shell script; "-" for standard input
    #[arg(required = true, value_name = "RULES")]
    pub rules: Vec<String>,
    /// Print the findings as a JSON list of file, line, check, text, why and hint
    #[arg(long)]
    pub json: bool,
}

/// Looks, and tells what was found.
pub fn run(args: &Args, console: Console) -> Result<u8, Failure> {
    // The texts are only read: which back end would load them makes no difference.
    let site = Site {
        backend: Backend::default(),
        tool: Tool::default(),
        services: Vec::new(),
        interface: "eth0".to_owned(),
    };
    let mut steps = Vec::new();
    for path in &args.rules {
        let file = rules_file::read(path)?;
        let format = rules_file::format_of(&file)?;
        steps.extend(rules::steps(&file.name, &file.text, format, &site));
    }
    let findings = lint(&steps);
    let told = if args.json { json(&findings) } else { page(&findings) };
    console.out(&told)?;
    Ok(u8::from(!findings.is_empty()))
}

fn json(findings: &[Finding]) -> String {
    format!("{:#}", serde_json::json!(findings))
}

/// A paragraph for each finding, and how many there are.
fn page(findings: &[Finding]) -> String {
    let paragraph = |Finding { file, line, check, text, why, hint }: &Finding| {
        format!("{file}:{line}: {check}: {why}\n    {}\n  hint: {hint}\n\n", text.trim())
    };
    let count = match findings.len() {
        0 => "nothing found".to_owned(),
        1 => "1 finding".to_owned(),
        count => format!("{count} findings"),
    };
    findings.iter().map(paragraph).chain([count]).collect()
}
