//! The ways of probing a port, named alike whoever runs them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::port::Protocol;

/// One way of probing. The name says what goes on the wire, in nmap's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumIter, EnumString)]
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
    /// A datagram (nmap -sU).
    Udp,
    /// An echo request to the host; it has no port (nmap -sn -PE).
    IcmpEcho,
}

impl Technique {
    /// The protocol its probes are made of.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Udp => Protocol::Udp,
            Self::IcmpEcho => Protocol::Icmp,
            Self::TcpSyn
            | Self::TcpConnect
            | Self::TcpNull
            | Self::TcpFin
            | Self::TcpXmas
            | Self::TcpAck
            | Self::TcpWindow
            | Self::TcpMaimon => Protocol::Tcp,
        }
    }

    /// The flags of its first TCP packet; `None` when it is not TCP.
    pub fn probe_flags(self) -> Option<TcpFlags> {
        match self {
            Self::TcpSyn | Self::TcpConnect => Some(TcpFlags::SYN),
            Self::TcpNull => Some(TcpFlags::NONE),
            Self::TcpFin => Some(TcpFlags::FIN),
            Self::TcpXmas => Some(TcpFlags::FIN | TcpFlags::PSH | TcpFlags::URG),
            Self::TcpAck | Self::TcpWindow => Some(TcpFlags::ACK),
            Self::TcpMaimon => Some(TcpFlags::FIN | TcpFlags::ACK),
            Self::Udp | Self::IcmpEcho => None,
        }
    }
}

/// The flag bits of a TCP header (RFC 9293, section 3.1), without ECN's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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

impl fmt::Debug for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(TcpFlags, &str); 6] = [
            (TcpFlags::SYN, "SYN"),
            (TcpFlags::FIN, "FIN"),
            (TcpFlags::RST, "RST"),
            (TcpFlags::PSH, "PSH"),
            (TcpFlags::ACK, "ACK"),
            (TcpFlags::URG, "URG"),
        ];
        let set: Vec<&str> =
            NAMES.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, name)| *name).collect();
        f.write_str(if set.is_empty() { "none".to_owned() } else { set.join(",") }.as_str())
    }
}
