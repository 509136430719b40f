//! Replies, port states, and the one table between them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::technique::{Asks, TcpFlags, Technique};

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
    /// ICMP 3/13.
    AdminProhibited,
    /// ICMPv6 1/1. A connecting socket hears of it what it does not hear of ICMP's: EACCES, not EHOSTUNREACH.
    DestinationProhibited,
    /// ICMPv6 1/0 (no route to destination).
    NoRoute,
    /// ICMPv6 1/2 (beyond scope of source address).
    BeyondScope,
    /// ICMPv6 1/5 (source address failed policy).
    Policy,
    /// ICMPv6 1/6 (reject route to destination).
    RejectRoute,
    /// ICMP 11: the packet's time to live ran out on its way.
    TimeExceeded,
    /// ICMPv6 3: the packet's hop limit ran out on its way. nmap's port scans take no notice of it.
    HopLimitExceeded,
    /// ICMPv6 4/0 (erroneous header field): the header was understood.
    HeaderField,
    /// ICMPv6 4/1 (unrecognized next header).
    NextHeader,
}

impl Unreachable {
    /// The meaning of an ICMP message (RFC 792, RFC 1812); `None` when it is no error that nmap ends a probe by, as
    /// the other codes of type 3 are (`get_pcap_result` in its scan_engine_raw.cc).
    pub fn from_icmp(kind: u8, code: u8) -> Option<Self> {
        Some(match (kind, code) {
            (3, 0) => Self::Net,
            (3, 1) => Self::Host,
            (3, 2) => Self::Protocol,
            (3, 3) => Self::Port,
            (3, 9) => Self::NetProhibited,
            (3, 10) => Self::HostProhibited,
            (3, 13) => Self::AdminProhibited,
            (11, _) => Self::TimeExceeded,
            _ => return None,
        })
    }

    /// The meaning of an ICMPv6 message (RFC 4443, section 3); `None` as with ICMP.
    pub fn from_icmpv6(kind: u8, code: u8) -> Option<Self> {
        Some(match (kind, code) {
            (1, 0) => Self::NoRoute,
            (1, 1) => Self::DestinationProhibited,
            (1, 2) => Self::BeyondScope,
            (1, 3) => Self::Host,
            (1, 4) => Self::Port,
            (1, 5) => Self::Policy,
            (1, 6) => Self::RejectRoute,
            (3, _) => Self::HopLimitExceeded,
            (4, 0) => Self::HeaderField,
            (4, 1) => Self::NextHeader,
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

    /// None of nmap's: the scanner says nothing of the port, and names only what answered. There may have been an
    /// answer that it lost.
    pub fn not_reported() -> Self {
        Self("not-reported".to_owned())
    }

    /// Whether it stands for no reply.
    pub fn is_silence(&self) -> bool {
        matches!(self.0.as_str(), "no-response" | "not-reported" | "no-ipid-change")
    }
}

/// nmap's words (portreasons.cc), as nmap 7.93 printed them in labs.
fn reason_word(technique: Technique, reply: Option<Reply>) -> &'static str {
    if technique == Technique::Idle {
        return idle_word(reply);
    }
    let Some(reply) = reply.filter(|reply| tells(technique, *reply)) else { return "no-response" };
    match reply {
        Reply::Tcp { flags, .. } if flags.contains(TcpFlags::RST) => {
            if technique == Technique::TcpConnect {
                "conn-refused"
            } else {
                "reset"
            }
        }
        Reply::Tcp { flags, .. } if flags.contains(TcpFlags::ACK) => "syn-ack",
        // A handshake whose two halves come apart (<https://nmap.org/misc/split-handshake.pdf>).
        Reply::Tcp { .. } => "split-handshake-syn",
        Reply::Udp => "udp-response",
        Reply::SctpInitAck => "init-ack",
        Reply::SctpAbort => "abort",
        Reply::Protocol => "proto-response",
        Reply::EchoReply => "echo-reply",
        Reply::TimestampReply => "timestamp-reply",
        Reply::AddressMaskReply => "addressmask-reply",
        Reply::ArpReply => "arp-response",
        Reply::NeighborAdvertisement => "nd-response",
        Reply::IpIdChange => "ipid-change",
        Reply::Unreachable(what) if technique == Technique::TcpConnect => socket_error_word(what),
        Reply::Unreachable(what) => error_word(what),
    }
}

/// Whoever looks through a zombie learns whether the target made the zombie answer, and nothing else.
fn idle_word(reply: Option<Reply>) -> &'static str {
    if state_of(Technique::Idle, reply) == PortState::Open { "ipid-change" } else { "no-ipid-change" }
}

/// For ICMP's and ICMPv6's errors.
fn error_word(what: Unreachable) -> &'static str {
    match what {
        Unreachable::Net => "net-unreach",
        Unreachable::Host => "host-unreach",
        Unreachable::Protocol => "proto-unreach",
        Unreachable::Port => "port-unreach",
        Unreachable::NetProhibited => "net-prohibited",
        Unreachable::HostProhibited => "host-prohibited",
        // nmap calls the policy's refusal by the same name.
        Unreachable::AdminProhibited | Unreachable::DestinationProhibited | Unreachable::Policy => {
            "admin-prohibited"
        }
        Unreachable::NoRoute => "no-route",
        Unreachable::BeyondScope => "beyond-scope",
        Unreachable::RejectRoute => "reject-route",
        Unreachable::TimeExceeded | Unreachable::HopLimitExceeded => "time-exceeded",
        Unreachable::HeaderField | Unreachable::NextHeader => "param-problem",
    }
}

/// For what a connecting socket hears of an error (`icmp_err_convert` in Linux's net/ipv4/icmp.c, `tab_unreach` in
/// net/ipv6/icmp.c), in the words of nmap's `handleConnectResult`.
fn socket_error_word(what: Unreachable) -> &'static str {
    match what {
        // ENETUNREACH.
        Unreachable::Net | Unreachable::NetProhibited | Unreachable::NoRoute => "net-unreach",
        // EHOSTUNREACH.
        Unreachable::Host
        | Unreachable::HostProhibited
        | Unreachable::AdminProhibited
        | Unreachable::BeyondScope
        | Unreachable::TimeExceeded
        | Unreachable::HopLimitExceeded => "host-unreach",
        // ENOPROTOOPT.
        Unreachable::Protocol => "proto-unreach",
        // ECONNREFUSED.
        Unreachable::Port => "conn-refused",
        // EACCES.
        Unreachable::DestinationProhibited | Unreachable::Policy | Unreachable::RejectRoute => {
            "admin-prohibited"
        }
        // EPROTO, which nmap does not know and takes for success.
        Unreachable::HeaderField | Unreachable::NextHeader => "syn-ack",
    }
}

/// Whether nmap concludes anything from `reply` to a probe of `technique`; if not, it is as good as none, and the probe
/// goes on waiting.
pub fn tells(technique: Technique, reply: Reply) -> bool {
    use Technique as T;
    match reply {
        Reply::Tcp { flags, .. } => {
            let reads_syn = matches!(technique, T::TcpSyn | T::TcpConnect | T::TcpFlags(_) | T::Idle);
            flags.contains(TcpFlags::RST) || reads_syn && flags.contains(TcpFlags::SYN)
        }
        // Of a refused ping nmap says nothing, but who has no such port or protocol is there.
        Reply::Unreachable(what) if technique.asks() == Asks::Host => matches!(
            what,
            Unreachable::Port
                | Unreachable::Protocol
                | Unreachable::TimeExceeded
                | Unreachable::HopLimitExceeded
        ),
        Reply::Unreachable(Unreachable::HopLimitExceeded) => technique == T::TcpConnect,
        Reply::Unreachable(_)
        | Reply::Udp
        | Reply::SctpInitAck
        | Reply::SctpAbort
        | Reply::Protocol
        | Reply::EchoReply
        | Reply::TimestampReply
        | Reply::AddressMaskReply
        | Reply::ArpReply
        | Reply::NeighborAdvertisement
        | Reply::IpIdChange => true,
    }
}

/// The one table: what a scanner that sent `technique` may conclude from `reply`, where `None` is silence.
/// Source: nmap's reference guide, "Port Scanning Techniques", and what nmap 7.93 printed in labs.
pub fn state_of(technique: Technique, reply: Option<Reply>) -> PortState {
    let Some(reply) = reply.filter(|reply| tells(technique, *reply)) else {
        return silent_state(technique);
    };
    match reply {
        Reply::Tcp { flags, .. } if technique == Technique::Idle => idle_state(flags),
        Reply::Unreachable(_) if technique == Technique::Idle => PortState::ClosedFiltered,
        Reply::Tcp { flags, window } => segment_state(technique, flags, window),
        Reply::Unreachable(what) => error_state(technique, what),
        Reply::SctpAbort => PortState::Closed,
        Reply::Udp
        | Reply::SctpInitAck
        | Reply::Protocol
        | Reply::EchoReply
        | Reply::TimestampReply
        | Reply::AddressMaskReply
        | Reply::ArpReply
        | Reply::NeighborAdvertisement
        | Reply::IpIdChange => PortState::Open,
    }
}

/// What the target's segment makes the zombie show: it answers nothing but a SYN-ACK.
fn idle_state(flags: TcpFlags) -> PortState {
    if flags.contains(TcpFlags::SYN | TcpFlags::ACK) { PortState::Open } else { PortState::ClosedFiltered }
}

fn segment_state(technique: Technique, flags: TcpFlags, window: u16) -> PortState {
    let betrayed = technique == Technique::TcpWindow && window > 0;
    if technique == Technique::TcpAck {
        PortState::Unfiltered
    } else if flags.contains(TcpFlags::RST) && !betrayed {
        PortState::Closed
    } else {
        PortState::Open
    }
}

fn error_state(technique: Technique, what: Unreachable) -> PortState {
    use Technique as T;
    use Unreachable as U;
    match (technique, what) {
        // A connecting socket takes a port-unreachable for a refusal (ECONNREFUSED), so nmap -sT does too.
        (T::Udp | T::TcpConnect, U::Port) | (T::IpProtocol, U::Protocol | U::NextHeader) => PortState::Closed,
        // Who answers for a part of the packet has understood the rest. Of the socket's, see `socket_error_word`.
        (_, U::HeaderField)
        | (T::TcpConnect, U::NextHeader)
        | (T::IpProtocol, U::Port)
        | (T::IcmpEcho | T::IcmpTimestamp | T::IcmpNetmask | T::Arp, U::Port | U::Protocol) => {
            PortState::Open
        }
        _ => PortState::Filtered,
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

    /// Beside what the recorded reports of nmap show (in `scanners`): what no report can, as it never comes alone.
    #[test]
    fn what_nmap_overlooks_is_as_good_as_silence() {
        let ack = Reply::Tcp { flags: TcpFlags::ACK, window: 1 };
        let syn_ack = Reply::Tcp { flags: TcpFlags::SYN | TcpFlags::ACK, window: 1 };
        let syn = Reply::Tcp { flags: TcpFlags::SYN, window: 1 };
        let late = Reply::Unreachable(Unreachable::HopLimitExceeded);
        let refused = Reply::Unreachable(Unreachable::AdminProhibited);
        for (technique, reply, expected) in [
            (Technique::TcpSyn, ack, "filtered no-response"),
            (Technique::TcpSyn, syn, "open split-handshake-syn"),
            (Technique::TcpAck, syn_ack, "filtered no-response"),
            (Technique::TcpXmas, syn_ack, "open|filtered no-response"),
            (Technique::Udp, late, "open|filtered no-response"),
            (Technique::TcpConnect, late, "filtered host-unreach"),
            (Technique::IcmpEcho, late, "filtered time-exceeded"),
            (Technique::IcmpEcho, refused, "filtered no-response"),
        ] {
            let (state, reason) = (state_of(technique, Some(reply)), Reason::of(technique, Some(reply)));
            assert_eq!(format!("{state} {}", reason.0), expected, "{technique} {reply:?}");
        }
    }
}
