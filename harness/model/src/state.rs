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
    /// An ICMP or ICMPv6 echo reply.
    EchoReply,
    /// An ICMP or ICMPv6 "destination unreachable" that quotes the probe.
    Unreachable(Unreachable),
}

/// What an ICMP destination-unreachable message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unreachable {
    /// ICMP 3/0; ICMPv6 1/0 (no route).
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
    /// ICMPv6 1/5 (source address failed policy).
    Policy,
    /// ICMPv6 1/6 (reject route to destination).
    RejectRoute,
    /// Any other code.
    Other,
}

impl Unreachable {
    /// The meaning of code `code` of ICMP type 3 (RFC 792, RFC 1812).
    pub fn from_icmp(code: u8) -> Self {
        match code {
            0 => Self::Net,
            1 => Self::Host,
            2 => Self::Protocol,
            3 => Self::Port,
            9 => Self::NetProhibited,
            10 => Self::HostProhibited,
            13 => Self::AdminProhibited,
            _ => Self::Other,
        }
    }

    /// The meaning of code `code` of ICMPv6 type 1 (RFC 4443, section 3.1).
    pub fn from_icmpv6(code: u8) -> Self {
        match code {
            0 => Self::Net,
            1 => Self::AdminProhibited,
            3 => Self::Host,
            4 => Self::Port,
            5 => Self::Policy,
            6 => Self::RejectRoute,
            _ => Self::Other,
        }
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
        None => "no-response",
        Some(Reply::Tcp { flags, .. }) if flags.contains(TcpFlags::SYN | TcpFlags::ACK) => "syn-ack",
        Some(Reply::Tcp { flags, .. }) if flags.contains(TcpFlags::RST) => {
            if technique == Technique::TcpConnect { "conn-refused" } else { "reset" }
        }
        Some(Reply::Tcp { .. }) => "tcp-response",
        Some(Reply::Udp) => "udp-response",
        Some(Reply::EchoReply) => "echo-reply",
        Some(Reply::Unreachable(Unreachable::Net)) => "net-unreach",
        Some(Reply::Unreachable(Unreachable::Host)) => "host-unreach",
        Some(Reply::Unreachable(Unreachable::Protocol)) => "proto-unreach",
        Some(Reply::Unreachable(Unreachable::Port)) => {
            if technique == Technique::TcpConnect {
                "conn-refused"
            } else {
                "port-unreach"
            }
        }
        Some(Reply::Unreachable(Unreachable::NetProhibited)) => "net-prohibited",
        Some(Reply::Unreachable(Unreachable::HostProhibited)) => "host-prohibited",
        Some(Reply::Unreachable(Unreachable::AdminProhibited)) => "admin-prohibited",
        Some(Reply::Unreachable(Unreachable::Policy)) => "addr-policy",
        Some(Reply::Unreachable(Unreachable::RejectRoute)) => "reject-route",
        Some(Reply::Unreachable(Unreachable::Other)) => "dest-unreach",
    }
}

/// The one table: what a scanner that sent `technique` may conclude from `reply`, where `None` is silence.
/// Source: nmap's reference guide, "Port Scanning Techniques".
pub fn state_of(technique: Technique, reply: Option<Reply>) -> PortState {
    use PortState::{Closed, Filtered, Open, OpenFiltered, Unfiltered};
    use Technique as T;
    let Some(reply) = reply else {
        return match technique {
            T::TcpSyn | T::TcpConnect | T::TcpAck | T::TcpWindow | T::IcmpEcho => Filtered,
            T::TcpNull | T::TcpFin | T::TcpXmas | T::TcpMaimon | T::Udp => OpenFiltered,
        };
    };
    match (technique, reply) {
        // A connecting socket takes a port-unreachable for a refusal (ECONNREFUSED), so nmap -sT does too.
        (T::Udp | T::TcpConnect, Reply::Unreachable(Unreachable::Port)) => Closed,
        (_, Reply::Unreachable(_)) => Filtered,
        (_, Reply::Udp | Reply::EchoReply) => Open,
        (T::TcpAck, Reply::Tcp { .. }) => Unfiltered,
        (T::TcpWindow, Reply::Tcp { window, .. }) => {
            if window > 0 {
                Open
            } else {
                Closed
            }
        }
        (_, Reply::Tcp { flags, .. }) => {
            if flags.contains(TcpFlags::RST) {
                Closed
            } else {
                Open
            }
        }
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
        ] {
            assert_eq!(state_of(technique, reply).to_string(), expected, "{technique} {reply:?}");
        }
    }
}
