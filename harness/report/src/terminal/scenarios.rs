//! One row a scenario, its cases folded.

use std::collections::BTreeMap;

use scandrill_model::{CaseReport, Millis, RunReport, Verdict};

use super::Style;
use super::text::{HEADING, QUIET, clean, count, fill, left, paint, right, seconds, verdict, width};

/// The cases of each scenario, both in the order of the run.
pub fn scenarios(report: &RunReport) -> Vec<(&str, Vec<&CaseReport>)> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut folded: Vec<(&str, Vec<&CaseReport>)> = Vec::new();
    for case in &report.cases {
        let place = *places.entry(&case.scenario).or_insert_with(|| {
            folded.push((&case.scenario, Vec::new()));
            folded.len() - 1
        });
        folded[place].1.push(case);
    }
    folded
}

/// The section; nothing when nothing ran.
pub(super) fn lines(report: &RunReport, style: Style) -> Vec<String> {
    let rows: Vec<Row> = scenarios(report).into_iter().map(|(name, cases)| Row::of(name, &cases)).collect();
    if rows.is_empty() {
        return Vec::new();
    }
    let title = format!("{}, {}", count(rows.len(), "scenario"), count(report.cases.len(), "case"));
    let widths = Widths::of(&rows, style);
    let mut lines = vec![paint(&title, HEADING, style.colour), String::new(), widths.header(style)];
    lines.extend(rows.iter().map(|row| row.line(&widths, style)));
    lines
}

struct Row {
    name: String,
    cases: String,
    verdict: Verdict,
    /// `2 of 4`, or `2 fail, 1 skip, 1 pass` when a scenario's cases came to different verdicts.
    mixed: String,
    took: String,
}

impl Row {
    fn of(name: &str, cases: &[&CaseReport]) -> Self {
        let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
        for case in cases {
            *counts.entry(case.verdict).or_default() += 1;
        }
        let worst_first: Vec<String> =
            counts.iter().rev().map(|(verdict, number)| format!("{number} {verdict}")).collect();
        Self {
            name: clean(name),
            cases: cases.len().to_string(),
            verdict: counts.keys().max().copied().unwrap_or_default(),
            mixed: if worst_first.len() > 1 { worst_first.join(", ") } else { String::new() },
            took: seconds(Millis(cases.iter().map(|case| case.took.0).sum())),
        }
    }

    fn line(&self, widths: &Widths, style: Style) -> String {
        let (word, colour) = verdict(self.verdict);
        let name = clip(&self.name, widths.name);
        let line = [
            left(&name, widths.name),
            right(&self.cases, widths.cases),
            right(&self.took, widths.took),
            paint(word, colour, style.colour) + &fill(word, "ERROR".len()),
            clip(&self.mixed, widths.mixed),
        ];
        line.join("  ").trim_end().to_owned()
    }
}

struct Widths {
    name: usize,
    cases: usize,
    took: usize,
    mixed: usize,
}

impl Widths {
    fn of(rows: &[Row], style: Style) -> Self {
        let widest =
            |text: fn(&Row) -> &str| rows.iter().map(|row| width(text(row))).max().unwrap_or_default();
        let cases = widest(|row| &row.cases).max("cases".len());
        let took = widest(|row| &row.took);
        let fixed = cases + took + "verdict".len() + 3 * 2;
        let name = widest(|row| &row.name).max("scenario".len()).min(style.columns().saturating_sub(fixed));
        let mixed = style.columns().saturating_sub(fixed + name);
        Self { name, cases, took, mixed }
    }

    fn header(&self, style: Style) -> String {
        let line = [
            left("scenario", self.name),
            right("cases", self.cases),
            right("time", self.took),
            "verdict".to_owned(),
        ];
        paint(&line.join("  "), QUIET, style.colour)
    }
}

/// `text`, cut where it is wider than `columns`.
fn clip(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut cut = String::new();
    for c in text.chars() {
        if width(&cut) + width(c.encode_utf8(&mut [0; 4])) + "..".len() > columns {
            break;
        }
        cut.push(c);
    }
    if columns >= 2 { cut + ".." } else { String::new() }
}
