//! The two addresses of a scan, which decide everything about the IP header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pnet_packet::ip::{IpNextHeaderProtocol, IpNextHeaderProtocols};
use pnet_packet::ipv4::{self, MutableIpv4Packet};
use pnet_packet::ipv6::MutableIpv6Packet;
use pnet_packet::tcp::{self, TcpPacket};
use pnet_packet::udp::{self, UdpPacket};
use scandrill_model::Protocol;

/// Source and target of one IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoints {
    /// Over IPv4.
    V4 {
        /// Where probes come from.
        source: Ipv4Addr,
        /// Where they go.
        target: Ipv4Addr,
    },
    /// Over IPv6.
    V6 {
        /// Where probes come from.
        source: Ipv6Addr,
        /// Where they go.
        target: Ipv6Addr,
    },
}

/// Linux's default (net.ipv4.ip_default_ttl, net.ipv6.conf.*.hop_limit).
const HOPS: u8 = 64;

impl Endpoints {
    /// The pair; `None` when the versions differ.
    pub(crate) fn new(source: IpAddr, target: IpAddr) -> Option<Self> {
        match (source, target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => Some(Self::V4 { source, target }),
            (IpAddr::V6(source), IpAddr::V6(target)) => Some(Self::V6 { source, target }),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }

    /// Where probes come from.
    pub(crate) fn source(self) -> IpAddr {
        match self {
            Self::V4 { source, .. } => source.into(),
            Self::V6 { source, .. } => source.into(),
        }
    }

    /// Where they go.
    pub(crate) fn target(self) -> IpAddr {
        match self {
            Self::V4 { target, .. } => target.into(),
            Self::V6 { target, .. } => target.into(),
        }
    }

    /// Bytes of the IP header.
    pub(crate) fn header_length(self) -> usize {
        match self {
            Self::V4 { .. } => MutableIpv4Packet::minimum_packet_size(),
            Self::V6 { .. } => MutableIpv6Packet::minimum_packet_size(),
        }
    }

    /// The number of `protocol` in this version's header.
    pub(crate) fn number(self, protocol: Protocol) -> IpNextHeaderProtocol {
        match (protocol, self) {
            (Protocol::Tcp, _) => IpNextHeaderProtocols::Tcp,
            (Protocol::Udp, _) => IpNextHeaderProtocols::Udp,
            (Protocol::Sctp, _) => IpNextHeaderProtocols::Sctp,
            (Protocol::Ip | Protocol::Arp, _) => IpNextHeaderProtocols::Reserved,
            (Protocol::Icmp, Self::V4 { .. }) => IpNextHeaderProtocols::Icmp,
            (Protocol::Icmp, Self::V6 { .. }) => IpNextHeaderProtocols::Icmpv6,
        }
    }

    /// Writes all of the header but what differs from packet to packet.
    pub(crate) fn write_header(self, packet: &mut [u8], protocol: Protocol) {
        match self {
            Self::V4 { source, target } => {
                if let Some(mut header) = MutableIpv4Packet::new(packet) {
                    header.set_version(4);
                    header.set_header_length(5);
                    header.set_ttl(HOPS);
                    header.set_next_level_protocol(self.number(protocol));
                    header.set_source(source);
                    header.set_destination(target);
                }
            }
            Self::V6 { source, target } => {
                if let Some(mut header) = MutableIpv6Packet::new(packet) {
                    header.set_version(6);
                    header.set_hop_limit(HOPS);
                    header.set_next_header(self.number(protocol));
                    header.set_source(source);
                    header.set_destination(target);
                }
            }
        }
    }

    /// Writes what differs from packet to packet: length and, in IPv4, identification and checksum.
    pub(crate) fn finish_header(self, packet: &mut [u8], identification: u16) {
        let total = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        match self {
            Self::V4 { .. } => {
                if let Some(mut header) = MutableIpv4Packet::new(packet) {
                    header.set_total_length(total);
                    header.set_identification(identification);
                    let checksum = ipv4::checksum(&header.to_immutable());
                    header.set_checksum(checksum);
                }
            }
            Self::V6 { .. } => {
                let length = u16::try_from(packet.len() - self.header_length()).unwrap_or(u16::MAX);
                if let Some(mut header) = MutableIpv6Packet::new(packet) {
                    header.set_payload_length(length);
                }
            }
        }
    }

    /// TCP's checksum over this version's pseudo header.
    pub(crate) fn tcp_checksum(self, segment: &TcpPacket<'_>) -> u16 {
        match self {
            Self::V4 { source, target } => tcp::ipv4_checksum(segment, &source, &target),
            Self::V6 { source, target } => tcp::ipv6_checksum(segment, &source, &target),
        }
    }

    /// UDP's checksum, where zero would mean that there is none (RFC 768).
    pub(crate) fn udp_checksum(self, datagram: &UdpPacket<'_>) -> u16 {
        let checksum = match self {
            Self::V4 { source, target } => udp::ipv4_checksum(datagram, &source, &target),
            Self::V6 { source, target } => udp::ipv6_checksum(datagram, &source, &target),
        };
        if checksum == 0 { u16::MAX } else { checksum }
    }
}
