//! A comparison for a terminal, a CI job's page and a browser.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style as Paint};
use maud::{Markup, html};

use super::{Change, Comparison, Way};
use crate::html::document;
use crate::markdown::escape;
use crate::terminal::{HEADING, QUIET, Style, clean, count, paint, wrap};

const WAYS: [Way; 3] = [Way::Worse, Way::Better, Way::Neither];

fn word(way: Way) -> &'static str {
    match way {
        Way::Worse => "worse",
        Way::Better => "better",
        Way::Neither => "neither",
    }
}

/// `2 worse, 1 better, 0 neither; 340 cases in both`.
fn summary(comparison: &Comparison) -> String {
    let ways = WAYS.map(|way| format!("{} {}", comparison.count(way), word(way)));
    format!("{}; {} in both", ways.join(", "), count(comparison.common, "case"))
}

/// The changes of a way by their subject.
fn by_subject(comparison: &Comparison, way: Way) -> Vec<(&str, Vec<&Change>)> {
    let mut groups: Vec<(&str, Vec<&Change>)> = Vec::new();
    for change in comparison.changes.iter().filter(|change| change.way == way) {
        match groups.last_mut() {
            Some((subject, changes)) if *subject == change.subject => changes.push(change),
            Some(_) | None => groups.push((&change.subject, vec![change])),
        }
    }
    groups
}

/// The page for a terminal.
pub fn terminal(comparison: &Comparison, style: &Style) -> String {
    let mut lines = Vec::new();
    for way in WAYS {
        for (subject, changes) in by_subject(comparison, way) {
            lines.push(format!("{}  {}", padded(way, *style), paint(&clean(subject), HEADING, style.colour)));
            lines.extend(changes.iter().flat_map(|change| told(change, *style)));
        }
    }
    for change in &comparison.differs {
        let text = format!("ran on {}: {} -> {}", change.subject, change.old, change.new);
        let told = wrap(&text, style.width.max(40));
        lines.extend(told.iter().map(|line| paint(line, QUIET, style.colour)));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(paint(&summary(comparison), HEADING, style.colour));
    lines.join("\n") + "\n"
}

fn padded(way: Way, style: Style) -> String {
    let colour = match way {
        Way::Worse => AnsiColor::Red.on_default().bold(),
        Way::Better => AnsiColor::Green.on_default(),
        Way::Neither => Paint::new(),
    };
    let word = word(way);
    format!("{}{:2$}", paint(word, colour, style.colour), "", "neither".len() - word.len())
}

fn told(change: &Change, style: Style) -> Vec<String> {
    indented(&format!("{}: {} -> {}", change.what, change.old, change.new), style)
}

fn indented(text: &str, style: Style) -> Vec<String> {
    let lines = wrap(text, style.width.max(40) - 9).into_iter();
    lines.map(|line| format!("{:9}{line}", "")).collect()
}

/// The comparison in GitHub's Markdown.
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = format!("## scandrill: {}\n", summary(comparison));
    for way in WAYS.into_iter().filter(|way| comparison.count(*way) > 0) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n### {}\n\n| | what | before | after |\n|---|---|---|---|", heading(way));
        for change in comparison.changes.iter().filter(|change| change.way == way) {
            let cells = [&change.subject, &change.what, &change.old, &change.new].map(|cell| escape(cell));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
    }
    text
}

fn heading(way: Way) -> &'static str {
    match way {
        Way::Worse => "Worse",
        Way::Better => "Better",
        Way::Neither => "Neither",
    }
}

/// The comparison as a page like a report's.
pub fn html(comparison: &Comparison) -> String {
    let body = html! {
        header {
            p.brand { "scandrill" }
            h1 { "Two runs beside each other" }
            p { (summary(comparison)) }
        }
        main {
            @for way in WAYS.into_iter().filter(|way| comparison.count(*way) > 0) {
                section { h2 class=(word(way)) { (heading(way)) } (table(comparison.changes.iter().filter(|change| change.way == way))) }
            }
            @if !comparison.differs.is_empty() {
                section { h2 { "What they ran on" } (table(comparison.differs.iter())) }
            }
        }
    };
    document(&format!("{}, scandrill", summary(comparison)), &body).into_string()
}

fn table<'a>(changes: impl Iterator<Item = &'a Change>) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label="What changed" {
            table {
                thead { tr { th { "Where" } th { "What" } th { "Before" } th { "After" } } }
                tbody {
                    @for change in changes {
                        tr {
                            th scope="row" { (change.subject) }
                            td { (change.what) }
                            td { (change.old) }
                            td { (change.new) }
                        }
                    }
                }
            }
        }
    }
}
