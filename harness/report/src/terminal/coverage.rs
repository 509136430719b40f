//! Rules that matched nothing in a whole run, by line.

use scandrill_model::RunReport;

use super::text::{HEADING, QUIET, clean, paint, wrap};
use super::{Evidence, Style};
use crate::coverage;

/// How many are named.
const NAMED: usize = 12;

/// The section, where evidence is asked for or the run is of one scenario; nothing where each rule matched something.
pub(super) fn lines(report: &RunReport, style: Style) -> Vec<String> {
    let first = report.cases.first().map(|case| &case.scenario);
    let is_one = report.cases.iter().all(|case| Some(&case.scenario) == first);
    if style.evidence != Evidence::All && !is_one {
        return Vec::new();
    }
    let texts = coverage::of(report);
    let idle = texts.iter().flat_map(|text| text.idle().map(|(line, rule)| (text.file, line, rule)));
    let idle: Vec<String> = idle.map(|(file, line, rule)| format!("{file}:{line}: {rule}")).collect();
    if idle.is_empty() {
        return Vec::new();
    }
    let counted: usize = texts.iter().map(coverage::Covered::counted).sum();
    let title = format!("{} of {counted} lines of rules never matched", idle.len());
    let mut lines = vec![paint(&title, HEADING, style.colour)];
    lines.extend(idle.iter().take(NAMED).flat_map(|rule| {
        let rows = wrap(&clean(rule), style.columns() - 4).into_iter().enumerate();
        rows.map(|(row, text)| format!("{}{text}", if row == 0 { "  " } else { "    " })).collect::<Vec<_>>()
    }));
    if let Some(more) = idle.len().checked_sub(NAMED).filter(|more| *more > 0) {
        lines.push(paint(&format!("  and {more} more"), QUIET, style.colour));
    }
    lines
}
