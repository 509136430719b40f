//! Each sentence that was put to the test: held or refuted, and by what.

use scandrill_model::{ClaimReport, Outcome, RunReport};

use super::Style;
use super::text::{HEADING, QUIET, count, fill, left, outcome, paint, width, wrap};

/// From this width on, a sentence and its evidence stand side by side.
const SIDE_BY_SIDE: usize = 140;
/// Columns of the longest outcome and of the gaps between columns.
const OUTCOME: usize = "UNDECIDED".len();
const GAP: &str = "  ";
/// Before what was seen; further lines are indented as far.
const SEEN: &str = "seen: ";
/// Why a page full of refuted claims may end with exit code 0.
const NOTE: &str = "Judged by what was seen. A refuted claim is a finding about its text, and fails no case.";

/// The section; nothing when there was no claim.
pub(super) fn lines(report: &RunReport, style: Style) -> Vec<String> {
    if report.claims.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![heading(&report.claims, style)];
    lines.extend(wrap(NOTE, style.columns()).iter().map(|line| paint(line, QUIET, style.colour)));
    let label = label_width(&report.claims, style);
    for claim in &report.claims {
        lines.push(String::new());
        lines.extend(block(claim, label, style));
    }
    lines
}

/// `Claims: 2 held, 5 refuted`.
fn heading(claims: &[ClaimReport], style: Style) -> String {
    let number = |outcome: Outcome| claims.iter().filter(|claim| claim.outcome == outcome).count();
    let told: Vec<String> = [Outcome::Held, Outcome::Refuted, Outcome::Undecided]
        .into_iter()
        .filter(|outcome| number(*outcome) > 0)
        .map(|outcome| format!("{} {outcome}", number(outcome)))
        .collect();
    let title = format!("{}: {}", count(claims.len(), "claim"), told.join(", "));
    paint(&title, HEADING, style.colour)
}

/// Columns for where a claim is made and which scenario tests it: as many as they need, at most three in ten.
fn label_width(claims: &[ClaimReport], style: Style) -> usize {
    let longest = claims.iter().flat_map(|claim| [width(&claim.source), width(&claim.scenario)]).max();
    longest.unwrap_or_default().min(style.columns() * 3 / 10)
}

fn block(claim: &ClaimReport, label: usize, style: Style) -> Vec<String> {
    let (word, colour) = outcome(claim.outcome);
    let body = style.columns().saturating_sub(OUTCOME + label + 2 * GAP.len()).max(1);
    let mut labels = wrap(&claim.source, label);
    let named = labels.len();
    labels.extend(wrap(&claim.scenario, label));
    let bodies = body_lines(claim, body, style);
    let line = |row: usize| {
        let first = if row == 0 { word } else { "" };
        let place = labels.get(row).map_or("", String::as_str);
        let place_paint = if row < named { anstyle::Style::new() } else { QUIET };
        let line = [
            paint(first, colour, style.colour) + &fill(first, OUTCOME),
            paint(place, place_paint, style.colour) + &fill(place, label),
            bodies.get(row).cloned().unwrap_or_default(),
        ];
        line.join(GAP).trim_end().to_owned()
    };
    (0..labels.len().max(bodies.len())).map(line).collect()
}

/// The sentence and what was seen: one above the other, or side by side where there is room.
fn body_lines(claim: &ClaimReport, columns: usize, style: Style) -> Vec<String> {
    let seen = |columns: usize| -> Vec<String> {
        let lines = wrap(&claim.evidence, columns.saturating_sub(SEEN.len()));
        lines.iter().enumerate().map(|(row, line)| hanging(row, line)).collect()
    };
    if style.columns() < SIDE_BY_SIDE {
        let mut lines = wrap(&claim.text, columns);
        lines.extend(seen(columns));
        return lines;
    }
    let half = (columns - GAP.len()) / 2;
    let (said, seen) = (wrap(&claim.text, half), seen(half));
    let cell = |lines: &[String], row: usize| lines.get(row).cloned().unwrap_or_default();
    (0..said.len().max(seen.len()))
        .map(|row| left(&cell(&said, row), half) + GAP + &cell(&seen, row))
        .collect()
}

fn hanging(row: usize, line: &str) -> String {
    if row == 0 { format!("{SEEN}{line}") } else { format!("{:1$}{line}", "", SEEN.len()) }
}
