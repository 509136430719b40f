//! What a verdict rests on, where there is little room: technique × port group in coloured cells, each ban in two
//! lines, clients that were banned, and the rules that decided.

use anstyle::{AnsiColor, Style as Paint};
use scandrill_model::{BanOutcome, CaseReport, MatrixRow, ProbeBin, RunReport, TimeLine, Verdict};

use super::collateral;
use super::text::{HEADING, QUIET, clean, fill, left, paint, width, wrap};
use super::troubles::LABEL;
use super::{Evidence, Style};
use crate::ban;
use crate::matrix::{Matrix, Read};
use crate::why;
use crate::words::micros;

const GAP: &str = "  ";
/// How many of a kind are told of one case; its page and its JSON have all.
const FEW: usize = 3;
// Cells are filled with colour, whatever the terminal's own ground is.
const LEAK: Paint = AnsiColor::Red.on_default().invert().bold();
const MUTE: Paint = AnsiColor::Green.on_default().invert();
const READ: Paint = AnsiColor::Yellow.on_default().invert();

/// Evidence of cases that passed, where it is asked for or the run is that one case.
pub(super) fn lines(report: &RunReport, style: Style) -> Vec<String> {
    let wanted = style.evidence == Evidence::All || report.cases.len() == 1;
    let passed = report.cases.iter().filter(|case| wanted && case.verdict < Verdict::Fail);
    let blocks = passed.map(|case| (case, of_case(case, style))).filter(|(_, lines)| !lines.is_empty());
    let titled = blocks.map(|(case, lines)| {
        let mut block = vec![paint(&clean(&case.name), HEADING, style.colour)];
        block.extend(lines);
        block
    });
    titled.collect::<Vec<_>>().join(&String::new())
}

/// What red read in one case, when bans landed, whom they hurt and why; nothing where nothing is known.
pub(super) fn of_case(case: &CaseReport, style: Style) -> Vec<String> {
    let mut lines = matrix(&case.matrix, style);
    let bans = case.time_lines.iter().filter(|line| line.outcome != BanOutcome::NotBanned);
    lines.extend(some(bans, "bans", style, time_line));
    let hurt = case.collateral.iter().filter(|client| collateral::is_hurt(client));
    lines.extend(some(hurt, "clients", style, |client, style| {
        labelled("hurt", &collateral::told(client, why::in_its_words), style)
    }));
    lines.extend(some(case.causes.iter(), "ways", style, |cause, style| {
        labelled("why", &why::told(cause), style)
    }));
    lines
}

/// The first few of many, and how many more there are.
fn some<T>(
    items: impl Iterator<Item = T>,
    what: &str,
    style: Style,
    told: impl Fn(T, Style) -> Vec<String>,
) -> Vec<String> {
    let mut items = items.into_iter();
    let mut lines: Vec<String> = items.by_ref().take(FEW).flat_map(|item| told(item, style)).collect();
    match items.count() {
        0 => {}
        more => lines.extend(labelled("", &format!("and {more} more {what}"), style)),
    }
    lines
}

/// Rows of techniques below their groups of ports, in as many bands as the width asks for.
fn matrix(rows: &[MatrixRow], style: Style) -> Vec<String> {
    let matrix = Matrix::of(rows);
    let names: Vec<String> =
        matrix.rows.iter().map(|row| clean(&format!("{} {}", row.technique, row.actor))).collect();
    let label = names.iter().map(|name| width(name)).max().unwrap_or_default().min(style.columns() / 3);
    let columns = Columns::of(&matrix, style.columns() - 2 - label);
    let mut lines = Vec::new();
    for band in &columns.bands {
        for head in [&columns.ports, &columns.sizes] {
            if band.iter().all(|at| head[*at].is_empty()) {
                continue;
            }
            let cells: Vec<String> = band.iter().map(|at| left(&head[*at], columns.widths[*at])).collect();
            let line = format!("  {:label$}{GAP}{}", "", cells.join(GAP));
            lines.push(paint(line.trim_end(), QUIET, style.colour));
        }
        for (row, name) in names.iter().enumerate() {
            let name = wrap(name, label).into_iter().next().unwrap_or_default();
            let cells: Vec<String> = band.iter().map(|at| columns.cell(&matrix, row, *at, style)).collect();
            let line = format!("  {}{GAP}{}", left(&name, label), cells.join(GAP));
            lines.push(line.trim_end().to_owned());
        }
    }
    lines
}

/// The matrix's columns, cut into bands.
struct Columns {
    ports: Vec<String>,
    sizes: Vec<String>,
    widths: Vec<usize>,
    bands: Vec<Vec<usize>>,
}

impl Columns {
    fn of(matrix: &Matrix, room: usize) -> Self {
        let ports: Vec<String> = matrix.groups.iter().map(|group| group.name.clone()).collect();
        let sizes: Vec<String> = matrix.groups.iter().map(|group| group.size.clone()).collect();
        let widths: Vec<usize> = (0..ports.len())
            .map(|at| {
                let cells = matrix.rows.iter().filter_map(|row| row.cells[at]).map(|read| told(read).len());
                cells.chain([ports[at].len(), sizes[at].len()]).max().unwrap_or_default()
            })
            .collect();
        let mut bands: Vec<Vec<usize>> = Vec::new();
        let mut used = 0;
        for (at, wide) in widths.iter().enumerate() {
            match bands.last_mut() {
                Some(band) if used + GAP.len() + wide <= room => band.push(at),
                Some(_) | None => {
                    bands.push(vec![at]);
                    used = 0;
                }
            }
            used += GAP.len() + wide;
        }
        Self { ports, sizes, widths, bands }
    }

    fn cell(&self, matrix: &Matrix, row: usize, at: usize, style: Style) -> String {
        let Some(read) = matrix.rows[row].cells[at] else { return " ".repeat(self.widths[at]) };
        let colour = match read {
            Read { leaked: true, .. } => LEAK,
            Read { with, .. } if with.is_read() => READ,
            Read { .. } => MUTE,
        };
        let text = told(read);
        paint(&text, colour, style.colour) + &fill(&text, self.widths[at])
    }
}

/// `closed > filtered`; in capitals what needs attention, so that it shows without colour.
fn told(read: Read) -> String {
    let before = read.before.map_or_else(|| "?".to_owned(), |state| state.to_string());
    let leak = if read.leaked { " LEAK" } else { "" };
    format!("{before} > {}{leak}", read.with)
}

/// The sentence, and the probes in their order: `#` all answered, `+` some, `.` none, `_` where none was sent.
fn time_line(line: &TimeLine, style: Style) -> Vec<String> {
    let text = format!("{} from {}: {}", line.actor, line.source, ban::told(line));
    let mut lines = labelled("ban", &text, style);
    let (Some(first), Some(last)) = (line.probes.first(), line.probes.last()) else { return lines };
    let each = line.probes.get(1).map_or(0, |second| second.from_us.saturating_sub(first.from_us));
    let strip: String = line.probes.iter().map(sign).collect();
    let end = if each == 0 { String::new() } else { micros(last.from_us + each) };
    let room = style.columns().saturating_sub((GAP.len() + LABEL + GAP.len()) + end.len() + GAP.len());
    let strip: String = strip.chars().take(room).collect();
    lines.extend(labelled("probes", &format!("{strip}{GAP}{end}"), style));
    lines
}

fn sign(bin: &ProbeBin) -> char {
    match (bin.answered, bin.unanswered) {
        (0, 0) => '_',
        (0, _) => '.',
        (_, 0) => '#',
        (_, _) => '+',
    }
}

fn labelled(label: &str, text: &str, style: Style) -> Vec<String> {
    let indent = GAP.len() + LABEL + GAP.len();
    let rows = wrap(text, style.columns().saturating_sub(indent));
    let line = |(row, text): (usize, &String)| {
        let label = if row == 0 { label } else { "" };
        format!("  {}{}{GAP}{text}", paint(label, QUIET, style.colour), fill(label, LABEL))
    };
    rows.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn of_many_sources_a_few_are_told_and_the_others_counted() {
        let mut case = fixture::many(1).cases.remove(0);
        let line = case.time_lines[0].clone();
        case.time_lines = vec![line; 200];
        let lines = of_case(&case, Style::default());
        assert_eq!(lines.iter().filter(|line| line.contains("red from")).count(), FEW);
        assert!(lines.iter().any(|line| line.trim() == "and 197 more bans"), "{lines:?}");
    }

    #[test]
    fn a_source_that_nothing_banned_is_not_worth_a_line() {
        let mut case = fixture::many(1).cases.remove(0);
        case.time_lines.iter_mut().for_each(|line| line.outcome = BanOutcome::NotBanned);
        assert!(!of_case(&case, Style::default()).iter().any(|line| line.contains("ban ")));
    }
}
