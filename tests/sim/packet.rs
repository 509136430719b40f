//! Reads what a scanner sent, and fails the test where a packet is not right in every byte but, perhaps, its checksum.

use std::net::IpAddr;

use etherparse::checksum::Sum16BitWords;
use etherparse::{ArpOperation, ArpPacketSlice, Ipv4HeaderSlice, Ipv6HeaderSlice, TcpHeader, UdpHeader};
use scandrill_model::TcpFlags;

/// A packet of a scanner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its source address.
    pub source: IpAddr,
    /// Its destination address; of ARP the address that is asked for.
    pub destination: IpAddr,
    /// Its time to live; ARP has none.
    pub ttl: Option<u8>,
    /// What is in it; ARP has no number.
    pub protocol: Option<u8>,
    /// Whether the checksum behind the IP header is right; `None` where there is none.
    pub is_sound: Option<bool>,
    /// The rest.
    pub kind: Kind,
    /// All of it.
    pub bytes: Vec<u8>,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A segment, and how many bytes it carries.
    Tcp(Box<TcpHeader>, u32),
    /// A datagram.
    Udp { source_port: u16, port: u16, payload: Vec<u8> },
    /// An SCTP INIT with its initiate tag.
    Init { source_port: u16, port: u16, tag: [u8; 4] },
    /// A request of ICMP or ICMPv6: its type, identifier, sequence number and what follows.
    Request { kind: u8, id: [u8; 2], sequence: [u8; 2], data: Vec<u8> },
    /// Who has this address?
    Solicitation(IpAddr),
    /// Something else over IP.
    Other,
}

impl Sent {
    /// Reads one whole packet.
    pub fn read(bytes: &[u8]) -> Self {
        match bytes[0] >> 4 {
            0 => read_arp(bytes),
            4 => read_v4(bytes),
            6 => read_v6(bytes),
            version => panic!("IP version {version}"),
        }
    }

    /// The asked port; 0 where there is none.
    pub fn port(&self) -> u16 {
        match &self.kind {
            Kind::Tcp(header, _) => header.destination_port,
            Kind::Udp { port, .. } | Kind::Init { port, .. } => *port,
            Kind::Request { .. } | Kind::Solicitation(_) | Kind::Other => 0,
        }
    }

    /// The flags of a segment.
    pub fn flags(&self) -> Option<TcpFlags> {
        let Kind::Tcp(header, _) = &self.kind else { return None };
        Some(flags(header))
    }
}

fn read_arp(bytes: &[u8]) -> Sent {
    let arp = ArpPacketSlice::from_slice(bytes).expect("an ARP packet");
    assert_eq!((arp.operation(), arp.slice().len()), (ArpOperation::REQUEST, bytes.len()));
    let address = |bytes: &[u8]| IpAddr::from(<[u8; 4]>::try_from(bytes).expect("an IPv4 address"));
    let asked = address(arp.target_protocol_addr());
    Sent {
        source: address(arp.sender_protocol_addr()),
        destination: asked,
        ttl: None,
        protocol: None,
        is_sound: None,
        kind: Kind::Solicitation(asked),
        bytes: bytes.to_vec(),
    }
}

fn read_v4(bytes: &[u8]) -> Sent {
    let slice = Ipv4HeaderSlice::from_slice(bytes).expect("an IPv4 header");
    let header = slice.to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum(), "IPv4 header checksum");
    assert_eq!(usize::from(header.total_len), bytes.len(), "total length");
    let body = &bytes[header.header_len()..];
    let pseudo = Sum16BitWords::new().add_4bytes(header.source).add_4bytes(header.destination);
    Sent {
        source: header.source.into(),
        destination: header.destination.into(),
        ttl: Some(header.time_to_live),
        protocol: Some(header.protocol.0),
        is_sound: is_sound(false, header.protocol.0, pseudo, body),
        kind: kind(false, header.protocol.0, body),
        bytes: bytes.to_vec(),
    }
}

fn read_v6(bytes: &[u8]) -> Sent {
    let header = Ipv6HeaderSlice::from_slice(bytes).expect("an IPv6 header").to_header();
    assert_eq!(usize::from(header.payload_length) + 40, bytes.len(), "payload length");
    let body = &bytes[40..];
    let pseudo = Sum16BitWords::new().add_16bytes(header.source).add_16bytes(header.destination);
    Sent {
        source: header.source.into(),
        destination: header.destination.into(),
        ttl: Some(header.hop_limit),
        protocol: Some(header.next_header.0),
        is_sound: is_sound(true, header.next_header.0, pseudo, body),
        kind: kind(true, header.next_header.0, body),
        bytes: bytes.to_vec(),
    }
}

const ICMP: u8 = 1;
const IGMP: u8 = 2;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMPV6: u8 = 58;
const SCTP: u8 = 132;

/// RFC 1071 over the pseudo header (RFC 9293, RFC 8200) where the protocol has one; CRC32c (RFC 9260, appendix A).
fn is_sound(v6: bool, protocol: u8, addresses: Sum16BitWords, body: &[u8]) -> Option<bool> {
    let length = u16::try_from(body.len()).expect("a packet").to_be_bytes();
    let pseudo = || addresses.add_2bytes([0, protocol]).add_2bytes(length);
    let sum = match (v6, protocol) {
        (_, TCP | UDP) | (true, ICMPV6) => pseudo(),
        (false, ICMP | IGMP) => Sum16BitWords::new(),
        (_, SCTP) => return Some(crc32c(body) == body[8..12]),
        _ => return None,
    };
    Some(sum.add_slice(body).ones_complement() == 0)
}

/// Bit by bit, the checksum's own four bytes as zero.
fn crc32c(body: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for (at, byte) in body.iter().enumerate() {
        crc ^= if (8..12).contains(&at) { 0 } else { u32::from(*byte) };
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    (!crc).to_le_bytes()
}

fn kind(v6: bool, protocol: u8, body: &[u8]) -> Kind {
    match (v6, protocol) {
        (_, TCP) => {
            let (header, carried) = TcpHeader::from_slice(body).expect("a segment");
            Kind::Tcp(Box::new(header), u32::try_from(carried.len()).expect("a small segment"))
        }
        (_, UDP) => {
            let (header, payload) = UdpHeader::from_slice(body).expect("a datagram");
            assert_eq!(usize::from(header.length), body.len(), "UDP length");
            let (source_port, port) = (header.source_port, header.destination_port);
            Kind::Udp { source_port, port, payload: payload.to_vec() }
        }
        (_, SCTP) => init(body),
        (false, ICMP) | (true, ICMPV6) => request(body),
        _ => Kind::Other,
    }
}

/// RFC 9260, sections 3.1 and 3.3.2: an INIT is alone in its packet, and the packet's tag is zero.
fn init(body: &[u8]) -> Kind {
    assert_eq!((body[4..8].to_vec(), body[12], body.len()), (vec![0; 4], 1, 32), "an INIT");
    assert_eq!(body[14..16], [0, 20], "the chunk's length");
    let port = |at| u16::from_be_bytes([body[at], body[at + 1]]);
    Kind::Init { source_port: port(0), port: port(2), tag: body[16..20].try_into().expect("a tag") }
}

fn request(body: &[u8]) -> Kind {
    assert_eq!(body[1], 0, "the code");
    match body[0] {
        135 => Kind::Solicitation(<[u8; 16]>::try_from(&body[8..24]).expect("an address").into()),
        kind @ (8 | 13 | 17 | 128) => Kind::Request {
            kind,
            id: [body[4], body[5]],
            sequence: [body[6], body[7]],
            data: body[8..].to_vec(),
        },
        other => panic!("ICMP type {other} is no question"),
    }
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
