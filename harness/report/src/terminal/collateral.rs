//! Who else was hurt, a line for each client whose service changed.

use scandrill_model::{Collateral, Phase, Service};

use crate::words::micros;

/// Whether a client lost something: it was banned, or its service is not alike in all phases.
pub(super) fn is_hurt(client: &Collateral) -> bool {
    let full = client.phases.iter().filter(|service| service.served == service.requests).count();
    client.banned.is_some() || (full != 0 && full != client.phases.len())
}

/// `browser 198.18.3.2: 10/10 before, 3/12 during (p99 812 ms, 14 sent again), 0/10 after: banned, ...`.
pub(super) fn told(client: &Collateral, in_its_words: impl Fn(&scandrill_model::RuleAt) -> String) -> String {
    let phases: Vec<String> = client.phases.iter().map(phase).collect();
    let mut text = format!("{} {}: {}", client.actor, client.source, phases.join(", "));
    if let Some(by) = &client.banned {
        text += ": banned, ";
        text += &by.evidence;
        text.extend(by.rule.as_ref().map(|rule| format!("; dropped by {}", in_its_words(rule))));
    }
    text
}

fn phase(service: &Service) -> String {
    let Service { phase, requests, served, latency, retransmissions, .. } = service;
    let shares = format!("{served}/{requests} {phase}");
    // Before the attack is the measure of what comes then.
    let p99 = latency.filter(|_| *phase != Phase::Before).map(|it| format!("p99 {}", micros(it.p99_us)));
    let again = (*retransmissions > 0).then(|| format!("{retransmissions} sent again"));
    let more: Vec<String> = p99.into_iter().chain(again).collect();
    if more.is_empty() { shares } else { format!("{shares} ({})", more.join(", ")) }
}

#[cfg(test)]
mod tests {
    use scandrill_model::{BannedBy, Latency};

    use super::*;

    fn service(phase: Phase, served: u64, requests: u64, retransmissions: u64) -> Service {
        let latency = (served > 0).then_some(Latency { p50_us: 900, p99_us: 812_345 });
        Service { phase, requests, served, latency, retransmissions, failures: Vec::new() }
    }

    fn client(phases: Vec<Service>, banned: Option<&str>) -> Collateral {
        Collateral {
            actor: "browser".to_owned(),
            role: "browser tcp/80".to_owned(),
            source: [198, 18, 3, 2].into(),
            phases,
            banned: banned.map(|evidence| BannedBy { rule: None, evidence: evidence.to_owned() }),
        }
    }

    #[test]
    fn a_client_whose_service_changed_has_one_line() {
        let phases = vec![
            service(Phase::Before, 10, 10, 0),
            service(Phase::During, 3, 12, 14),
            service(Phase::After, 0, 10, 0),
        ];
        let hurt = client(phases, Some("not served from request 14 on"));
        assert!(is_hurt(&hurt));
        assert_eq!(
            told(&hurt, |_| String::new()),
            "browser 198.18.3.2: 10/10 before, 3/12 during (p99 812 ms, 14 sent again), 0/10 after: banned, not \
             served from request 14 on"
        );
    }

    #[test]
    fn nothing_is_told_of_one_that_got_the_same_throughout() {
        let alike = [Phase::Before, Phase::During, Phase::After].map(|phase| service(phase, 4, 4, 0));
        assert!(!is_hurt(&client(alike.to_vec(), None)));
        let never = [Phase::Before, Phase::After].map(|phase| service(phase, 0, 4, 0));
        assert!(!is_hurt(&client(never.to_vec(), None)));
        let late = vec![service(Phase::Before, 4, 4, 0), service(Phase::After, 3, 4, 0)];
        assert!(is_hurt(&client(late, None)));
    }
}
