//! The last lines: where it ran, and what came of it.

use scandrill_model::{Collected, RunReport, Verdict};

use super::text::{HEADING, QUIET, count, paint, seconds, verdict, wrap};
use super::{Skips, Style};

/// Where it ran, then the summary.
pub(super) fn lines(report: &RunReport, style: Style) -> Vec<String> {
    let quiet = wrap(&environment(report), style.columns());
    let mut lines: Vec<String> = quiet.iter().map(|line| paint(line, QUIET, style.colour)).collect();
    lines.extend(summary(report, style));
    lines
}

/// `scandrill 0.1.0 on kernel 6.18, as root; nft v1.0.6, nmap 7.93`.
fn environment(report: &RunReport) -> String {
    let who = if report.environment.root { "root" } else { "an ordinary user" };
    let place = format!("scandrill {} on kernel {}, as {who}", report.scandrill, report.environment.kernel);
    let tools = &report.environment.tools;
    // `iptables-nft` speaks for `iptables-nft-restore`, which comes from the same package.
    let is_part = |name: &str| name.match_indices('-').any(|(end, _)| tools.contains_key(&name[..end]));
    let told = tools.iter().filter(|(name, _)| !is_part(name));
    let told: Vec<String> =
        told.map(|(name, version)| format!("{name} {}", version_number(version))).collect();
    if told.is_empty() { place } else { format!("{place}; {}", told.join(", ")) }
}

/// The number in what a program says of its version; all that it says where there is none.
fn version_number(said: &str) -> &str {
    let number = |word: &&str| {
        let digits = word.strip_prefix('v').unwrap_or(word);
        digits.starts_with(|c: char| c.is_ascii_digit()) && digits.contains('.')
    };
    let word = said.split_whitespace().find(number).unwrap_or(said);
    word.trim_end_matches([',', ';']).split('(').next().unwrap_or(word)
}

/// The verdict in its colour, then `2 failed of 3 cases; ...`.
fn summary(report: &RunReport, style: Style) -> Vec<String> {
    let cases = Collected::of(&report.cases);
    let (word, colour) = if report.cases.is_empty() {
        ("NOTHING RAN", verdict(Verdict::Skip).1)
    } else {
        verdict(report.verdict)
    };
    let text = [
        format!("{word} {}", counts(&cases)),
        format!("seed {}", report.seed),
        seconds(report.took),
        exit_code(cases, style.skips),
    ];
    // One column less, because a second space follows the first word.
    let mut lines = wrap(&text.join("; "), style.columns() - 1);
    if let Some(rest) = lines.first().and_then(|line| line.strip_prefix(word)) {
        lines[0] = paint(word, colour.bold(), style.colour) + " " + &paint(rest, HEADING, style.colour);
    }
    lines
}

/// `31 cases: 28 passed, 2 failed, 1 could not be judged`.
fn counts(cases: &Collected) -> String {
    let all = cases.passed + cases.skipped + cases.failed + cases.errors;
    let told = [
        (cases.passed, "passed"),
        (cases.skipped, "skipped"),
        (cases.failed, "failed"),
        (cases.errors, "could not be judged"),
    ];
    let told: Vec<String> = told
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    let colon = if told.is_empty() { "" } else { ": " };
    format!("{}{colon}{}", count(all, "case"), told.join(", "))
}

/// What the process's exit code says.
fn exit_code(cases: Collected, skips: Skips) -> String {
    let code = cases.exit_code(skips == Skips::Strict);
    let meaning = match code {
        0 if cases.skipped > 0 => "all that ran passed",
        0 => "all passed",
        1 => "an expectation was not met",
        3 => "a case could not be judged",
        4 if cases.passed > 0 => "all that ran passed, and --strict counts what was skipped",
        4 => "nothing ran",
        _ => "see the manual page",
    };
    format!("exit code {code}: {meaning}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_a_program_says() {
        let said = [
            ("nftables v1.0.6 (Lester Gooch #5)", "v1.0.6"),
            ("ipset v7.17, protocol version: 7", "v7.17"),
            ("GNU bash, version 5.2.15(1)-release (x86_64-pc-linux-gnu)", "5.2.15"),
            ("Nmap version 7.93 ( https://nmap.org )", "7.93"),
            ("unknown", "unknown"),
        ];
        for (text, number) in said {
            assert_eq!(version_number(text), number);
        }
    }

    #[test]
    fn the_exit_code_is_told_in_words() {
        let passed = Collected { passed: 2, ..Collected::default() };
        let skipped = Collected { skipped: 1, ..passed };
        let failed = Collected { failed: 1, ..skipped };
        let judged = Collected { errors: 1, ..failed };
        let told = [
            (passed, Skips::Strict, "exit code 0: all passed"),
            (skipped, Skips::Allowed, "exit code 0: all that ran passed"),
            (
                skipped,
                Skips::Strict,
                "exit code 4: all that ran passed, and --strict counts what was skipped",
            ),
            (failed, Skips::Strict, "exit code 1: an expectation was not met"),
            (judged, Skips::Allowed, "exit code 3: a case could not be judged"),
            (Collected::default(), Skips::Allowed, "exit code 4: nothing ran"),
        ];
        for (cases, skips, text) in told {
            assert_eq!(exit_code(cases, skips), text);
        }
    }
}
