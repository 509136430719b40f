//! The programs that take a rules text. When one refuses it, the error names the file, the line, that line's text
//! and the program's own words.

use std::time::Duration;

use scandrill_model::{CommandLine, Family, Loader};

use crate::error::LabError;
use crate::host::Host;

/// Gives `text` to `loader`.
pub(crate) async fn load(
    host: &Host,
    loader: Loader,
    origin: &str,
    text: &str,
    limit: Duration,
) -> Result<(), LabError> {
    let command = command(loader);
    let finished = host.output(&command, Some(text.as_bytes().to_vec()), limit).await?;
    if finished.status == Some(0) {
        return Ok(());
    }
    let says = String::from_utf8_lossy(&finished.stderr).trim().to_owned();
    let line = line_named(loader, &says).map(|line| line_meant(text, line, &says));
    Err(refused(origin, text, line, &says))
}

fn command(loader: Loader) -> CommandLine {
    let (program, args): (String, &[&str]) = match loader {
        Loader::IptablesRestore { family, backend } => {
            let stem = if family == Family::V4 { "iptables" } else { "ip6tables" };
            (format!("{stem}-{backend}-restore"), &[])
        }
        Loader::Nft => ("nft".to_owned(), &["-f", "-"]),
        Loader::IpsetRestore => ("ipset".to_owned(), &["restore"]),
        Loader::Script { .. } => ("bash".to_owned(), &[]),
    };
    CommandLine { program, args: args.iter().map(ToString::to_string).collect() }
}

/// The line that a program's words name: `/dev/stdin:5:9-12`, `line 3`, `line: 3`, `Error in line 2`.
fn line_named(loader: Loader, says: &str) -> Option<usize> {
    let number = |rest: &str| {
        let digits: String =
            rest.trim_start_matches([' ', ':']).chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    match loader {
        Loader::Nft => says.split_once("stdin:").and_then(|(_, rest)| number(rest)),
        Loader::IptablesRestore { .. } | Loader::IpsetRestore | Loader::Script { .. } => {
            says.split("line").skip(1).find_map(number)
        }
    }
}

/// The line that is wrong where the program names the COMMIT after it: iptables-nft-restore looks for the chains that
/// are jumped to only then (`Chain 'NOWHERE' does not exist`).
fn line_meant(text: &str, line: usize, says: &str) -> usize {
    let jumps_there = |rule: &str| {
        let words: Vec<&str> = rule.split_whitespace().collect();
        let missing = says.split('\'').nth(1);
        words.windows(2).any(|two| ["-j", "-g"].contains(&two[0]) && Some(two[1]) == missing)
    };
    let at_commit = text.lines().nth(line.saturating_sub(1)).is_some_and(|named| named.trim() == "COMMIT");
    let meant = text.lines().take(line).position(jumps_there).filter(|_| at_commit);
    meant.map_or(line, |index| index + 1)
}

/// The error for a text that its loader refused.
pub(crate) fn refused(origin: &str, text: &str, line: Option<usize>, says: &str) -> LabError {
    let quoted =
        line.and_then(|line| text.lines().nth(line.checked_sub(1)?)).map(|line| line.trim().to_owned());
    LabError::Loader { origin: origin.to_owned(), line, text: quoted, tool_says: without_noise(says) }
}

/// A program's words without its advice to read its help, without the place that is named before them, and without
/// the marks below a line that is quoted after them.
fn without_noise(says: &str) -> String {
    let noise = |line: &&str| line.starts_with("Try `") || line.starts_with("Error occurred at line");
    let from_nft = says.starts_with("/dev/stdin:");
    let lines = says.lines().filter(|line| !noise(line)).take(if from_nft { 1 } else { usize::MAX });
    let words: Vec<&str> =
        lines.map(|line| line.split_once("Error: ").map_or(line, |(_, what)| what)).collect();
    words.join("\n")
}
