//! Floods, and the counters that tell what they did to a target.

use std::sync::Arc;
use std::time::Duration;

use scandrill_lab::{
    Capture, Flooded, Flooding, Host, Kind, Lab, LabError, clock, counters, decode, flood, start_services,
    wait,
};
use scandrill_model::{FloodPackets, LabPlan, Protocol, Sends, ServiceKind, ServicePlan, Speaks};

use crate::inside::{Done, Job, PATIENCE, ask, own_address, within};
use crate::plans::{self, SERVICES};
use crate::wire::TARGET_MAC;

pub const JOBS: &[(&str, Job)] = &[
    ("every_packet_of_a_flood_arrives_and_is_right", |_| within(arrives())),
    ("a_flood_keeps_its_pace_and_ends_when_told", |_| within(paced())),
    ("a_flood_of_handshakes_completes_each", |_| within(handshakes())),
    ("a_server_that_waits_for_requests_has_no_socket_for_a_handshake", |_| within(deferred())),
    ("a_capture_leaves_a_flood_out", |_| within(left_out())),
    ("a_flood_stays_inside_the_lab", |_| within(stays_inside())),
];

const COUNT: u64 = 20_000;

/// Some sources for as many flows as there are packets.
fn packets(sends: Sends, family: usize) -> FloodPackets {
    let (prefix, first) =
        [("198.18.2.0/24", "198.18.2.1"), ("fd00:198:18:2::/64", "fd00:198:18:2::1")][family];
    FloodPackets {
        sends,
        prefix: prefix.parse().unwrap(),
        first_source: first.parse().unwrap(),
        sources: 100,
        target: plans::TARGET[family].parse().unwrap(),
        port: if sends == Sends::Echo { 0 } else { 9_999 },
        count: COUNT,
        interval: None,
        seed: 7,
    }
}

/// A target that answers each packet by both families.
fn talkative() -> LabPlan {
    let mut plan = plans::pair();
    plan.hosts[0].sysctls.extend(
        [
            ("net.ipv4.icmp_ratemask", "0"),
            ("net.ipv6.icmp.ratelimit", "0"),
            ("net.ipv6.icmp.ratemask", "255"),
        ]
        .map(|(key, value)| plans::sysctl(key, value)),
    );
    plan.hosts[0].routes.push(plans::route("fd00:198:18:2::/64", "fd00:198:18::2"));
    plan
}

async fn run(host: &Host, packets: FloodPackets, flooding: &Arc<Flooding>) -> Result<Flooded, LabError> {
    let flooding = Arc::clone(flooding);
    host.blocking(move || flood("eth0", TARGET_MAC, &packets, &flooding)).await?
}

/// The target's own counters say that each packet came in with a good checksum, and was answered as it deserves.
async fn arrives() -> Done {
    let lab = Lab::build(&talkative()).await?;
    let (red, target) = (lab.host("red")?, lab.host("target")?);
    for (sends, counted) in [
        (Sends::Syn, ["Tcp.OutRsts", "Tcp.OutRsts"]),
        (Sends::Ack, ["Tcp.OutRsts", "Tcp.OutRsts"]),
        (Sends::Udp, ["Icmp.OutDestUnreachs", "Icmp6.OutDestUnreachs"]),
        (Sends::Echo, ["Icmp.OutEchoReps", "Icmp6.OutEchoReplies"]),
    ] {
        for (family, counted) in counted.into_iter().enumerate() {
            let before = counters(target).await?[counted];
            let done = run(red, packets(sends, family), &Arc::default()).await?;
            let after = counters(target).await?[counted];
            assert_eq!(done, Flooded { sent: COUNT, ..Flooded::default() });
            assert_eq!(after - before, COUNT, "{sends} by family {family}: {counted}");
        }
    }
    Ok(lab.remove().await?)
}

async fn paced() -> Done {
    let lab = Lab::build(&talkative()).await?;
    let red = lab.host("red")?;
    let slow = FloodPackets { interval: Some(Duration::from_millis(1)), ..packets(Sends::Syn, 0) };
    let start = clock::now();
    let few = FloodPackets { count: 300, ..slow.clone() };
    let done = run(red, few, &Arc::default()).await?;
    let took = clock::elapsed(start);
    assert_eq!(done, Flooded { sent: 300, ..Flooded::default() });
    assert!(took >= Duration::from_millis(299), "{took:?}");
    let flooding = Arc::new(Flooding::default());
    let teller = async {
        wait::until("some of the flood", PATIENCE, async || Ok((flooding.sent() >= 50).then_some(())))
            .await?;
        flooding.end();
        Ok::<_, LabError>(())
    };
    let (done, told) = tokio::join!(run(red, slow, &flooding), teller);
    told?;
    let done = done?;
    assert!(done.ended_early && (50..COUNT).contains(&done.sent), "{done:?}");
    Ok(lab.remove().await?)
}

async fn handshakes() -> Done {
    let mut plan = talkative();
    plan.hosts[0].sysctls.push(plans::sysctl("net.core.somaxconn", "4096"));
    let lab = Lab::build(&plan).await?;
    let (red, target) = (lab.host("red")?, lab.host("target")?);
    let _services = start_services(target, &SERVICES).await?;
    for family in [0, 1] {
        let before = counters(target).await?["Tcp.PassiveOpens"];
        let some = FloodPackets { count: 500, port: 22, ..packets(Sends::Handshakes, family) };
        let done = run(red, some, &Arc::default()).await?;
        assert_eq!(done, Flooded { sent: 500, completed: 500, ..Flooded::default() });
        let opened = async || Ok((counters(target).await?["Tcp.PassiveOpens"] - before >= 500).then_some(()));
        wait::until("500 connections", PATIENCE, opened).await?;
        assert_eq!(counters(target).await?["Tcp.OutRsts"], 0);
    }
    Ok(lab.remove().await?)
}

/// A handshake without a request is the kernel's affair alone; a request is answered as ever.
async fn deferred() -> Done {
    const WEB: ServicePlan = ServicePlan { protocol: Protocol::Tcp, port: 80, kind: ServiceKind::Deferred };
    let mut plan = talkative();
    plan.hosts[0].sysctls.push(plans::sysctl("net.core.somaxconn", "4096"));
    let lab = Lab::build(&plan).await?;
    let (red, target) = (lab.host("red")?, lab.host("target")?);
    let _services = start_services(target, &[WEB]).await?;
    for family in [0, 1] {
        let before = counters(target).await?["Tcp.PassiveOpens"];
        let some = FloodPackets { count: 2_000, port: 80, ..packets(Sends::Handshakes, family) };
        let done = run(red, some, &Arc::default()).await?;
        assert_eq!(done, Flooded { sent: 2_000, completed: 2_000, ..Flooded::default() });
        ask(red, Speaks::Http, own_address("red", family), plans::TARGET[family]).await?;
        assert_eq!(counters(target).await?["Tcp.PassiveOpens"] - before, 1, "the request's own");
    }
    Ok(lab.remove().await?)
}

async fn left_out() -> Done {
    let lab = Lab::build(&talkative()).await?;
    let (red, target) = (lab.host("red")?, lab.host("target")?);
    for family in [0, 1] {
        let all = packets(Sends::Syn, family);
        let other = FloodPackets { count: 10, ..packets(Sends::Syn, 1 - family) };
        let capture = Capture::start_without(target, "eth0", 100, &[all.prefix]).await?;
        run(red, all, &Arc::default()).await?;
        run(red, other, &Arc::default()).await?;
        let captured = capture.stop().await?;
        let decoded = captured.packets.iter().filter_map(decode);
        let segments = decoded.filter(|packet| matches!(packet.kind, Kind::Tcp { .. })).count();
        assert_eq!((segments, captured.dropped), (20, 0), "what is not left out, and what answers it");
    }
    Ok(lab.remove().await?)
}

async fn stays_inside() -> Done {
    let lab = Lab::build(&talkative()).await?;
    let red = lab.host("red")?;
    let some = packets(Sends::Syn, 0);
    for (strange, told) in [
        (
            FloodPackets { target: "192.0.2.1".parse()?, ..some.clone() },
            "lab plan: 192.0.2.1 is not inside the lab's address ranges",
        ),
        (
            FloodPackets { prefix: "0.0.0.0/0".parse()?, ..some.clone() },
            "lab plan: 0.0.0.0 is not inside the lab's address ranges",
        ),
        (
            FloodPackets { sources: 256, ..some.clone() },
            "lab plan: a flood has no 256 sources in 198.18.2.0/24",
        ),
        (FloodPackets { sources: 0, ..some.clone() }, "lab plan: a flood has no 0 sources in 198.18.2.0/24"),
    ] {
        let refused = run(red, strange, &Arc::default()).await.err().map(|error| error.to_string());
        assert_eq!(refused.as_deref(), Some(told));
    }
    Ok(lab.remove().await?)
}
