//! What a simulated target does with a port, and what each technique must read there. The second is written out
//! here after nmap's reference guide, "Port Scanning Techniques", and not taken from the table under test.

use proptest::prelude::*;
use scandrill_model::{PortState, Protocol, TcpFlags, Technique};

/// What happens to a packet for a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Something listens.
    Open,
    /// Nothing listens, and the stack says so.
    Closed,
    /// Thrown away.
    Drop,
    /// Refused by an ICMP message with this code of "destination unreachable".
    Refuse(Refusal),
}

/// The refusals that both IP versions have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Network unreachable, no route.
    Net,
    /// Host unreachable, address unreachable.
    Host,
    /// Port unreachable.
    Port,
    /// Administratively prohibited.
    Prohibited,
}

/// Any policy that makes sense for the technique: a host that does not answer a ping has no way to be "closed".
pub fn any_policy(technique: Technique) -> impl Strategy<Value = Policy> {
    let refusal = prop::sample::select(vec![Refusal::Net, Refusal::Host, Refusal::Port, Refusal::Prohibited]);
    let closed = if technique == Technique::IcmpEcho { Policy::Open } else { Policy::Closed };
    prop_oneof![Just(Policy::Open), Just(closed), Just(Policy::Drop), refusal.prop_map(Policy::Refuse)]
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

/// What the technique must read under the policy, of a stack that behaves as Linux's.
pub fn expected(technique: Technique, policy: Policy) -> PortState {
    match policy {
        Policy::Drop => silent(technique),
        Policy::Refuse(Refusal::Port) if matches!(technique, Technique::Udp | Technique::TcpConnect) => {
            PortState::Closed
        }
        Policy::Refuse(_) => PortState::Filtered,
        Policy::Closed if technique == Technique::TcpAck => PortState::Unfiltered,
        Policy::Closed => PortState::Closed,
        Policy::Open => match technique {
            Technique::TcpSyn
            | Technique::TcpConnect
            | Technique::Udp
            | Technique::SctpInit
            | Technique::IpProtocol
            | Technique::IcmpEcho
            | Technique::IcmpTimestamp
            | Technique::IcmpNetmask
            | Technique::Arp
            | Technique::Idle => PortState::Open,
            Technique::TcpFlags(flags) => open_to(flags),
            Technique::TcpAck => PortState::Unfiltered,
            Technique::TcpWindow | Technique::TcpMaimon => PortState::Closed,
            Technique::TcpNull | Technique::TcpFin | Technique::TcpXmas => PortState::OpenFiltered,
        },
    }
}

/// A listener hears a reset first, then an ACK, then a SYN, and nothing else (RFC 9293, section 3.10.7.2).
fn open_to(flags: TcpFlags) -> PortState {
    if flags.contains(TcpFlags::RST) {
        PortState::Filtered
    } else if flags.contains(TcpFlags::ACK) {
        PortState::Closed
    } else if flags.contains(TcpFlags::SYN) {
        PortState::Open
    } else {
        PortState::Filtered
    }
}

/// Whether the target says anything at all.
pub fn is_answered(technique: Technique, policy: Policy) -> bool {
    let flagless = matches!(technique, Technique::TcpNull | Technique::TcpFin | Technique::TcpXmas);
    policy != Policy::Drop && !(policy == Policy::Open && flagless && technique.protocol() == Protocol::Tcp)
}
