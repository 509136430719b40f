//! Reading captured packets, with a parser that shares no code with the scanners': the second witness.

use std::net::IpAddr;

use etherparse::{
    ArpOperation, ArpPacketSlice, Ipv6ExtensionSlice, LaxNetSlice, LaxSlicedPacket, TransportSlice,
};
use scandrill_model::{TcpFlags, Unreachable};

use crate::capture::CapturedPacket;

/// What a captured packet is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// IP source; of ARP the sender's address.
    pub source: IpAddr,
    /// IP destination; of ARP the address that is asked for or told.
    pub destination: IpAddr,
    /// The number of the IP protocol inside; over IPv6 the first next header, but what a fragment is of. ARP has none.
    pub protocol: Option<u8>,
    /// Time to live or hop limit; ARP has none.
    pub ttl: Option<u8>,
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
    /// An SCTP packet.
    Sctp {
        /// Source port.
        source_port: u16,
        /// Destination port.
        destination_port: u16,
        /// The type of its first chunk (RFC 9260, section 3.2): 1 INIT, 2 INIT ACK, 6 ABORT.
        chunk: u8,
    },
    /// An ICMP or ICMPv6 message that asks.
    Query {
        /// For what.
        what: Query,
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
    },
    /// An ICMP or ICMPv6 message that answers a query.
    Answer {
        /// To what.
        what: Query,
        /// Identifier.
        id: u16,
        /// Sequence number.
        sequence: u16,
    },
    /// An ARP request or a neighbour solicitation.
    Solicitation {
        /// Whose Ethernet address is asked for.
        target: IpAddr,
    },
    /// An ARP reply or a neighbour advertisement.
    Advertisement {
        /// Whose Ethernet address is told.
        target: IpAddr,
    },
    /// An ICMP or ICMPv6 error.
    Unreachable {
        /// What it says.
        what: Unreachable,
        /// The packet it is about.
        quoted: Quoted,
    },
    /// The first of a packet's fragments: the eight bytes that each has at least (RFC 791, section 3.1).
    FirstFragment([u8; 8]),
    /// Another of a packet's fragments.
    LaterFragment,
    /// Anything else over IP.
    Other,
}

/// What an ICMP or ICMPv6 message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// The same back.
    Echo,
    /// The time.
    Timestamp,
    /// The mask of the network.
    AddressMask,
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

/// Reads a captured packet; `None` when it is neither IP nor ARP.
pub fn decode(packet: &CapturedPacket) -> Option<Decoded> {
    read(&LaxSlicedPacket::from_ethernet(&packet.bytes).ok()?)
}

/// As [`decode`], of a packet that is taken apart.
pub(crate) fn read(sliced: &LaxSlicedPacket<'_>) -> Option<Decoded> {
    let net = sliced.net.as_ref()?;
    if let LaxNetSlice::Arp(arp) = net {
        return self::arp(arp);
    }
    let Outside { source, destination, protocol, ttl, fragment } = outside(net)?;
    let kind = match (fragment, &sliced.transport) {
        (Some(0), _) => first_fragment(net).map_or(Kind::Other, Kind::FirstFragment),
        (Some(_), _) => Kind::LaterFragment,
        (None, Some(transport)) => kind(transport),
        (None, None) if protocol == SCTP => sctp(net).unwrap_or(Kind::Other),
        (None, None) => Kind::Other,
    };
    Some(Decoded { source, destination, protocol: Some(protocol), ttl: Some(ttl), kind })
}

/// IP's number for SCTP, which the parser does not know.
const SCTP: u8 = 132;

/// An IP header.
pub(crate) struct Outside {
    source: IpAddr,
    destination: IpAddr,
    /// The number of the protocol inside.
    protocol: u8,
    ttl: u8,
    /// Where a fragment begins, in units of eight bytes; `None` for a whole packet.
    pub(crate) fragment: Option<u16>,
}

pub(crate) fn outside(net: &LaxNetSlice<'_>) -> Option<Outside> {
    match net {
        LaxNetSlice::Ipv4(v4) => {
            let header = v4.header();
            Some(Outside {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                protocol: header.protocol().0,
                ttl: header.ttl(),
                fragment: v4.is_payload_fragmented().then(|| header.fragments_offset().value()),
            })
        }
        LaxNetSlice::Ipv6(v6) => {
            let header = v6.header();
            let offset = |extension| match extension {
                Ipv6ExtensionSlice::Fragment(fragment) => Some(fragment.fragment_offset().value()),
                Ipv6ExtensionSlice::HopByHop(_)
                | Ipv6ExtensionSlice::Routing(_)
                | Ipv6ExtensionSlice::DestinationOptions(_)
                | Ipv6ExtensionSlice::Authentication(_) => None,
            };
            let fragmented = v6.is_payload_fragmented();
            // Up to a fragment's header the extensions are whole; behind, etherparse 0.21 walks on into what is cut off.
            let fragment = fragmented.then(|| v6.extensions().clone().into_iter().find_map(offset)).flatten();
            Some(Outside {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                protocol: if fragmented { v6.payload().ip_number.0 } else { header.next_header().0 },
                ttl: header.hop_limit(),
                fragment,
            })
        }
        LaxNetSlice::Arp(_) => None,
    }
}

fn first_fragment(net: &LaxNetSlice<'_>) -> Option<[u8; 8]> {
    net.ip_payload_ref()?.payload.first_chunk().copied()
}

/// Ports, verification tag, checksum, and the first chunk's type (RFC 9260, section 3).
fn sctp(net: &LaxNetSlice<'_>) -> Option<Kind> {
    let &[s0, s1, d0, d1, _, _, _, _, _, _, _, _, chunk] = net.ip_payload_ref()?.payload.first_chunk()?;
    let (source_port, destination_port) = (u16::from_be_bytes([s0, s1]), u16::from_be_bytes([d0, d1]));
    Some(Kind::Sctp { source_port, destination_port, chunk })
}

fn arp(arp: &ArpPacketSlice<'_>) -> Option<Decoded> {
    let address = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    let (source, destination) = (address(arp.sender_protocol_addr())?, address(arp.target_protocol_addr())?);
    let kind = match arp.operation() {
        ArpOperation::REQUEST => Kind::Solicitation { target: destination },
        ArpOperation::REPLY => Kind::Advertisement { target: source },
        _ => Kind::Other,
    };
    Some(Decoded { source, destination, protocol: None, ttl: None, kind })
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
            let (number, code) = (icmp.type_u8(), icmp.code_u8());
            icmp_kind(number, &ICMP, icmp.bytes5to8())
                .or_else(|| error(Unreachable::from_icmp(number, code)?, icmp.payload()))
                .unwrap_or(Kind::Other)
        }
        TransportSlice::Icmpv6(icmp) => {
            let (number, code) = (icmp.type_u8(), icmp.code_u8());
            icmp_kind(number, &ICMPV6, icmp.bytes5to8())
                .or_else(|| neighbour(number, icmp.payload()))
                .or_else(|| error(Unreachable::from_icmpv6(number, code)?, icmp.payload()))
                .unwrap_or(Kind::Other)
        }
        TransportSlice::Igmp(_) => Kind::Other,
    }
}

/// The type numbers of queries, each with its answer's (RFC 792, RFC 950; RFC 4443).
type Queries = [(u8, u8, Query)];
const ICMP: [(u8, u8, Query); 3] =
    [(8, 0, Query::Echo), (13, 14, Query::Timestamp), (17, 18, Query::AddressMask)];
const ICMPV6: [(u8, u8, Query); 1] = [(128, 129, Query::Echo)];

fn icmp_kind(number: u8, queries: &Queries, rest: [u8; 4]) -> Option<Kind> {
    let (id, sequence) = (u16::from_be_bytes([rest[0], rest[1]]), u16::from_be_bytes([rest[2], rest[3]]));
    queries.iter().find_map(|&(query, answer, what)| {
        let asks = (number == query).then_some(Kind::Query { what, id, sequence });
        asks.or((number == answer).then_some(Kind::Answer { what, id, sequence }))
    })
}

/// Neighbour discovery's messages begin with the address they are about (RFC 4861, sections 4.3 and 4.4).
fn neighbour(number: u8, payload: &[u8]) -> Option<Kind> {
    let target = IpAddr::from(*payload.first_chunk::<16>()?);
    match number {
        135 => Some(Kind::Solicitation { target }),
        136 => Some(Kind::Advertisement { target }),
        _ => None,
    }
}

fn error(what: Unreachable, payload: &[u8]) -> Option<Kind> {
    quoted(payload).map(|quoted| Kind::Unreachable { what, quoted })
}

/// The head of the packet that an error is about: an IP header and at least eight bytes (RFC 792).
fn quoted(payload: &[u8]) -> Option<Quoted> {
    const ECHOES: [u8; 2] = [1, 58];
    let inner = LaxSlicedPacket::from_ip(payload).ok()?;
    let net = inner.net.as_ref()?;
    let Outside { source, destination, protocol, .. } = outside(net)?;
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
        let echo = |number| [[number, 0, 0, 0, 0, 7, 0, 9].as_slice(), &[0; 12]].concat();
        let what = Query::Echo;
        for (family, protocol, request, reply) in [(4, 1, 8, 0), (6, 58, 128, 129)] {
            let udp = kind_of(family, 17, &[0, 53, 0x12, 0x34, 0, 8, 0, 0]);
            assert_eq!(udp, Kind::Udp { source_port: 53, destination_port: 0x1234 });
            assert_eq!(kind_of(family, protocol, &echo(request)), Kind::Query { what, id: 7, sequence: 9 });
            assert_eq!(kind_of(family, protocol, &echo(reply)), Kind::Answer { what, id: 7, sequence: 9 });
        }
    }

    #[test]
    fn an_unreachable_names_what_it_is_about() {
        let (v4, v6) = (Unreachable::from_icmp, Unreachable::from_icmpv6);
        let errors = [
            (4, 1, 3, v4 as fn(u8, u8) -> _, [0, 1, 2, 3, 9, 10, 13]),
            (6, 58, 1, v6, [0, 1, 2, 3, 4, 5, 6]),
        ];
        for (family, protocol, number, meaning, codes) in errors {
            for code in codes {
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
        let whole = captured(&ip(4, 6, &segment(2)));
        let cut = CapturedPacket { bytes: whole.bytes[..20].into(), ..whole };
        assert_eq!(decode(&cut), None);
        assert_eq!(kind_of(4, 6, &segment(2)[..10]), Kind::Other);
        assert_eq!(kind_of(4, 47, &[0; 8]), Kind::Other);
        let mut fragment = ip(4, 17, &[0, 53, 0, 53, 0, 8, 0, 0]);
        fragment[7] = 1;
        assert_eq!(decode(&captured(&fragment)).map(|it| it.kind), Some(Kind::LaterFragment));
    }

    #[test]
    fn other_queries_of_icmp_and_an_init_are_read() {
        for (query, answer, what) in [(13, 14, Query::Timestamp), (17, 18, Query::AddressMask)] {
            let message = |number| [[number, 0, 0, 0, 0, 7, 0, 9].as_slice(), &[0; 12]].concat();
            assert_eq!(kind_of(4, 1, &message(query)), Kind::Query { what, id: 7, sequence: 9 });
            assert_eq!(kind_of(4, 1, &message(answer)), Kind::Answer { what, id: 7, sequence: 9 });
            assert_eq!(kind_of(6, 58, &message(query)), Kind::Other, "ICMPv6 has none");
        }
        for family in [4, 6] {
            let init =
                kind_of(family, 132, &[[0x12, 0x34, 0, 38].as_slice(), &[0; 8], &[1, 0, 0, 20]].concat());
            assert_eq!(init, Kind::Sctp { source_port: 0x1234, destination_port: 38, chunk: 1 });
            assert_eq!(kind_of(family, 132, &[0; 12]), Kind::Other, "no chunk");
        }
    }

    #[test]
    fn who_asks_for_a_neighbour_and_who_tells_is_read() {
        let [red, target] = V4;
        for (operation, expected) in [
            (1, Kind::Solicitation { target: target.into() }),
            (2, Kind::Advertisement { target: red.into() }),
        ] {
            let head = [0, 1, 8, 0, 6, 4, 0, operation];
            let arp = [head.as_slice(), &[2, 0, 0, 0, 0, 2], &red, &[0; 6], &target].concat();
            let frame = [[0xff_u8; 12].as_slice(), &[8, 6], &arp].concat();
            let arp = CapturedPacket { at: Stamp(1), outgoing: true, length: 42, bytes: frame.into() };
            let decoded = decode(&arp).unwrap();
            assert_eq!((decoded.source, decoded.destination), (red.into(), target.into()));
            assert_eq!((decoded.kind, decoded.ttl, decoded.protocol), (expected, None, None));
        }
        let target = IpAddr::from(V6[1]);
        for (number, expected) in
            [(135, Kind::Solicitation { target }), (136, Kind::Advertisement { target })]
        {
            let message =
                [[number, 0, 0, 0, 0, 0, 0, 0].as_slice(), &V6[1], &[1, 1, 2, 0, 0, 0, 0, 2]].concat();
            assert_eq!(kind_of(6, 58, &message), expected);
        }
    }

    #[test]
    fn a_first_fragment_shows_eight_bytes_and_the_next_nothing() {
        let bytes = [0x12, 0x34, 0, 22, 0, 0, 0, 1];
        for (offset, expected) in [(0, Kind::FirstFragment(bytes)), (1, Kind::LaterFragment)] {
            let mut v4 = ip(4, 6, &bytes);
            (v4[6], v4[7]) = (0x20, offset);
            let v6 = ip(6, 44, &[[6, 0, 0, offset << 3 | 1, 0, 0, 0, 9].as_slice(), &bytes].concat());
            for packet in [v4, v6] {
                let decoded = decode(&captured(&packet)).unwrap();
                assert_eq!(
                    (decoded.kind, decoded.protocol, decoded.ttl),
                    (expected.clone(), Some(6), Some(64))
                );
            }
        }
    }
}
