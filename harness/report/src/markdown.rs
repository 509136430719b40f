//! The report as GitHub's Markdown, as a CI job's page shows it: counts, what did not pass with its evidence, claims, and
//! what took longest.

use std::fmt::Write as _;

use scandrill_model::{BanOutcome, CaseReport, Collected, Finding, Outcome, RunReport, Verdict};

use crate::ban;
use crate::terminal::{count, seconds, skipped};
use crate::why;

/// Cases that are told with their evidence; a job's page may hold a megabyte, and a reader less.
const TOLD: usize = 20;
/// How many sources' bans are told of one case.
const BANS: usize = 3;
/// How many of the longest cases are named.
const SLOWEST: usize = 5;

/// The summary.
pub fn markdown(report: &RunReport) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = head(&mut text, report);
    let _ = troubles(&mut text, report);
    let _ = claims(&mut text, report);
    let _ = skips(&mut text, report);
    let _ = slowest(&mut text, report);
    text
}

type Written = std::fmt::Result;

fn head(text: &mut String, report: &RunReport) -> Written {
    let cases = Collected::of(&report.cases);
    let word = if report.cases.is_empty() { "nothing ran".to_owned() } else { report.verdict.to_string() };
    writeln!(text, "## scandrill: {word}\n")?;
    writeln!(
        text,
        "| cases | passed | failed | not judged | skipped | time |\n|---:|---:|---:|---:|---:|---:|"
    )?;
    writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} |\n",
        report.cases.len(),
        cases.passed,
        cases.failed,
        cases.errors,
        cases.skipped,
        seconds(report.took)
    )?;
    writeln!(
        text,
        "scandrill {} on kernel {}, seed {}",
        escape(&report.scandrill),
        escape(&report.environment.kernel),
        report.seed
    )
}

fn troubles(text: &mut String, report: &RunReport) -> Written {
    let troubles: Vec<&CaseReport> =
        report.cases.iter().filter(|case| case.verdict >= Verdict::Fail).collect();
    if troubles.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n### Did not pass\n")?;
    for case in troubles.iter().take(TOLD) {
        trouble(text, case)?;
    }
    match troubles.len().saturating_sub(TOLD) {
        0 => Ok(()),
        more => writeln!(text, "and {more} more"),
    }
}

fn trouble(text: &mut String, case: &CaseReport) -> Written {
    writeln!(text, "- **{}** {}", case.verdict, code(&case.name))?;
    for problem in &case.problems {
        writeln!(text, "  - {}", escape(problem))?;
    }
    for finding in case.findings.iter().filter(|finding| finding.verdict >= Verdict::Fail) {
        self::finding(text, finding)?;
    }
    for cause in case.causes.iter().take(1) {
        let rule = cause.decided_by.as_ref().map_or("no rule", |rule| rule.rule.as_str());
        let others = why::others(cause);
        writeln!(text, "  - {}{others} {}, by {}", code(&cause.packet), escape(&cause.fate), code(rule))?;
    }
    for line in case.time_lines.iter().filter(|line| line.outcome != BanOutcome::NotBanned).take(BANS) {
        writeln!(text, "  - {}: {}", escape(&line.actor), escape(&ban::told(line)))?;
    }
    writeln!(text, "  - {}", code(&case.repeat))
}

fn finding(text: &mut String, finding: &Finding) -> Written {
    writeln!(
        text,
        "  - {}: {}: expected **{}**, observed **{}**",
        escape(&finding.actor),
        escape(&finding.subject),
        escape(&finding.expected),
        escape(&finding.observed)
    )
}

fn claims(text: &mut String, report: &RunReport) -> Written {
    if report.claims.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n### Claims\n\n| | claim | seen |\n|---|---|---|")?;
    for claim in &report.claims {
        let outcome = match claim.outcome {
            Outcome::Held => "held",
            Outcome::Refuted => "**refuted**",
            Outcome::Undecided => "undecided",
        };
        writeln!(text, "| {outcome} | {} | {} |", escape(&claim.text), escape(&claim.evidence))?;
    }
    Ok(())
}

fn skips(text: &mut String, report: &RunReport) -> Written {
    for (index, ((need, mend), cases)) in skipped(report).into_iter().enumerate() {
        if index == 0 {
            writeln!(text, "\n### Skipped\n")?;
        }
        writeln!(text, "- {}: {} is missing; {}", count(cases.len(), "case"), escape(need), code(mend))?;
    }
    Ok(())
}

fn slowest(text: &mut String, report: &RunReport) -> Written {
    let mut cases: Vec<&CaseReport> = report.cases.iter().filter(|case| case.took.0 > 0).collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.took));
    if cases.len() <= SLOWEST {
        return Ok(());
    }
    writeln!(text, "\n### Slowest\n")?;
    for case in cases.iter().take(SLOWEST) {
        writeln!(text, "- {}, {}", seconds(case.took), code(&case.name))?;
    }
    Ok(())
}

/// Text that Markdown takes for nothing but text, on one line.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in crate::terminal::clean(text).chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            // Somebody of that name would be told.
            '@' => safe.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '+' | '|' | '~' => {
                safe.push('\\');
                safe.push(c);
            }
            _ => safe.push(c),
        }
    }
    safe
}

/// Text as code, whatever backticks it has.
fn code(text: &str) -> String {
    let text = crate::terminal::clean(text);
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let room = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{room}{text}{room}{fence}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_job_s_page_has_counts_failures_claims_and_what_took_longest() {
        insta::assert_snapshot!(markdown(&fixture::everything()));
    }

    #[test]
    fn a_run_that_passed_is_short() {
        let text = markdown(&fixture::all_passed());
        assert!(text.starts_with("## scandrill: pass\n") && text.lines().count() < 10, "{text}");
    }

    #[test]
    fn nothing_of_a_scenario_is_taken_for_markdown() {
        assert_eq!(
            escape("<b>*x*</b>\n| [a](http://b) @all"),
            "&lt;b&gt;\\*x\\*&lt;/b&gt; \\| \\[a\\](http://b) &#64;all"
        );
        assert_eq!(code("a`b``c"), "```a`b``c```");
        assert_eq!(code("`a"), "`` `a ``");
    }

    #[test]
    fn many_failures_are_counted_and_not_all_told() {
        let text = markdown(&fixture::many(400));
        assert!(text.contains("and 20 more"), "{text}");
        assert!(text.len() < 64 * 1024, "{}", text.len());
    }
}
