//! Every technique and evasion, decoded by another parser than the one that wrote it, and replies made by that parser.

#![expect(clippy::wildcard_enum_match_arm, reason = "what a probe is not is nothing a test cares for")]
#![expect(clippy::single_match_else, reason = "the two IP versions stand side by side")]

use std::net::IpAddr;

use etherparse::{
    Icmpv4Type, Icmpv6Type, IpFragOffset, NetSlice, PacketBuilder, SlicedPacket, TransportSlice,
};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use scandrill_model::{Family, Reply, TcpFlags, Technique, Unreachable};
use strum::IntoEnumIterator;

use super::{Answer, Reader, Writer};
use crate::batch::Batch;
use crate::error::ScanError;
use crate::evasion::{Sources, SynShape};
use crate::identity::Identity;
use crate::plan::ScanPlan;

fn plan(technique: Technique, family: Family) -> ScanPlan {
    let (source, target): (IpAddr, IpAddr) = match family {
        Family::V4 => ([198, 18, 0, 7].into(), [198, 18, 0, 1].into()),
        Family::V6 => {
            let host = |last| [0xfd00, 0x198, 0x18, 0, 0, 0, 0, last].into();
            (host(7), host(1))
        }
    };
    let mut plan = ScanPlan::new(technique, source, target, "1-250".parse().unwrap(), 1);
    plan.link = Some([2, 0, 0, 0, 0, 7]);
    plan
}

fn scan(plan: &ScanPlan) -> Result<(Writer, Reader), ScanError> {
    plan.check()?;
    let identity = Identity::new(plan, &mut ChaCha8Rng::seed_from_u64(plan.seed));
    Ok((Writer::new(plan, identity.clone())?, Reader::new(plan, identity)))
}

fn sent(writer: &Writer, port: u16, attempt: u8) -> Vec<Vec<u8>> {
    let mut batch = Batch::default();
    writer.probe(port, attempt, &mut batch);
    assert!(batch.len() <= writer.packets_per_probe());
    batch.iter().map(<[u8]>::to_vec).collect()
}

/// Every technique over every family that it exists over; idle's packets are its own module's.
fn all() -> impl Iterator<Item = ScanPlan> {
    let families = || Family::iter();
    let each = Technique::iter().flat_map(move |technique| families().map(move |family| (technique, family)));
    each.filter(|(technique, family)| technique.exists_over(*family) && *technique != Technique::Idle)
        .map(|(technique, family)| plan(technique, family))
}

/// The cell that a technique asks in these tests.
fn cell(plan: &ScanPlan) -> u16 {
    match plan.technique {
        Technique::IpProtocol => 6,
        _ if plan.cells().contains(0) => 0,
        _ => 53,
    }
}

/// Whether the transport's checksum is right; `None` where there is none that this parser knows.
fn checksum_is_right(packet: &[u8]) -> Option<bool> {
    if packet[0] >> 4 == 4 && packet[9] == 1 {
        // The parser takes no time stamp request that is longer than it need be.
        return Some(
            etherparse::checksum::Sum16BitWords::new().add_slice(&packet[20..]).ones_complement() == 0,
        );
    }
    let sliced = SlicedPacket::from_ip(packet).unwrap();
    let transport = sliced.transport?;
    Some(match (sliced.net?, transport) {
        (NetSlice::Ipv4(ip), TransportSlice::Tcp(tcp)) => {
            tcp.checksum() == tcp.calc_checksum_ipv4(ip.header().source(), ip.header().destination()).unwrap()
        }
        (NetSlice::Ipv6(ip), TransportSlice::Tcp(tcp)) => {
            tcp.checksum() == tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination()).unwrap()
        }
        (NetSlice::Ipv4(ip), TransportSlice::Udp(udp)) => {
            let header = udp.to_header();
            let ip = ip.header().to_header();
            header.checksum == header.calc_checksum_ipv4(&ip, udp.payload()).unwrap()
        }
        (NetSlice::Ipv6(ip), TransportSlice::Udp(udp)) => {
            let header = udp.to_header();
            let ip = ip.header().to_header();
            header.checksum == header.calc_checksum_ipv6(&ip, udp.payload()).unwrap()
        }
        (NetSlice::Ipv6(ip), TransportSlice::Icmpv6(icmp)) => {
            icmp.is_checksum_valid(ip.header().source(), ip.header().destination())
        }
        _ => return None,
    })
}

#[test]
fn checksums_are_right_unless_they_are_to_be_wrong() {
    for mut plan in all() {
        for (bad, data) in [(false, 0), (false, 13), (true, 0)] {
            (plan.evasion.bad_checksum, plan.evasion.data_length) = (bad, data);
            let Ok((writer, _)) = scan(&plan) else { continue };
            for attempt in 0..16 {
                for packet in sent(&writer, cell(&plan), attempt) {
                    if packet[0] >> 4 == 4 {
                        let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&packet[..20]);
                        assert_eq!(sum.ones_complement(), 0, "{:?}", plan.technique);
                    }
                    if packet[0] >> 4 != 0 {
                        let right = checksum_is_right(&packet);
                        assert!(right.is_none_or(|right| right != bad), "{:?} {bad} {data}", plan.technique);
                    }
                }
            }
        }
    }
}

#[test]
fn flags_ports_and_numbers_are_the_technique_s() {
    for plan in all().filter(|plan| plan.technique.probe_flags().is_some()) {
        let (writer, _) = scan(&plan).unwrap();
        let packet = &sent(&writer, 53, 3)[0];
        let Some(TransportSlice::Tcp(tcp)) = SlicedPacket::from_ip(packet).unwrap().transport else {
            panic!("{:?}", plan.technique)
        };
        let flags = TcpFlags(tcp.slice()[13]);
        assert_eq!(Some(flags), plan.technique.probe_flags());
        assert_eq!(tcp.destination_port(), 53);
        assert_eq!(tcp.acknowledgment_number() != 0, flags.contains(TcpFlags::ACK));
    }
}

#[test]
fn fragments_are_the_whole_packet_cut() {
    for mut plan in all() {
        let Ok((whole, _)) = scan(&plan) else { continue };
        plan.evasion.fragment = Some(8);
        let Ok((writer, _)) = scan(&plan) else { continue };
        let whole = sent(&whole, cell(&plan), 0).remove(0);
        let header = if plan.target.is_ipv4() { 20 } else { 40 };
        let pieces = sent(&writer, cell(&plan), 0);
        assert_eq!(pieces.len(), (whole.len() - header).div_ceil(8).max(1), "{:?}", plan.technique);
        let mut body = Vec::new();
        for (index, piece) in pieces.iter().enumerate().filter(|_| pieces.len() > 1) {
            let last = index + 1 == pieces.len();
            let offset = IpFragOffset::try_new(u16::try_from(index).unwrap()).unwrap();
            match SlicedPacket::from_ip(piece).unwrap().net.unwrap() {
                NetSlice::Ipv4(ip) => {
                    assert_eq!(
                        (ip.header().fragments_offset(), ip.header().more_fragments()),
                        (offset, !last)
                    );
                    assert_eq!(ip.header().identification(), u16::from_be_bytes([whole[4], whole[5]]));
                    body.extend_from_slice(&piece[20..]);
                }
                _ => {
                    assert_eq!((piece[6], piece[40]), (44, whole[6]));
                    let field = u16::from_be_bytes([piece[42], piece[43]]);
                    assert_eq!((field >> 3, field & 1 == 1), (offset.value(), !last));
                    body.extend_from_slice(&piece[48..]);
                }
            }
        }
        assert!(pieces.len() == 1 || body == whole[header..], "{:?}", plan.technique);
    }
}

#[test]
fn decoys_send_what_the_scanner_sends() {
    for family in Family::iter() {
        let mut plan = plan(Technique::TcpSyn, family);
        let decoy = |last: u16| match family {
            Family::V4 => [198, 18, 0, u8::try_from(last).unwrap()].into(),
            Family::V6 => [0xfd00, 0x198, 0x18, 0, 0, 0, 0, last].into(),
        };
        plan.evasion.decoys = vec![decoy(8), decoy(9)];
        let (writer, _) = scan(&plan).unwrap();
        let packets = sent(&writer, 80, 0);
        let mut sources: Vec<IpAddr> =
            packets.iter().map(|packet| super::open(packet).unwrap().source).collect();
        assert!(packets.iter().all(|packet| checksum_is_right(packet) == Some(true)));
        sources.sort();
        assert_eq!(sources, [decoy(7), decoy(8), decoy(9)]);
        plan.evasion.decoys = vec![decoy(8); 64];
        assert!(matches!(scan(&plan), Err(ScanError::TooManyPackets { packets: 65, .. })));
    }
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let refused = |technique, family, change: fn(&mut ScanPlan)| {
        let mut plan = plan(technique, family);
        change(&mut plan);
        match scan(&plan) {
            Err(ScanError::Evasion { evasion, .. }) => evasion,
            other => panic!("{technique}: {:?}", other.err()),
        }
    };
    let v4 = Family::V4;
    assert_eq!(refused(Technique::IcmpEcho, v4, |p| p.evasion.source_port = Some(53)), "source-port");
    assert_eq!(refused(Technique::TcpSyn, v4, |p| p.evasion.decoys = vec![[8, 8, 8, 8].into()]), "decoys");
    assert_eq!(
        refused(Technique::TcpSyn, Family::V6, |p| p.evasion.decoys = vec![[198, 18, 0, 9].into()]),
        "decoys"
    );
    assert_eq!(refused(Technique::TcpSyn, v4, |p| p.evasion.fragment = Some(12)), "fragment");
    assert_eq!(refused(Technique::Arp, v4, |p| p.evasion.ttl = Some(3)), "ttl");
    assert_eq!(refused(Technique::SctpInit, v4, |p| p.evasion.data_length = 8), "data-length");
    assert_eq!(refused(Technique::TcpFin, v4, |p| p.evasion.syn = SynShape::Zmap), "syn");
    let pool = |p: &mut ScanPlan| {
        p.evasion.sources = Sources::Pool { prefix: "198.18.0.0/24".parse().unwrap(), count: 300 };
    };
    assert_eq!(refused(Technique::TcpSyn, v4, pool), "sources");
    let mut unlinked = plan(Technique::Arp, v4);
    unlinked.link = None;
    assert_eq!(scan(&unlinked).err(), Some(ScanError::NoLink(Technique::Arp)));
}

/// The reply of a target that has what is asked, written by hand.
fn reply(plan: &ScanPlan, probe: &[u8]) -> Option<(Vec<u8>, Reply)> {
    let mut out = Vec::new();
    if probe[0] >> 4 == 0 {
        let mut reply = probe.to_vec();
        reply[7] = 2;
        reply[8..14].copy_from_slice(&[2, 0, 0, 0, 0, 1]);
        reply[14..18].copy_from_slice(&probe[24..28]);
        reply[18..28].copy_from_slice(&probe[8..18]);
        return Some((reply, Reply::ArpReply));
    }
    let builder = |hops| match (plan.target, super::open(probe).unwrap().source) {
        (IpAddr::V4(from), IpAddr::V4(to)) => PacketBuilder::ipv4(from.octets(), to.octets(), hops),
        (IpAddr::V6(from), IpAddr::V6(to)) => PacketBuilder::ipv6(from.octets(), to.octets(), hops),
        _ => panic!("mixed"),
    };
    let sliced = SlicedPacket::from_ip(probe).unwrap();
    let body = &probe[if plan.target.is_ipv4() { 20 } else { 40 }..];
    let reply = match (plan.technique, sliced.transport) {
        (technique, Some(TransportSlice::Tcp(tcp))) => {
            let flags = TcpFlags(tcp.slice()[13]);
            let end = tcp.sequence_number().wrapping_add(1);
            let (from, to) = (tcp.destination_port(), tcp.source_port());
            let builder = builder(61);
            let (builder, said) = if flags.contains(TcpFlags::ACK) {
                (builder.tcp(from, to, tcp.acknowledgment_number(), 0).rst(), TcpFlags::RST)
            } else {
                (builder.tcp(from, to, 77, 512).rst().ack(end), TcpFlags::RST | TcpFlags::ACK)
            };
            builder.write(&mut out, &[]).unwrap();
            let window = if flags.contains(TcpFlags::ACK) { 0 } else { 512 };
            match technique {
                Technique::IpProtocol => Reply::Protocol,
                _ => Reply::Tcp { flags: said, window },
            }
        }
        (_, Some(TransportSlice::Udp(udp))) => {
            builder(61).udp(udp.destination_port(), udp.source_port()).write(&mut out, b"hello").unwrap();
            Reply::Udp
        }
        (Technique::IcmpEcho, _) => {
            let (id, seq) = (u16::from_be_bytes([body[4], body[5]]), u16::from_be_bytes([body[6], body[7]]));
            if plan.target.is_ipv4() {
                builder(61).icmpv4_echo_reply(id, seq).write(&mut out, &[]).unwrap();
            } else {
                builder(61).icmpv6_echo_reply(id, seq).write(&mut out, &[]).unwrap();
            }
            Reply::EchoReply
        }
        (Technique::IcmpTimestamp | Technique::IcmpNetmask, _) => {
            let is_mask = plan.technique == Technique::IcmpNetmask;
            let kind = if is_mask { 18 } else { 14 };
            let numbers = [body[4], body[5], body[6], body[7]];
            builder(61).icmpv4_raw(kind, 0, numbers).write(&mut out, &body[8..]).unwrap();
            if is_mask { Reply::AddressMaskReply } else { Reply::TimestampReply }
        }
        (Technique::Arp, _) => {
            builder(255).icmpv6_raw(136, 0, [0x60, 0, 0, 0]).write(&mut out, &body[8..24]).unwrap();
            Reply::NeighborAdvertisement
        }
        (Technique::SctpInit, None) => {
            let mut chunk = vec![body[2], body[3], body[0], body[1]];
            chunk.extend_from_slice(&body[16..20]);
            chunk.extend_from_slice(&[0, 0, 0, 0, 2, 0, 0, 4]);
            builder(61).write(&mut out, etherparse::IpNumber::SCTP, &chunk).unwrap();
            Reply::SctpInitAck
        }
        _ => return None,
    };
    Some((out, reply))
}

#[test]
fn a_reply_is_read_as_what_it_says_and_belongs_to_its_probe_alone() {
    for plan in all() {
        let (writer, reader) = scan(&plan).unwrap();
        let attempts = if plan.technique == Technique::Arp { 0..1 } else { 0..16 };
        for attempt in attempts {
            let probe = sent(&writer, cell(&plan), attempt).remove(0);
            let (packet, reply) = reply(&plan, &probe).unwrap_or_else(|| panic!("{:?}", plan.technique));
            let answer = reader.read(&packet).unwrap_or_else(|| panic!("{:?} {packet:?}", plan.technique));
            let ttl = if packet[0] >> 4 == 0 { 0 } else { super::open(&packet).unwrap().ttl };
            let Answer { port, attempt: read, reply: said, ttl: hops, .. } = answer;
            assert_eq!((port, read, said, hops), (cell(&plan), attempt, reply, ttl), "{:?}", plan.technique);
            let mut stranger = plan.clone();
            stranger.seed = 2;
            let (_, other) = scan(&stranger).unwrap();
            assert!(
                plan.technique == Technique::Arp || other.read(&packet).is_none(),
                "{:?}",
                plan.technique
            );
        }
    }
}

#[test]
fn refusals_are_matched_by_what_they_quote() {
    for mut plan in all().filter(|plan| plan.technique != Technique::Arp) {
        let protocols =
            if plan.technique == Technique::IpProtocol { vec![1, 6, 17, 47, 132, 200] } else { vec![] };
        let cells = if protocols.is_empty() { vec![cell(&plan)] } else { protocols };
        for fragment in [None, Some(64)] {
            plan.evasion.fragment = fragment;
            let (writer, reader) = scan(&plan).unwrap();
            for cell in &cells {
                let probe = sent(&writer, *cell, 2).remove(0);
                let kept = probe.len().min(if plan.target.is_ipv4() { 28 } else { 56 });
                let mut out = Vec::new();
                let router = match plan.source {
                    IpAddr::V4(to) => PacketBuilder::ipv4([198, 18, 0, 3], to.octets(), 60)
                        .icmpv4(Icmpv4Type::DestinationUnreachable(
                            etherparse::icmpv4::DestUnreachableHeader::Port,
                        ))
                        .write(&mut out, &probe[..kept]),
                    IpAddr::V6(to) => PacketBuilder::ipv6(to.octets(), to.octets(), 60)
                        .icmpv6(Icmpv6Type::DestinationUnreachable(
                            etherparse::icmpv6::DestUnreachableCode::Port,
                        ))
                        .write(&mut out, &probe[..kept]),
                };
                router.unwrap();
                let answer = reader.read(&out).unwrap_or_else(|| panic!("{:?} {cell}", plan.technique));
                assert_eq!((answer.port, answer.attempt), (*cell, 2), "{:?}", plan.technique);
                assert_eq!((answer.reply, answer.ttl), (Reply::Unreachable(Unreachable::Port), 60));
            }
        }
    }
}

#[test]
fn a_fixed_source_port_leaves_the_try_to_the_numbers_and_a_pool_to_the_source() {
    let mut fixed = plan(Technique::TcpSyn, Family::V4);
    fixed.evasion.source_port = Some(53);
    let mut pooled = plan(Technique::Udp, Family::V4);
    pooled.evasion.source_port = Some(53);
    pooled.evasion.sources = Sources::Pool { prefix: "198.19.0.0/24".parse().unwrap(), count: 16 };
    for plan in [fixed, pooled] {
        let (writer, reader) = scan(&plan).unwrap();
        for attempt in 0..16 {
            let probe = sent(&writer, 80, attempt).remove(0);
            let (mut packet, _) = reply(&plan, &probe).unwrap();
            assert_eq!(reader.read(&packet).map(|answer| (answer.port, answer.attempt)), Some((80, attempt)));
            // One address further on it is somebody else's.
            packet[18] ^= 1;
            assert_eq!(reader.read(&packet), None);
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_from_the_wire_are_too_strange(
        bytes in prop::collection::vec(any::<u8>(), 0..120),
        cut in 0_usize..120,
        flip in 0_usize..960,
    ) {
        for plan in all() {
            let (writer, reader) = scan(&plan).unwrap();
            let _ = reader.read(&bytes);
            let probe = sent(&writer, cell(&plan), 0).remove(0);
            if let Some((mut packet, _)) = reply(&plan, &probe) {
                let _ = reader.read(packet.get(..cut).unwrap_or_default());
                let at = flip % (packet.len() * 8);
                packet[at / 8] ^= 1 << (at % 8);
                // What was changed is nobody else's: it is the same probe's, or none's. UDP and IP's protocols have
                // nothing but a number to tell one cell's reply from another's.
                let answer = reader.read(&packet);
                let keyed = !matches!(plan.technique, Technique::Udp | Technique::IpProtocol);
                prop_assert!(!keyed || answer.is_none_or(|answer| answer.port == cell(&plan)));
            }
        }
    }
}
