//! What a simulated target does with a port, and what each technique must read there. The second is written out here
//! after nmap's reference guide, "Port Scanning Techniques", and what nmap 7.93 printed in labs, and not taken from the
//! table under test.

use proptest::prelude::*;
use scandrill_model::{Asks, Family, PortState, TcpFlags, Technique};
use scandrill_scanners::{ScanPlan, Sources};

/// What happens to a packet for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Something listens; of a protocol: the host speaks it.
    Open,
    /// Nothing listens, and the stack says so.
    Closed,
    /// Thrown away.
    Drop,
    /// Refused by an ICMP or ICMPv6 error.
    Refuse(Refusal),
}

/// Type and code of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
}

impl Refusal {
    /// Nothing listens at a port.
    pub fn port(family: Family) -> Self {
        if family == Family::V4 { Self { kind: 3, code: 3 } } else { Self { kind: 1, code: 4 } }
    }

    /// Nobody speaks a protocol.
    pub fn protocol(family: Family) -> Self {
        if family == Family::V4 { Self { kind: 3, code: 2 } } else { Self { kind: 4, code: 1 } }
    }

    /// The packet lived too short (RFC 792, RFC 4443).
    pub fn expired(family: Family) -> Self {
        Self { kind: if family == Family::V4 { 11 } else { 3 }, code: 0 }
    }
}

/// Errors of each version; of ICMP's, two that nmap takes no notice of (fragmentation needed, source route failed).
const REFUSALS_V4: [(u8, u8); 10] =
    [(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (3, 9), (3, 10), (3, 13), (11, 0)];
const REFUSALS_V6: [(u8, u8); 10] =
    [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (3, 0), (4, 0), (4, 1)];

/// Any policy that makes sense for the technique: a host has no way to be "closed", and ARP none to be refused.
pub fn any_policy(technique: Technique, family: Family) -> BoxedStrategy<Policy> {
    let known = if family == Family::V4 { REFUSALS_V4 } else { REFUSALS_V6 };
    let refusal = prop::sample::select(known.to_vec());
    let refusal = refusal.prop_map(|(kind, code)| Policy::Refuse(Refusal { kind, code }));
    let plain = prop::sample::select(vec![Policy::Open, Policy::Drop]);
    match technique.asks() {
        Asks::Host if technique == Technique::Arp => plain.boxed(),
        Asks::Host => prop_oneof![2 => plain, 1 => refusal].boxed(),
        Asks::Ports | Asks::Protocols => {
            prop_oneof![2 => plain, 1 => Just(Policy::Closed), 1 => refusal].boxed()
        }
    }
}

/// What a plan must read of a cell, and whether that rests on an answer. `routers` are on the way.
pub fn expected(plan: &ScanPlan, routers: u8, cell: u16, policy: Policy) -> (PortState, bool) {
    let silence = (silent(plan.technique), false);
    if plan.evasion.sources == Sources::Spoofed && plan.technique != Technique::Idle {
        return silence;
    }
    let family = Family::of(plan.target);
    let answered = if plan.technique != Technique::Arp && plan.evasion.ttl.is_some_and(|ttl| ttl <= routers) {
        refused(plan.technique, family, Refusal::expired(family))
    } else if plan.evasion.bad_checksum && heeds_checksum(plan.technique, family, cell, policy) {
        None
    } else {
        reads(plan.technique, family, cell, policy)
    };
    answered.map_or(silence, |state| (state, true))
}

/// What the technique reads where no answer comes.
pub fn silent(technique: Technique) -> PortState {
    match technique {
        Technique::TcpSyn
        | Technique::TcpConnect
        | Technique::TcpAck
        | Technique::TcpWindow
        | Technique::TcpFlags(_)
        | Technique::SctpInit
        | Technique::IcmpEcho
        | Technique::IcmpTimestamp
        | Technique::IcmpNetmask
        | Technique::Arp => PortState::Filtered,
        Technique::TcpNull
        | Technique::TcpFin
        | Technique::TcpXmas
        | Technique::TcpMaimon
        | Technique::Udp
        | Technique::IpProtocol => PortState::OpenFiltered,
        Technique::Idle => PortState::ClosedFiltered,
    }
}

/// Of a stack that behaves as Linux's; `None` where it says nothing, or nothing that nmap takes notice of.
fn reads(technique: Technique, family: Family, cell: u16, policy: Policy) -> Option<PortState> {
    match policy {
        Policy::Drop => None,
        Policy::Refuse(refusal) => refused(technique, family, refusal),
        Policy::Closed => closed(technique),
        Policy::Open if technique == Technique::IpProtocol => speaks(family, cell).then_some(PortState::Open),
        Policy::Open => open(technique),
    }
}

fn closed(technique: Technique) -> Option<PortState> {
    match technique {
        Technique::TcpAck => Some(PortState::Unfiltered),
        // RFC 9293, section 3.10.7.1: a reset is never answered.
        Technique::TcpFlags(flags) if flags.contains(TcpFlags::RST) => None,
        Technique::Idle => None,
        _ => Some(PortState::Closed),
    }
}

fn open(technique: Technique) -> Option<PortState> {
    match technique {
        Technique::TcpSyn
        | Technique::TcpConnect
        | Technique::Udp
        | Technique::SctpInit
        | Technique::IpProtocol
        | Technique::IcmpEcho
        | Technique::IcmpTimestamp
        | Technique::IcmpNetmask
        | Technique::Arp
        | Technique::Idle => Some(PortState::Open),
        Technique::TcpFlags(flags) => open_to(flags),
        Technique::TcpAck => Some(PortState::Unfiltered),
        Technique::TcpWindow | Technique::TcpMaimon => Some(PortState::Closed),
        Technique::TcpNull | Technique::TcpFin | Technique::TcpXmas => None,
    }
}

/// A listener answers an ACK with a reset, accepts a SYN, and hears nothing else (RFC 9293, section 3.10.7.2); Linux's
/// does not accept a SYN that also ends (tcp_rcv_state_process).
fn open_to(flags: TcpFlags) -> Option<PortState> {
    if flags.contains(TcpFlags::RST) {
        None
    } else if flags.contains(TcpFlags::ACK) {
        Some(PortState::Closed)
    } else if flags.contains(TcpFlags::SYN) && !flags.contains(TcpFlags::FIN) {
        Some(PortState::Open)
    } else {
        None
    }
}

/// Which protocols a Linux host says a word in, when it is asked as nmap asks.
pub fn speaks(family: Family, protocol: u16) -> bool {
    let icmp = if family == Family::V4 { 1 } else { 58 };
    [icmp, 6, 17, 132].contains(&protocol)
}

/// Whoever answers or refuses looks at the checksum first, where there is one in 16 bits; SCTP's own only SCTP does.
pub fn heeds_checksum(technique: Technique, family: Family, cell: u16, policy: Policy) -> bool {
    let icmp = if family == Family::V4 { [1, 2] } else { [58, 58] };
    match technique {
        Technique::Arp | Technique::Idle => false,
        Technique::IpProtocol if cell == 132 => policy == Policy::Open,
        Technique::IpProtocol => icmp.contains(&cell) || [6, 17].contains(&cell),
        Technique::SctpInit => matches!(policy, Policy::Open | Policy::Closed),
        _ => true,
    }
}

/// What an error makes of a cell.
fn refused(technique: Technique, family: Family, refusal: Refusal) -> Option<PortState> {
    let (pings, connects) = (technique.asks() == Asks::Host, technique == Technique::TcpConnect);
    let protocols = technique == Technique::IpProtocol;
    match (family, refusal.kind, refusal.code) {
        _ if technique == Technique::Idle => None,
        // Port unreachable: sockets are told that nothing listens; of a protocol's packet, the protocol has answered.
        (Family::V4, 3, 3) | (Family::V6, 1, 4) if connects || technique == Technique::Udp => {
            Some(PortState::Closed)
        }
        (Family::V4, 3, 3) | (Family::V6, 1, 4) if protocols => Some(PortState::Open),
        (Family::V4, 3, 2) | (Family::V6, 4, 1) if protocols => Some(PortState::Closed),
        // Who has no such port or protocol is there; of any other refusal a ping says nothing.
        (Family::V4, 3, 2 | 3) | (Family::V6, 1, 4) if pings => Some(PortState::Open),
        (Family::V4, 11, _) => Some(PortState::Filtered),
        // nmap's port scans take no notice of it, its sockets and pings do.
        (Family::V6, 3, _) => (connects || pings).then_some(PortState::Filtered),
        _ if pings => None,
        // Neither is among the errors that end a probe of nmap's.
        (Family::V4, 3, 4 | 5) => None,
        // Who complains about a field has understood the header; EPROTO nmap takes for success.
        (Family::V6, 4, 0) => Some(PortState::Open),
        (Family::V6, 4, 1) if connects => Some(PortState::Open),
        _ => Some(PortState::Filtered),
    }
}
