//! One case with all that is known of it.

use std::fmt::Write as _;

use maud::{Markup, html};
use scandrill_model::{CaseReport, Finding, Verdict};

use super::{Page, causes, collateral, matrix, rules, scenarios, time_line, verdict};

/// The case, `open` or folded; in short where the page has no room.
pub fn article(page: Page<'_>, index: usize, case: &CaseReport, open: bool) -> Markup {
    let failed = case.verdict >= Verdict::Fail;
    let whole = evidence(page, case, failed);
    let left = page.room.get().checked_sub(whole.0.len());
    page.room.set(left.unwrap_or_default());
    html! {
        details.case id={ "c" (index) } open[open] {
            (scenarios::title(case))
            @for problem in &case.problems { p.problem { b { "Problem: " } (problem) } }
            (findings(&case.findings, failed))
            @if left.is_some() { (whole) } @else { (in_short(case)) }
            (notes(case))
            (to_copy(page, case))
        }
    }
}

/// All that its verdict rests on.
fn evidence(page: Page<'_>, case: &CaseReport, failed: bool) -> Markup {
    html! {
        (matrix::figure(&case.matrix))
        (time_line::figures(&case.time_lines, failed))
        (collateral::table(&case.collateral))
        (causes::list(page.texts, case))
        @if failed { (rules::of_case(case)) }
    }
}

/// The same in a sentence each.
fn in_short(case: &CaseReport) -> Markup {
    html! {
        ul.plain {
            @for line in &case.time_lines { li { b { (line.actor) } ": " (time_line::told(line)) } }
            @for client in case.collateral.iter().filter(|client| client.banned.is_some()) {
                li { b { (client.actor) } ": a client that was banned" }
            }
            li.quiet { "In short, as this page is long: " code { "scandrill report FILE --filter NAME" } " tells it whole." }
        }
    }
}

fn findings(findings: &[Finding], failed: bool) -> Markup {
    // What was not met first, in the judge's order.
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    html! {
        @for finding in sorted {
            div.finding {
                p { @if failed { (verdict(finding.verdict)) " " } b { (finding.actor) ": " (finding.subject) } }
                dl {
                    dt { "expected" } dd { (finding.expected) }
                    dt { "observed" } dd { (finding.observed) }
                }
                @if !finding.witnesses.is_empty() {
                    ul.witnesses { @for witness in &finding.witnesses { li { (witness) } } }
                }
            }
        }
    }
}

fn notes(case: &CaseReport) -> Markup {
    html! {
        @if !case.notes.is_empty() {
            ul.plain.quiet { @for note in &case.notes { li { (note) } } }
        }
    }
}

/// Captures to open, and the command to type.
fn to_copy(page: Page<'_>, case: &CaseReport) -> Markup {
    html! {
        @for path in &case.captures {
            p { "Capture: " a href=(link(page.place.captures, path)) { (path) } }
        }
        p { "Repeat: " code { (case.repeat) } }
    }
}

/// A path as an address that can be nothing but a path.
fn link(from: &str, path: &str) -> String {
    let mut address = if path.starts_with('/') { "file://".to_owned() } else { format!("./{from}") };
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-~".contains(&byte) {
            address.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(address, "%{byte:02X}");
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_s_path_is_nothing_but_a_path() {
        assert_eq!(link("../", "out/a[v4,nft]/c.pcapng"), "./../out/a%5Bv4%2Cnft%5D/c.pcapng");
        assert_eq!(link("", "/tmp/x y"), "file:///tmp/x%20y");
        assert_eq!(link("", "javascript:alert(1)"), "./javascript%3Aalert%281%29");
    }
}
