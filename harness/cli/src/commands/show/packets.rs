//! `scandrill show --packets`: what each attacker would send, packet by packet, and nothing is sent.

use std::time::Duration;

use scandrill_engine::{Plan, RedPlan, Scanner, dry_run, foreign_commands};
use scandrill_lab::in_words;
use scandrill_model::CommandLine;

use crate::console::Console;
use crate::failure::Failure;

/// How much text is gathered before it is printed: a scan of all ports is some megabytes.
const CHUNK: usize = 1 << 16;

/// Prints each attacker of a plan.
pub fn print(plan: &Plan, console: Console) -> Result<(), Failure> {
    for red in &plan.reds {
        console.out(&format!("{} by {}, if nothing answers", red.name, red.scanner))?;
        match red.scanner {
            Scanner::Builtin => packets(red, console)?,
            Scanner::Nmap | Scanner::Masscan | Scanner::Zmap => console.out(&commands(red))?,
        }
    }
    Ok(())
}

/// `0.000000 198.18.2.10.41233 > 198.18.0.1.22: tcp SYN, ...`, a line each.
fn packets(red: &RedPlan, console: Console) -> Result<(), Failure> {
    let mut text = String::new();
    let mut printed = Ok(());
    let run = dry_run(&red.scan, |at, packet| {
        text.push_str(&line(at, packet));
        if text.len() > CHUNK {
            printed = console.out(&text);
            text.clear();
        }
        printed.is_ok()
    });
    run.map_err(|error| Failure::Usage { message: format!("`{}`: {error}", red.name), help: None })?;
    printed?;
    Ok(console.out(&text)?)
}

fn line(at: Duration, packet: &[u8]) -> String {
    format!("{:.6} {}\n", at.as_secs_f64(), in_words(packet))
}

/// The command lines of somebody else's scanner.
fn commands(red: &RedPlan) -> String {
    let line = |command: &CommandLine| format!("{} {}\n", command.program, command.args.join(" "));
    foreign_commands(red).iter().map(line).collect()
}
