//! Packets: what the scanner's socket sends and receives, and what captures see of it at both ends of a link.

use std::net::IpAddr;
use std::time::Duration;

use etherparse::PacketBuilder;
use scandrill_lab::{
    Capture, Captured, CapturedPacket, Kind, Lab, LabError, PacketSocket, Wanted, clock, decode, wait,
};
use scandrill_model::{LabPlan, Unreachable};

use crate::inside::{Done, Job, PATIENCE, within};
use crate::plans;

pub const JOBS: &[(&str, Job)] = &[
    ("captures_see_every_packet_at_both_ends", |_| within(every_packet())),
    ("a_packet_socket_receives_for_its_addresses_alone", |_| within(filtered())),
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

/// Everything for these addresses.
fn wanted(addresses: &[IpAddr]) -> Wanted<'_> {
    Wanted { addresses, ports: None }
}

/// Sends a datagram from each port, 64 at a time; gives how many replies came and how many were lost.
fn exchange(ports: u16, replies: usize) -> Result<(usize, u64), LabError> {
    let mut socket = PacketSocket::open("eth0", TARGET_MAC, &wanted(&[SOURCE.parse().unwrap()]))?;
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
    let seen = async || Ok((count(&captures[1].so_far(), is_reply) == all).then_some(()));
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
        let mut socket = PacketSocket::open("eth0", TARGET_MAC, &wanted(&addresses))?;
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

async fn no_interface() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let told = Capture::start(lab.host("red")?, "eth7", 1).await.err().map(|error| error.to_string());
    assert_eq!(told.as_deref(), Some("finding interface eth7: ENODEV: No such device"));
    Ok(lab.remove().await?)
}
