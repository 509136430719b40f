//! The ways of probing a port, named alike whoever runs them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumIter, EnumString};
use thiserror::Error;

use crate::address::Family;
use crate::port::Protocol;

/// One way of probing. The name says what goes on the wire, in nmap's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, AsRefStr, EnumIter, EnumString)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Technique {
    /// A SYN, never completed (nmap -sS).
    TcpSyn,
    /// A whole handshake (nmap -sT).
    TcpConnect,
    /// No flag at all (nmap -sN).
    TcpNull,
    /// FIN alone (nmap -sF).
    TcpFin,
    /// FIN, PSH and URG, as nmap sends it (nmap -sX).
    TcpXmas,
    /// ACK alone (nmap -sA).
    TcpAck,
    /// ACK alone, read by the window of the reset (nmap -sW).
    TcpWindow,
    /// FIN and ACK (nmap -sM).
    TcpMaimon,
    /// Any flags, read as a SYN scan reads (nmap -sS --scanflags).
    TcpFlags(TcpFlags),
    /// A datagram, with the payload that the port's well-known service answers to (nmap -sU).
    Udp,
    /// An SCTP INIT, never completed (nmap -sY).
    SctpInit,
    /// An IP packet of each protocol; its "ports" are protocol numbers, 0 to 255 (nmap -sO).
    IpProtocol,
    /// An echo request to the host; it has no port (nmap -sn -PE).
    IcmpEcho,
    /// A timestamp request to the host; ICMP for IPv4 alone has it (nmap -sn -PP).
    IcmpTimestamp,
    /// An address mask request to the host; ICMP for IPv4 alone has it (nmap -sn -PM).
    IcmpNetmask,
    /// An ARP request, over IPv6 a neighbour solicitation (nmap -sn -PR).
    Arp,
    /// SYNs in a zombie's name, read by the zombie's IP identification; over IPv4 alone (nmap -sI).
    Idle,
}

/// What a scan's cells are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Asks {
    /// Ports, 1 to 65535.
    Ports,
    /// Protocols of IP, 0 to 255.
    Protocols,
    /// The host itself: one cell, port 0.
    Host,
}

impl Technique {
    /// Its name without parameters, as it is written in a scenario.
    pub fn name(&self) -> &str {
        self.as_ref()
    }

    /// The protocol its probes are made of.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Udp => Protocol::Udp,
            Self::SctpInit => Protocol::Sctp,
            Self::IpProtocol => Protocol::Ip,
            Self::IcmpEcho | Self::IcmpTimestamp | Self::IcmpNetmask => Protocol::Icmp,
            Self::Arp => Protocol::Arp,
            Self::TcpSyn
            | Self::TcpConnect
            | Self::TcpNull
            | Self::TcpFin
            | Self::TcpXmas
            | Self::TcpAck
            | Self::TcpWindow
            | Self::TcpMaimon
            | Self::TcpFlags(_)
            | Self::Idle => Protocol::Tcp,
        }
    }

    /// What its cells are.
    pub fn asks(self) -> Asks {
        match self.protocol() {
            Protocol::Tcp | Protocol::Udp | Protocol::Sctp => Asks::Ports,
            Protocol::Ip => Asks::Protocols,
            Protocol::Icmp | Protocol::Arp => Asks::Host,
        }
    }

    /// Whether it exists over an IP version.
    pub fn exists_over(self, family: Family) -> bool {
        family == Family::V4 || !matches!(self, Self::IcmpTimestamp | Self::IcmpNetmask | Self::Idle)
    }

    /// The flags of its first TCP packet; `None` when it is not TCP.
    pub fn probe_flags(self) -> Option<TcpFlags> {
        match self {
            Self::TcpSyn | Self::TcpConnect | Self::Idle => Some(TcpFlags::SYN),
            Self::TcpNull => Some(TcpFlags::NONE),
            Self::TcpFin => Some(TcpFlags::FIN),
            Self::TcpXmas => Some(TcpFlags::FIN | TcpFlags::PSH | TcpFlags::URG),
            Self::TcpAck | Self::TcpWindow => Some(TcpFlags::ACK),
            Self::TcpMaimon => Some(TcpFlags::FIN | TcpFlags::ACK),
            Self::TcpFlags(flags) => Some(flags),
            Self::Udp
            | Self::SctpInit
            | Self::IpProtocol
            | Self::IcmpEcho
            | Self::IcmpTimestamp
            | Self::IcmpNetmask
            | Self::Arp => None,
        }
    }
}

impl fmt::Display for Technique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        if let Self::TcpFlags(flags) = self { write!(f, " {flags}") } else { Ok(()) }
    }
}

/// The flag bits of a TCP header (RFC 9293, section 3.1), without ECN's.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// FIN.
    pub const FIN: Self = Self(0x01);
    /// SYN.
    pub const SYN: Self = Self(0x02);
    /// RST.
    pub const RST: Self = Self(0x04);
    /// PSH.
    pub const PSH: Self = Self(0x08);
    /// ACK.
    pub const ACK: Self = Self(0x10);
    /// URG.
    pub const URG: Self = Self(0x20);

    /// Whether every flag of `other` is set here.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl std::ops::BitOr for TcpFlags {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The flags by nmap's names, in nmap's order (`--scanflags`).
const FLAG_NAMES: [(TcpFlags, &str); 6] = [
    (TcpFlags::URG, "URG"),
    (TcpFlags::ACK, "ACK"),
    (TcpFlags::PSH, "PSH"),
    (TcpFlags::RST, "RST"),
    (TcpFlags::SYN, "SYN"),
    (TcpFlags::FIN, "FIN"),
];

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<&str> =
            FLAG_NAMES.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| *name).collect();
        f.write_str(if set.is_empty() { "none".to_owned() } else { set.join(",") }.as_str())
    }
}

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not a list of TCP flags.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no TCP flag; they are URG, ACK, PSH, RST, SYN, FIN, or none")]
pub struct NoFlag(pub String);

impl FromStr for TcpFlags {
    type Err = NoFlag;

    /// Reads `SYN,FIN` or `none`, in any case.
    fn from_str(text: &str) -> Result<Self, NoFlag> {
        if text.eq_ignore_ascii_case("none") {
            return Ok(Self::NONE);
        }
        text.split(',').map(str::trim).try_fold(Self::NONE, |flags, word| {
            let named = FLAG_NAMES.iter().find(|(_, name)| name.eq_ignore_ascii_case(word));
            named.map(|(flag, _)| flags | *flag).ok_or_else(|| NoFlag(word.to_owned()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_read_back_as_they_are_written() {
        for bits in 0..0x40 {
            assert_eq!(TcpFlags(bits).to_string().parse(), Ok(TcpFlags(bits)));
        }
        assert_eq!("syn, Fin".parse(), Ok(TcpFlags::SYN | TcpFlags::FIN));
        assert_eq!("SYN,ECE".parse::<TcpFlags>(), Err(NoFlag("ECE".to_owned())));
    }
}
