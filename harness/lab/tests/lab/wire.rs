//! Packets: what the scanner's socket sends and receives, and what captures see of it at both ends of a link.

use std::net::IpAddr;
use std::time::Duration;

use etherparse::PacketBuilder;
use ipnet::IpNet;
use scandrill_lab::{
    Capture, Captured, CapturedPacket, Kind, Lab, LabError, PacketSocket, Wanted, clock, decode, wait,
};
use scandrill_model::{LabPlan, Unreachable};

use crate::inside::{Done, Job, PATIENCE, within};
use crate::klog::bash;
use crate::plans;

pub const JOBS: &[(&str, Job)] = &[
    ("captures_see_every_packet_at_both_ends", |_| within(every_packet())),
    ("a_packet_socket_receives_for_its_addresses_alone", |_| within(filtered())),
    ("a_packet_socket_of_ports_receives_its_own_replies", |_| within(own_ports())),
    ("a_packet_socket_carries_arp_and_neighbour_discovery", |_| within(neighbours())),
    ("a_packet_that_is_not_sent_is_counted_with_those_behind_it", |_| within(unsent())),
    ("a_capture_keeps_the_first_128_bytes_of_a_packet_and_knows_its_length", |_| within(cut_short())),
    ("a_capture_of_nothing_is_an_error", |_| within(no_interface())),
];

const PACKETS: u16 = 5_000;
pub const TARGET_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const CLOSED: u16 = 9_999;
/// Routed to red, but no kernel's own.
const SOURCE: &str = "198.18.2.5";

/// A target that answers each datagram to a closed port, however many there are.
fn talkative() -> LabPlan {
    let mut plan = plans::pair();
    plan.hosts[0].sysctls.push(plans::sysctl("net.ipv4.icmp_ratemask", "0"));
    plan
}

pub fn datagram(source: &str, port: u16) -> Vec<u8> {
    let [source, target] = [source, plans::TARGET[0]].map(|text| match text.parse().unwrap() {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => panic!("{text}"),
    });
    let mut packet = Vec::new();
    PacketBuilder::ipv4(source, target, 64).udp(port, CLOSED).write(&mut packet, b"drill").unwrap();
    packet
}

/// The prefix of one address.
fn host(address: &str) -> IpNet {
    IpNet::from(address.parse::<IpAddr>().unwrap())
}

/// Everything for these addresses.
fn wanted(addresses: &[IpNet]) -> Wanted<'_> {
    Wanted { addresses, ports: None }
}

/// Sends a datagram from each port, 64 at a time; gives how many replies came and how many were lost.
fn exchange(ports: u16, replies: usize) -> Result<(usize, u64), LabError> {
    let mut socket = PacketSocket::open("eth0", TARGET_MAC, &wanted(&[host(SOURCE)]))?;
    let packets: Vec<_> = (1..=ports).map(|port| datagram(SOURCE, port)).collect();
    let mut received = 0;
    for some in packets.chunks(64) {
        socket.send(some.iter().map(Vec::as_slice))?;
        received += socket.receive(|_, _| {})?;
    }
    let until = clock::now() + PATIENCE;
    while received < replies && clock::now() < until {
        socket.wait_readable(until)?;
        received += socket.receive(|_, _| {})?;
    }
    Ok((received, socket.dropped()?))
}

async fn every_packet() -> Done {
    let lab = Lab::build(&talkative()).await?;
    let (red, target) = (lab.host("red")?, lab.host("target")?);
    let captures =
        [Capture::start(red, "eth0", 20_000).await?, Capture::start(target, "eth0", 20_000).await?];
    let exchanged = red.blocking(|| exchange(PACKETS, PACKETS.into())).await??;
    assert_eq!(exchanged, (usize::from(PACKETS), 0));
    let all = usize::from(PACKETS);
    let seen = async || Ok((count(&captures[1].so_far().packets, is_reply) == all).then_some(()));
    wait::until("all replies in the capture", PATIENCE, seen).await?;
    for (running, probes_go_out) in captures.into_iter().zip([true, false]) {
        let seen_here = running.stop().await?;
        assert_eq!((seen_here.interface.as_str(), seen_here.dropped), ("eth0", 0), "{}", seen_here.host);
        let mut ports: Vec<u16> =
            seen_here.packets.iter().filter_map(|it| probe(it, probes_go_out)).collect();
        ports.sort_unstable();
        assert_eq!(ports, (1..=PACKETS).collect::<Vec<_>>(), "probes at {}", seen_here.host);
        assert_eq!(count(&seen_here.packets, is_reply), all, "replies at {}", seen_here.host);
        assert_in_order(&seen_here);
    }
    Ok(lab.remove().await?)
}

async fn cut_short() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    let capture = Capture::start(target, "eth0", 16).await?;
    bash(red, &format!("head -c 1000 /dev/zero > /dev/udp/{}/9", plans::TARGET[0])).await?;
    let captured = capture.stop().await?;
    let long = captured.packets.iter().filter(|packet| packet.length > 1000);
    let kept: Vec<_> = long.map(|packet| (packet.length, packet.bytes.len())).collect();
    assert_eq!(kept, [(1042, 128)], "Ethernet, IPv4, UDP and 1000 bytes");
    Ok(lab.remove().await?)
}

fn count(packets: &[CapturedPacket], what: fn(&CapturedPacket) -> bool) -> usize {
    packets.iter().filter(|packet| what(packet)).count()
}

/// The source port of a probe that went in that direction.
pub fn probe(packet: &CapturedPacket, outgoing: bool) -> Option<u16> {
    let Kind::Udp { source_port, destination_port: CLOSED } = decode(packet)?.kind else { return None };
    assert_eq!((packet.length, packet.bytes.len()), (47, 47), "Ethernet, IPv4, UDP and 5 bytes");
    (packet.outgoing == outgoing).then_some(source_port)
}

fn is_reply(packet: &CapturedPacket) -> bool {
    matches!(decode(packet).map(|it| it.kind), Some(Kind::Unreachable { what: Unreachable::Port, quoted })
        if quoted.protocol == 17 && quoted.destination_port == Some(CLOSED))
}

fn assert_in_order(captured: &Captured) {
    let now = clock::now();
    assert!(captured.packets.iter().all(|it| it.at <= now && now.since(it.at) < Duration::from_secs(60)));
    let late = captured.packets.windows(2).filter(|two| two[0].at > two[1].at).count();
    assert!(late * 100 < captured.packets.len(), "{late} stamps go back");
}

/// Many addresses, so that the filter's jumps are long.
async fn filtered() -> Done {
    let lab = Lab::build(&talkative()).await?;
    let work = || -> Result<Vec<u16>, LabError> {
        let v4 = (1..=120).map(|last| IpAddr::from([198, 18, 2, last]));
        let v6 = (1..=120).map(|last| IpAddr::from([0xfd00, 0x198, 0x18, 2, 0, 0, 0, last]));
        let addresses: Vec<IpAddr> = v6.chain(v4).collect();
        let mut socket = PacketSocket::open(
            "eth0",
            TARGET_MAC,
            &wanted(&addresses.iter().copied().map(IpNet::from).collect::<Vec<_>>()),
        )?;
        let packets: Vec<_> =
            (1..=240_u16).map(|last| datagram(&format!("198.18.2.{last}"), 1_000 + last)).collect();
        socket.send(packets.iter().map(Vec::as_slice))?;
        let mut ports = Vec::new();
        let until = clock::now() + PATIENCE;
        while ports.len() < 120 && clock::now() < until {
            socket.wait_readable(until)?;
            // An ICMP error quotes the datagram behind its own 8 bytes: IPv4 header, then the source port.
            socket.receive(|_, packet| ports.push(u16::from_be_bytes([packet[48], packet[49]])))?;
        }
        Ok(ports)
    };
    let mut ports = lab.host("red")?.blocking(work).await??;
    ports.sort_unstable();
    assert_eq!(ports, (1_001..=1_120).collect::<Vec<_>>());
    Ok(lab.remove().await?)
}

fn syn(port: u16) -> Vec<u8> {
    let [source, target] = [[198, 18, 2, 5], [198, 18, 0, 1]];
    let mut packet = Vec::new();
    PacketBuilder::ipv4(source, target, 64)
        .tcp(port, CLOSED, 1, 1_024)
        .syn()
        .write(&mut packet, b"")
        .unwrap();
    packet
}

/// Two threads' ports. A refusal quotes the probe, so it is known whose it is.
async fn own_ports() -> Done {
    let lab = Lab::build(&talkative()).await?;
    let source = host(SOURCE);
    let work = move || -> Result<_, LabError> {
        let of = |ports| Wanted { addresses: std::slice::from_ref(&source), ports: Some(ports) };
        let mut sockets = [
            PacketSocket::open("eth0", TARGET_MAC, &of(1_001..=1_010))?,
            PacketSocket::open("eth0", TARGET_MAC, &of(1_011..=1_020))?,
        ];
        let mut packets: Vec<_> = (1_000..=1_021).map(syn).collect();
        packets.extend([1_005, 1_015, 1_021].map(|port| datagram(SOURCE, port)));
        sockets[0].send(packets.iter().map(Vec::as_slice))?;
        let mut ports = [Vec::new(), Vec::new()];
        let until = clock::now() + PATIENCE;
        for (socket, ports) in sockets.iter_mut().zip(&mut ports) {
            // The refusal is the last that comes.
            while ports.last() != Some(&None) && clock::now() < until {
                socket.wait_readable(until)?;
                socket.receive(|_, packet| ports.push(reset_port(packet)))?;
            }
        }
        Ok(ports)
    };
    let ports = lab.host("red")?.blocking(work).await??;
    let all = |ports: std::ops::RangeInclusive<u16>| ports.map(Some).chain([None]).collect::<Vec<_>>();
    assert_eq!(ports, [all(1_001..=1_010), all(1_011..=1_020)]);
    Ok(lab.remove().await?)
}

/// Where a TCP segment goes; `None` for what is none.
fn reset_port(packet: &[u8]) -> Option<u16> {
    (packet[9] == 6).then(|| u16::from_be_bytes([packet[22], packet[23]]))
}

const RED_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// On red's link, but no kernel's own.
const ASKERS: [&str; 2] = ["198.18.0.77", "fd00:198:18::77"];

/// The next hop is nobody, so what is answered went to everyone or to its group.
async fn neighbours() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let work = || -> Result<_, LabError> {
        let askers = ASKERS.map(host);
        let mut socket = PacketSocket::open("eth0", [2, 0, 0, 0, 0, 9], &wanted(&askers))?;
        let (mut answers, until) = (Vec::new(), clock::now() + PATIENCE);
        for (count, question) in [arp_request(), solicitation()].into_iter().enumerate() {
            socket.send(std::iter::once(question.as_slice()))?;
            while answers.len() <= count && clock::now() < until {
                socket.wait_readable(until)?;
                socket.receive(|_, packet| answers.push(packet.to_vec()))?;
            }
        }
        Ok(answers)
    };
    let answers = lab.host("red")?.blocking(work).await??;
    let [arp, advertisement] = answers.as_slice() else { panic!("{answers:?}") };
    // An answer (2), from whom, about which address (RFC 826).
    assert_eq!(arp[6..18], [&[0, 2], TARGET_MAC.as_slice(), &[198, 18, 0, 1]].concat());
    // ICMPv6 type 136, about the address that was asked for (RFC 4861, section 4.4).
    assert_eq!((advertisement[6], advertisement[40], advertisement[63]), (58, 136, 1));
    Ok(lab.remove().await?)
}

/// Who has the target's address? (RFC 826)
fn arp_request() -> Vec<u8> {
    [&[0, 1, 8, 0, 6, 4, 0, 1], RED_MAC.as_slice(), &[198, 18, 0, 77], &[0; 6], &[198, 18, 0, 1]].concat()
}

/// The same by neighbour discovery (RFC 4861, section 4.3), to the group of the target's address.
fn solicitation() -> Vec<u8> {
    let [asker, target] = [ASKERS[1], plans::TARGET[1]].map(|text| match text.parse().unwrap() {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(_) => panic!("{text}"),
    });
    let mut group = [0; 16];
    group[..2].copy_from_slice(&[0xff, 2]);
    group[11..].copy_from_slice(&[1, 0xff, 0, 0, 1]);
    let mut packet = Vec::new();
    PacketBuilder::ipv6(asker, group, 255)
        .icmpv6_raw(135, 0, [0; 4])
        .write(&mut packet, &[target.as_slice(), &[1, 1], &RED_MAC].concat())
        .unwrap();
    packet
}

/// One that is longer than the link carries.
async fn unsent() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let work = || -> Result<_, LabError> {
        let mut socket = PacketSocket::open("eth0", TARGET_MAC, &Wanted::default())?;
        let long = [0x45; 1_501];
        let short = syn(1);
        let mut told = |at: usize| {
            let packets = (0..100).map(|index| if index == at { long.as_slice() } else { &short });
            socket.send(packets).unwrap_err().to_string()
        };
        Ok([told(0), told(64), told(70)])
    };
    let told = lab.host("red")?.blocking(work).await??;
    assert_eq!(
        told,
        [
            "sending packets: 100 were left: EMSGSIZE: Message too long",
            "sending packets: 36 were left: EMSGSIZE: Message too long",
            "sending packets: 30 were left",
        ]
    );
    Ok(lab.remove().await?)
}

async fn no_interface() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let told = Capture::start(lab.host("red")?, "eth7", 1).await.err().map(|error| error.to_string());
    assert_eq!(told.as_deref(), Some("finding interface eth7: ENODEV: No such device"));
    Ok(lab.remove().await?)
}
