//! Which packet answers which probe, and what it says. A packet that does not carry a probe's own numbers is
//! nobody's answer. Checksums are not verified: a packet that never left the machine has none yet.

use std::net::IpAddr;

use pnet_packet::icmp::echo_reply::EchoReplyPacket;
use pnet_packet::icmp::{IcmpPacket, IcmpTypes};
use pnet_packet::icmpv6::{Icmpv6Packet, Icmpv6Types};
use pnet_packet::ip::IpNextHeaderProtocol;
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;
use pnet_packet::tcp::{TcpOptionNumbers, TcpPacket};
use pnet_packet::udp::UdpPacket;
use scandrill_model::{Protocol, Reply, TcpFlags, Unreachable};

use super::Endpoints;
use crate::identity::{Identity, Mark};

/// A reply and the probe it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The asked port.
    pub port: u16,
    /// Which try was answered.
    pub attempt: u8,
    /// What came back.
    pub reply: Reply,
    /// How to go on, when the target opened a connection.
    pub handshake: Option<Handshake>,
}

/// What the next segment of a connection must carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handshake {
    /// Its ports and numbers.
    pub mark: Mark,
    /// The target's timestamp, to be echoed (RFC 7323, section 3.2).
    pub timestamp: Option<u32>,
}

/// Reads the replies to one scan.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    endpoints: Endpoints,
    protocol: Protocol,
    flags: TcpFlags,
}

/// An IP packet, opened; the payload may be cut short in a quotation.
struct Opened<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: IpNextHeaderProtocol,
    payload: &'a [u8],
}

impl Reader {
    /// For the answers to probes with these TCP flags, if they are TCP.
    pub(crate) fn new(endpoints: Endpoints, protocol: Protocol, flags: TcpFlags) -> Self {
        Self { endpoints, protocol, flags }
    }

    /// The answer in `packet`, if it is one.
    pub(crate) fn read(&self, identity: &Identity, packet: &[u8]) -> Option<Answer> {
        let opened = open(packet)?;
        if opened.destination != self.endpoints.source() {
            return None;
        }
        let icmp = opened.protocol == self.endpoints.number(Protocol::Icmp);
        if let Some((what, quoted)) = icmp.then(|| self.unreachable(opened.payload)).flatten() {
            return self.quoted(identity, what, quoted);
        }
        let direct = opened.source == self.endpoints.target()
            && opened.protocol == self.endpoints.number(self.protocol);
        match self.protocol {
            _ if !direct => None,
            Protocol::Tcp => self.tcp(identity, opened.payload),
            Protocol::Udp => udp(identity, opened.payload),
            Protocol::Icmp => self.echo(identity, opened.payload),
            Protocol::Sctp | Protocol::Ip | Protocol::Arp => None,
        }
    }

    fn tcp(&self, identity: &Identity, payload: &[u8]) -> Option<Answer> {
        let segment = TcpPacket::new(payload)?;
        let mark = identity.find(segment.get_destination(), segment.get_source())?;
        let flags = TcpFlags(segment.get_flags());
        let acknowledges =
            flags.contains(TcpFlags::ACK) && segment.get_acknowledgement().wrapping_sub(mark.sequence) <= 1;
        let resets_at = self.flags.contains(TcpFlags::ACK)
            && flags.contains(TcpFlags::RST)
            && segment.get_sequence() == mark.acknowledgement;
        if !acknowledges && !resets_at {
            return None;
        }
        let opens = flags.contains(TcpFlags::SYN | TcpFlags::ACK);
        let next = Mark {
            sequence: mark.sequence.wrapping_add(1),
            acknowledgement: segment.get_sequence().wrapping_add(1),
            ..mark
        };
        Some(Answer {
            port: mark.port,
            attempt: mark.attempt,
            reply: Reply::Tcp { flags: TcpFlags(flags.0 & TCP_FLAGS), window: segment.get_window() },
            handshake: opens.then(|| Handshake { mark: next, timestamp: timestamp(payload) }),
        })
    }

    fn echo(&self, identity: &Identity, payload: &[u8]) -> Option<Answer> {
        let is_reply = match self.endpoints {
            Endpoints::V4 { .. } => IcmpPacket::new(payload)?.get_icmp_type() == IcmpTypes::EchoReply,
            Endpoints::V6 { .. } => Icmpv6Packet::new(payload)?.get_icmpv6_type() == Icmpv6Types::EchoReply,
        };
        let message = EchoReplyPacket::new(payload)?;
        let attempt = echo_attempt(identity, message.get_identifier(), message.get_sequence_number())?;
        is_reply.then_some(Answer { port: 0, attempt, reply: Reply::EchoReply, handshake: None })
    }

    /// What a "destination unreachable" says, and the packet that it quotes.
    fn unreachable<'a>(&self, payload: &'a [u8]) -> Option<(Unreachable, &'a [u8])> {
        let what = match self.endpoints {
            Endpoints::V4 { .. } => {
                let message = IcmpPacket::new(payload)?;
                Unreachable::from_icmp(message.get_icmp_type().0, message.get_icmp_code().0)?
            }
            Endpoints::V6 { .. } => {
                let message = Icmpv6Packet::new(payload)?;
                Unreachable::from_icmpv6(message.get_icmpv6_type().0, message.get_icmpv6_code().0)?
            }
        };
        Some((what, payload.get(8..)?))
    }

    /// Whoever refuses must quote the probe: at least eight bytes behind the IP header (RFC 792).
    fn quoted(&self, identity: &Identity, what: Unreachable, quoted: &[u8]) -> Option<Answer> {
        let opened = open(quoted)?;
        let ours = (opened.source, opened.destination) == (self.endpoints.source(), self.endpoints.target());
        if !ours || opened.protocol != self.endpoints.number(self.protocol) {
            return None;
        }
        let answer =
            |port, attempt| Answer { port, attempt, reply: Reply::Unreachable(what), handshake: None };
        if self.protocol == Protocol::Icmp {
            let (id, sequence) = (number(opened.payload, 4)?, number(opened.payload, 6)?);
            return echo_attempt(identity, id, sequence).map(|attempt| answer(0, attempt));
        }
        let mark = identity.find(number(opened.payload, 0)?, number(opened.payload, 2)?)?;
        let [high_a, high_b, low_a, low_b] = mark.sequence.to_be_bytes();
        let sequence = (number(opened.payload, 4)?, number(opened.payload, 6)?);
        let known = sequence == (u16::from_be_bytes([high_a, high_b]), u16::from_be_bytes([low_a, low_b]));
        (self.protocol == Protocol::Udp || known).then(|| answer(mark.port, mark.attempt))
    }
}

/// The six flags of RFC 9293; ECN's two bits say nothing about a port.
const TCP_FLAGS: u8 = 0x3f;

fn udp(identity: &Identity, payload: &[u8]) -> Option<Answer> {
    let datagram = UdpPacket::new(payload)?;
    let mark = identity.find(datagram.get_destination(), datagram.get_source())?;
    Some(Answer { port: mark.port, attempt: mark.attempt, reply: Reply::Udp, handshake: None })
}

/// Identifier and sequence number must belong to the same try.
fn echo_attempt(identity: &Identity, id: u16, sequence: u16) -> Option<u8> {
    let attempt = identity.find(id, 0)?.attempt;
    (u16::from(attempt) == sequence).then_some(attempt)
}

/// Opens an unfragmented IP packet without options that matter here. IPv6 extension headers are not walked: no
/// reply to a probe has one.
fn open(packet: &[u8]) -> Option<Opened<'_>> {
    match packet.first()? >> 4 {
        4 => {
            let header = Ipv4Packet::new(packet)?;
            let payload = packet.get(usize::from(header.get_header_length()) * 4..)?;
            (header.get_fragment_offset() == 0).then(|| Opened {
                source: header.get_source().into(),
                destination: header.get_destination().into(),
                protocol: header.get_next_level_protocol(),
                payload,
            })
        }
        6 => {
            let header = Ipv6Packet::new(packet)?;
            let payload = packet.get(Ipv6Packet::minimum_packet_size()..)?;
            Some(Opened {
                source: header.get_source().into(),
                destination: header.get_destination().into(),
                protocol: header.get_next_header(),
                payload,
            })
        }
        _ => None,
    }
}

/// The 16-bit number at byte `at`.
fn number(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([*pair.first()?, *pair.last()?]))
}

/// The sender's timestamp among the options of a segment. They are walked here, since pnet's own iterator
/// panics where an option's length is wrong.
fn timestamp(segment: &[u8]) -> Option<u32> {
    let header = usize::from(*segment.get(12)? >> 4) * 4;
    let mut options = segment.get(20..header)?;
    loop {
        let length = match *options.first()? {
            kind if kind == TcpOptionNumbers::EOL.0 => return None,
            kind if kind == TcpOptionNumbers::NOP.0 => 1,
            kind if kind == TcpOptionNumbers::TIMESTAMPS.0 => {
                let value: [u8; 4] = options.get(2..6)?.try_into().ok()?;
                return Some(u32::from_be_bytes(value));
            }
            _ => usize::from(*options.get(1)?).max(2),
        };
        options = options.get(length..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_found_behind_other_options_and_wrong_lengths_are_survived() {
        let mut segment = vec![0; 12];
        segment.push(10 << 4);
        segment.extend([0; 7]);
        segment.extend([2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7]);
        assert_eq!(timestamp(&segment), Some(0x0102_0304));
        segment[21] = 200;
        assert_eq!(timestamp(&segment), None);
        segment[21] = 0;
        segment[12] = 0xf0;
        assert_eq!(timestamp(&segment), None);
    }

    #[test]
    fn what_is_no_ip_packet_is_not_opened() {
        for bytes in [&[][..], &[0x45], &[0x4f; 20], &[0x60; 39], &[0x00; 60]] {
            assert!(open(bytes).is_none(), "{bytes:?}");
        }
    }
}
