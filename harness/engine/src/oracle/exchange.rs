//! Which captured packets belong to a scan: its probes, whoever they seem to come from, and what answers them.

use std::net::IpAddr;

use scandrill_lab::{Decoded, Kind, Query, Quoted};
use scandrill_model::{Asks, Protocol, Reply, Technique};
use scandrill_scanners::{ScanPlan, Sources};

/// What makes a probe and a reply belong together: the address the probe came from, its port or id, and the target's
/// port, a sequence number, or the protocol.
pub type Exchange = (IpAddr, u16, u16);

/// The types of chunks that a scan looks at (RFC 9260, section 3.2).
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;

/// IP's number for ICMP, and for ICMPv6: each is a protocol like others over the other IP version.
fn icmp_to(address: IpAddr) -> u8 {
    if address.is_ipv4() { 1 } else { 58 }
}

/// The exchange and the cell of a packet that is one of the scan's probes. Of a probe in fragments that is the first.
pub fn probe_of(scan: &ScanPlan, decoded: &Decoded) -> Option<(Exchange, u16)> {
    if !sends_from(scan, decoded.source) {
        return None;
    }
    if let (Kind::Solicitation { target }, Technique::Arp) = (&decoded.kind, scan.technique) {
        return (*target == scan.target).then_some(((decoded.source, 0, 0), 0));
    }
    if decoded.destination != scan.target {
        return None;
    }
    let (id, cell) = match (&decoded.kind, scan.technique) {
        (_, Technique::IpProtocol) => protocol_asked(decoded).map(|number| ((0, number), number))?,
        (Kind::Query { what, id, sequence }, technique) if asks_for(technique) == Some(*what) => {
            ((*id, *sequence), 0)
        }
        (Kind::Udp { source_port, destination_port }, Technique::Udp)
        | (Kind::Sctp { source_port, destination_port, chunk: INIT }, Technique::SctpInit) => {
            ((*source_port, *destination_port), *destination_port)
        }
        (Kind::Tcp { source_port, destination_port, flags, .. }, technique)
            if technique.probe_flags() == Some(*flags) =>
        {
            ((*source_port, *destination_port), *destination_port)
        }
        (Kind::FirstFragment(head), technique) if decoded.protocol == number_of(technique, scan.target) => {
            in_fragments(technique, *head)
        }
        _ => return None,
    };
    scan.cells().contains(cell).then_some(((decoded.source, id.0, id.1), cell))
}

/// Whether the scan's probes come from an address.
fn sends_from(scan: &ScanPlan, address: IpAddr) -> bool {
    match (&scan.evasion.sources, &scan.zombie) {
        (_, Some(zombie)) => address == zombie.address,
        (Sources::Pool { prefix, .. }, None) => prefix.contains(&address),
        (Sources::Own | Sources::Spoofed, None) => address == scan.source,
    }
}

/// The protocol that a packet asks for: any that has not a use of its own on the link.
fn protocol_asked(decoded: &Decoded) -> Option<u16> {
    let protocol = decoded.protocol?;
    // A host's own ICMP, such as neighbour discovery, is no probe.
    let is_probe = if protocol == icmp_to(decoded.destination) {
        matches!(decoded.kind, Kind::Query { .. } | Kind::FirstFragment(_))
    } else {
        decoded.kind != Kind::LaterFragment
    };
    is_probe.then_some(protocol.into())
}

/// What a technique of ICMP asks for.
fn asks_for(technique: Technique) -> Option<Query> {
    let asked = [
        (Technique::IcmpEcho, Query::Echo),
        (Technique::IcmpTimestamp, Query::Timestamp),
        (Technique::IcmpNetmask, Query::AddressMask),
    ];
    asked.into_iter().find(|(asking, _)| *asking == technique).map(|(_, what)| what)
}

/// IP's number for what a technique's probes are made of.
fn number_of(technique: Technique, target: IpAddr) -> Option<u8> {
    match technique.protocol() {
        Protocol::Tcp => Some(6),
        Protocol::Udp => Some(17),
        Protocol::Sctp => Some(132),
        Protocol::Icmp => Some(icmp_to(target)),
        Protocol::Ip | Protocol::Arp => None,
    }
}

/// The first eight bytes hold the ports, or an ICMP message's id and sequence number; no flags of TCP.
fn in_fragments(technique: Technique, head: [u8; 8]) -> ((u16, u16), u16) {
    let number = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    match technique.asks() {
        Asks::Host => ((number(4), number(6)), 0),
        Asks::Ports | Asks::Protocols => ((number(0), number(2)), number(2)),
    }
}

/// The exchange, the cell and the meaning of a packet that answers one of the scan's probes.
pub fn reply_of(scan: &ScanPlan, decoded: &Decoded) -> Option<(Exchange, u16, Reply)> {
    let to = decoded.destination;
    if !sends_from(scan, to) {
        return None;
    }
    if let Kind::Unreachable { what, quoted } = &decoded.kind {
        let (id, cell) = refused(scan, quoted)?;
        return Some(((to, id.0, id.1), cell, Reply::Unreachable(*what)));
    }
    if let (Kind::Advertisement { target }, Technique::Arp) = (&decoded.kind, scan.technique) {
        let reply = if to.is_ipv4() { Reply::ArpReply } else { Reply::NeighborAdvertisement };
        return (*target == scan.target).then_some(((to, 0, 0), 0, reply));
    }
    if decoded.source != scan.target {
        return None;
    }
    match (&decoded.kind, scan.technique) {
        (kind, Technique::IpProtocol) => {
            let protocol = decoded.protocol?;
            let answers = protocol != icmp_to(to) || matches!(kind, Kind::Answer { .. });
            answers.then_some(((to, 0, protocol.into()), protocol.into(), Reply::Protocol))
        }
        (Kind::Answer { what, id, sequence }, technique) if asks_for(technique) == Some(*what) => {
            let reply = match what {
                Query::Echo => Reply::EchoReply,
                Query::Timestamp => Reply::TimestampReply,
                Query::AddressMask => Reply::AddressMaskReply,
            };
            Some(((to, *id, *sequence), 0, reply))
        }
        (Kind::Udp { source_port, destination_port }, Technique::Udp) => {
            Some(((to, *destination_port, *source_port), *source_port, Reply::Udp))
        }
        (Kind::Sctp { source_port, destination_port, chunk }, Technique::SctpInit) => {
            let reply = match *chunk {
                INIT_ACK => Reply::SctpInitAck,
                ABORT => Reply::SctpAbort,
                _ => return None,
            };
            Some(((to, *destination_port, *source_port), *source_port, reply))
        }
        (Kind::Tcp { source_port, destination_port, flags, window, .. }, technique)
            if technique.probe_flags().is_some() =>
        {
            let reply = Reply::Tcp { flags: *flags, window: *window };
            Some(((to, *destination_port, *source_port), *source_port, reply))
        }
        _ => None,
    }
}

/// The id and the cell of a probe that an error quotes.
fn refused(scan: &ScanPlan, quoted: &Quoted) -> Option<((u16, u16), u16)> {
    if !sends_from(scan, quoted.source) || quoted.destination != scan.target {
        return None;
    }
    let id = || Some((quoted.source_port?, quoted.destination_port?));
    Some(match scan.technique.asks() {
        Asks::Protocols => ((0, quoted.protocol.into()), quoted.protocol.into()),
        Asks::Host => (id()?, 0),
        Asks::Ports => (id()?, quoted.destination_port?),
    })
}

#[cfg(test)]
mod tests {
    use scandrill_model::{TcpFlags, Unreachable};
    use scandrill_scanners::{Evasion, Zombie};

    use super::*;

    const RED: &str = "198.18.2.10";
    const TARGET: &str = "198.18.0.1";

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn scan(technique: Technique, ports: &str) -> ScanPlan {
        let ports = scandrill_model::PortSet::try_from(ports.to_owned()).unwrap();
        ScanPlan::new(technique, address(RED), address(TARGET), ports, 1)
    }

    fn packet(source: &str, destination: &str, protocol: u8, kind: Kind) -> Decoded {
        let (source, destination) = (address(source), address(destination));
        Decoded { source, destination, protocol: Some(protocol), ttl: Some(64), kind }
    }

    fn syn(source_port: u16, destination_port: u16) -> Kind {
        Kind::Tcp { source_port, destination_port, flags: TcpFlags::SYN, window: 1024 }
    }

    fn syn_ack(source_port: u16, destination_port: u16) -> Kind {
        let flags = TcpFlags::SYN | TcpFlags::ACK;
        Kind::Tcp { source_port, destination_port, flags, window: 64_240 }
    }

    #[test]
    fn a_pool_s_probes_are_its_own_and_a_decoy_s_are_nobody_s() {
        let mut scan = scan(Technique::TcpSyn, "22");
        let prefix = "198.18.128.0/23".parse().unwrap();
        scan.evasion = Evasion { sources: Sources::Pool { prefix, count: 256 }, ..Evasion::default() };
        let from = |source| probe_of(&scan, &packet(source, TARGET, 6, syn(4_000, 22)));
        assert_eq!(from("198.18.129.4"), Some(((address("198.18.129.4"), 4_000, 22), 22)));
        assert_eq!(from("198.18.2.101"), None);
        let answer = packet(TARGET, "198.18.129.4", 6, syn_ack(22, 4_000));
        assert_eq!(
            reply_of(&scan, &answer).map(|(exchange, ..)| exchange),
            from("198.18.129.4").map(|(exchange, _)| exchange)
        );
    }

    #[test]
    fn the_target_s_answer_to_the_zombie_is_an_idle_scan_s_fact() {
        let mut scan = scan(Technique::Idle, "22");
        scan.zombie = Some(Zombie { address: address("198.18.0.6"), port: 80 });
        assert_eq!(probe_of(&scan, &packet(RED, "198.18.0.6", 6, syn_ack(4_000, 80))), None);
        assert!(probe_of(&scan, &packet("198.18.0.6", TARGET, 6, syn(80, 22))).is_some());
        assert!(reply_of(&scan, &packet(TARGET, "198.18.0.6", 6, syn_ack(22, 80))).is_some());
    }

    #[test]
    fn a_probe_in_fragments_counts_once_and_is_known_by_its_ports() {
        let scan = scan(Technique::TcpSyn, "22");
        let head = [0x0f, 0xa0, 0, 22, 0, 0, 0, 1];
        let first = packet(RED, TARGET, 6, Kind::FirstFragment(head));
        assert_eq!(probe_of(&scan, &first), Some(((address(RED), 4_000, 22), 22)));
        assert_eq!(probe_of(&scan, &packet(RED, TARGET, 6, Kind::LaterFragment)), None);
        assert_eq!(probe_of(&scan, &packet(RED, TARGET, 17, Kind::FirstFragment(head))), None);
    }

    #[test]
    fn a_protocol_is_answered_in_itself_or_refused_by_name() {
        let scan = scan(Technique::IpProtocol, "1,89");
        assert!(probe_of(&scan, &packet(RED, TARGET, 89, Kind::Other)).is_some());
        assert!(probe_of(&scan, &packet(RED, TARGET, 89, Kind::LaterFragment)).is_none());
        let quoted = Quoted {
            source: address(RED),
            destination: address(TARGET),
            protocol: 89,
            source_port: None,
            destination_port: None,
        };
        let what = Unreachable::Protocol;
        let refusal = packet(TARGET, RED, 1, Kind::Unreachable { what, quoted });
        assert_eq!(
            reply_of(&scan, &refusal),
            Some(((address(RED), 0, 89), 89, Reply::Unreachable(Unreachable::Protocol)))
        );
        let echo = Kind::Answer { what: Query::Echo, id: 1, sequence: 1 };
        let answer = reply_of(&scan, &packet(TARGET, RED, 1, echo));
        assert_eq!(answer, Some(((address(RED), 0, 1), 1, Reply::Protocol)));
        let redirect = packet(TARGET, RED, 1, Kind::Other);
        assert_eq!(reply_of(&scan, &redirect), None, "the host's own ICMP is no answer");
    }

    #[test]
    fn arp_is_about_the_target_whoever_says_it() {
        let scan = scan(Technique::Arp, "0");
        let arp = |source, destination, kind| Decoded {
            protocol: None,
            ttl: None,
            ..packet(source, destination, 0, kind)
        };
        let target = address(TARGET);
        assert!(probe_of(&scan, &arp(RED, TARGET, Kind::Solicitation { target })).is_some());
        let other = address("198.18.0.9");
        assert!(probe_of(&scan, &arp(RED, "198.18.0.9", Kind::Solicitation { target: other })).is_none());
        let told = reply_of(&scan, &arp(TARGET, RED, Kind::Advertisement { target }));
        assert_eq!(told, Some(((address(RED), 0, 0), 0, Reply::ArpReply)));
    }
}
