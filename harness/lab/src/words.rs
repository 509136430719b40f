//! A packet in one line, much as tcpdump would say it: for whoever wants to know what goes on the wire.

use std::net::IpAddr;

use etherparse::{EtherType, LaxSlicedPacket, TcpOptionElement, TcpSlice, TransportSlice};

use crate::decode::{Decoded, Kind, Query, outside, read};

/// What a packet without its Ethernet header is; of IPv4, IPv6 or ARP.
///
/// `198.18.2.10.41233 > 198.18.0.1.22: tcp SYN, win 1024, options mss 1460; ttl 64, length 44`
pub fn in_words(packet: &[u8]) -> String {
    let version = packet.first().map(|first| first >> 4);
    let sliced = match version {
        Some(4 | 6) => LaxSlicedPacket::from_ip(packet).ok(),
        _ => Some(LaxSlicedPacket::from_ether_type(EtherType::ARP, packet)),
    };
    sliced.and_then(|sliced| line(&sliced, packet.len())).unwrap_or_else(|| unknown(packet))
}

fn unknown(packet: &[u8]) -> String {
    format!("{} bytes that are no packet of IP or ARP", packet.len())
}

fn line(sliced: &LaxSlicedPacket<'_>, length: usize) -> Option<String> {
    let decoded = read(sliced)?;
    let ends = ends(&decoded);
    let what = what(&decoded, sliced);
    let ttl = decoded.ttl.map_or_else(String::new, |ttl| format!("ttl {ttl}, "));
    let sum = if is_sum_right(&decoded, sliced) { "" } else { ", bad checksum" };
    Some(format!("{ends}: {what}; {ttl}length {length}{sum}"))
}

/// `198.18.2.10.41233 > 198.18.0.1.22`, without ports where there are none.
fn ends(decoded: &Decoded) -> String {
    let (source, destination) = (decoded.source, decoded.destination);
    if let Kind::Tcp { source_port, destination_port, .. }
    | Kind::Udp { source_port, destination_port }
    | Kind::Sctp { source_port, destination_port, .. } = decoded.kind
    {
        return format!("{source}.{source_port} > {destination}.{destination_port}");
    }
    format!("{source} > {destination}")
}

fn what(decoded: &Decoded, sliced: &LaxSlicedPacket<'_>) -> String {
    let protocol = decoded.protocol.unwrap_or_default();
    let data = sliced.net.as_ref().and_then(|net| net.ip_payload_ref()).map_or(&[][..], |data| data.payload);
    match &decoded.kind {
        Kind::Tcp { flags, window, .. } => format!("tcp {flags}, win {window}{}", inside_tcp(sliced)),
        Kind::Udp { .. } => format!("udp, {} bytes", data.len().saturating_sub(UDP_HEADER)),
        Kind::Sctp { chunk: 1, .. } => "sctp INIT".to_owned(),
        Kind::Sctp { chunk, .. } => format!("sctp chunk {chunk}"),
        Kind::Query { what, id, sequence } => {
            format!("icmp {} request, id {id}, seq {sequence}", asked(*what))
        }
        Kind::Answer { what, id, sequence } => {
            format!("icmp {} reply, id {id}, seq {sequence}", asked(*what))
        }
        Kind::Solicitation { target } => format!("who has {target}"),
        Kind::Advertisement { target } => format!("it is me who has {target}"),
        Kind::Unreachable { what, .. } => format!("icmp error {what:?}"),
        Kind::FirstFragment(_) | Kind::LaterFragment => {
            let at = sliced.net.as_ref().and_then(outside).and_then(|outside| outside.fragment);
            let at = usize::from(at.unwrap_or_default()) * 8;
            format!("fragment of protocol {protocol}, {} bytes at {at}", data.len())
        }
        Kind::Other => format!("protocol {protocol}, {} bytes", data.len()),
    }
}

const UDP_HEADER: usize = 8;

fn asked(what: Query) -> &'static str {
    match what {
        Query::Echo => "echo",
        Query::Timestamp => "timestamp",
        Query::AddressMask => "address mask",
    }
}

/// Options and data of a segment.
fn inside_tcp(sliced: &LaxSlicedPacket<'_>) -> String {
    let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else { return String::new() };
    let options = options(tcp);
    let options = if options.is_empty() { options } else { format!(", options {options}") };
    match tcp.payload().len() {
        0 => options,
        length => format!("{options}, {length} bytes"),
    }
}

fn options(tcp: &TcpSlice<'_>) -> String {
    let word = |option| match option {
        TcpOptionElement::Noop => "nop".to_owned(),
        TcpOptionElement::MaximumSegmentSize(size) => format!("mss {size}"),
        TcpOptionElement::WindowScale(scale) => format!("wscale {scale}"),
        TcpOptionElement::SelectiveAcknowledgementPermitted => "sackOK".to_owned(),
        TcpOptionElement::SelectiveAcknowledgement(..) => "sack".to_owned(),
        TcpOptionElement::Timestamp(own, echoed) => format!("TS val {own} ecr {echoed}"),
    };
    let words = tcp.options_iterator().map(|option| option.map_or_else(|_| "unknown".to_owned(), word));
    words.collect::<Vec<_>>().join(",")
}

/// Whether the checksum of a whole segment, datagram or message is right; of anything else nothing is said.
fn is_sum_right(decoded: &Decoded, sliced: &LaxSlicedPacket<'_>) -> bool {
    let (Some(transport), Some(protocol)) = (&sliced.transport, decoded.protocol) else { return true };
    let bytes = match transport {
        TransportSlice::Tcp(tcp) => tcp.slice(),
        TransportSlice::Udp(udp) if udp.checksum() == 0 => return true,
        TransportSlice::Udp(udp) => udp.slice(),
        TransportSlice::Icmpv4(icmp) => return sum(icmp.slice()) == u16::MAX,
        TransportSlice::Icmpv6(icmp) => icmp.slice(),
        TransportSlice::Igmp(_) => return true,
    };
    let mut whole = match (decoded.source, decoded.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => [source.octets(), destination.octets()].concat(),
        (IpAddr::V6(source), IpAddr::V6(destination)) => [source.octets(), destination.octets()].concat(),
        _ => return true,
    };
    whole.extend(u16::from(protocol).to_be_bytes());
    whole.extend(u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    whole.extend(bytes);
    sum(&whole) == u16::MAX
}

/// The one's complement sum that a right checksum brings to all ones (RFC 1071).
fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    words.fold(0, |sum, word| {
        let (sum, carry) = u16::overflowing_add(sum, word);
        sum + u16::from(carry)
    })
}

#[cfg(test)]
mod tests {
    use etherparse::{PacketBuilder, TcpOptionElement::MaximumSegmentSize};

    use super::*;

    const V6: [[u8; 16]; 2] = [
        [0xfd, 0, 1, 0x98, 0, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
        [0xfd, 0, 1, 0x98, 0, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    ];

    fn syn() -> Vec<u8> {
        let mut packet = Vec::new();
        let ip = PacketBuilder::ipv4([198, 18, 2, 10], [198, 18, 0, 1], 58);
        let tcp = ip.tcp(41_233, 22, 7, 1024).syn().options(&[MaximumSegmentSize(1460)]).unwrap();
        tcp.write(&mut packet, &[]).unwrap();
        packet
    }

    #[test]
    fn a_syn_is_told_with_its_options_and_whether_its_checksum_is_right() {
        let told =
            "198.18.2.10.41233 > 198.18.0.1.22: tcp SYN, win 1024, options mss 1460; ttl 58, length 44";
        let mut packet = syn();
        assert_eq!(in_words(&packet), told);
        packet[36] ^= 0x40;
        assert_eq!(in_words(&packet), format!("{told}, bad checksum"));
    }

    #[test]
    fn a_fragment_says_which_part_it_is() {
        let mut packet = syn();
        packet.truncate(28);
        (packet[3], packet[6], packet[7]) = (28, 0x20, 0);
        assert_eq!(
            in_words(&packet),
            "198.18.2.10 > 198.18.0.1: fragment of protocol 6, 8 bytes at 0; ttl 58, length 28"
        );
        (packet[6], packet[7]) = (0, 2);
        assert_eq!(
            in_words(&packet),
            "198.18.2.10 > 198.18.0.1: fragment of protocol 6, 8 bytes at 16; ttl 58, length 28"
        );
    }

    #[test]
    fn other_packets_are_told_in_their_own_words() {
        let mut ping = Vec::new();
        PacketBuilder::ipv6(V6[0], V6[1], 64).icmpv6_echo_request(7, 9).write(&mut ping, &[0; 3]).unwrap();
        assert_eq!(
            in_words(&ping),
            "fd00:198:18::2 > fd00:198:18::1: icmp echo request, id 7, seq 9; ttl 64, length 51"
        );
        let arp = [
            [0, 1, 8, 0, 6, 4, 0, 1].as_slice(),
            &[2, 0, 0, 0, 0, 2, 198, 18, 2, 10],
            &[0; 6],
            &[198, 18, 0, 1],
        ];
        assert_eq!(in_words(&arp.concat()), "198.18.2.10 > 198.18.0.1: who has 198.18.0.1; length 28");
        assert_eq!(in_words(&[0xff; 3]), "3 bytes that are no packet of IP or ARP");
    }
}
