//! Which expectations can be observed at all: found when a case is planned, before anything is built.

use std::ops::Range;

use scandrill_model::{
    Asks, PortSet, PortState, Protocol, RedExpectation, Reply, ServiceKind, ServicePlan, Speaks, StateSet,
    TcpFlags, Technique, Unreachable, state_of,
};
use strum::IntoEnumIterator;

use crate::scenario::{Green, Prediction, Red, Scenario};

/// Place, what is wrong, what would be right.
pub type Unobservable = (Range<usize>, String, Option<String>);

/// Checks each red actor's expectation and the claim's prediction.
pub fn check(scenario: &Scenario) -> Result<(), Unobservable> {
    for red in &scenario.reds {
        check_covered(red)?;
        check_red(red, &red.expect, &scenario.target.services)?;
    }
    for green in &scenario.greens {
        check_client(green, &scenario.target.services)?;
    }
    let claim = scenario.claim.as_ref();
    let predicted = claim.and_then(|claim| match &claim.predicts {
        Prediction::Red(expectation) => {
            Some((expectation, scenario.reds.iter().find(|red| red.name == claim.actor)?))
        }
        Prediction::Green(_) => None,
    });
    predicted.map_or(Ok(()), |(expectation, red)| check_red(red, expectation, &scenario.target.services))
}

/// A client needs a service that speaks its language; a line over TCP any service answers somehow.
fn check_client(green: &Green, services: &[ServicePlan]) -> Result<(), Unobservable> {
    let (protocol, kind) = match green.speaks {
        Speaks::Ping => return Ok(()),
        Speaks::Tcp => (Protocol::Tcp, ServiceKind::Banner),
        Speaks::Http => (Protocol::Tcp, ServiceKind::Http),
        Speaks::Udp => (Protocol::Udp, ServiceKind::Echo),
        Speaks::Dns => (Protocol::Udp, ServiceKind::Dns),
    };
    let at = services.iter().find(|service| (service.protocol, service.port) == (protocol, green.port));
    if at.is_some_and(|service| service.kind == kind || green.speaks == Speaks::Tcp) {
        return Ok(());
    }
    let there =
        at.map_or_else(|| "nothing listens".to_owned(), |service| format!("{} is served", service.kind));
    let message =
        format!("`{}` speaks {}, but {there} on {protocol}/{}", green.name, green.speaks, green.port);
    let wanted = format!("add \"{protocol}/{} {}\" to the target's services", green.port, kind);
    Err((green.span.clone(), message, Some(wanted)))
}

/// Every scanned port is named or falls under `rest`.
fn check_covered(red: &Red) -> Result<(), Unobservable> {
    let named = named(&red.expect);
    let strange = named.without(&red.ports);
    if !strange.is_empty() {
        let message = format!("`{}` expects something of port {strange}, which it does not scan", red.name);
        return Err((
            red.span.clone(),
            message,
            Some("add it to `ports`, or take it out of `expect`".to_owned()),
        ));
    }
    let open = red.ports.without(&named);
    if open.is_empty() || red.expect.rest.is_some() {
        return Ok(());
    }
    if red.technique.asks() == Asks::Host {
        let message = format!("`{}` pings the target and expects nothing of it", red.name);
        return Err((
            red.span.clone(),
            message,
            Some("add expect.rest = \"open\" or \"filtered\"".to_owned()),
        ));
    }
    let message = format!("`{}` scans port {open} and expects nothing of it", red.name);
    Err((red.span.clone(), message, Some("add expect.rest = \"closed\", or name its state".to_owned())))
}

fn named(expect: &RedExpectation) -> PortSet {
    expect.states.iter().flat_map(|(ports, _)| ports.iter()).collect()
}

fn check_red(red: &Red, expect: &RedExpectation, services: &[ServicePlan]) -> Result<(), Unobservable> {
    let rest_ports = red.ports.without(&named(expect));
    let rest = expect.rest.as_ref().map(|states| (&rest_ports, states));
    for (ports, states) in expect.states.iter().map(|(ports, states)| (ports, states)).chain(rest) {
        check_possible(red, states)?;
        check_silent(red, ports, states, services)?;
    }
    Ok(())
}

/// A state that no reply and no silence gives can never be read.
fn check_possible(red: &Red, states: &StateSet) -> Result<(), Unobservable> {
    let possible = possible_states(red.technique);
    match states.0.iter().find(|state| !possible.contains(state)) {
        None => Ok(()),
        Some(state) => {
            let words: Vec<String> = possible.iter().map(PortState::to_string).collect();
            let message = format!("{} never reads a port as {state}", red.technique);
            Err((red.span.clone(), message, Some(format!("it reads {}", words.join(", ")))))
        }
    }
}

/// All states that the one table can give for a technique.
pub fn possible_states(technique: Technique) -> Vec<PortState> {
    let tcp = |flags, window| Some(Reply::Tcp { flags, window });
    let (refused, prohibited) = (Unreachable::Port, Unreachable::AdminProhibited);
    let unreachable = [refused, prohibited].map(|what| Some(Reply::Unreachable(what)));
    let replies: Vec<Option<Reply>> = match technique.protocol() {
        Protocol::Tcp => {
            vec![tcp(TcpFlags::SYN | TcpFlags::ACK, 1), tcp(TcpFlags::RST, 0), tcp(TcpFlags::RST, 1)]
        }
        Protocol::Udp => vec![Some(Reply::Udp)],
        Protocol::Sctp => vec![Some(Reply::SctpInitAck), Some(Reply::SctpAbort)],
        Protocol::Ip => vec![Some(Reply::Protocol), Some(Reply::Unreachable(Unreachable::Protocol))],
        Protocol::Icmp => vec![Some(Reply::EchoReply)],
        Protocol::Arp => vec![Some(Reply::ArpReply)],
    };
    let silent_on_open = silent_when_open(technique);
    let states: Vec<PortState> = replies
        .into_iter()
        .chain(unreachable)
        .chain([None])
        .map(|reply| state_of(technique, reply))
        .collect();
    PortState::iter()
        .filter(|state| states.contains(state) && !(silent_on_open && *state == PortState::Open))
        .collect()
}

/// Whether an open port gives no answer to this technique (RFC 9293, section 3.10.7.2).
pub fn silent_when_open(technique: Technique) -> bool {
    matches!(technique, Technique::TcpNull | Technique::TcpFin | Technique::TcpXmas | Technique::TcpMaimon)
}

/// The scanned ports that would be silent without any defense.
pub fn silent_by_nature(technique: Technique, services: &[ServicePlan]) -> PortSet {
    let of_protocol = services.iter().filter(|service| service.protocol == technique.protocol());
    of_protocol
        .filter(|service| silent_when_open(technique) || !service.answers())
        .map(|service| service.port)
        .collect()
}

/// A port that is silent anyway cannot show that it is filtered.
fn check_silent(
    red: &Red,
    ports: &PortSet,
    states: &StateSet,
    services: &[ServicePlan],
) -> Result<(), Unobservable> {
    let silent = ports.intersection(&red.ports).intersection(&silent_by_nature(red.technique, services));
    if silent.is_empty() || states.0 != [PortState::Filtered] {
        return Ok(());
    }
    let message = format!(
        "port {silent} gives no answer to {} even without a defense: `filtered` shows nothing",
        red.technique
    );
    Err((
        red.span.clone(),
        message,
        Some("expect \"open|filtered\", or scan it with another technique".to_owned()),
    ))
}
