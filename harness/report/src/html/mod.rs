//! The report as one page of HTML: it asks for nothing from any network, can be read without its script, and prints. What
//! did not pass comes first and is open; what passed is folded.
//!
//! Every text of a report comes from a scenario, a tool or a packet, so templates escape all of it, and the page's own
//! policy lets a browser load and run nothing but what is in it.

mod case;
mod causes;
mod claims;
mod collateral;
mod environment;
mod matrix;
mod plot;
mod rules;
mod scenarios;
mod summary;
mod time_line;

use std::cell::Cell;

use maud::{DOCTYPE, Markup, PreEscaped, html};
use scandrill_model::{Outcome, RunReport, Verdict};

use rules::Texts;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// The SHA-256 of the script: the one that a browser may run.
const SCRIPT_HASH: &str = "sha256-T+36os939u16cPKPv7KlT2gZ61aZxhrjLFwFIrl5/D4=";

/// What the page needs to know beside the report.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// From the page's folder to the one that relative paths of captures are seen from, such as `../`; empty where they
    /// are the same.
    pub captures: &'a str,
}

/// The whole page.
pub fn html(report: &RunReport, place: Place<'_>) -> String {
    let texts = Texts::of(report);
    let page = Page { report, texts: &texts, place, room: &Cell::new(ROOM) };
    document(&title(report), &page.body()).into_string()
}

/// Bytes of cases that are told whole; those that find no room are told in short. A page is sent, and opened on phones.
const ROOM: usize = 2_400_000;

/// What its parts share.
#[derive(Clone, Copy)]
struct Page<'a> {
    report: &'a RunReport,
    texts: &'a Texts<'a>,
    place: Place<'a>,
    /// What is left of [`ROOM`].
    room: &'a Cell<usize>,
}

impl Page<'_> {
    fn body(self) -> Markup {
        let report = self.report;
        html! {
            (summary::header(report))
            main {
                (scenarios::troubles(self))
                (claims::section(&report.claims))
                (claims::distributions(&report.distributions))
                (scenarios::section(self))
                (scenarios::skipped(report))
                (scenarios::notes(report))
                (rules::section(self.texts))
                (environment::section(report))
            }
        }
    }
}

/// A page of this look around `body`.
pub fn document(title: &str, body: &Markup) -> Markup {
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{SCRIPT_HASH}'; base-uri 'none'; form-action 'none'"
    );
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Without it a browser asks the page's server for one.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn title(report: &RunReport) -> String {
    format!("{}: {} cases, scandrill", summary::word(report), report.cases.len())
}

/// A length of time, with the sign that a page can show and not every terminal.
fn micros(us: u64) -> String {
    crate::words::micros(us).replace(" us", " \u{b5}s")
}

/// A verdict as a coloured word.
fn verdict(verdict: Verdict) -> Markup {
    html! { b class={ "v " (verdict) } { (summary::verdict_word(verdict)) } }
}

/// What became of a claim, as a coloured word.
fn outcome(outcome: Outcome) -> Markup {
    html! { b class={ "v " (outcome) } { (outcome) } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn page(report: &RunReport) -> String {
        html(report, Place::default())
    }

    #[test]
    fn nothing_of_a_report_becomes_a_part_of_the_page() {
        let attack = "</script></style><img src=x onerror=alert(1)>\"'";
        let page = page(&fixture::hostile(attack));
        assert!(page.matches("&lt;img src=x").count() > 100);
        assert!(!page.contains("<img"));
        assert_eq!(page.matches("<script").count(), 1);
        assert_eq!(page.matches("</style>").count(), 1);
    }

    #[test]
    fn the_page_names_no_other_place() {
        let page = page(&fixture::everything());
        // nmap says its own address; the drawing's namespace is a name, and no place.
        let addresses =
            page.match_indices("://").map(|(at, _)| page[..at + 14].rsplit('"').next().unwrap_or_default());
        let other: Vec<&str> =
            addresses.filter(|text| !text.contains("nmap.org") && !text.contains("www.w3")).collect();
        assert_eq!(other, Vec::<&str>::new());
        assert!(!page.contains("@import") && !page.contains("url("));
    }

    #[test]
    fn what_failed_is_open_and_comes_before_what_passed() {
        let page = page(&fixture::everything());
        let place = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text}"));
        assert!(place("Did not pass</h2>") < place("Passed</h2>"));
        let cases: Vec<&str> = page.split("<details class=\"case\"").skip(1).collect();
        let open = |case: &&&str| case.split('>').next().is_some_and(|tag| tag.ends_with(" open"));
        assert_eq!((cases.len(), cases.iter().filter(open).count()), (6, 2));
    }

    #[test]
    fn a_thousand_scenarios_make_a_page_that_can_be_sent() {
        let size = page(&fixture::many(1_000)).len();
        assert!(size < 5_000_000, "{size} bytes");
    }

    #[test]
    fn a_report_without_any_evidence_has_no_empty_section() {
        for report in [fixture::all_passed(), fixture::nothing_ran()] {
            let page = page(&report);
            for heading in
                ["Time line", "Clients", "decided", "Rules</h2>", "Repeats", "Claims", "Did not pass"]
            {
                assert!(
                    !page.contains(&format!("{heading}</h")) && !page.contains(&format!(">{heading}")),
                    "{heading}"
                );
            }
        }
    }

    #[test]
    fn colours_of_a_drawing_follow_the_page() {
        let page = page(&fixture::everything());
        let drawn = page.split("<svg").nth(1).unwrap().split("</svg>").next().unwrap();
        assert!(!drawn.contains("fill=\"#") && !drawn.contains("stroke=\"#"), "{drawn}");
        for class in ["class=\"a\"", "class=\"u\"", "class=\"b\""] {
            assert!(drawn.contains(class), "{class}: {drawn}");
        }
    }
}
