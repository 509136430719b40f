//! Reading captured packets, with a parser that shares no code with the scanners': the second witness.

use std::net::IpAddr;

use etherparse::{LaxNetSlice, LaxSlicedPacket, TransportSlice};
use scandrill_model::{TcpFlags, Unreachable};

use crate::capture::CapturedPacket;

/// What a captured packet is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// What it carries.
    pub kind: Kind,
}

/// What an IP packet carries, as far as a drill looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A TCP segment.
    Tcp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// Its flags.
        flags: TcpFlags,
        /// Its window field.
        window: u16,
    },
    /// A datagram.
    Udp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
    },
    /// ICMP or ICMPv6 echo request.
    EchoRequest {
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
    },
    /// ICMP or ICMPv6 echo reply.
    EchoReply {
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
    },
    /// ICMP or ICMPv6 destination unreachable.
    Unreachable {
        /// What it says.
        what: Unreachable,
        /// The packet it is about.
        quoted: Quoted,
    },
    /// Anything else over IP.
    Other,
}

/// The packet that an ICMP error quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// IP source.
    pub source: IpAddr,
    /// IP destination.
    pub destination: IpAddr,
    /// IP protocol number.
    pub protocol: u8,
    /// Source port, or the id of an echo.
    pub source_port: Option<u16>,
    /// Destination port, or the sequence number of an echo.
    pub destination_port: Option<u16>,
}

/// Reads a captured packet; `None` when it is not IP.
pub fn decode(packet: &CapturedPacket) -> Option<Decoded> {
    let sliced = LaxSlicedPacket::from_ethernet(&packet.bytes).ok()?;
    let (source, destination, _) = addresses(sliced.net.as_ref()?)?;
    let kind = sliced.transport.as_ref().map_or(Kind::Other, kind);
    Some(Decoded { source, destination, kind })
}

/// Source, destination and the number of the protocol inside.
fn addresses(net: &LaxNetSlice<'_>) -> Option<(IpAddr, IpAddr, u8)> {
    match net {
        LaxNetSlice::Ipv4(v4) => {
            let header = v4.header();
            Some((header.source_addr().into(), header.destination_addr().into(), v4.payload().ip_number.0))
        }
        LaxNetSlice::Ipv6(v6) => {
            let header = v6.header();
            Some((header.source_addr().into(), header.destination_addr().into(), v6.payload().ip_number.0))
        }
        LaxNetSlice::Arp(_) => None,
    }
}

fn kind(transport: &TransportSlice<'_>) -> Kind {
    match transport {
        TransportSlice::Tcp(tcp) => {
            let bit = |set: bool, flag: TcpFlags| if set { flag } else { TcpFlags::NONE };
            let flags = bit(tcp.fin(), TcpFlags::FIN)
                | bit(tcp.syn(), TcpFlags::SYN)
                | bit(tcp.rst(), TcpFlags::RST)
                | bit(tcp.psh(), TcpFlags::PSH)
                | bit(tcp.ack(), TcpFlags::ACK)
                | bit(tcp.urg(), TcpFlags::URG);
            let (source_port, destination_port) = (tcp.source_port(), tcp.destination_port());
            Kind::Tcp { source_port, destination_port, flags, window: tcp.window_size() }
        }
        TransportSlice::Udp(udp) => {
            Kind::Udp { source_port: udp.source_port(), destination_port: udp.destination_port() }
        }
        TransportSlice::Icmpv4(icmp) => {
            icmp_kind(icmp.type_u8(), icmp.code_u8(), icmp.bytes5to8(), icmp.payload(), &IcmpTypes::V4)
        }
        TransportSlice::Icmpv6(icmp) => {
            icmp_kind(icmp.type_u8(), icmp.code_u8(), icmp.bytes5to8(), icmp.payload(), &IcmpTypes::V6)
        }
        TransportSlice::Igmp(_) => Kind::Other,
    }
}

/// The type numbers of one ICMP (RFC 792; RFC 4443).
struct IcmpTypes {
    request: u8,
    reply: u8,
    unreachable: u8,
    meaning: fn(u8) -> Unreachable,
}

impl IcmpTypes {
    const V4: Self = Self { request: 8, reply: 0, unreachable: 3, meaning: Unreachable::from_icmp };
    const V6: Self = Self { request: 128, reply: 129, unreachable: 1, meaning: Unreachable::from_icmpv6 };
}

fn icmp_kind(number: u8, code: u8, rest: [u8; 4], payload: &[u8], types: &IcmpTypes) -> Kind {
    let (id, sequence) = (u16::from_be_bytes([rest[0], rest[1]]), u16::from_be_bytes([rest[2], rest[3]]));
    if number == types.request {
        return Kind::EchoRequest { id, sequence };
    }
    if number == types.reply {
        return Kind::EchoReply { id, sequence };
    }
    match quoted(payload).filter(|_| number == types.unreachable) {
        Some(quoted) => Kind::Unreachable { what: (types.meaning)(code), quoted },
        None => Kind::Other,
    }
}

/// The head of the packet that an error is about: an IP header and at least eight bytes (RFC 792).
fn quoted(payload: &[u8]) -> Option<Quoted> {
    const ECHOES: [u8; 2] = [1, 58];
    let inner = LaxSlicedPacket::from_ip(payload).ok()?;
    let net = inner.net.as_ref()?;
    let (source, destination, protocol) = addresses(net)?;
    let head = net.ip_payload_ref()?.payload;
    let number = |at: usize| Some(u16::from_be_bytes([*head.get(at)?, *head.get(at + 1)?]));
    let first = if ECHOES.contains(&protocol) { 4 } else { 0 };
    Some(Quoted {
        source,
        destination,
        protocol,
        source_port: number(first),
        destination_port: number(first + 2),
    })
}
