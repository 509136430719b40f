//! Each sentence that was put to the test, and what repeats of a case came to.

use maud::{Markup, html};
use scandrill_model::{ClaimReport, Distribution};

use super::micros;
use super::{outcome, verdict};
use crate::words::thousands;

/// Claims; nothing where there was none.
pub fn section(claims: &[ClaimReport]) -> Markup {
    html! {
        @if !claims.is_empty() {
            section #claims {
                h2 { "Claims" }
                p.quiet { "Judged by what was seen. A refuted claim is a finding about its text, and fails no case." }
                @for claim in claims {
                    div.claim {
                        div { (outcome(claim.outcome)) }
                        div {
                            p { (claim.text) }
                            p.seen { "Seen: " (claim.evidence) }
                            p.quiet { (claim.source) " · " (claim.scenario) }
                        }
                    }
                }
            }
        }
    }
}

/// Repeats; nothing where no case was repeated.
pub fn distributions(distributions: &[Distribution]) -> Markup {
    html! {
        @if !distributions.is_empty() {
            section #repeats {
                h2 { "Repeats" }
                div.wide tabindex="0" role="region" aria-label="What repeats came to" {
                    table {
                        thead { tr {
                            th { "Case" } th { "Quantity" } th.n { "Repeats" } th.n { "Median" } th.n { "p95" }
                            th.n { "Worst" } th { "Spread" } th { "Expected" }
                        } }
                        tbody { @for one in distributions { (row(one)) } }
                    }
                }
            }
        }
    }
}

fn row(one: &Distribution) -> Markup {
    let at =
        |percent: u8| one.percentile(percent).map_or_else(|| "none".to_owned(), |value| told(one, value));
    html! {
        tr {
            th scope="row" { (one.case) br; span.quiet { (one.actor) } }
            td { (one.quantity.replace('_', " ")) }
            td.n { (one.values.len()) }
            td.n { (at(50)) }
            td.n { (at(95)) }
            td.n { (at(100)) }
            td { (spread(one)) }
            td {
                @for finding in &one.findings { p { (verdict(finding.verdict)) " " (finding.expected) } }
            }
        }
    }
}

fn told(one: &Distribution, value: u64) -> String {
    if one.unit == "us" { micros(value) } else { format!("{} {}", thousands(value), one.unit) }
}

/// Each repeat as a dot between the smallest and the largest.
fn spread(one: &Distribution) -> Markup {
    let (low, high) = (one.values.first().copied().unwrap_or(0), one.values.last().copied().unwrap_or(0));
    let place =
        |value: u64| (value - low.min(value)).saturating_mul(100).checked_div(high - low).unwrap_or(0);
    html! {
        div.spread aria-hidden="true" {
            @for value in &one.values { i style={ "left:" (place(*value)) "%" } {} }
        }
    }
}
