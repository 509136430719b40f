//! Replies, port states, and the one table between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::technique::{TcpFlags, Technique};

/// nmap's six port states (<https://nmap.org/book/man-port-scanning-basics.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumIter, EnumString)]
pub enum PortState {
    /// Something accepts here.
    #[serde(rename = "open")]
    #[strum(serialize = "open")]
    Open,
    /// Nothing listens, and the host says so.
    #[serde(rename = "closed")]
    #[strum(serialize = "closed")]
    Closed,
    /// No answer, or an ICMP refusal: a filter is in the way.
    #[serde(rename = "filtered")]
    #[strum(serialize = "filtered")]
    Filtered,
    /// Reachable; open or closed unknown.
    #[serde(rename = "unfiltered")]
    #[strum(serialize = "unfiltered")]
    Unfiltered,
    /// No answer where an open port would not answer either.
    #[serde(rename = "open|filtered")]
    #[strum(serialize = "open|filtered")]
    OpenFiltered,
    /// Used by nmap's idle scan only.
    #[serde(rename = "closed|filtered")]
    #[strum(serialize = "closed|filtered")]
    ClosedFiltered,
}

impl PortState {
    /// Whether red learnt something: that the port is open, closed, or reachable.
    pub fn is_read(self) -> bool {
        matches!(self, Self::Open | Self::Closed | Self::Unfiltered)
    }
}

/// What came back for a probe: a fact of the wire, without judgement. No reply at all is `None` of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// A TCP segment.
    Tcp {
        /// Its flags.
        flags: TcpFlags,
        /// Its window field, as sent.
        window: u16,
    },
    /// A datagram.
    Udp,
    /// An SCTP INIT ACK.
    SctpInitAck,
    /// An SCTP ABORT.
    SctpAbort,
    /// A packet of the very IP protocol that was asked.
    Protocol,
    /// An ICMP or ICMPv6 echo reply.
    EchoReply,
    /// An ICMP timestamp reply.
    TimestampReply,
    /// An ICMP address mask reply.
    AddressMaskReply,
    /// An ARP reply.
    ArpReply,
    /// A neighbour advertisement.
    NeighborAdvertisement,
    /// The zombie's IP identification went on by more than the scanner's own probe explains.
    IpIdChange,
    /// An ICMP or ICMPv6 error that quotes the probe.
    Unreachable(Unreachable),
}

/// What an ICMP or ICMPv6 error says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, EnumIter)]
#[serde(rename_all = "kebab-case")]
pub enum Unreachable {
    /// ICMP 3/0.
    Net,
    /// ICMP 3/1; ICMPv6 1/3 (address unreachable).
    Host,
    /// ICMP 3/2.
    Protocol,
    /// ICMP 3/3; ICMPv6 1/4.
    Port,
    /// ICMP 3/9.
    NetProhibited,
    /// ICMP 3/10.
    HostProhibited,
    /// ICMP 3/13; ICMPv6 1/1.
    AdminProhibited,
    /// ICMPv6 1/0 (no route to destination).
    NoRoute,
    /// ICMPv6 1/2 (beyond scope of source address).
    BeyondScope,
    /// ICMPv6 1/5 (source address failed policy).
    Policy,
    /// ICMPv6 1/6 (reject route to destination).
    RejectRoute,
    /// ICMP 11; ICMPv6 3: the packet's time to live ran out on its way.
    TimeExceeded,
    /// ICMPv6 4/0 (erroneous header field): the header was understood.
    HeaderField,
    /// ICMPv6 4/1 (unrecognized next header).
    NextHeader,
    /// Any other code of ICMP 3, ICMPv6 1 or ICMPv6 4.
    Other,
}

impl Unreachable {
    /// The meaning of an ICMP message; `None` when it is no error that ends a probe (RFC 792, RFC 1812).
    pub fn from_icmp(kind: u8, code: u8) -> Option<Self> {
        Some(match (kind, code) {
            (3, 0) => Self::Net,
            (3, 1) => Self::Host,
            (3, 2) => Self::Protocol,
            (3, 3) => Self::Port,
            (3, 9) => Self::NetProhibited,
            (3, 10) => Self::HostProhibited,
            (3, 13) => Self::AdminProhibited,
            (3, _) => Self::Other,
            (11, _) => Self::TimeExceeded,
            _ => return None,
        })
    }

    /// The meaning of an ICMPv6 message; `None` when it is no error that ends a probe (RFC 4443, section 3).
    pub fn from_icmpv6(kind: u8, code: u8) -> Option<Self> {
        Some(match (kind, code) {
            (1, 0) => Self::NoRoute,
            (1, 1) => Self::AdminProhibited,
            (1, 2) => Self::BeyondScope,
            (1, 3) => Self::Host,
            (1, 4) => Self::Port,
            (1, 5) => Self::Policy,
            (1, 6) => Self::RejectRoute,
            (3, _) => Self::TimeExceeded,
            (4, 0) => Self::HeaderField,
            (4, 1) => Self::NextHeader,
            (1 | 4, _) => Self::Other,
            _ => return None,
        })
    }
}

/// Why a port got its state, in nmap's words (`reason` in its XML).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Reason(pub String);

impl Reason {
    /// nmap's word for `reply` to a probe of `technique`.
    pub fn of(technique: Technique, reply: Option<Reply>) -> Self {
        Self(reason_word(technique, reply).to_owned())
    }
}

fn reason_word(technique: Technique, reply: Option<Reply>) -> &'static str {
    match reply {
        _ if technique == Technique::Idle => idle_word(reply),
        None => "no-response",
        Some(Reply::Tcp { flags, .. }) if flags.contains(TcpFlags::SYN | TcpFlags::ACK) => "syn-ack",
        Some(Reply::Tcp { flags, .. }) if flags.contains(TcpFlags::RST) => refusal_word(technique, "reset"),
        Some(Reply::Tcp { .. }) => "tcp-response",
        Some(Reply::Udp) => "udp-response",
        Some(Reply::SctpInitAck) => "init-ack",
        Some(Reply::SctpAbort) => "abort",
        Some(Reply::Protocol) => "proto-response",
        Some(Reply::EchoReply) => "echo-reply",
        Some(Reply::TimestampReply) => "timestamp-reply",
        Some(Reply::AddressMaskReply) => "addressmask-reply",
        Some(Reply::ArpReply) => "arp-response",
        Some(Reply::NeighborAdvertisement) => "nd-response",
        Some(Reply::IpIdChange) => "ipid-change",
        Some(Reply::Unreachable(Unreachable::Port)) => refusal_word(technique, "port-unreach"),
        Some(Reply::Unreachable(what)) => error_word(what),
    }
}

/// A connecting socket hears the same of a reset and of a port-unreachable: ECONNREFUSED.
fn refusal_word(technique: Technique, word: &'static str) -> &'static str {
    if technique == Technique::TcpConnect { "conn-refused" } else { word }
}

/// Whoever looks through a zombie learns whether the target made the zombie answer, and nothing else.
fn idle_word(reply: Option<Reply>) -> &'static str {
    if state_of(Technique::Idle, reply) == PortState::Open { "ipid-change" } else { "no-ipid-change" }
}

/// nmap's words for ICMP's and ICMPv6's errors (portreasons.cc).
fn error_word(what: Unreachable) -> &'static str {
    match what {
        Unreachable::Net => "net-unreach",
        Unreachable::Host => "host-unreach",
        Unreachable::Protocol => "proto-unreach",
        Unreachable::Port => "port-unreach",
        Unreachable::NetProhibited => "net-prohibited",
        Unreachable::HostProhibited => "host-prohibited",
        // nmap calls the policy's refusal by the same name.
        Unreachable::AdminProhibited | Unreachable::Policy => "admin-prohibited",
        Unreachable::NoRoute => "no-route",
        Unreachable::BeyondScope => "beyond-scope",
        Unreachable::RejectRoute => "reject-route",
        Unreachable::TimeExceeded => "time-exceeded",
        Unreachable::HeaderField | Unreachable::NextHeader => "param-problem",
        Unreachable::Other => "dest-unreach",
    }
}

/// The one table: what a scanner that sent `technique` may conclude from `reply`, where `None` is silence.
/// Source: nmap's reference guide, "Port Scanning Techniques".
pub fn state_of(technique: Technique, reply: Option<Reply>) -> PortState {
    use PortState::{Closed, ClosedFiltered, Filtered, Open, Unfiltered};
    use Technique as T;
    let Some(reply) = reply else { return silent_state(technique) };
    match (technique, reply) {
        // What does not make the zombie answer shows nothing: a reset, a refusal.
        (T::Idle, Reply::IpIdChange) => Open,
        (T::Idle, Reply::Tcp { flags, .. }) if flags.contains(TcpFlags::SYN | TcpFlags::ACK) => Open,
        (T::Idle, _) => ClosedFiltered,
        // A connecting socket takes a port-unreachable for a refusal (ECONNREFUSED), so nmap -sT does too.
        (T::Udp | T::TcpConnect, Reply::Unreachable(Unreachable::Port)) => Closed,
        (T::IpProtocol, Reply::Unreachable(Unreachable::Port)) => Open,
        (T::IpProtocol, Reply::Unreachable(Unreachable::Protocol | Unreachable::NextHeader)) => Closed,
        (_, Reply::Unreachable(Unreachable::HeaderField)) => Open,
        (_, Reply::Unreachable(_)) => Filtered,
        (T::TcpAck, Reply::Tcp { .. }) => Unfiltered,
        (T::TcpWindow, Reply::Tcp { window, .. }) if window == 0 => Closed,
        (T::TcpWindow, Reply::Tcp { .. }) => Open,
        (_, Reply::Tcp { flags, .. }) if flags.contains(TcpFlags::RST) => Closed,
        (_, Reply::SctpAbort) => Closed,
        (
            _,
            Reply::Tcp { .. }
            | Reply::Udp
            | Reply::SctpInitAck
            | Reply::Protocol
            | Reply::EchoReply
            | Reply::TimestampReply
            | Reply::AddressMaskReply
            | Reply::ArpReply
            | Reply::NeighborAdvertisement
            | Reply::IpIdChange,
        ) => Open,
    }
}

/// What a technique reads where nothing comes back.
fn silent_state(technique: Technique) -> PortState {
    use Technique as T;
    match technique {
        T::TcpSyn
        | T::TcpConnect
        | T::TcpAck
        | T::TcpWindow
        | T::TcpFlags(_)
        | T::SctpInit
        | T::IcmpEcho
        | T::IcmpTimestamp
        | T::IcmpNetmask
        | T::Arp => PortState::Filtered,
        T::TcpNull | T::TcpFin | T::TcpXmas | T::TcpMaimon | T::Udp | T::IpProtocol => {
            PortState::OpenFiltered
        }
        T::Idle => PortState::ClosedFiltered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_reads_as_nmaps_reference_guide() {
        let reset = Some(Reply::Tcp { flags: TcpFlags::RST | TcpFlags::ACK, window: 0 });
        let syn_ack = Some(Reply::Tcp { flags: TcpFlags::SYN | TcpFlags::ACK, window: 64_240 });
        let port = Some(Reply::Unreachable(Unreachable::Port));
        for (technique, reply, expected) in [
            (Technique::TcpSyn, syn_ack, "open"),
            (Technique::TcpSyn, reset, "closed"),
            (Technique::TcpSyn, None, "filtered"),
            (Technique::TcpSyn, port, "filtered"),
            (Technique::TcpConnect, port, "closed"),
            (Technique::TcpXmas, reset, "closed"),
            (Technique::TcpXmas, None, "open|filtered"),
            (Technique::TcpXmas, port, "filtered"),
            (Technique::TcpAck, reset, "unfiltered"),
            (Technique::TcpWindow, reset, "closed"),
            (Technique::Udp, port, "closed"),
            (Technique::Udp, None, "open|filtered"),
            (Technique::Udp, Some(Reply::Udp), "open"),
            (Technique::IcmpEcho, Some(Reply::EchoReply), "open"),
            (Technique::TcpFlags(TcpFlags::FIN), None, "filtered"),
            (Technique::TcpFlags(TcpFlags::FIN), reset, "closed"),
            (Technique::SctpInit, Some(Reply::SctpInitAck), "open"),
            (Technique::SctpInit, Some(Reply::SctpAbort), "closed"),
            (Technique::SctpInit, Some(Reply::Unreachable(Unreachable::Protocol)), "filtered"),
            (Technique::SctpInit, None, "filtered"),
            (Technique::IpProtocol, Some(Reply::Protocol), "open"),
            (Technique::IpProtocol, port, "open"),
            (Technique::IpProtocol, Some(Reply::Unreachable(Unreachable::Protocol)), "closed"),
            (Technique::IpProtocol, Some(Reply::Unreachable(Unreachable::NextHeader)), "closed"),
            (Technique::IpProtocol, None, "open|filtered"),
            (Technique::IcmpNetmask, None, "filtered"),
            (Technique::Arp, Some(Reply::ArpReply), "open"),
            (Technique::Idle, Some(Reply::IpIdChange), "open"),
            (Technique::Idle, syn_ack, "open"),
            (Technique::Idle, reset, "closed|filtered"),
            (Technique::Idle, port, "closed|filtered"),
            (Technique::Idle, None, "closed|filtered"),
        ] {
            assert_eq!(state_of(technique, reply).to_string(), expected, "{technique} {reply:?}");
        }
    }
}
