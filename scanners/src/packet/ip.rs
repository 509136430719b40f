//! IP headers, written and opened, of either version.

use std::net::IpAddr;

use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;
use scandrill_model::Family;

use super::checksum::{finish, sum};

/// Bytes of a header without options.
pub(crate) const fn header_length(family: Family) -> usize {
    match family {
        Family::V4 => Ipv4Packet::minimum_packet_size(),
        Family::V6 => Ipv6Packet::minimum_packet_size(),
    }
}

/// The numbers of protocols (<https://www.iana.org/assignments/protocol-numbers>).
pub(crate) mod numbers {
    /// ICMP.
    pub(crate) const ICMP: u8 = 1;
    /// IGMP.
    pub(crate) const IGMP: u8 = 2;
    /// TCP.
    pub(crate) const TCP: u8 = 6;
    /// UDP.
    pub(crate) const UDP: u8 = 17;
    /// IPv6's fragment header.
    pub(crate) const FRAGMENT: u8 = 44;
    /// ICMPv6.
    pub(crate) const ICMPV6: u8 = 58;
    /// SCTP.
    pub(crate) const SCTP: u8 = 132;
}

/// A packet's header and room for `body`; no source, no identification, no checksum yet.
pub(super) fn packet(target: IpAddr, protocol: u8, ttl: u8, body: &[u8]) -> Vec<u8> {
    let length = |header: usize| u16::try_from(header + body.len()).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = vec![0; header_length(Family::of(target))];
    match target {
        IpAddr::V4(target) => {
            packet[0] = 0x45;
            packet[2..4].copy_from_slice(&length(Ipv4Packet::minimum_packet_size()));
            packet[8] = ttl;
            packet[9] = protocol;
            packet[16..20].copy_from_slice(&target.octets());
        }
        IpAddr::V6(target) => {
            packet[0] = 0x60;
            packet[4..6].copy_from_slice(&length(0));
            packet[6] = protocol;
            packet[7] = ttl;
            packet[24..40].copy_from_slice(&target.octets());
        }
    }
    packet.extend_from_slice(body);
    packet
}

/// Puts a packet's source into its header.
pub(super) fn set_source(packet: &mut [u8], source: IpAddr) {
    match source {
        IpAddr::V4(source) => packet[12..16].copy_from_slice(&source.octets()),
        IpAddr::V6(source) => packet[8..24].copy_from_slice(&source.octets()),
    }
}

/// Cuts a packet's body into pieces of `size` bytes, a multiple of eight, and hands out each as a packet of its own
/// (RFC 791, section 3.2; RFC 8200, section 4.5). A body that fits stays whole, as nmap leaves it.
pub(super) fn fragments(whole: &[u8], size: usize, identification: u32, mut out: impl FnMut(&[u8])) {
    let family = if whole[0] >> 4 == 4 { Family::V4 } else { Family::V6 };
    let (header, body) = whole.split_at(header_length(family));
    if body.len() <= size {
        return out(whole);
    }
    for (index, piece) in body.chunks(size).enumerate() {
        let at = index * size;
        let more = at + piece.len() < body.len();
        out(&match family {
            Family::V4 => piece_v4(header, piece, at, more),
            Family::V6 => piece_v6(header, piece, at, more, identification),
        });
    }
}

fn piece_v4(header: &[u8], piece: &[u8], at: usize, more: bool) -> Vec<u8> {
    let mut packet = header.to_vec();
    let total = u16::try_from(header.len() + piece.len()).unwrap_or(u16::MAX);
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    let offset = u16::try_from(at / 8).unwrap_or_default() | u16::from(more) << 13;
    packet[6..8].copy_from_slice(&offset.to_be_bytes());
    packet[10..12].fill(0);
    let checksum = finish(sum(&packet));
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend_from_slice(piece);
    packet
}

fn piece_v6(header: &[u8], piece: &[u8], at: usize, more: bool, identification: u32) -> Vec<u8> {
    let mut packet = header.to_vec();
    let length = u16::try_from(FRAGMENT_HEADER + piece.len()).unwrap_or(u16::MAX);
    packet[4..6].copy_from_slice(&length.to_be_bytes());
    let protocol = std::mem::replace(&mut packet[6], numbers::FRAGMENT);
    let offset = u16::try_from(at).unwrap_or_default() | u16::from(more);
    packet.extend_from_slice(&[protocol, 0]);
    packet.extend_from_slice(&offset.to_be_bytes());
    packet.extend_from_slice(&identification.to_be_bytes());
    packet.extend_from_slice(piece);
    packet
}

/// Bytes of IPv6's fragment header.
const FRAGMENT_HEADER: usize = 8;

/// An IP packet, opened; the payload may be cut short in a quotation.
pub(crate) struct Opened<'a> {
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// The protocol of its payload.
    pub protocol: u8,
    /// Its time to live or hop limit.
    pub ttl: u8,
    /// What every try's numbers put into the header: IPv4's identification, IPv6's flow label.
    pub label: u32,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Opens an IP packet, or its first fragment. Of IPv6's extension headers only the fragment's is walked: a quoted
/// probe may have one, and no reply has another.
pub(crate) fn open(packet: &[u8]) -> Option<Opened<'_>> {
    match packet.first()? >> 4 {
        4 => {
            let header = Ipv4Packet::new(packet)?;
            let length = usize::from(header.get_header_length()) * 4;
            let payload = packet.get(length.max(Ipv4Packet::minimum_packet_size())..)?;
            (header.get_fragment_offset() == 0).then(|| Opened {
                source: header.get_source().into(),
                destination: header.get_destination().into(),
                protocol: header.get_next_level_protocol().0,
                ttl: header.get_ttl(),
                label: header.get_identification().into(),
                payload,
            })
        }
        6 => open_v6(packet),
        _ => None,
    }
}

fn open_v6(packet: &[u8]) -> Option<Opened<'_>> {
    let header = Ipv6Packet::new(packet)?;
    let behind = packet.get(Ipv6Packet::minimum_packet_size()..)?;
    // The offset and its flag for more: thirteen bits of the first matter.
    let (protocol, payload) = match (header.get_next_header().0, number(behind, 2)) {
        (numbers::FRAGMENT, Some(offset)) if offset >> 3 == 0 => {
            (*behind.first()?, behind.get(FRAGMENT_HEADER..)?)
        }
        (numbers::FRAGMENT, Some(_)) => return None,
        // Nothing behind it: a probe of that protocol itself, as an error quotes it.
        (protocol, _) => (protocol, behind),
    };
    Some(Opened {
        source: header.get_source().into(),
        destination: header.get_destination().into(),
        protocol,
        ttl: header.get_hop_limit(),
        label: header.get_flow_label(),
        payload,
    })
}

/// The 16-bit number at byte `at`.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_ip_packet_is_not_opened() {
        for bytes in [&[][..], &[0x45], &[0x4f; 20], &[0x60; 39], &[0x00; 60]] {
            assert!(open(bytes).is_none(), "{bytes:?}");
        }
    }
}
