//! The head of the page: what came of the run, at a glance.

use maud::{Markup, html};
use scandrill_model::{Collected, Outcome, RunReport, Verdict};

use super::rules;
use crate::terminal::{count, seconds};
use crate::words::thousands;

/// A verdict as it is called.
pub fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Skip => "skip",
        Verdict::Fail => "fail",
        Verdict::Error => "error",
    }
}

/// The whole run in a word.
pub fn word(report: &RunReport) -> &'static str {
    if report.cases.is_empty() { "nothing ran" } else { verdict_word(report.verdict) }
}

/// The head.
pub fn header(report: &RunReport) -> Markup {
    let cases = Collected::of(&report.cases);
    let parts = [
        (cases.passed, "pass", "passed"),
        (cases.failed, "fail", "failed"),
        (cases.errors, "error", "could not be judged"),
        (cases.skipped, "skip", "skipped"),
    ];
    let told: Vec<_> = parts.into_iter().filter(|(number, ..)| *number > 0).collect();
    html! {
        header {
            p.brand { "scandrill " (report.scandrill) }
            h1 { b class={ "v big " (report.verdict) } { (word(report)) } " " (count(report.cases.len(), "case")) }
            @if !told.is_empty() {
                div.bar aria-hidden="true" {
                    @for (number, class, _) in &told { i class=(class) style={ "flex-grow:" (number) } {} }
                }
                ul.counts {
                    @for (number, class, what) in &told {
                        li { i class=(class) aria-hidden="true" {} b { (thousands(*number as u64)) } " " (what) }
                    }
                }
            }
            p.quiet {
                "Seed " (report.seed) ", " (seconds(report.took)) ", kernel " (report.environment.kernel) ", "
                (if report.environment.root { "started by root" } else { "started by an ordinary user" })
            }
            (tiles(report))
            (navigation(report))
        }
    }
}

/// Numbers that a reader looks for first, of what was looked at in this run.
fn tiles(report: &RunReport) -> Markup {
    let claims = |outcome| report.claims.iter().filter(|claim| claim.outcome == outcome).count();
    let banned = || report.cases.iter().flat_map(|case| &case.collateral).filter(|one| one.banned.is_some());
    let any = |seen: bool, number: usize, what: &'static str| seen.then_some((number, what));
    let (lines, idle) = rules::idle(report);
    let tiles = [
        any(!report.claims.is_empty(), claims(Outcome::Held), "claims held"),
        any(!report.claims.is_empty(), claims(Outcome::Refuted), "claims refuted"),
        any(report.cases.iter().any(|case| !case.matrix.is_empty()), leaks(report), "scans told too much"),
        any(report.cases.iter().any(|case| !case.time_lines.is_empty()), bans(report), "sources banned"),
        any(report.cases.iter().any(|case| !case.collateral.is_empty()), banned().count(), "clients banned"),
        any(lines > 0, idle, "rules never matched"),
    ];
    html! {
        @if tiles.iter().any(Option::is_some) {
            dl.tiles {
                @for (number, what) in tiles.into_iter().flatten() {
                    div { dt { (what) } dd { (thousands(number as u64)) } }
                }
            }
        }
    }
}

fn leaks(report: &RunReport) -> usize {
    let rows = report.cases.iter().flat_map(|case| &case.matrix);
    rows.filter(|row| row.cells.iter().any(|cell| cell.leaked)).count()
}

fn bans(report: &RunReport) -> usize {
    let lines = report.cases.iter().flat_map(|case| &case.time_lines);
    lines.filter(|line| line.time_to_ban_us.is_some()).count()
}

fn navigation(report: &RunReport) -> Markup {
    let has = |verdict: fn(Verdict) -> bool| report.cases.iter().any(|case| verdict(case.verdict));
    let rules = report.cases.iter().any(|case| !case.rules.is_empty());
    let notes = report.cases.iter().any(|case| !case.notes.is_empty());
    let sections = [
        (has(|verdict| verdict >= Verdict::Fail), "troubles", "Did not pass"),
        (!report.claims.is_empty(), "claims", "Claims"),
        (!report.distributions.is_empty(), "repeats", "Repeats"),
        (has(|verdict| verdict == Verdict::Pass), "cases", "Passed"),
        (has(|verdict| verdict == Verdict::Skip), "skipped", "Skipped"),
        (notes, "notes", "Notes"),
        (rules, "rules", "Rules"),
        (true, "environment", "Environment"),
    ];
    html! {
        nav aria-label="Sections" {
            @for (_, id, name) in sections.into_iter().filter(|(there, ..)| *there) {
                a href={ "#" (id) } { (name) }
            }
        }
    }
}
