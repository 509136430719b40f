//! Which packet answers which probe, and what it says. A packet that does not carry a probe's own numbers is
//! nobody's answer. Checksums are not verified: a packet that never left the machine has none yet.
//!
//! The try is told by the probe's source port or, where all tries share one, by its numbers. Where a reply repeats
//! neither (UDP from a fixed source port; ARP; most IP protocols), it is taken for the first try's.

use std::net::IpAddr;

use pnet_packet::tcp::{TcpOptionNumbers, TcpPacket};
use scandrill_model::{Reply, TcpFlags, Technique, Unreachable};

use super::form::{flow_label, identification};
use super::ip::{Opened, number, numbers, open};
use super::writer::{SCTP_PORT, TCP_PORT, UDP_PORT};
use crate::identity::{Identity, Mark};
use crate::plan::ScanPlan;

/// A reply and the probe it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The asked port, or protocol.
    pub port: u16,
    /// Which try was answered.
    pub attempt: u8,
    /// What came back.
    pub reply: Reply,
    /// The reply's time to live or hop limit; 0 for an ARP reply, which has none.
    pub ttl: u8,
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
    identity: Identity,
    technique: Technique,
    target: IpAddr,
    flags: TcpFlags,
    /// ICMP or ICMPv6.
    icmp: u8,
    /// How much a probe can take of the target's sequence space: SYN, FIN, and what is behind the header.
    occupied: u32,
}

/// What a packet says, before its time to live is known.
type Said = (Mark, Reply, Option<Handshake>);

impl Reader {
    /// For the answers to a plan's probes.
    pub(crate) fn new(plan: &ScanPlan, identity: Identity) -> Self {
        Self {
            identity,
            technique: plan.technique,
            target: plan.target,
            flags: plan.technique.probe_flags().unwrap_or_default(),
            icmp: if plan.target.is_ipv4() { numbers::ICMP } else { numbers::ICMPV6 },
            occupied: u32::from(plan.evasion.data_length) + 2,
        }
    }

    /// How to go on with a connection that was opened by a SYN-ACK of that sequence number and time stamp.
    pub(crate) fn handshake(
        &self,
        port: u16,
        attempt: u8,
        (sequence, timestamp): (u32, Option<u32>),
    ) -> Handshake {
        let probe = self.identity.mark(port, attempt);
        let (sequence, acknowledgement) = (probe.sequence.wrapping_add(1), sequence.wrapping_add(1));
        Handshake { mark: Mark { sequence, acknowledgement, ..probe }, timestamp }
    }

    /// The answer in `packet`, if it is one.
    pub(crate) fn read(&self, packet: &[u8]) -> Option<Answer> {
        if packet.first()? >> 4 == 0 {
            return self.arp(packet);
        }
        let opened = open(packet)?;
        let (mark, reply, handshake) = self.said(&opened)?;
        Some(Answer { port: mark.port, attempt: mark.attempt, reply, ttl: opened.ttl, handshake })
    }

    fn said(&self, opened: &Opened<'_>) -> Option<Said> {
        if opened.protocol == self.icmp
            && let Some((what, quoted)) = self.unreachable(opened.payload)
        {
            let mark = self.quoted(opened.destination, quoted)?;
            return Some((mark, Reply::Unreachable(what), None));
        }
        if opened.source != self.target && self.technique != Technique::Arp {
            return None;
        }
        let plain = |(mark, reply)| (mark, reply, None);
        match (self.technique, opened.protocol) {
            (Technique::Udp, numbers::UDP) => self.udp(opened).map(plain),
            (Technique::SctpInit, numbers::SCTP) => self.sctp(opened, None).map(plain),
            (Technique::IpProtocol, _) => self.protocol(opened).map(|mark| (mark, Reply::Protocol, None)),
            (Technique::Arp, numbers::ICMPV6) => self.advertisement(opened).map(plain),
            (Technique::IcmpEcho | Technique::IcmpTimestamp | Technique::IcmpNetmask, protocol) => {
                (protocol == self.icmp).then(|| self.echo(opened)).flatten().map(plain)
            }
            (_, numbers::TCP) => self.tcp(opened),
            _ => None,
        }
    }

    fn tcp(&self, opened: &Opened<'_>) -> Option<Said> {
        let segment = TcpPacket::new(opened.payload)?;
        let mut marks =
            self.identity.candidates(opened.destination, segment.get_destination(), segment.get_source());
        let mark = marks.find(|mark| self.is_reply(mark, self.flags, &segment))?;
        let flags = TcpFlags(segment.get_flags() & TCP_FLAGS);
        let opens = flags.contains(TcpFlags::SYN | TcpFlags::ACK);
        let opening = || (segment.get_sequence(), timestamp(opened.payload));
        let handshake = opens.then(|| self.handshake(mark.port, mark.attempt, opening()));
        Some((mark, Reply::Tcp { flags, window: segment.get_window() }, handshake))
    }

    /// A segment acknowledges its probe, or resets at the number that the probe acknowledged (RFC 9293, section
    /// 3.10.7.1).
    fn is_reply(&self, mark: &Mark, probe: TcpFlags, segment: &TcpPacket<'_>) -> bool {
        let flags = TcpFlags(segment.get_flags());
        let taken = segment.get_acknowledgement().wrapping_sub(mark.sequence);
        let acknowledges = flags.contains(TcpFlags::ACK) && taken <= self.occupied;
        let resets_at = probe.contains(TcpFlags::ACK)
            && flags.contains(TcpFlags::RST)
            && segment.get_sequence() == mark.acknowledgement;
        acknowledges || resets_at
    }

    fn udp(&self, opened: &Opened<'_>) -> Option<(Mark, Reply)> {
        let (from, to) = ports(opened)?;
        opened.payload.get(..8)?;
        let mark = self.identity.candidates(opened.destination, to, from).next()?;
        Some((mark, Reply::Udp))
    }

    /// Both INIT ACK and ABORT carry the INIT's tag as theirs (RFC 9260, sections 5.1 and 8.4); an ABORT may carry
    /// its own, with the T bit, and then says nothing that only the asked host could.
    fn sctp(&self, opened: &Opened<'_>, cell: Option<u16>) -> Option<(Mark, Reply)> {
        let (from, to) = ports(opened)?;
        let tag = long(opened.payload, 4)?;
        let reply = match opened.payload.get(12)? {
            2 => Reply::SctpInitAck,
            6 => Reply::SctpAbort,
            _ => return None,
        };
        let mut marks = self.identity.candidates(opened.destination, to, cell.unwrap_or(from));
        marks.find(|mark| mark.sequence == tag).map(|mark| (mark, reply))
    }

    fn echo(&self, opened: &Opened<'_>) -> Option<(Mark, Reply)> {
        let reply = match (opened.payload.first()?, self.technique) {
            (0, Technique::IcmpEcho) if self.icmp == numbers::ICMP => Reply::EchoReply,
            (129, Technique::IcmpEcho) if self.icmp == numbers::ICMPV6 => Reply::EchoReply,
            (14, Technique::IcmpTimestamp) => Reply::TimestampReply,
            (18, Technique::IcmpNetmask) => Reply::AddressMaskReply,
            _ => return None,
        };
        self.echoed(opened.destination, opened.payload, 0).map(|mark| (mark, reply))
    }

    /// Identifier and sequence number must belong to the same try.
    fn echoed(&self, own: IpAddr, message: &[u8], cell: u16) -> Option<Mark> {
        let (id, sequence) = (number(message, 4)?, number(message, 6)?);
        self.identity.candidates(own, id, cell).find(|mark| u16::from(mark.attempt) == sequence)
    }

    /// What comes from the target in the asked protocol; where the probe had numbers, with these.
    fn protocol(&self, opened: &Opened<'_>) -> Option<Mark> {
        let cell = u16::from(opened.protocol);
        let own = opened.destination;
        match opened.protocol {
            numbers::TCP => {
                let segment = TcpPacket::new(opened.payload)?;
                let mut marks = self.identity.candidates(own, segment.get_destination(), cell);
                let is_reply = |mark: &Mark| self.is_reply(mark, TcpFlags::ACK, &segment);
                marks.find(is_reply).filter(|_| segment.get_source() == TCP_PORT)
            }
            numbers::UDP => {
                let (from, to) = ports(opened)?;
                self.identity.candidates(own, to, cell).next().filter(|_| from == UDP_PORT)
            }
            numbers::SCTP if ports(opened)?.0 == SCTP_PORT => {
                self.sctp(opened, Some(cell)).map(|(mark, _)| mark)
            }
            numbers::SCTP => None,
            number if number == self.icmp => {
                let is_reply = matches!((number, opened.payload.first()?), (1, 0) | (58, 129));
                self.echoed(own, opened.payload, cell).filter(|_| is_reply)
            }
            _ => self.identity.all_tries(own, cell).next(),
        }
    }

    /// A neighbour advertisement for the target, with the only hop limit that is believed (RFC 4861, section 4.4).
    fn advertisement(&self, opened: &Opened<'_>) -> Option<(Mark, Reply)> {
        let IpAddr::V6(target) = self.target else { return None };
        let is_advertisement = opened.payload.first() == Some(&136) && opened.ttl == 255;
        let of_target = opened.payload.get(8..24)? == target.octets();
        let mark = self.identity.all_tries(opened.destination, 0).next()?;
        (is_advertisement && of_target).then_some((mark, Reply::NeighborAdvertisement))
    }

    /// An ARP reply of the target to us (RFC 826).
    fn arp(&self, packet: &[u8]) -> Option<Answer> {
        let IpAddr::V4(target) = self.target else { return None };
        let is_reply = packet.get(..8)? == [0, 1, 8, 0, 6, 4, 0, 2] && packet.get(14..18)? == target.octets();
        let own: [u8; 4] = packet.get(24..28)?.try_into().ok()?;
        let mark = self.identity.all_tries(own.into(), 0).next()?;
        let answer =
            Answer { port: 0, attempt: mark.attempt, reply: Reply::ArpReply, ttl: 0, handshake: None };
        (is_reply && self.technique == Technique::Arp).then_some(answer)
    }

    /// What an error says, and the packet that it quotes.
    fn unreachable<'a>(&self, message: &'a [u8]) -> Option<(Unreachable, &'a [u8])> {
        let (kind, code) = (*message.first()?, *message.get(1)?);
        let what = match self.icmp {
            numbers::ICMP => Unreachable::from_icmp(kind, code)?,
            _ => Unreachable::from_icmpv6(kind, code)?,
        };
        Some((what, message.get(8..)?))
    }

    /// Whoever refuses must quote the probe: at least eight bytes behind the IP header (RFC 792). The error must
    /// have come to where the probe came from.
    fn quoted(&self, own: IpAddr, quoted: &[u8]) -> Option<Mark> {
        let opened = open(quoted)?;
        if opened.source != own || opened.destination != self.target {
            return None;
        }
        match (self.technique, opened.protocol) {
            (Technique::IpProtocol, protocol) => {
                let tries = &mut self.identity.all_tries(own, u16::from(protocol));
                tries.find(|mark| opened.label == self.label(mark))
            }
            (Technique::Udp, numbers::UDP) => self.quoted_ports(&opened).next(),
            (Technique::SctpInit, numbers::SCTP) => {
                // Only a long quotation has the tag.
                let tag = long(opened.payload, 16);
                self.quoted_ports(&opened).find(|mark| tag.is_none_or(|tag| tag == mark.sequence))
            }
            (Technique::IcmpEcho | Technique::IcmpTimestamp | Technique::IcmpNetmask, protocol) => {
                (protocol == self.icmp).then(|| self.echoed(own, opened.payload, 0)).flatten()
            }
            (Technique::Udp | Technique::SctpInit | Technique::Arp, _) => None,
            (_, numbers::TCP) => {
                let sequence = long(opened.payload, 4)?;
                self.quoted_ports(&opened).find(|mark| mark.sequence == sequence)
            }
            _ => None,
        }
    }

    fn quoted_ports(&self, opened: &Opened<'_>) -> impl Iterator<Item = Mark> + '_ {
        let source = opened.source;
        let ports = ports(opened).into_iter();
        ports.flat_map(move |(from, to)| self.identity.candidates(source, from, to))
    }

    fn label(&self, mark: &Mark) -> u32 {
        if self.target.is_ipv4() { identification(mark).into() } else { flow_label(mark) }
    }
}

/// The six flags of RFC 9293; ECN's two bits say nothing about a port.
const TCP_FLAGS: u8 = 0x3f;

/// Source and destination port of TCP, UDP and SCTP alike.
fn ports(opened: &Opened<'_>) -> Option<(u16, u16)> {
    Some((number(opened.payload, 0)?, number(opened.payload, 2)?))
}

/// The 32-bit number at byte `at`.
fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(number(bytes, at)?) << 16 | u32::from(number(bytes, at + 2)?))
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
            kind if kind == TcpOptionNumbers::TIMESTAMPS.0 => return long(options, 2),
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
}
