//! The run's cases: what did not pass first and open, what passed folded, what was skipped by what it lacks.

use std::collections::BTreeMap;

use maud::{Markup, html};
use scandrill_model::{BanOutcome, CaseReport, RunReport, Verdict};

use super::{Page, case, time_line, verdict};
use crate::terminal::{by_note, count, scenarios, seconds, skipped as by_need};

/// How many cases that did not pass are open; a page with more of them is looked through by their titles.
const OPEN: usize = 20;

/// Everything that did not pass; nothing when all passed.
pub fn troubles(page: Page<'_>) -> Markup {
    let cases = || page.report.cases.iter().enumerate().filter(|(_, case)| case.verdict >= Verdict::Fail);
    html! {
        @if cases().next().is_some() {
            section #troubles {
                h2 { "Did not pass" }
                @for (rank, (index, one)) in cases().enumerate() { (case::article(page, index, one, rank < OPEN)) }
            }
        }
    }
}

/// What passed, by scenario.
pub fn section(page: Page<'_>) -> Markup {
    let places: BTreeMap<&str, usize> =
        page.report.cases.iter().enumerate().map(|(index, case)| (case.name.as_str(), index)).collect();
    let passed = |cases: Vec<&'_ CaseReport>| -> Vec<_> {
        cases.into_iter().filter(|case| case.verdict == Verdict::Pass).map(|case| case.name.clone()).collect()
    };
    let all: Vec<(&str, Vec<String>)> =
        scenarios(page.report).into_iter().map(|(name, cases)| (name, passed(cases))).collect();
    let of = |name: &String| places.get(name.as_str()).map(|index| (*index, &page.report.cases[*index]));
    let is_alone = page.report.cases.len() == 1;
    html! {
        @if all.iter().any(|(_, names)| !names.is_empty()) {
            section #cases {
                h2 { "Passed" }
                @for (scenario, names) in all.iter().filter(|(_, names)| !names.is_empty()) {
                    @if let [name] = names.as_slice() {
                        @if let Some((index, one)) = of(name) { (case::article(page, index, one, is_alone)) }
                    } @else {
                        details.scenario {
                            summary {
                                (verdict(Verdict::Pass)) " " span.name { (scenario) } " "
                                span.quiet { (count(names.len(), "case")) }
                            }
                            @for (index, one) in names.iter().filter_map(of) { (case::article(page, index, one, false)) }
                        }
                    }
                }
            }
        }
    }
}

/// What was skipped, by what it lacks.
pub fn skipped(report: &RunReport) -> Markup {
    let groups = by_need(report);
    html! {
        @if !groups.is_empty() {
            section #skipped {
                h2 { "Skipped" }
                @for ((need, mend), cases) in &groups {
                    details.scenario {
                        summary {
                            (verdict(Verdict::Skip)) " " (count(cases.len(), "case")) ": " (need) " is missing"
                        }
                        p { "Mend it by " code { (mend) } }
                        ul.plain { @for case in cases { li { (case.name) } } }
                    }
                }
            }
        }
    }
}

/// What was noticed beside the verdicts.
pub fn notes(report: &RunReport) -> Markup {
    let notes = by_note(report);
    html! {
        @if !notes.is_empty() {
            section #notes {
                h2 { "Notes" }
                ul.plain {
                    @for (note, scenarios) in &notes {
                        li {
                            p { (note) }
                            @if scenarios.len() > 4 {
                                details { summary.quiet { (count(scenarios.len(), "scenario")) } (scenarios.join(", ")) }
                            } @else {
                                p.quiet { (scenarios.join(", ")) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The line of a folded case.
pub fn title(case: &CaseReport) -> Markup {
    html! {
        summary {
            (verdict(case.verdict)) " " span.name { (case.name) } " "
            span.quiet {
                (seconds(case.took))
                @if let [line] = case.time_lines.as_slice() {
                    @if line.outcome != BanOutcome::NotBanned { ", " (line.actor) ": " (time_line::outcome(line)) }
                }
            }
        }
    }
}
