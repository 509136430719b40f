//! The page that a person reads when a run has ended: claims, scenarios, everything that did not pass, what
//! else was noticed, and one line that sums it up. Plain ASCII of its own; colour only where it is asked for.

mod claims;
mod collateral;
mod coverage;
mod evidence;
mod explain;
mod notes;
mod scenarios;
mod summary;
mod text;
mod troubles;

use scandrill_model::RunReport;

pub use explain::explain;
pub use notes::by_note;
pub use scenarios::scenarios;
pub(crate) use text::{HEADING, QUIET, paint};
pub use text::{clean, count, seconds, wrap};
pub use troubles::{case_details, skipped};

/// Whether a page carries terminal colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Text alone.
    #[default]
    Off,
    /// ANSI escape codes around words that matter.
    On,
}

/// What a skipped case means to the run's exit code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Skips {
    /// It is told, and that is all.
    #[default]
    Allowed,
    /// `--strict`: the run has not shown everything that it was asked to show.
    Strict,
}

/// Whose evidence is shown: what red read of each port, and when each ban landed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Evidence {
    /// That of what did not pass, and of a run of one case.
    #[default]
    Needed,
    /// Every case's.
    All,
}

/// How a page is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal; less than 40 is laid out as 40.
    pub width: usize,
    /// Whether colours are wanted.
    pub colour: Colour,
    /// What the last line says of skipped cases.
    pub skips: Skips,
    /// Whose evidence is shown.
    pub evidence: Evidence,
}

impl Default for Style {
    fn default() -> Self {
        Self { width: 80, colour: Colour::Off, skips: Skips::Allowed, evidence: Evidence::Needed }
    }
}

impl Style {
    /// The columns there are to lay out in.
    fn columns(self) -> usize {
        self.width.max(40)
    }
}

/// The whole page, with a newline at its end. Paths and commands are never broken over lines, so that they can be
/// copied; all else keeps to the width.
pub fn terminal(report: &RunReport, style: &Style) -> String {
    let sections = [
        claims::lines(report, *style),
        scenarios::lines(report, *style),
        evidence::lines(report, *style),
        coverage::lines(report, *style),
        troubles::lines(report, *style),
        notes::lines(report, *style),
        summary::lines(report, *style),
    ];
    let full = sections.into_iter().filter(|lines| !lines.is_empty());
    let mut page = full.map(|lines| lines.join("\n")).collect::<Vec<_>>().join("\n\n");
    page.push('\n');
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn page(report: &RunReport, width: usize) -> String {
        terminal(report, &Style { width, ..Style::default() })
    }

    #[test]
    fn a_run_with_everything_in_it_at_80_columns() {
        insta::assert_snapshot!(page(&fixture::everything(), 80));
    }

    #[test]
    fn a_run_with_everything_in_it_at_160_columns() {
        insta::assert_snapshot!(page(&fixture::everything(), 160));
    }

    #[test]
    fn evidence_of_what_passed_is_shown_where_it_is_asked_for() {
        let report = fixture::many(2);
        assert!(!page(&report, 80).contains("tcp-syn red"));
        let all = Style { evidence: Evidence::All, ..Style::default() };
        insta::assert_snapshot!(terminal(&report, &all));
    }

    #[test]
    fn a_run_of_one_case_shows_its_evidence() {
        assert!(page(&fixture::many(1), 80).contains("tcp-syn red"));
    }

    #[test]
    fn a_run_that_passed() {
        insta::assert_snapshot!(page(&fixture::all_passed(), 80));
    }

    #[test]
    fn a_run_of_nothing() {
        insta::assert_snapshot!(page(&fixture::nothing_ran(), 80));
    }

    #[test]
    fn only_what_is_to_be_copied_is_wider_than_the_terminal() {
        for width in [40, 60, 80, 100, 120, 139, 140, 200, 300] {
            let page = page(&fixture::everything(), width);
            let copied = |line: &str| line.contains("scandrill run") || line.contains(".pcapng");
            let wide: Vec<&str> = page.lines().filter(|line| !copied(line) && line.len() > width).collect();
            assert_eq!(wide, Vec::<&str>::new(), "at {width} columns");
        }
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let report = fixture::everything();
        let coloured = terminal(&report, &Style { colour: Colour::On, ..Style::default() });
        let mut plain = String::new();
        for (index, part) in coloured.split('\u{1b}').enumerate() {
            plain.push_str(if index == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        assert!(coloured.contains("\u{1b}[1m"));
        assert_eq!(plain, page(&report, 80));
    }

    #[test]
    fn what_a_tool_said_cannot_steer_the_terminal() {
        let mut report = fixture::everything();
        report.cases[0].scenario = "evil\u{1b}[2J".to_owned();
        for case in &mut report.cases {
            case.problems.push("one\r\ntwo\u{1b}[31m\u{7}".to_owned());
            case.notes.push("three\u{1b}[31m".to_owned());
            case.repeat.push('\u{9b}');
        }
        let page = page(&report, 80);
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{page:?}");
    }

    #[test]
    fn the_page_is_ascii_when_its_data_is() {
        assert!(page(&fixture::everything(), 100).is_ascii());
    }
}
