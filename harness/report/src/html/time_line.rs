//! When a source was banned, how long it held, and what it had learnt until then.

use maud::{Markup, PreEscaped, html};
use scandrill_model::{Clock, Mark, Milestone, TimeLine, Witness};

use super::micros;
use super::plot::{bin, is_later, plot};
use crate::ban::{PORTS, after_start};
use crate::words::ports;

/// How many sources of a case have a drawing; a scan from hundreds of them tells of the others in a sentence each.
const DRAWN: usize = 8;

/// Letters of the longest list of ports; a scan of all of them may leak tens of thousands apart from one another.
const LEAKED: usize = 4_000;

/// Each source's time line; nothing where none was seen.
pub fn figures(lines: &[TimeLine], failed: bool) -> Markup {
    html! {
        @if !lines.is_empty() {
            h3 { "Time line" }
            @for line in lines.iter().take(DRAWN) {
                figure {
                    figcaption {
                        b { (line.actor) } " from " (line.source) ": " (told(line))
                    }
                    @if let Some(drawn) = plot(line) {
                        div.plot role="img" aria-label={ "Probes against time: " (told(line)) } { (PreEscaped(drawn)) }
                        p.legend aria-hidden="true" {
                            span { "probes in each " (micros(bin(line))) }
                            span { i.a {} "answered" }
                            span { i.u {} "not answered" }
                            @for mark in line.marks.iter().filter(|mark| is_later(line, mark)) {
                                span { (name(mark.milestone)) " later, after " (micros(after_start(line, mark))) }
                            }
                        }
                    }
                    (leaked(line))
                    (marks(line, failed))
                }
            }
            @if lines.len() > DRAWN {
                ul.plain {
                    @for line in &lines[DRAWN..] {
                        li { b { (line.actor) } " from " (line.source) ": " (told(line)) }
                    }
                }
            }
        }
    }
}

/// Ports that leaked, where the sentence has no room for all of them.
fn leaked(line: &TimeLine) -> Markup {
    let all = ports(&line.ports_leaked, LEAKED);
    html! {
        @if all.len() > PORTS {
            details {
                summary.quiet { "All " (line.ports_leaked.len()) " ports that leaked" }
                p { code { (all) } }
            }
        }
    }
}

/// The whole in a sentence.
pub fn told(line: &TimeLine) -> String {
    crate::ban::told(line).replace(" us", " \u{b5}s")
}

/// When it was banned and let in again.
pub fn outcome(line: &TimeLine) -> String {
    crate::ban::outcome(line).replace(" us", " \u{b5}s")
}

/// Every point in time with its witness: a table where it is looked at, a fold where all went well.
fn marks(line: &TimeLine, failed: bool) -> Markup {
    let table = html! {
        div.wide tabindex="0" role="region" aria-label="Points in time" {
            table {
                thead { tr { th.n { "After" } th { "What" } th { "Seen by" } th { "Detail" } } }
                tbody { @for mark in &line.marks { (row(line, mark)) } }
            }
        }
    };
    html! {
        @if line.marks.is_empty() {
        } @else if failed { (table) } @else {
            details { summary.quiet { "Points in time and their witnesses" } (table) }
        }
    }
}

fn row(line: &TimeLine, mark: &Mark) -> Markup {
    html! {
        tr {
            td.n { (micros(after_start(line, mark))) }
            td { (name(mark.milestone)) }
            td { (witness(&mark.witness)) @if mark.clock != Clock::Packet { " " span.quiet { (clock(mark.clock)) } } }
            td { (mark.detail) }
        }
    }
}

fn name(milestone: Milestone) -> String {
    milestone.to_string().replace('-', " ")
}

fn witness(witness: &Witness) -> String {
    match witness {
        Witness::Capture(host) => format!("capture at {host}"),
        Witness::Scanner => "scanner".to_owned(),
        Witness::Kernel(what) => format!("kernel, {what}"),
        Witness::Log(file) | Witness::File(file) => file.clone(),
        Witness::Command(line) => format!("command {line}"),
    }
}

fn clock(clock: Clock) -> &'static str {
    match clock {
        Clock::Packet => "",
        Clock::Told => "when it was told",
        Clock::Ticks => "to a tick",
    }
}
