//! A flood: many packets of one kind from many sources, bounded in number. It is load and no scan: nobody reads its
//! answers but the one kind that completes handshakes.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::port::Protocol;

/// What a flood is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumIter, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Sends {
    /// TCP SYNs, each of another connection; what answers them is not heard.
    Syn,
    /// TCP ACKs that belong to no connection.
    Ack,
    /// UDP datagrams.
    Udp,
    /// ICMP echo requests.
    Echo,
    /// TCP SYNs, and to each SYN-ACK the ACK that completes the handshake; nothing after it.
    Handshakes,
}

impl Sends {
    /// What it is made of goes over this protocol.
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Syn | Self::Ack | Self::Handshakes => Protocol::Tcp,
            Self::Udp => Protocol::Udp,
            Self::Echo => Protocol::Icmp,
        }
    }
}

/// The packets of a flood. The one with the index `i` comes from the source `i % sources`, and each source uses its
/// ports one after the other, so that all packets are of different flows as long as there are flows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloodPackets {
    /// What is sent.
    pub sends: Sends,
    /// Where all sources are, and nobody else.
    pub prefix: IpNet,
    /// The first of them; the others follow it.
    pub first_source: IpAddr,
    /// How many there are.
    pub sources: u32,
    /// Where it goes.
    pub target: IpAddr,
    /// To which port; 0 for ICMP.
    pub port: u16,
    /// At most so many packets; a handshake's ACK is not counted.
    pub count: u64,
    /// From one to the next; as fast as it goes where there is none.
    pub interval: Option<Duration>,
    /// Of the sequence numbers.
    pub seed: u64,
}

impl FloodPackets {
    /// The first source port; those below it are services'.
    pub const FIRST_PORT: u16 = 1024;
    /// How many ports each source has.
    pub const PORTS: u16 = u16::MAX - Self::FIRST_PORT + 1;

    /// How many different flows there are.
    pub fn flows(&self) -> u64 {
        u64::from(self.sources) * u64::from(Self::PORTS)
    }
}
