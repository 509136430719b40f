//! The packets of a flood: one template, written once, in which each packet's own fields and checksums are filled in.
//! A checksum is carried on from the template's (RFC 1624), so that a packet costs no look at its other bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use etherparse::err::packet::BuildWriteError;
use etherparse::{IpHeaders, Ipv4Header, Ipv6Header, PacketBuilder, PacketBuilderStep, TcpOptionElement};
use scandrill_model::{FloodPackets, Sends};

use crate::error::LabError;

/// The largest segment that fits an Ethernet frame over either IP version.
const MSS: u16 = 1440;
const WINDOW: u16 = 64_240;
const TTL: u8 = 64;
const DATAGRAM: &[u8] = b"scandrill flood";

/// A packet whose own fields are zero, and whose checksums are right for that.
#[derive(Clone, Debug)]
pub(super) struct Template {
    bytes: Vec<u8>,
    places: Places,
}

/// Where the fields are that each packet has for itself.
#[derive(Clone, Copy, Debug)]
struct Places {
    /// The source address.
    source: usize,
    /// The IPv4 header's checksum; IPv6 has none.
    header_checksum: Option<usize>,
    /// The source port, or the identifier of an echo request.
    port: usize,
    /// TCP's sequence number, and behind it the one acknowledged.
    numbers: Option<usize>,
    /// The checksum of what IP carries.
    checksum: usize,
    /// Whether that is also one of the addresses; ICMP's over IPv4 is not.
    of_addresses: bool,
}

/// What one packet has for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Own {
    pub source: IpAddr,
    pub port: u16,
    pub sequence: u32,
    pub acknowledges: u32,
}

impl Template {
    /// The packet that a flood sends of its own accord.
    pub(super) fn of(flood: &FloodPackets) -> Result<Self, LabError> {
        let (target, port) = (flood.target, flood.port);
        let (ip, mut bytes) = (header(target), Vec::new());
        let written = match flood.sends {
            Sends::Ack => return Self::ack(flood),
            Sends::Syn | Sends::Handshakes => {
                let options = [TcpOptionElement::MaximumSegmentSize(MSS)];
                let syn = ip.tcp(0, port, 0, WINDOW).syn().options(&options);
                syn.map_err(|error| unwritable(&error))?.write(&mut bytes, &[])
            }
            Sends::Udp => ip.udp(0, port).write(&mut bytes, DATAGRAM),
            Sends::Echo if target.is_ipv4() => ip.icmpv4_echo_request(0, 0).write(&mut bytes, &[]),
            Sends::Echo => ip.icmpv6_echo_request(0, 0).write(&mut bytes, &[]),
        };
        Self::new(&written, bytes, flood)
    }

    /// The packet that completes a handshake, and of which a flood of ACKs is made.
    pub(super) fn ack(flood: &FloodPackets) -> Result<Self, LabError> {
        let mut bytes = Vec::new();
        let written = header(flood.target).tcp(0, flood.port, 0, WINDOW).ack(0).write(&mut bytes, &[]);
        Self::new(&written, bytes, flood)
    }

    fn new(
        written: &Result<(), BuildWriteError>,
        bytes: Vec<u8>,
        flood: &FloodPackets,
    ) -> Result<Self, LabError> {
        match written {
            Ok(()) => Ok(Self { bytes, places: Places::of(flood) }),
            Err(error) => Err(unwritable(error)),
        }
    }

    /// How many bytes the packet has.
    pub(super) fn length(&self) -> usize {
        self.bytes.len()
    }

    /// Writes the packet with its own fields into `packet`, which is as long as the template.
    pub(super) fn fill(&self, packet: &mut [u8], own: Own) {
        packet.copy_from_slice(&self.bytes);
        let places = self.places;
        let source = match own.source {
            IpAddr::V4(source) => put(packet, places.source, &source.octets()),
            IpAddr::V6(source) => put(packet, places.source, &source.octets()),
        };
        let mut carried = put(packet, places.port, &own.port.to_be_bytes());
        if places.of_addresses {
            carried += source;
        }
        if let Some(at) = places.numbers {
            carried += put(packet, at, &own.sequence.to_be_bytes());
            carried += put(packet, at + 4, &own.acknowledges.to_be_bytes());
        }
        if let Some(at) = places.header_checksum {
            carry_on(packet, at, source);
        }
        carry_on(packet, places.checksum, carried);
    }
}

impl Places {
    /// Behind an IP header without options (RFC 791 and RFC 8200, section 3).
    fn of(flood: &FloodPackets) -> Self {
        let v4 = flood.target.is_ipv4();
        let (length, source) = if v4 { (20, 12) } else { (40, 8) };
        // RFC 9293, section 3.1; RFC 768; RFC 792.
        let (port, numbers, checksum) = match flood.sends {
            Sends::Syn | Sends::Ack | Sends::Handshakes => (0, Some(length + 4), 16),
            Sends::Udp => (0, None, 6),
            Sends::Echo => (4, None, 2),
        };
        Self {
            source,
            header_checksum: v4.then_some(10),
            port: length + port,
            numbers,
            checksum: length + checksum,
            of_addresses: !(v4 && flood.sends == Sends::Echo),
        }
    }
}

fn header(target: IpAddr) -> PacketBuilderStep<IpHeaders> {
    PacketBuilder::ip(match target {
        IpAddr::V4(target) => {
            let source = Ipv4Addr::UNSPECIFIED.octets();
            let ip = Ipv4Header {
                time_to_live: TTL,
                source,
                destination: target.octets(),
                ..Ipv4Header::default()
            };
            IpHeaders::Ipv4(ip, etherparse::Ipv4Extensions::default())
        }
        IpAddr::V6(target) => {
            let source = Ipv6Addr::UNSPECIFIED.octets();
            let ip =
                Ipv6Header { hop_limit: TTL, source, destination: target.octets(), ..Ipv6Header::default() };
            IpHeaders::Ipv6(ip, etherparse::Ipv6Extensions::default())
        }
    })
}

/// Writes a field where zeros were; gives the sum of its words.
fn put(packet: &mut [u8], at: usize, field: &[u8]) -> u32 {
    packet[at..at + field.len()].copy_from_slice(field);
    field.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum()
}

/// Adds to the words that a checksum is of.
fn carry_on(packet: &mut [u8], at: usize, words: u32) {
    let before = !u16::from_be_bytes([packet[at], packet[at + 1]]);
    let mut sum = u32::from(before) + words;
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Zero would say that a datagram has no checksum (RFC 768); elsewhere the two mean the same.
    let checksum = match !u16::try_from(sum).unwrap_or_default() {
        0 => u16::MAX,
        checksum => checksum,
    };
    packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

fn unwritable(error: &dyn std::fmt::Display) -> LabError {
    LabError::BadPlan(format!("a flood's packet cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    fn flood(sends: Sends, target: &str) -> FloodPackets {
        let target: IpAddr = target.parse().unwrap();
        let prefix = if target.is_ipv4() { "198.18.2.0/24" } else { "fd00:198:18:2::/64" };
        FloodPackets {
            sends,
            prefix: prefix.parse().unwrap(),
            first_source: target,
            sources: 1,
            target,
            port: 80,
            count: 1,
            interval: None,
            seed: 1,
        }
    }

    /// What another parser computes of the packet, beside what the packet says.
    fn checksums(packet: &[u8]) -> (u16, u16) {
        let sliced = SlicedPacket::from_ip(packet).unwrap();
        let Some(net) = sliced.net else { panic!("no IP header") };
        if let NetSlice::Ipv4(ip) = &net {
            let header = ip.header().to_header();
            assert_eq!(header.calc_header_checksum(), header.header_checksum);
        }
        let (source, target) = match &net {
            NetSlice::Ipv6(ip) => (ip.header().source(), ip.header().destination()),
            NetSlice::Ipv4(_) | NetSlice::Arp(_) => Default::default(),
        };
        match (sliced.transport.unwrap(), &net) {
            (TransportSlice::Tcp(tcp), NetSlice::Ipv4(ip)) => (
                tcp.calc_checksum_ipv4(ip.header().source(), ip.header().destination()).unwrap(),
                tcp.checksum(),
            ),
            (TransportSlice::Tcp(tcp), _) => {
                (tcp.calc_checksum_ipv6(source, target).unwrap(), tcp.checksum())
            }
            (TransportSlice::Udp(udp), NetSlice::Ipv4(ip)) => {
                let header = udp.to_header();
                (header.calc_checksum_ipv4(&ip.header().to_header(), udp.payload()).unwrap(), udp.checksum())
            }
            (TransportSlice::Udp(udp), NetSlice::Ipv6(ip)) => {
                let header = udp.to_header();
                (header.calc_checksum_ipv6(&ip.header().to_header(), udp.payload()).unwrap(), udp.checksum())
            }
            (TransportSlice::Icmpv4(icmp), _) => {
                (icmp.icmp_type().calc_checksum(icmp.payload()), icmp.checksum())
            }
            (TransportSlice::Icmpv6(icmp), _) => {
                (icmp.icmp_type().calc_checksum(source, target, icmp.payload()).unwrap(), icmp.checksum())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_packet_has_the_checksums_that_another_parser_computes() {
        for sends in [Sends::Syn, Sends::Ack, Sends::Udp, Sends::Echo, Sends::Handshakes] {
            for (target, source) in
                [("198.18.0.1", "198.18.255.254"), ("fd00:198:18::1", "fd00:198:18:ffff:fffe::9")]
            {
                let template = Template::of(&flood(sends, target)).unwrap();
                let mut packet = vec![0; template.length()];
                for port in [1, 1024, 0x8001, u16::MAX] {
                    let source = source.parse().unwrap();
                    template.fill(&mut packet, Own { source, port, sequence: 0xfffe_fffd, acknowledges: 0 });
                    let (computed, said) = checksums(&packet);
                    assert_eq!(computed, said, "{sends} to {target} from port {port}");
                }
            }
        }
    }
}
