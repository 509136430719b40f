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
    error: fn(u8, u8) -> Option<Unreachable>,
}

impl IcmpTypes {
    const V4: Self = Self { request: 8, reply: 0, error: Unreachable::from_icmp };
    const V6: Self = Self { request: 128, reply: 129, error: Unreachable::from_icmpv6 };
}

fn icmp_kind(number: u8, code: u8, rest: [u8; 4], payload: &[u8], types: &IcmpTypes) -> Kind {
    let (id, sequence) = (u16::from_be_bytes([rest[0], rest[1]]), u16::from_be_bytes([rest[2], rest[3]]));
    if number == types.request {
        return Kind::EchoRequest { id, sequence };
    }
    if number == types.reply {
        return Kind::EchoReply { id, sequence };
    }
    match (types.error)(number, code).zip(quoted(payload)) {
        Some((what, quoted)) => Kind::Unreachable { what, quoted },
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

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;
    use scandrill_model::Stamp;

    use super::*;

    const V4: [[u8; 4]; 2] = [[198, 18, 0, 2], [198, 18, 0, 1]];
    const V6: [[u8; 16]; 2] = [
        [0xfd, 0, 1, 0x98, 0, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
        [0xfd, 0, 1, 0x98, 0, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ];
    /// How much of a packet a capture keeps.
    const SNAP: usize = 128;

    /// An Ethernet frame around an IP packet, cut as a capture cuts it.
    fn captured(ip: &[u8]) -> CapturedPacket {
        let kind: [u8; 2] = if ip[0] >> 4 == 4 { [0x08, 0x00] } else { [0x86, 0xdd] };
        let mut frame = [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], kind.as_slice(), ip].concat();
        let length = u32::try_from(frame.len()).unwrap();
        frame.truncate(SNAP);
        CapturedPacket { at: Stamp(1), outgoing: false, bytes: frame.into(), length }
    }

    /// An IPv4 or IPv6 header before `rest`, by hand.
    fn ip(family: u8, protocol: u8, rest: &[u8]) -> Vec<u8> {
        let [high, low] = u16::try_from(rest.len()).unwrap().to_be_bytes();
        if family == 6 {
            let header = [0x60, 0, 0, 0, high, low, protocol, 64];
            return [header.as_slice(), &V6[0], &V6[1], rest].concat();
        }
        let [high, low] = u16::try_from(rest.len() + 20).unwrap().to_be_bytes();
        let header = [0x45, 0, high, low, 0, 0, 0x40, 0, 64, protocol, 0, 0];
        [header.as_slice(), &V4[0], &V4[1], rest].concat()
    }

    fn kind_of(family: u8, protocol: u8, rest: &[u8]) -> Kind {
        let decoded = decode(&captured(&ip(family, protocol, rest))).unwrap();
        let [source, destination]: [IpAddr; 2] =
            if family == 6 { V6.map(IpAddr::from) } else { V4.map(IpAddr::from) };
        assert_eq!((decoded.source, decoded.destination), (source, destination));
        decoded.kind
    }

    /// 4660 to 22, with one byte of flags and a window of 1024.
    fn segment(flags: u8) -> Vec<u8> {
        let mut segment = vec![0x12, 0x34, 0, 22, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, flags, 4, 0, 0, 0, 0, 0];
        segment.extend([2, 4, 5, 0xb4]);
        segment
    }

    #[test]
    fn every_flag_of_a_segment_is_read() {
        for family in [4, 6] {
            for bits in 0..0x40 {
                let expected = Kind::Tcp {
                    source_port: 0x1234,
                    destination_port: 22,
                    flags: TcpFlags(bits),
                    window: 1024,
                };
                assert_eq!(kind_of(family, 6, &segment(bits)), expected);
            }
        }
    }

    #[test]
    fn datagrams_and_echoes_are_read() {
        let echo = |number| [number, 0, 0, 0, 0, 7, 0, 9];
        for (family, protocol, request, reply) in [(4, 1, 8, 0), (6, 58, 128, 129)] {
            let udp = kind_of(family, 17, &[0, 53, 0x12, 0x34, 0, 8, 0, 0]);
            assert_eq!(udp, Kind::Udp { source_port: 53, destination_port: 0x1234 });
            assert_eq!(kind_of(family, protocol, &echo(request)), Kind::EchoRequest { id: 7, sequence: 9 });
            assert_eq!(kind_of(family, protocol, &echo(reply)), Kind::EchoReply { id: 7, sequence: 9 });
        }
    }

    #[test]
    fn an_unreachable_names_what_it_is_about() {
        let (v4, v6) = (Unreachable::from_icmp, Unreachable::from_icmpv6);
        for (family, protocol, number, meaning) in [(4, 1, 3, v4 as fn(u8, u8) -> _), (6, 58, 1, v6)] {
            for code in [0, 1, 3, 4, 9, 13] {
                let unreachable = |about: &[u8]| {
                    let head = [number, code, 0, 0, 0, 0, 0, 0];
                    kind_of(family, protocol, &[head.as_slice(), about].concat())
                };
                // The kernel quotes as much as it can: more than a capture keeps.
                let long = ip(family, 17, &[&[0x12, 0x34, 0, 161, 4, 0, 0, 0], [0; 400].as_slice()].concat());
                let short = ip(family, 6, &segment(2))[..if family == 4 { 28 } else { 48 }].to_vec();
                for (about, protocol, port) in [(long, 17, 161), (short, 6, 22)] {
                    let Kind::Unreachable { what, quoted } = unreachable(&about) else {
                        panic!("{family} {code} {protocol}")
                    };
                    assert_eq!(Some(what), meaning(number, code));
                    assert_eq!((quoted.protocol, quoted.source_port), (protocol, Some(0x1234)));
                    assert_eq!(quoted.destination_port, Some(port));
                }
            }
        }
    }

    #[test]
    fn an_unreachable_about_an_echo_names_its_id_and_number() {
        for (family, protocol, number, request) in [(4, 1, 3, 8), (6, 58, 1, 128)] {
            let about = ip(family, protocol, &[request, 0, 0, 0, 0, 7, 0, 9]);
            let head = [number, 1, 0, 0, 0, 0, 0, 0];
            let kind = kind_of(family, protocol, &[head.as_slice(), &about].concat());
            let Kind::Unreachable { quoted, .. } = kind else { panic!("{kind:?}") };
            assert_eq!((quoted.source_port, quoted.destination_port), (Some(7), Some(9)));
        }
    }

    #[test]
    fn another_builder_is_understood() {
        let mut packet = Vec::new();
        let builder = PacketBuilder::ipv6(V6[0], V6[1], 64).tcp(4_000, 80, 7, 512).syn().ack(1);
        builder.write(&mut packet, &[0; 300]).unwrap();
        let expected = Kind::Tcp {
            source_port: 4_000,
            destination_port: 80,
            flags: TcpFlags::SYN | TcpFlags::ACK,
            window: 512,
        };
        assert_eq!(decode(&captured(&packet)).map(|it| it.kind), Some(expected));
    }

    #[test]
    fn what_is_no_whole_ip_packet_is_no_fact() {
        let arp = [[0xff_u8; 12].as_slice(), &[8, 6], &[0; 28]].concat();
        let arp = CapturedPacket { at: Stamp(1), outgoing: true, length: 42, bytes: arp.into() };
        assert_eq!(decode(&arp), None);
        let cut = CapturedPacket { bytes: captured(&ip(4, 6, &segment(2))).bytes[..20].into(), ..arp };
        assert_eq!(decode(&cut), None);
        assert_eq!(kind_of(4, 6, &segment(2)[..10]), Kind::Other);
        assert_eq!(kind_of(4, 47, &[0; 8]), Kind::Other);
        let mut fragment = ip(4, 17, &[0, 53, 0, 53, 0, 8, 0, 0]);
        fragment[7] = 1;
        assert_eq!(decode(&captured(&fragment)).map(|it| it.kind), Some(Kind::Other));
    }
}
