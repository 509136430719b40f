//! Who else was hurt: each client before, during and after the attack.

use maud::{Markup, html};
use scandrill_model::{BannedBy, Collateral, Phase, RuleAt, Service};

use super::micros;
use crate::words::percent;

/// The table; nothing where no client acted.
pub fn table(clients: &[Collateral]) -> Markup {
    html! {
        @if !clients.is_empty() {
            h3 { "Clients before, during and after the attack" }
            div.wide tabindex="0" role="region" aria-label="What each client got" {
                table {
                    thead { tr { th { "Client" } th { "Before" } th { "During" } th { "After" } } }
                    tbody { @for client in clients { (row(client)) } }
                }
            }
        }
    }
}

fn row(client: &Collateral) -> Markup {
    let of = |phase| client.phases.iter().find(|service| service.phase == phase);
    html! {
        tr {
            th scope="row" {
                (client.actor) br; span.quiet { (client.role) ", " (client.source) }
                @if let Some(by) = &client.banned { (banned(by)) }
            }
            @for phase in [Phase::Before, Phase::During, Phase::After] { (cell(of(phase))) }
        }
    }
}

fn banned(by: &BannedBy) -> Markup {
    html! {
        p.problem {
            b { "Banned: " } (by.evidence)
            @if let Some(rule) = &by.rule { br; code { (place(rule)) (rule.rule) } }
        }
    }
}

/// `file:line: `, where a text has the rule.
pub fn place(rule: &RuleAt) -> String {
    match (&rule.file, rule.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: "),
        (Some(file), None) => format!("{file}: "),
        (None, _) => String::new(),
    }
}

fn cell(service: Option<&Service>) -> Markup {
    html! {
        @match service {
            None => td.quiet { "no request" },
            Some(service) => td class=(if service.served < service.requests { "hurt" } else { "served" }) {
                b { (percent(service.served, service.requests)) }
                span.quiet { " of " (service.requests) }
                @if let Some(latency) = service.latency {
                    br; span { "p50 " (micros(latency.p50_us)) }
                    br; span { "p99 " (micros(latency.p99_us)) }
                }
                @if service.retransmissions > 0 { br; span { (service.retransmissions) " sent again" } }
                @for failure in &service.failures { br; span.quiet { (failure) } }
            },
        }
    }
}
