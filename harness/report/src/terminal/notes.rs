//! What a reader should know beside the verdicts: each note once, with the scenarios whose cases gave it.

use scandrill_model::RunReport;

use super::Style;
use super::scenarios::scenarios;
use super::text::{HEADING, QUIET, clean, count, paint, wrap};

/// How many scenarios of one note are named.
const NAMED: usize = 4;

/// The section; nothing when nothing was noticed.
pub(super) fn lines(report: &RunReport, style: Style) -> Vec<String> {
    let notes = by_note(report);
    if notes.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![paint(&count(notes.len(), "note"), HEADING, style.colour)];
    for (note, scenarios) in notes {
        lines.extend(indented(note, 2, style));
        let given = indented(&names(&scenarios), 4, style);
        lines.extend(given.iter().map(|line| paint(line, QUIET, style.colour)));
    }
    lines
}

/// Notes in the order of the run, each with its scenarios.
pub fn by_note(report: &RunReport) -> Vec<(&str, Vec<&str>)> {
    let mut notes: Vec<(&str, Vec<&str>)> = Vec::new();
    for (scenario, cases) in scenarios(report) {
        for note in cases.iter().flat_map(|case| &case.notes) {
            match notes.iter_mut().find(|(known, _)| known == note) {
                Some((_, given)) if given.contains(&scenario) => {}
                Some((_, given)) => given.push(scenario),
                None => notes.push((note, vec![scenario])),
            }
        }
    }
    notes
}

fn names(scenarios: &[&str]) -> String {
    let named = scenarios.iter().take(NAMED).map(|name| clean(name)).collect::<Vec<_>>().join(", ");
    match scenarios.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

fn indented(text: &str, indent: usize, style: Style) -> Vec<String> {
    let lines = wrap(text, style.columns() - indent).into_iter();
    lines.map(|line| format!("{:indent$}{line}", "")).collect()
}
