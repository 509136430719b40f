//! Which expectations can be observed at all: found when a case is planned, before anything is built.

use std::ops::Range;

use scandrill_model::{
    Allowed, Asks, PortSet, PortState, Protocol, RedExpectation, Reply, ServiceKind, ServicePlan, Speaks,
    StateSet, TcpFlags, Technique, Unreachable, state_of,
};
use scandrill_scanners::{Evasion, ScanPlan, Sources};
use strum::IntoEnumIterator;

use crate::scenario::{Errand, Green, Prediction, Red, Scenario, Sender, met_by};

/// Place, what is wrong, what would be right.
pub type Unobservable = (Range<usize>, String, Option<String>);

/// Checks each red actor's expectation and the claim's prediction.
pub fn check(scenario: &Scenario) -> Result<(), Unobservable> {
    let faced = scenario.faced();
    let met = |red: &Red| met_by(red.technique, scenario.forwards(), &faced);
    for red in &scenario.reds {
        check_covered(red)?;
        check_red(red, &red.expect, &met(red))?;
    }
    for green in &scenario.greens {
        check_client(green, &faced, scenario.edge.is_some())?;
    }
    let claim = scenario.claim.as_ref();
    let predicted = claim.and_then(|claim| match &claim.predicts {
        Prediction::Red(expectation) => {
            Some((expectation, scenario.reds.iter().find(|red| red.name == claim.actor)?))
        }
        Prediction::Green(_) | Prediction::Operator(_) | Prediction::Counter(_) => None,
    });
    predicted.map_or(Ok(()), |(expectation, red)| check_red(red, expectation, &met(red)))
}

/// A client needs a service that speaks its language; a line over TCP any service answers somehow. Who asks elsewhere finds
/// it there.
fn check_client(green: &Green, services: &[ServicePlan], behind_edge: bool) -> Result<(), Unobservable> {
    let elsewhere = green.peer().is_some();
    let mut errands = green.errands.iter().filter(|_| !elsewhere);
    errands.try_for_each(|errand| check_errand(green, *errand, services, behind_edge))
}

fn check_errand(
    green: &Green,
    Errand { speaks, port }: Errand,
    services: &[ServicePlan],
    behind_edge: bool,
) -> Result<(), Unobservable> {
    let (protocol, kind) = match speaks {
        Speaks::Ping => return Ok(()),
        Speaks::Tcp | Speaks::Session => (Protocol::Tcp, ServiceKind::Banner),
        Speaks::Http => (Protocol::Tcp, ServiceKind::Http),
        Speaks::Udp => (Protocol::Udp, ServiceKind::Echo),
        Speaks::Dns => (Protocol::Udp, ServiceKind::Dns),
    };
    let at = services.iter().find(|service| (service.protocol, service.port) == (protocol, port));
    let speaks_it = |served: ServiceKind| served == kind || kind == ServiceKind::Http && served.is_http();
    if at.is_some_and(|service| speaks_it(service.kind) || speaks == Speaks::Tcp) {
        return Ok(());
    }
    let there =
        at.map_or_else(|| "nothing listens".to_owned(), |service| format!("{} is served", service.kind));
    let message = format!("`{}` speaks {speaks}, but {there} on {protocol}/{port}", green.name);
    let wanted = if behind_edge {
        format!("ask a port of the edge that leads to a service which speaks {kind}")
    } else {
        format!("add \"{protocol}/{port} {kind}\" to the target's services")
    };
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
        let message = format!("`{}` asks the target and expects nothing of it", red.name);
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
    let rest = expect.rest.as_ref().map(|allowed| (&rest_ports, allowed));
    for (ports, allowed) in expect.states.iter().map(|(ports, allowed)| (ports, allowed)).chain(rest) {
        let Allowed::States(states) = allowed else { continue };
        check_silent(red, ports, states, services)?;
        check_possible(red, states)?;
    }
    Ok(())
}

/// A state that no reply and no silence gives can never be read.
fn check_possible(red: &Red, states: &StateSet) -> Result<(), Unobservable> {
    let mute = is_mute(red.technique, &red.evasion, matches!(red.sender, Sender::Spoofed(_)));
    let possible = if mute { vec![state_of(red.technique, None)] } else { possible_states(red.technique) };
    match states.0.iter().find(|state| !possible.contains(state)) {
        None => Ok(()),
        Some(state) => {
            let words: Vec<String> = possible.iter().map(PortState::to_string).collect();
            let how = if mute { ", as it hears no answer," } else { "" };
            let message = format!("{}{how} never reads a port as {state}", red.technique);
            Err((red.span.clone(), message, Some(format!("it reads {}", words.join(", ")))))
        }
    }
}

/// All states that the one table can give for a technique.
pub fn possible_states(technique: Technique) -> Vec<PortState> {
    let tcp = |flags, window| Reply::Tcp { flags, window };
    let mut replies: Vec<Reply> = match technique.protocol() {
        Protocol::Tcp => {
            vec![tcp(TcpFlags::SYN | TcpFlags::ACK, 1), tcp(TcpFlags::RST, 0), tcp(TcpFlags::RST, 1)]
        }
        Protocol::Udp => vec![Reply::Udp],
        Protocol::Sctp => vec![Reply::SctpInitAck, Reply::SctpAbort],
        Protocol::Ip => vec![Reply::Protocol, Reply::Unreachable(Unreachable::Protocol)],
        Protocol::Icmp => vec![Reply::EchoReply],
        Protocol::Arp => vec![Reply::ArpReply],
    };
    replies.extend([Unreachable::Port, Unreachable::AdminProhibited].map(Reply::Unreachable));
    let states: Vec<PortState> =
        replies.into_iter().map(Some).chain([None]).map(|reply| state_of(technique, reply)).collect();
    PortState::iter()
        .filter(|state| states.contains(state) && (*state != PortState::Open || can_read_open(technique)))
        .collect()
}

/// Whether a listener's answer can differ from that of a closed port in the way that reads as open.
fn can_read_open(technique: Technique) -> bool {
    technique == Technique::TcpWindow
        || technique.probe_flags().is_none_or(|flags| flags.contains(TcpFlags::SYN))
}

/// Which ports give no answer to a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quiet {
    /// None.
    Nobody,
    /// Those with a listener.
    Listeners,
    /// All.
    Everyone,
}

/// RFC 9293, section 3.10.7: nothing answers a reset; a closed port resets anything else. A listener resets what has an
/// ACK, accepts a SYN, and ignores the rest; a SYN with FIN, too, in Linux (`tcp_rcv_state_process`).
fn quiet(flags: TcpFlags) -> Quiet {
    if flags.contains(TcpFlags::RST) {
        Quiet::Everyone
    } else if flags.contains(TcpFlags::ACK) || flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::FIN)
    {
        Quiet::Nobody
    } else {
        Quiet::Listeners
    }
}

/// Whether a scan hears no answer, whatever the target does: a wrong checksum is thrown away before anything is
/// answered, and the answers to another's name go there. SCTP's absence, and a protocol's, Linux tells without a look at
/// what is inside.
fn is_mute(technique: Technique, evasion: &Evasion, spoofed: bool) -> bool {
    let checked = matches!(technique.protocol(), Protocol::Tcp | Protocol::Udp | Protocol::Icmp);
    spoofed || evasion.bad_checksum && checked
}

/// The scanned ports on which a scan would hear nothing without any defense.
pub fn silent_by_nature(scan: &ScanPlan, services: &[ServicePlan]) -> PortSet {
    let spoofed = scan.evasion.sources == Sources::Spoofed;
    silent(scan.technique, &scan.evasion, spoofed, &scan.cells(), services)
}

fn silent(
    technique: Technique,
    evasion: &Evasion,
    spoofed: bool,
    ports: &PortSet,
    services: &[ServicePlan],
) -> PortSet {
    let quiet = technique.probe_flags().map_or(Quiet::Nobody, quiet);
    // Linux answers no address mask request (RFC 1122, section 3.2.2.9, lets it).
    let ignored = technique == Technique::IcmpNetmask || quiet == Quiet::Everyone;
    if ignored || is_mute(technique, evasion, spoofed) {
        return ports.clone();
    }
    if technique == Technique::IpProtocol {
        return ports.iter().filter(|protocol| TAKEN_IN_SILENCE.contains(protocol)).collect();
    }
    // Through a zombie a refusal is as silent as nothing at all, and neither is taken for a filter.
    if technique == Technique::Idle {
        let of_tcp = services.iter().filter(|service| service.protocol == Protocol::Tcp);
        return ports.without(&of_tcp.map(|service| service.port).collect());
    }
    // A service that is asked in nonsense is silent, unless it echoes.
    let nonsense = technique == Technique::Udp && evasion.data_length > 0;
    let is_silent = |service: &&ServicePlan| {
        quiet == Quiet::Listeners || !service.answers() || nonsense && service.kind != ServiceKind::Echo
    };
    let of_protocol = services.iter().filter(|service| service.protocol == technique.protocol());
    of_protocol.filter(is_silent).map(|service| service.port).filter(|port| ports.contains(*port)).collect()
}

/// Protocols that Linux has, but answers to nothing in them that carries nothing: IGMP, and UDP-Lite; over IPv6 the headers
/// of routing and options, and the one that says that nothing follows (RFC 8200, section 4).
const TAKEN_IN_SILENCE: [u16; 5] = [2, 43, 59, 60, 136];

/// A port that is silent anyway cannot show that it is filtered.
fn check_silent(
    red: &Red,
    ports: &PortSet,
    states: &StateSet,
    services: &[ServicePlan],
) -> Result<(), Unobservable> {
    let spoofed = matches!(red.sender, Sender::Spoofed(_));
    let silent = silent(red.technique, &red.evasion, spoofed, &ports.intersection(&red.ports), services);
    if silent.is_empty() || states.0 != [PortState::Filtered] {
        return Ok(());
    }
    let what = match red.technique.asks() {
        Asks::Host => "the target".to_owned(),
        Asks::Ports => format!("port {silent}"),
        Asks::Protocols => format!("protocol {silent}"),
    };
    let mute = is_mute(red.technique, &red.evasion, spoofed);
    let message = format!(
        "{what} gives no answer to {}{} even without a defense: `filtered` shows nothing",
        red.technique,
        if mute { " sent like this" } else { "" }
    );
    let help = if state_of(red.technique, None) == PortState::OpenFiltered && !mute {
        "expect \"open|filtered\", or scan it with another technique"
    } else {
        "expect \"silent\", or scan it in another way"
    };
    Err((red.span.clone(), message, Some(help.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_ignores_what_neither_acknowledges_nor_opens() {
        let quiet = |flags: &str| quiet(flags.parse().unwrap());
        for (flags, expected) in [
            ("SYN", Quiet::Nobody),
            ("SYN,PSH", Quiet::Nobody),
            ("SYN,ACK", Quiet::Nobody),
            ("FIN,ACK", Quiet::Nobody),
            ("SYN,FIN", Quiet::Listeners),
            ("none", Quiet::Listeners),
            ("URG,PSH", Quiet::Listeners),
            ("RST", Quiet::Everyone),
            ("SYN,RST", Quiet::Everyone),
        ] {
            assert_eq!(quiet(flags), expected, "{flags}");
        }
    }
}
