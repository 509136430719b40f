//! Which rule decided, and the way a packet took to it.

use maud::{Markup, html};
use scandrill_model::{CaseReport, Cause, HookVerdict, Hop, RuleAt};

use super::collateral::place;
use super::rules::Texts;
use crate::why;

/// The packets whose fate matters; nothing where none was followed.
pub fn list(texts: &Texts<'_>, case: &CaseReport) -> Markup {
    let causes: &[Cause] = &case.causes;
    html! {
        @if !causes.is_empty() {
            h3 { "Which rule decided" }
            @for cause in causes {
                div.cause {
                    p { code { (cause.packet) } (why::others(cause)) " " b { (cause.fate) } }
                    @match &cause.decided_by {
                        Some(rule) => p { "by " (linked(texts, case, rule)) },
                        None => p { "by no rule" },
                    }
                    @if !cause.path.is_empty() {
                        ol.path { @for hop in &cause.path { (step(hop)) } }
                    }
                    p.quiet {
                        @if let Some(actor) = &cause.actor { (actor) ", " }
                        "seen by " (cause.witness)
                        @if let Some(state) = &cause.conntrack { "; conntrack: " (state) }
                    }
                }
            }
        }
    }
}

/// The rule in its own words, leading to its text where there is one.
fn linked(texts: &Texts<'_>, case: &CaseReport, rule: &RuleAt) -> Markup {
    html! {
        @match texts.anchor(case, rule) {
            Some(anchor) => a href={ "#" (anchor) } { (place(rule).trim_end_matches(": ")) },
            None => (place(rule).trim_end_matches(": ")),
        }
        " " code { (rule.rule) }
    }
}

fn step(hop: &Hop) -> Markup {
    let ended = matches!(hop.verdict, HookVerdict::Drop | HookVerdict::Reject);
    html! {
        li class=[ended.then_some("ended")] {
            b { (hop.hook) } " " (hop.chain) ": "
            @match &hop.rule {
                Some(RuleAt { line: Some(line), .. }) => { "line " (line) },
                Some(rule) => code { (rule.rule) },
                None => "end of chain",
            }
            ", " (hop.verdict)
        }
    }
}
