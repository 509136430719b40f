//! What a lab's world does besides the defense: links that lose, hosts that stand for many or number their packets.

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

use scandrill_lab::{
    Capture, CapturedPacket, Client, Host, Kind, Lab, LabError, Loss, Lost, PacketSocket, SCTP_LIBRARY,
    Wanted, decode, has_sctp, install, nudging, snapshot, start_services, wait, zombie_steps,
};
use scandrill_model::{CommandLine, Loader, PerMille, Protocol, ServiceKind, ServicePlan, Speaks, Step};

use crate::inside::{self, Done, Job, PATIENCE, within};
use crate::plans::{self, SERVICES, TARGET};
use crate::wire::{self, TARGET_MAC, datagram};

pub const JOBS: &[(&str, Job)] = &[
    ("a_link_loses_its_share_without_a_word", |_| within(share_is_lost())),
    ("a_client_s_retransmissions_are_counted", |_| within(retransmissions())),
    ("a_loss_spares_neighbour_discovery", |_| within(all_is_lost())),
    ("a_loss_is_no_part_of_a_defense", |_| within(loss_and_defense())),
    ("a_loss_that_was_flushed_is_an_error", |_| within(flushed())),
    ("one_host_answers_for_whole_prefixes", |_| within(many_addresses())),
    ("a_nudge_wakes_those_who_listen_while_work_goes_on", |_| within(nudges())),
    ("sctp_ports_are_open_or_closed_as_they_say", |_| within(sctp_ports())),
    ("nmap_reads_ports_by_a_zombie", |_| within(idle_scan())),
];

const PACKETS: u16 = 20_000;

/// The widest that six standard deviations of the binomial are apart from its mean: 1 in 500 million runs.
fn within_six_sigma(count: u64, of: u64, share: f64) -> bool {
    let (count, of) = (f64::from(u32::try_from(count).unwrap()), f64::from(u32::try_from(of).unwrap()));
    (count - of * share).abs() <= 6.0 * (of * share * (1.0 - share)).sqrt()
}

/// Sends datagrams from red through the scanner's socket; gives how many arrived at the target.
async fn arrived(lab: &Lab) -> Result<u64, Box<dyn std::error::Error>> {
    let capture = Capture::start(lab.host("target")?, "eth0", 3 * usize::from(PACKETS)).await?;
    let send = || -> Result<(), LabError> {
        let mut socket = PacketSocket::open("eth0", TARGET_MAC, &Wanted::default())?;
        let packets: Vec<_> = (1..=PACKETS).map(|port| datagram("198.18.0.2", port)).collect();
        socket.send(packets.iter().map(Vec::as_slice))
    };
    lab.host("red")?.blocking(send).await??;
    let captured = capture.stop().await?;
    assert_eq!(captured.dropped, 0);
    let probes = captured.packets.iter().filter(|packet| wire::probe(packet, false).is_some());
    Ok(u64::try_from(probes.count())?)
}

async fn share_is_lost() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let red = lab.host("red")?;
    let all = u64::from(PACKETS);
    for (parts, share) in [(200, 0.2), (0, 0.0)] {
        let loss = Loss::start(red, "eth0", PerMille::try_from(parts)?).await?;
        let arrived = arrived(&lab).await?;
        let Lost { offered, lost, .. } = loss.stop().await?;
        assert_eq!((offered, arrived), (all, all - lost), "{parts} of 1000");
        assert!(within_six_sigma(lost, offered, share), "{lost} of {offered} at {parts} of 1000");
    }
    assert_eq!(arrived(&lab).await?, all, "after the loss");
    Ok(lab.remove().await?)
}

/// A client whose every SYN is lost sends it once more within two seconds (RFC 6298: the first after one); one that is
/// served sends nothing again, whether it connects anew or keeps its connection.
async fn retransmissions() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let _services = start_services(lab.host("target")?, &SERVICES).await?;
    let red = lab.host("red")?;
    for (family, target) in TARGET.iter().enumerate() {
        for speaks in [Speaks::Tcp, Speaks::Session] {
            let (source, target) = (inside::own_address("red", family), target.parse()?);
            let client = Client::new(speaks, source, target, 22);
            let asks = async |mut client: Client| {
                let asked = red.spawn(async move || {
                    let served = client.request(Duration::from_millis(1500)).await.is_ok();
                    (served, client.retransmissions(), client)
                });
                asked.await
            };
            let (served, again, client) = asks(client).await?;
            assert_eq!((served, again), (true, 0), "{speaks} without loss");
            let loss = Loss::start(red, "eth0", PerMille::try_from(1000)?).await?;
            let (served, again, _) = asks(client).await?;
            loss.stop().await?;
            assert!(!served && again > 0, "{speaks}, all of it lost: {again} sent again");
        }
    }
    Ok(lab.remove().await?)
}

/// Neighbours are found while everything is lost that may be.
async fn all_is_lost() -> Done {
    let mut plan = plans::pair();
    for interface in &mut plan.segments[0].interfaces {
        interface.loss = PerMille::try_from(1000)?;
    }
    let lab = Lab::build(&plan).await?;
    let red = lab.host("red")?;
    let losses = Loss::start_all(&lab, &plan).await?;
    red.forget_neighbours().await?;
    let capture = Capture::start(red, "eth0", 100).await?;
    for target in TARGET {
        let send = move || -> io::Result<()> {
            let socket = UdpSocket::bind(if target.contains(':') { "[::]:0" } else { "0.0.0.0:0" })?;
            socket.connect((target, 7))?;
            socket.send(b"lost").map(drop)
        };
        red.blocking(send).await??;
    }
    let found = async || {
        let seen = capture.so_far().packets;
        let answers = seen.iter().filter(|packet| !packet.outgoing && is_found_neighbour(&packet.bytes));
        Ok((answers.count() >= 2).then_some(()))
    };
    wait::until("the neighbours' answers", PATIENCE, found).await?;
    let both = async || Ok((losses[1].so_far().await?.lost == 2).then_some(()));
    wait::until("the loss of both datagrams", PATIENCE, both).await?;
    let expected = [("target", 0), ("red", 2)].map(|(host, all)| Lost {
        host: host.to_owned(),
        interface: "eth0".to_owned(),
        offered: all,
        lost: all,
    });
    assert_eq!(Loss::stop_all(losses).await?, expected);
    let left = capture.stop().await?.packets;
    assert!(
        !left
            .iter()
            .any(|packet| packet.outgoing
                && matches!(decode(packet).map(|it| it.kind), Some(Kind::Udp { .. })))
    );
    Ok(lab.remove().await?)
}

/// An ARP reply, or a neighbour advertisement (RFC 4861, section 4.4).
fn is_found_neighbour(frame: &[u8]) -> bool {
    let is_arp_reply = frame[12..14] == [0x08, 0x06] && frame[21] == 2;
    let is_advertisement = frame[12..14] == [0x86, 0xdd] && frame[20] == 58 && frame[54] == 136;
    is_arp_reply || is_advertisement
}

const RULES: &str =
    "table inet mine {\n    chain in {\n        type filter hook input priority 0\n    }\n}\n";

fn rules(text: &str) -> Step {
    Step::Load { loader: Loader::Nft, text: text.to_owned(), origin: "my.rules".to_owned() }
}

async fn loss_and_defense() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let target = lab.host("target")?;
    let nothing = snapshot(target, &[]).await?;
    let installed = install(target, &[rules(RULES)]).await?;
    let before = snapshot(target, &[]).await?;
    let loss = Loss::start(target, "eth0", PerMille::try_from(20)?).await?;
    assert_eq!(snapshot(target, &[]).await?.differences(&before), [""; 0]);
    loss.stop().await?;
    installed.remove().await?;
    assert_eq!(snapshot(target, &[]).await?, nothing);
    let listed = target.output(&plans::shell("nft list ruleset"), None, PATIENCE).await?;
    assert_eq!(String::from_utf8_lossy(&listed.stdout), "", "left in the kernel");
    Ok(lab.remove().await?)
}

async fn flushed() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let red = lab.host("red")?;
    let loss = Loss::start(red, "eth0", PerMille::try_from(20)?).await?;
    let installed = install(red, &[rules(&format!("flush ruleset\n{RULES}"))]).await?;
    let told = loss.stop().await.unwrap_err().to_string();
    assert!(told.starts_with("stop the loss on red eth0: it was taken off meanwhile"), "{told}");
    installed.remove().await?;
    Ok(lab.remove().await?)
}

/// Every packet of the zombie has the number after that of the one before it, and nmap reads the target's ports so.
async fn idle_scan() -> Done {
    const ARGUMENTS: &str = "--privileged -n -Pn -p 80,81 -sI 198.18.0.3:9999 -oG - 198.18.0.1";
    let lab = Lab::build(&plans::switched()).await?;
    let (red, zombie) = (lab.host("red")?, lab.host("green")?);
    let _services = start_services(lab.host("target")?, &SERVICES).await?;
    let installed = install(zombie, &zombie_steps()).await?;
    let capture = Capture::start(zombie, "eth0", 1_000).await?;
    let args = ARGUMENTS.split(' ').map(str::to_owned).collect();
    let command = CommandLine { program: "nmap".to_owned(), args };
    let told = red.output(&command, None, Duration::from_secs(60)).await?.success(&command)?;
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("80/open/tcp") && told.contains("81/closed|filtered/tcp"), "{told}");
    let sent = capture.stop().await?.packets;
    let numbers: Vec<u16> = sent.iter().filter(|packet| packet.outgoing).filter_map(number).collect();
    assert!(numbers.len() > 6, "{numbers:?}");
    assert!(numbers.windows(2).all(|two| two[1] == two[0].wrapping_add(1)), "{numbers:?}");
    installed.remove().await?;
    Ok(lab.remove().await?)
}

/// The identification of an IPv4 packet (RFC 791, section 3.1).
fn number(packet: &CapturedPacket) -> Option<u16> {
    let is_v4 = packet.bytes[12..14] == [0x08, 0x00];
    is_v4.then(|| u16::from_be_bytes([packet.bytes[18], packet.bytes[19]]))
}

/// Of each prefix the first, one in the middle and the last address.
async fn many_addresses() -> Done {
    let mut plan = plans::pair();
    let prefixes = ["198.18.64.0/24", "fd00:198:18:64::/64"];
    let routes = [plans::route(prefixes[0], TARGET[0]), plans::route(prefixes[1], TARGET[1])];
    plan.hosts[0].answers_for = prefixes.iter().map(|prefix| prefix.parse()).collect::<Result<_, _>>()?;
    plan.hosts[1].routes.extend(routes);
    let lab = Lab::build(&plan).await?;
    let _services = start_services(lab.host("target")?, &SERVICES).await?;
    let addresses = [
        "198.18.64.0",
        "198.18.64.77",
        "198.18.64.255",
        "fd00:198:18:64::",
        "fd00:198:18:64::77",
        "fd00:198:18:64:ffff:ffff:ffff:ffff",
    ];
    for address in addresses {
        for speaks in [Speaks::Tcp, Speaks::Session, Speaks::Http, Speaks::Udp, Speaks::Dns, Speaks::Ping] {
            let source = inside::own_address("red", usize::from(address.contains(':')));
            let answered = inside::ask(lab.host("red")?, speaks, source, address).await;
            answered.map_err(|error| format!("{speaks} to {address}: {error}"))?;
        }
    }
    Ok(lab.remove().await?)
}

/// Frames that no decoder takes for packets pass both ends while work goes on.
async fn nudges() -> Done {
    let lab = Lab::build(&plans::pair()).await?;
    let red = lab.host("red")?;
    let captures =
        [Capture::start(red, "eth0", 100).await?, Capture::start(lab.host("target")?, "eth0", 100).await?];
    let seen = |captured: &[CapturedPacket]| {
        captured.iter().filter(|packet| packet.bytes[12..14] == [0x88, 0xb5] && packet.length == 60).count()
    };
    let three = async || Ok((seen(&captures[1].so_far().packets) >= 3).then_some(()));
    nudging(red, "eth0", wait::until("three nudges", PATIENCE, three)).await?;
    let [at_red, at_target] = captures;
    let (at_red, at_target) = (at_red.stop().await?.packets, at_target.stop().await?.packets);
    assert_eq!(seen(&at_red), seen(&at_target));
    assert!(
        at_red.iter().filter(|packet| packet.bytes[12..14] == [0x88, 0xb5]).all(|it| decode(it).is_none())
    );
    let failed = nudging(red, "eth7", std::future::pending::<Result<(), LabError>>()).await.unwrap_err();
    assert_eq!(failed.to_string(), "nudge the listeners on eth7: ENODEV: No such device");
    Ok(lab.remove().await?)
}

const SCTP_SERVICES: [ServicePlan; 2] = [
    ServicePlan { protocol: Protocol::Sctp, port: 80, kind: ServiceKind::Sctp },
    ServicePlan { protocol: Protocol::Sctp, port: 2905, kind: ServiceKind::Sctp },
];

/// Open ports answer an INIT, closed ones abort, and without the stack the kernel knows no such protocol.
async fn sctp_ports() -> Done {
    let services = SCTP_SERVICES.into_iter().chain(SERVICES).collect::<Vec<_>>();
    if !has_sctp() {
        // Without the library and without SCTP in the kernel there is nothing to open.
        let lab = Lab::build(&plans::pair()).await?;
        let told = start_services(lab.host("target")?, &services).await.unwrap_err();
        let expected = format!("open SCTP ports 80,2905 on target: {SCTP_LIBRARY} not found");
        assert_eq!(told.to_string(), expected);
        return Ok(());
    }
    let mut plan = plans::pair();
    // Where there are two, the library answers from the second.
    plan.segments[0].interfaces[0].addresses.remove(1);
    let lab = Lab::build(&plan).await?;
    let (red, target) = (lab.host("red")?, lab.host("target")?);
    for round in 0..2 {
        let services = start_services(target, &services).await?;
        for address in ["198.18.0.1", "-6 fd00:198:18::1"] {
            let told = sctp_scan(red, address).await?;
            for state in ["80/open/sctp", "81/closed/sctp", "2905/open/sctp"] {
                assert!(told.contains(state), "round {round}: {address}: {told}");
            }
        }
        drop(services);
        let told = sctp_scan(red, "198.18.0.1").await?;
        assert!(told.contains("80/filtered/sctp"), "afterwards: {told}");
    }
    Ok(lab.remove().await?)
}

async fn sctp_scan(red: &Host, address: &str) -> Result<String, LabError> {
    let args = format!("--privileged -n -Pn -sY -p 80,81,2905 -oG - {address}");
    let args = args.split(' ').map(str::to_owned).collect();
    let command = CommandLine { program: "nmap".to_owned(), args };
    let told = red.output(&command, None, Duration::from_secs(60)).await?.success(&command)?;
    Ok(String::from_utf8_lossy(&told.stdout).into_owned())
}
