//! Verdicts from inside the kernel: the table says of every port what the packets say, and believes nobody else. Where
//! the kernel lets no program be loaded there is no table, and these tests have nothing to look at; `ends` has the test
//! of when that is so.

use std::collections::BTreeMap;
use std::net::IpAddr;

use etherparse::{IpHeaders, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader, TcpOptionElement};
use scandrill_lab::{
    CapturedPacket, Inside, Kind, Lab, LabError, Opened, PacketSocket, Verdict, VerdictConfig, VerdictSource,
    VerdictTable, Wanted, clock, decode, start_services, wait,
};
use scandrill_model::{LabPlan, Protocol, Reply, TcpFlags, Unreachable};

use crate::inside::{Done, Job, PATIENCE, within};
use crate::plans::{self, SERVICES};

pub const JOBS: &[(&str, Job)] = &[
    ("a_table_says_of_each_port_what_the_packets_say", |inside| over_both(inside, says_the_same)),
    ("a_table_believes_no_stranger", |inside| over_both(inside, lies)),
    ("a_table_believes_a_reset_by_the_number_that_was_acknowledged", |inside| over_both(inside, resets)),
    ("a_table_counts_duplicates_and_keeps_the_first", |inside| over_both(inside, duplicates)),
    ("a_table_leaves_what_it_cannot_read_to_the_socket", |inside| over_both(inside, odd_options)),
    ("a_table_is_one_scans_at_a_time_and_empty_for_the_next", taken),
    ("a_table_does_not_take_what_it_cannot_read", impossible),
    ("a_user_namespace_loads_no_program_and_says_nothing", refused),
];

const TARGET_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const RED_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Routed to red, but no kernel's own.
const SOURCES: [&str; 2] = ["198.18.2.5", "fd00:198:18:2::5"];
/// Routed to red as well, but nobody's.
const OTHERS: [&str; 2] = ["198.18.2.6", "fd00:198:18:2::6"];
const BASE_PORT: u16 = 40_000;
const TRIES: u8 = 3;
const KEY: u64 = 0x0123_4567_89ab_cdef;
/// More than one batch, with the services among them.
const PORTS: std::ops::RangeInclusive<u16> = 1..=300;

fn plan() -> LabPlan {
    let mut plan = plans::pair();
    let settings = [
        // A repeated answer would be a duplicate, on a machine slow enough for it.
        ("net.ipv4.tcp_synack_retries", "0"),
        ("net.ipv4.icmp_ratemask", "0"),
        ("net.ipv6.icmp.ratelimit", "0"),
        ("net.ipv6.icmp.ratemask", "255"),
    ];
    plan.hosts[0].sysctls.extend(settings.map(|(key, value)| plans::sysctl(key, value)));
    plan.hosts[0].routes.push(plans::route("fd00:198:18:2::/64", "fd00:198:18::2"));
    plan
}

/// One lab with a scan prepared in it. Red has the table on one socket and reads all packets by another; the target's
/// socket says what its kernel would not.
struct Drill {
    lab: Lab,
    config: VerdictConfig,
    table: VerdictTable,
    socket: PacketSocket,
    plain: PacketSocket,
    liar: PacketSocket,
}

fn over_both(inside: Inside, test: impl AsyncFn(Drill) -> Done) -> Done {
    let Some(source) = inside.verdicts else { return Ok(()) };
    for family in [0, 1] {
        within(async { test(Drill::prepare(&source, family).await?).await })?;
    }
    Ok(())
}

impl Drill {
    async fn prepare(source: &VerdictSource, family: usize) -> Result<Self, LabError> {
        let lab = Lab::build(&plan()).await?;
        let source_address: IpAddr = SOURCES[family].parse().unwrap();
        let addresses = [source_address.into()];
        let open = move || {
            let wanted = Wanted { addresses: &addresses, ports: None };
            let both = PacketSocket::open("eth0", TARGET_MAC, &wanted);
            both.and_then(|first| Ok((first, PacketSocket::open("eth0", TARGET_MAC, &wanted)?)))
        };
        let (socket, plain) = lab.host("red")?.blocking(open).await??;
        let lie = || PacketSocket::open("eth0", RED_MAC, &Wanted::default());
        let liar = lab.host("target")?.blocking(lie).await??;
        let config = VerdictConfig {
            source: source_address,
            target: plans::TARGET[family].parse().unwrap(),
            protocol: Protocol::Tcp,
            acknowledging: false,
            base_port: BASE_PORT,
            tries: TRIES,
            key: KEY,
        };
        let table = VerdictTable::map(source)?.unwrap();
        table.configure(&config)?;
        table.attach(&socket)?;
        Ok(Self { lab, config, table, socket, plain, liar })
    }

    fn ask_for(&mut self, protocol: Protocol) -> Result<(), LabError> {
        self.config.protocol = protocol;
        self.table.configure(&self.config)
    }

    fn is_v4(&self) -> bool {
        self.config.source.is_ipv4()
    }

    /// A segment of the target in reply to try `attempt` at `port`: what the test makes of it.
    fn segment(&self, port: u16, attempt: u8, make: impl FnOnce(&mut TcpHeader, Numbers)) -> Vec<u8> {
        let mut header = TcpHeader::new(port, BASE_PORT + u16::from(attempt), 7_000, 512);
        make(&mut header, numbers(port, attempt));
        self.in_targets_name(|ip| {
            let mut bytes = Vec::new();
            PacketBuilder::ip(ip).tcp_header(header).write(&mut bytes, b"").unwrap();
            bytes
        })
    }

    fn in_targets_name(&self, make: impl FnOnce(IpHeaders) -> Vec<u8>) -> Vec<u8> {
        make(ip(self.config.target, self.config.source))
    }

    /// What refuses `quoted`, in the target's name: "host prohibited", or "address unreachable".
    fn refusal(&self, quoted: &[u8]) -> Vec<u8> {
        self.in_targets_name(|ip| {
            let mut bytes = Vec::new();
            let builder = PacketBuilder::ip(ip);
            if self.is_v4() {
                builder.icmpv4_raw(3, 10, [0; 4]).write(&mut bytes, quoted).unwrap();
            } else {
                builder.icmpv6_raw(1, 3, [0; 4]).write(&mut bytes, quoted).unwrap();
            }
            bytes
        })
    }

    fn refused(&self) -> Reply {
        Reply::Unreachable(if self.is_v4() { Unreachable::HostProhibited } else { Unreachable::Host })
    }

    fn say(&mut self, packets: &[Vec<u8>]) -> Result<(), LabError> {
        self.liar.send(packets.iter().map(Vec::as_slice))
    }

    /// Takes `count` packets from the socket that has the program.
    fn queued(&mut self, count: usize) -> Result<Vec<Vec<u8>>, LabError> {
        take(&mut self.socket, count)
    }

    fn wait_for(&self, port: u16) -> Result<Verdict, LabError> {
        wait::until_blocking(&format!("verdict on {port}"), PATIENCE, || Ok(self.table.look(port)))
    }
}

/// Waits for `count` packets and takes all that have come.
fn take(socket: &mut PacketSocket, count: usize) -> Result<Vec<Vec<u8>>, LabError> {
    let (mut packets, until) = (Vec::new(), clock::now() + PATIENCE);
    while packets.len() < count && clock::now() < until {
        socket.wait_readable(until)?;
        socket.receive(|_, packet| packets.push(packet.to_vec()))?;
    }
    Ok(packets)
}

fn ip(source: IpAddr, target: IpAddr) -> IpHeaders {
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let header = Ipv4Header::new(0, 61, 0.into(), source.octets(), target.octets()).unwrap();
            IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default())
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            let (source, destination) = (source.octets(), target.octets());
            let header = Ipv6Header { hop_limit: 61, source, destination, ..Ipv6Header::default() };
            IpHeaders::Ipv6(header, etherparse::Ipv6Extensions::default())
        }
        _ => panic!("{source} and {target}"),
    }
}

#[derive(Clone, Copy)]
struct Numbers {
    sequence: u32,
    acknowledgement: u32,
}

/// As the scanners make them; written once more, since they and the kernel must agree.
fn numbers(port: u16, attempt: u8) -> Numbers {
    let mut value = (KEY ^ (u64::from(port) << 8 | u64::from(attempt))).wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^= value >> 31;
    let half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap();
    Numbers { sequence: half(value >> 32), acknowledgement: half(value) }
}

/// A probe as Linux would connect.
fn syn(config: &VerdictConfig, port: u16, attempt: u8) -> Vec<u8> {
    use TcpOptionElement::{
        MaximumSegmentSize, Noop, SelectiveAcknowledgementPermitted, Timestamp, WindowScale,
    };
    let options =
        [MaximumSegmentSize(1460), SelectiveAcknowledgementPermitted, Timestamp(77, 0), Noop, WindowScale(7)];
    let mut bytes = Vec::new();
    PacketBuilder::ip(ip(config.source, config.target))
        .tcp(BASE_PORT + u16::from(attempt), port, numbers(port, attempt).sequence, 64_240)
        .syn()
        .options(&options)
        .unwrap()
        .write(&mut bytes, b"")
        .unwrap();
    bytes
}

fn datagram(config: &VerdictConfig, port: u16, attempt: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    PacketBuilder::ip(ip(config.source, config.target))
        .udp(BASE_PORT + u16::from(attempt), port)
        .write(&mut bytes, b"drill")
        .unwrap();
    bytes
}

/// The later ports are asked at their second try.
fn attempt_at(port: u16) -> u8 {
    u8::from(port > 200)
}

/// A real target with real services, over TCP and UDP.
async fn says_the_same(mut drill: Drill) -> Done {
    let _services = start_services(drill.lab.host("target")?, &SERVICES[..3]).await?;
    for (protocol, probe) in [(Protocol::Tcp, syn as fn(&_, _, _) -> _), (Protocol::Udp, datagram)] {
        drill.table.clear();
        drill.ask_for(protocol)?;
        let probes: Vec<Vec<u8>> = PORTS.map(|port| probe(&drill.config, port, attempt_at(port))).collect();
        let mut packets = Vec::new();
        for some in probes.chunks(64) {
            drill.socket.send(some.iter().map(Vec::as_slice))?;
            packets.extend(take(&mut drill.plain, some.len())?);
        }
        let expected: BTreeMap<u16, Verdict> = packets.iter().map(|packet| read(packet)).collect();
        // Every port answers, and each in its way.
        assert_eq!((packets.len(), expected.len()), (PORTS.len(), PORTS.len()), "{protocol}");
        for port in 0..=u16::MAX {
            assert_eq!(drill.table.look(port), expected.get(&port).copied(), "{protocol}/{port}");
        }
        let replies = |wanted: fn(&Verdict) -> bool| expected.values().filter(|it| wanted(it)).count();
        match protocol {
            Protocol::Tcp => {
                assert_eq!(replies(|it| it.opened.is_some_and(|it| it.timestamp.is_some())), 2);
                assert_eq!(replies(|it| it.opened.is_none()), PORTS.len() - 2);
            }
            Protocol::Udp | Protocol::Sctp | Protocol::Icmp | Protocol::Ip | Protocol::Arp => {
                assert_eq!(replies(|it| it.reply == Reply::Unreachable(Unreachable::Port)), PORTS.len() - 1);
            }
        }
    }
    assert_eq!(drill.socket.receive(|_, packet| panic!("{packet:?}"))?, 0);
    Ok(drill.lab.remove().await?)
}

/// What a packet says, by another parser.
fn read(packet: &[u8]) -> (u16, Verdict) {
    let v4 = packet[0] >> 4 == 4;
    let link = if v4 { [8, 0] } else { [0x86, 0xdd] };
    let bytes = [&[0; 12], link.as_slice(), packet].concat();
    let captured = CapturedPacket { at: clock::now(), outgoing: false, length: 0, bytes: bytes.into() };
    let (asked, source_port, reply) = match decode(&captured).unwrap().kind {
        Kind::Tcp { source_port, destination_port, flags, window } => {
            (source_port, destination_port, Reply::Tcp { flags, window })
        }
        Kind::Udp { source_port, destination_port } => (source_port, destination_port, Reply::Udp),
        Kind::Unreachable { what, quoted } => {
            (quoted.destination_port.unwrap(), quoted.source_port.unwrap(), Reply::Unreachable(what))
        }
        other @ (Kind::Sctp { .. }
        | Kind::Query { .. }
        | Kind::Answer { .. }
        | Kind::Solicitation { .. }
        | Kind::Advertisement { .. }
        | Kind::FirstFragment(_)
        | Kind::LaterFragment
        | Kind::Other) => panic!("{other:?}"),
    };
    let attempt = u8::try_from(source_port - BASE_PORT).unwrap();
    let (hops, transport) = if v4 { (packet[8], &packet[20..]) } else { (packet[7], &packet[40..]) };
    let opens = matches!(reply, Reply::Tcp { flags, .. } if flags == TcpFlags::SYN | TcpFlags::ACK);
    let opened = opens.then(|| {
        let header = etherparse::TcpHeaderSlice::from_slice(transport).unwrap();
        let timestamp = header.options_iterator().find_map(|option| {
            if let TcpOptionElement::Timestamp(value, _) = option.unwrap() { Some(value) } else { None }
        });
        Opened { sequence: header.sequence_number(), timestamp }
    });
    (asked, Verdict { attempt, reply, hops, duplicates: 0, opened })
}

/// Each lie differs from a reply that is believed in one thing; the socket gets what is for it, and nobody the rest.
async fn lies(mut drill: Drill) -> Done {
    let acknowledge = |beyond: u32| {
        move |header: &mut TcpHeader, numbers: Numbers| {
            header.rst = true;
            header.ack = true;
            header.acknowledgment_number = numbers.sequence.wrapping_add(beyond);
        }
    };
    let mut strangers = vec![
        drill.segment(1, 0, acknowledge(2)),
        drill.segment(2, 0, acknowledge(u32::MAX)),
        drill.segment(3, TRIES, acknowledge(1)),
        drill.segment(4, 0, |header, numbers| {
            acknowledge(1)(header, numbers);
            header.ack = false;
        }),
        drill.segment(5, 0, |header, _| acknowledge(1)(header, numbers(5, 1))),
        drill.refusal(&{
            let mut quoted = syn(&drill.config, 6, 0);
            let sequence = quoted.len() - 40 + 4;
            quoted[sequence] ^= 1;
            quoted
        }),
        drill.refusal(&syn(&VerdictConfig { target: other(&drill), ..drill.config.clone() }, 7, 0)),
        drill.refusal(&datagram(&drill.config, 8, 0)),
        drill.refusal(&syn(&drill.config, 9, 0)[..if drill.is_v4() { 27 } else { 47 }]),
    ];
    let mut elsewhere = drill.segment(10, 0, acknowledge(1));
    let (from, to) = if drill.is_v4() { (15, 19) } else { (23, 39) };
    elsewhere[from] ^= 0x40;
    strangers.push(elsewhere.clone());
    if drill.is_v4() {
        let mut fragment = drill.segment(11, 0, acknowledge(1));
        fragment[7] = 1;
        strangers.extend([fragment, arp(SOURCES[0])]);
        drill.say(&[arp(OTHERS[0])])?;
    }
    elsewhere = drill.segment(12, 0, acknowledge(1));
    elsewhere[to] ^= 3;
    drill.say(&[vec![elsewhere], strangers.clone()].concat())?;
    assert_eq!(drill.queued(strangers.len())?, strangers);
    let believed: Vec<u16> = (0..=u16::MAX).filter(|port| drill.table.look(*port).is_some()).collect();
    assert_eq!(believed, Vec::<u16>::new());
    // The same without the lie.
    let truths = [
        drill.segment(1, 0, acknowledge(0)),
        drill.segment(2, 1, acknowledge(1)),
        drill.refusal(&syn(&drill.config, 6, 0)[..if drill.is_v4() { 28 } else { 48 }]),
    ];
    drill.say(&truths)?;
    let reset = Reply::Tcp { flags: TcpFlags::RST | TcpFlags::ACK, window: 512 };
    let verdict = |attempt, reply| Verdict { attempt, reply, hops: 61, duplicates: 0, opened: None };
    assert_eq!(drill.wait_for(6)?, verdict(0, drill.refused()));
    assert_eq!(drill.table.look(1), Some(verdict(0, reset)));
    assert_eq!(drill.table.look(2), Some(verdict(1, reset)));
    assert_eq!(drill.socket.receive(|_, packet| panic!("{packet:?}"))?, 0);
    Ok(drill.lab.remove().await?)
}

/// An answer about an address (RFC 826).
fn arp(about: &str) -> Vec<u8> {
    let IpAddr::V4(about) = about.parse().unwrap() else { panic!("{about}") };
    let sender = [TARGET_MAC.as_slice(), &[198, 18, 0, 1]].concat();
    [&[0, 1, 8, 0, 6, 4, 0, 2], sender.as_slice(), &RED_MAC, &about.octets()].concat()
}

fn other(drill: &Drill) -> IpAddr {
    OTHERS[usize::from(!drill.is_v4())].parse().unwrap()
}

/// A reset that answers an ACK acknowledges nothing (RFC 9293, section 3.10.7.1).
async fn resets(mut drill: Drill) -> Done {
    let reset = |header: &mut TcpHeader, numbers: Numbers| {
        header.rst = true;
        header.sequence_number = numbers.acknowledgement;
    };
    let unasked = drill.segment(1, 0, reset);
    drill.say(std::slice::from_ref(&unasked))?;
    assert_eq!(drill.queued(1)?, [unasked]);
    drill.config.acknowledging = true;
    drill.table.configure(&drill.config)?;
    let wrong = drill.segment(3, 0, |header, it| {
        reset(header, it);
        header.sequence_number ^= 1;
    });
    let right = drill.segment(2, 2, reset);
    drill.say(&[wrong.clone(), right])?;
    let reply = Reply::Tcp { flags: TcpFlags::RST, window: 512 };
    let expected = Verdict { attempt: 2, reply, hops: 61, duplicates: 0, opened: None };
    assert_eq!(drill.wait_for(2)?, expected);
    assert_eq!((drill.table.look(1), drill.table.look(3)), (None, None));
    assert_eq!(drill.queued(1)?, [wrong]);
    Ok(drill.lab.remove().await?)
}

async fn duplicates(mut drill: Drill) -> Done {
    let open = |header: &mut TcpHeader, numbers: Numbers| {
        header.syn = true;
        header.ack = true;
        header.acknowledgment_number = numbers.sequence.wrapping_add(1);
    };
    let first = drill.segment(80, 1, open);
    let others = [drill.segment(80, 0, open), drill.refusal(&syn(&drill.config, 80, 2)), first.clone()];
    drill.say(&[vec![first], others.to_vec()].concat())?;
    let counted = || Ok(drill.table.look(80).filter(|it| it.duplicates == 3));
    let verdict = wait::until_blocking("three duplicates", PATIENCE, counted)?;
    let reply = Reply::Tcp { flags: TcpFlags::SYN | TcpFlags::ACK, window: 512 };
    let opened = Some(Opened { sequence: 7_000, timestamp: None });
    assert_eq!(verdict, Verdict { attempt: 1, reply, hops: 61, duplicates: 3, opened });
    Ok(drill.lab.remove().await?)
}

/// Options in another order than Linux's may hide a timestamp.
async fn odd_options(mut drill: Drill) -> Done {
    use TcpOptionElement::{
        MaximumSegmentSize, Noop, SelectiveAcknowledgementPermitted, Timestamp, WindowScale,
    };
    let open = |options: &'static [TcpOptionElement]| {
        move |header: &mut TcpHeader, numbers: Numbers| {
            header.syn = true;
            header.ack = true;
            header.acknowledgment_number = numbers.sequence.wrapping_add(1);
            header.set_options(options).unwrap();
        }
    };
    let odd = [
        drill.segment(1, 0, open(&[Noop, Noop, Timestamp(5, 6)])),
        drill.segment(2, 0, open(&[MaximumSegmentSize(1460), Noop, WindowScale(7), Timestamp(5, 6)])),
    ];
    let plain = [
        drill.segment(
            3,
            0,
            open(&[MaximumSegmentSize(1460), Noop, Noop, Timestamp(5, 6), Noop, WindowScale(7)]),
        ),
        drill.segment(4, 0, open(&[MaximumSegmentSize(1460), Noop, Noop, SelectiveAcknowledgementPermitted])),
        drill.segment(5, 0, open(&[MaximumSegmentSize(1460)])),
    ];
    drill.say(&[odd.to_vec(), plain.to_vec()].concat())?;
    assert_eq!(drill.queued(2)?, odd);
    let timestamps = [3, 4, 5].map(|port| drill.wait_for(port).map(|it| it.opened.map(|it| it.timestamp)));
    assert_eq!(timestamps.map(Result::unwrap), [Some(Some(5)), Some(None), Some(None)]);
    assert_eq!((drill.table.look(1), drill.table.look(2)), (None, None));
    Ok(drill.lab.remove().await?)
}

fn taken(inside: Inside) -> Done {
    let Some(source) = inside.verdicts else { return Ok(()) };
    let test = async |mut drill: Drill| -> Done {
        assert!(VerdictTable::map(&source)?.is_none());
        let truth = drill.segment(9, 0, |header, numbers| {
            header.ack = true;
            header.acknowledgment_number = numbers.sequence;
        });
        drill.say(&[truth])?;
        drill.wait_for(9)?;
        drop(drill);
        let next = VerdictTable::map(&source)?.unwrap();
        assert_eq!(next.look(9), None);
        Ok(())
    };
    within(async { test(Drill::prepare(&source, 0).await?).await })
}

fn impossible(inside: Inside) -> Done {
    let Some(source) = inside.verdicts else { return Ok(()) };
    let table = VerdictTable::map(&source)?.unwrap();
    let config = VerdictConfig {
        source: SOURCES[0].parse()?,
        target: plans::TARGET[0].parse()?,
        protocol: Protocol::Tcp,
        acknowledging: false,
        base_port: BASE_PORT,
        tries: 1,
        key: 0,
    };
    table.configure(&config)?;
    for (wrong, why) in [
        (
            VerdictConfig { target: plans::TARGET[1].parse()?, ..config.clone() },
            "two IP versions in one scan",
        ),
        (VerdictConfig { protocol: Protocol::Icmp, ..config.clone() }, "a protocol without ports"),
        (VerdictConfig { tries: 0, ..config }, "no try"),
    ] {
        let told = table.configure(&wrong).unwrap_err().to_string();
        assert_eq!(told, format!("lab plan: table of verdicts: {why}"));
    }
    Ok(())
}

fn refused(_: Inside) -> Done {
    match VerdictSource::load() {
        None => Ok(()),
        Some(loaded) => Err(format!("{loaded:?}").into()),
    }
}
