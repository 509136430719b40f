//! Reads what a scanner sent, and fails the test where a packet is not right in every byte.

use std::net::IpAddr;

use etherparse::{Icmpv4Type, Icmpv6Type, NetHeaders, PacketHeaders, TcpHeader, TransportHeader};
use scandrill_model::TcpFlags;

/// A packet of a scanner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its source address.
    pub source: IpAddr,
    /// Its destination address.
    pub destination: IpAddr,
    /// The rest.
    pub kind: Kind,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A segment.
    Tcp(Box<TcpHeader>),
    /// A datagram.
    Udp { source_port: u16, port: u16, payload: Vec<u8> },
    /// An echo request.
    Echo { id: u16, sequence: u16 },
}

impl Sent {
    /// Reads one packet; panics where a length or a checksum is wrong.
    pub fn read(bytes: &[u8]) -> Self {
        let headers = PacketHeaders::from_ip_slice(bytes).expect("an IP packet");
        let transport = headers.transport.expect("a transport header");
        let payload = headers.payload.slice();
        let (source, destination, kind) = match headers.net.expect("an IP header") {
            NetHeaders::Ipv4(header, _) => {
                assert_eq!(header.header_checksum, header.calc_header_checksum(), "IPv4 header checksum");
                assert_eq!(usize::from(header.total_len), bytes.len(), "total length");
                let kind = over_v4(transport, header.source, header.destination, payload);
                (IpAddr::from(header.source), IpAddr::from(header.destination), kind)
            }
            NetHeaders::Ipv6(header, _) => {
                assert_eq!(usize::from(header.payload_length) + 40, bytes.len(), "payload length");
                let kind = over_v6(transport, header.source, header.destination, payload);
                (IpAddr::from(header.source), IpAddr::from(header.destination), kind)
            }
            NetHeaders::Arp(_) => panic!("an ARP packet"),
        };
        Self { source, destination, kind, bytes: bytes.to_vec() }
    }

    /// The asked port; 0 for ICMP.
    pub fn port(&self) -> u16 {
        match &self.kind {
            Kind::Tcp(header) => header.destination_port,
            Kind::Udp { port, .. } => *port,
            Kind::Echo { .. } => 0,
        }
    }

    /// The flags of a segment.
    pub fn flags(&self) -> Option<TcpFlags> {
        match &self.kind {
            Kind::Tcp(header) => Some(flags(header)),
            Kind::Udp { .. } | Kind::Echo { .. } => None,
        }
    }
}

fn over_v4(transport: TransportHeader, source: [u8; 4], destination: [u8; 4], payload: &[u8]) -> Kind {
    match transport {
        TransportHeader::Tcp(header) => {
            let expected =
                header.calc_checksum_ipv4_raw(source, destination, payload).expect("a segment's size");
            assert_eq!(header.checksum, expected, "TCP checksum over IPv4");
            Kind::Tcp(Box::new(header))
        }
        TransportHeader::Udp(header) => {
            let expected =
                header.calc_checksum_ipv4_raw(source, destination, payload).expect("a datagram's size");
            assert_eq!(header.checksum, expected, "UDP checksum over IPv4");
            datagram(&header, payload)
        }
        TransportHeader::Icmpv4(header) => {
            assert_eq!(header.checksum, header.icmp_type.calc_checksum(payload), "ICMP checksum");
            let Icmpv4Type::EchoRequest(echo) = header.icmp_type else { panic!("{header:?}") };
            Kind::Echo { id: echo.id, sequence: echo.seq }
        }
        TransportHeader::Icmpv6(_) | TransportHeader::Igmp(_) => panic!("not of the probe's protocol"),
    }
}

fn over_v6(transport: TransportHeader, source: [u8; 16], destination: [u8; 16], payload: &[u8]) -> Kind {
    match transport {
        TransportHeader::Tcp(header) => {
            let expected =
                header.calc_checksum_ipv6_raw(source, destination, payload).expect("a segment's size");
            assert_eq!(header.checksum, expected, "TCP checksum over IPv6");
            Kind::Tcp(Box::new(header))
        }
        TransportHeader::Udp(header) => {
            let expected =
                header.calc_checksum_ipv6_raw(source, destination, payload).expect("a datagram's size");
            assert_eq!(header.checksum, expected, "UDP checksum over IPv6");
            datagram(&header, payload)
        }
        TransportHeader::Icmpv6(header) => {
            let expected =
                header.icmp_type.calc_checksum(source, destination, payload).expect("a message's size");
            assert_eq!(header.checksum, expected, "ICMPv6 checksum");
            let Icmpv6Type::EchoRequest(echo) = header.icmp_type else { panic!("{header:?}") };
            Kind::Echo { id: echo.id, sequence: echo.seq }
        }
        TransportHeader::Icmpv4(_) | TransportHeader::Igmp(_) => panic!("not of the probe's protocol"),
    }
}

fn datagram(header: &etherparse::UdpHeader, payload: &[u8]) -> Kind {
    assert_eq!(usize::from(header.length), payload.len() + 8, "UDP length");
    Kind::Udp { source_port: header.source_port, port: header.destination_port, payload: payload.to_vec() }
}

/// The six flags of a header.
pub fn flags(header: &TcpHeader) -> TcpFlags {
    [
        (header.fin, TcpFlags::FIN),
        (header.syn, TcpFlags::SYN),
        (header.rst, TcpFlags::RST),
        (header.psh, TcpFlags::PSH),
        (header.ack, TcpFlags::ACK),
        (header.urg, TcpFlags::URG),
    ]
    .into_iter()
    .filter(|(is_set, _)| *is_set)
    .fold(TcpFlags::NONE, |flags, (_, flag)| flags | flag)
}
