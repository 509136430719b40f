//! What a lab looks like: hosts, the segments that join them, and the services that run.
//!
//! A plan is complete. The lab adds no address, route or sysctl of its own to it, so that two labs of one plan
//! are alike.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};
use thiserror::Error;

use crate::port::Protocol;
use crate::step::Step;

/// A whole lab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabPlan {
    /// Network namespaces, in the order in which they are made. Names are unique.
    pub hosts: Vec<HostPlan>,
    /// Links between them.
    pub segments: Vec<Segment>,
}

impl LabPlan {
    /// The host of that name.
    pub fn host(&self, name: &str) -> Option<&HostPlan> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// All interfaces of all segments.
    pub fn interfaces(&self) -> impl Iterator<Item = &InterfacePlan> {
        self.segments.iter().flat_map(|segment| &segment.interfaces)
    }
}

/// One network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPlan {
    /// `target`, `red`, `green`, ...
    pub name: String,
    /// Kernel parameters set before any link is up, each with the reason why it matters.
    pub sysctls: Vec<SysctlPlan>,
    /// Routes beyond those that the interfaces' own prefixes make. No default route is ever among them.
    pub routes: Vec<RoutePlan>,
    /// Prefixes that its kernel answers for as its own, each of their addresses, beside those of its interfaces. What
    /// listens on all addresses listens on these. Other hosts need a route there.
    #[serde(default)]
    pub answers_for: Vec<IpNet>,
    /// Listeners, ready before anyone probes.
    pub services: Vec<ServicePlan>,
    /// What starts the programs that serve on it beside those: their files and daemons, ready before anyone probes. A boot
    /// starts them anew. They change no rules.
    #[serde(default)]
    pub programs: Vec<Step>,
}

/// A kernel parameter with its reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SysctlPlan {
    /// Dotted name, e.g. `net.ipv4.icmp_ratelimit`.
    pub key: String,
    /// What it is set to.
    pub value: String,
    /// Why a result depends on it.
    pub why: String,
}

/// A route to `to` by the neighbour `via`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePlan {
    /// Destination prefix, inside the lab's ranges.
    pub to: IpNet,
    /// An address on one of the host's segments.
    pub via: IpAddr,
}

/// How the interfaces of a segment are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Wire {
    /// One veth pair between exactly two interfaces.
    Veth,
    /// A bridge in a switch namespace of its own, any number of interfaces.
    Bridge,
}

/// A link or a switch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// How it is joined.
    pub wire: Wire,
    /// Its ends.
    pub interfaces: Vec<InterfacePlan>,
}

/// One end of a link, inside one host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfacePlan {
    /// The host it is in.
    pub host: String,
    /// Its name there, e.g. `eth0`.
    pub name: String,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Addresses with their prefixes, IPv4 and IPv6. IPv6 is added without duplicate address detection.
    pub addresses: Vec<IpNet>,
    /// How much of what it sends is lost on the link, once the loss is switched on.
    #[serde(default)]
    pub loss: PerMille,
}

/// A share in parts per thousand, from none to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u16", into = "u16")]
#[schemars(with = "u16")]
pub struct PerMille(u16);

/// A number that is no share: more than all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} is not a share in parts per thousand; the most is 1000")]
pub struct NotAShare(u16);

impl PerMille {
    /// Nothing.
    pub const NONE: Self = Self(0);
}

impl TryFrom<u16> for PerMille {
    type Error = NotAShare;

    fn try_from(parts: u16) -> Result<Self, NotAShare> {
        if parts <= 1000 { Ok(Self(parts)) } else { Err(NotAShare(parts)) }
    }
}

impl From<PerMille> for u16 {
    fn from(share: PerMille) -> Self {
        share.0
    }
}

/// The nftables table, of the family `inet`, by which a host of a lab translates addresses. It is the lab's: what takes a
/// defense off leaves it where it is, and it is no part of what is read back.
pub const FORWARDING_TABLE: &str = "scandrill-forwarding";

/// What a listener does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ServiceKind {
    /// TCP: sends a banner line, then echoes.
    Banner,
    /// HTTP/1.1: answers every request with 200 and a short text.
    Http,
    /// HTTP as above, by a server whose kernel hands a connection over once its request is there (`TCP_DEFER_ACCEPT`, as
    /// Apache's `AcceptFilter` asks for), so that a handshake without a request costs it no socket.
    Deferred,
    /// HTTP/1.1 as above, by real nginx.
    Nginx,
    /// HTTP/1.1 by real nginx with ModSecurity and its core rule set: answers 403 to what these take for an attack.
    Waf,
    /// TCP: accepts every connection, never reads, and never lets go.
    Tarpit,
    /// UDP: sends each datagram back.
    Echo,
    /// UDP: answers a DNS query with one address record.
    Dns,
    /// UDP: receives and stays silent, as a service does that dislikes the payload.
    Silent,
    /// SCTP: accepts associations, and says nothing.
    Sctp,
}

impl ServiceKind {
    /// Whether it speaks HTTP.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Deferred) || self.is_nginx()
    }

    /// Whether nginx serves it, which is a program of its own.
    pub fn is_nginx(self) -> bool {
        matches!(self, Self::Nginx | Self::Waf)
    }
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumIter, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Speaks {
    /// Connects, sends a line, and reads something back.
    Tcp,
    /// Keeps one connection, sends a line for each request, and reads it back.
    Session,
    /// A GET over a new connection.
    Http,
    /// A datagram, and the same back.
    Udp,
    /// A DNS query.
    Dns,
    /// An echo request.
    Ping,
}

/// A listener on a host, on both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServicePlan {
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// Where it listens.
    pub port: u16,
    /// What it does.
    pub kind: ServiceKind,
}

impl ServicePlan {
    /// Whether it answers a datagram or a connection at all; a silent one reads open|filtered by nature.
    pub fn answers(self) -> bool {
        self.kind != ServiceKind::Silent
    }
}

impl fmt::Display for ServicePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} {}", self.protocol, self.port, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_at_most_all() {
        assert_eq!(PerMille::try_from(1000).map(u16::from), Ok(1000));
        let told = PerMille::try_from(1001).unwrap_err().to_string();
        assert_eq!(told, "1001 is not a share in parts per thousand; the most is 1000");
        assert_eq!(PerMille::default(), PerMille::NONE);
    }
}
