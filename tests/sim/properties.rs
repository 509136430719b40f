//! What must hold for every technique, over both IP versions, whatever the ports, policies, evasions, order, pace, faults
//! and seeds.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use scandrill_model::{Family, PortState, Protocol, ScanResult, Stamp, Technique};
use scandrill_scanners::{Batch, Scan, ScanPlan, Sources};

use crate::any::{Policies, any_plan};
use crate::fragments::Fragments;
use crate::packet::Sent;
use crate::policy::{expected, silent};
use crate::target::{Faults, Target, ttl_of};
use crate::world::{Outcome, host, run_through};
use crate::zombie::{Counter, Zombie};

/// Longer than any scan of these tests may take: five minutes between probes, sixty ports, eleven tries.
const PATIENCE: Duration = Duration::from_secs(3 * 24 * 3_600);

fn scan((plan, policies): &(ScanPlan, Policies), faults: Faults) -> Outcome {
    let mut target = Target::new(plan.technique, policies.clone(), faults, plan.seed);
    let zombie = Zombie::new(host(Family::V4, 9), Counter::ByOne, None, plan.seed);
    let zombie = (plan.technique == Technique::Idle).then_some(zombie);
    run_through(plan, &mut target, zombie, PATIENCE)
}

/// The truth of each cell, and whether it rests on an answer.
fn truth((plan, policies): &(ScanPlan, Policies), routers: u8) -> BTreeMap<u16, (PortState, bool)> {
    policies.iter().map(|(cell, policy)| (*cell, expected(plan, routers, *cell, *policy))).collect()
}

fn states(truth: &BTreeMap<u16, (PortState, bool)>) -> BTreeMap<u16, PortState> {
    truth.iter().map(|(cell, (state, _))| (*cell, *state)).collect()
}

/// What a group says of a cell: its probes and its reply's time to live.
fn evidence(result: &ScanResult) -> BTreeMap<u16, (Option<u8>, Option<u8>)> {
    let each = |group: &scandrill_model::StateGroup| {
        let (probes, ttl) = (group.probes, group.ttl);
        group.ports.iter().map(move |port| (port, (probes, ttl))).collect::<Vec<_>>()
    };
    result.groups.iter().flat_map(each).collect()
}

/// The reply's time to live: a router's own where the packet ended there; ARP has none, and who looks through a zombie
/// sees no reply.
fn ttl(plan: &ScanPlan, routers: u8, cell: u16) -> Option<u8> {
    match plan.technique {
        Technique::Arp => plan.target.is_ipv6().then_some(255),
        Technique::Idle => None,
        _ if plan.evasion.ttl.is_some_and(|ttl| ttl <= routers) => Some(64),
        _ => Some(ttl_of(cell)),
    }
}

/// A target that refuses by ICMP may be taken for one that limits its refusals, and its silent ports are asked again.
fn may_trickle(technique: Technique) -> bool {
    matches!(technique.protocol(), Protocol::Udp | Protocol::Ip)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_port_reads_as_its_policy_says(asked in any_plan(), routers in 0_u8..3, overtaking in 0_u64..300) {
        let (plan, delay_more) = (&asked.0, Duration::from_micros(overtaking));
        let outcome = scan(&asked, Faults { delay_more, routers, ..Faults::default() });
        let (truth, result) = (truth(&asked, routers), outcome.result());
        prop_assert_eq!(result.states(), states(&truth));
        for (cell, (probes, seen)) in evidence(result) {
            let (_, answered) = truth[&cell];
            prop_assert_eq!(seen, ttl(plan, routers, cell).filter(|_| answered), "{}", cell);
            prop_assert_eq!(probes, Some(outcome.probes[&cell]), "{}", cell);
            if plan.technique != Technique::Idle && (answered || !may_trickle(plan.technique)) {
                let tries = plan.timing.template().tries;
                prop_assert_eq!(probes, Some(if answered { 1 } else { tries }), "{}", cell);
            }
        }
        prop_assert_eq!((result.late_replies, result.duplicate_replies), (0, 0));
    }

    #[test]
    fn what_is_said_to_be_sent_is_what_was_sent(asked in any_plan(), loss_percent in 0_u8..30) {
        let outcome = scan(&asked, Faults { loss_percent, ..Faults::default() });
        let (plan, probes) = (&asked.0, outcome.probes.values().map(|probes| u64::from(*probes)).sum::<u64>());
        // Questions to a zombie are no probes; one that answers too little for its losses is no good.
        if let Ok(result) = &outcome.result {
            prop_assert_eq!(result.probes_sent, Some(probes));
        }
        prop_assert!(outcome.result.is_ok() || plan.technique == Technique::Idle);
        if plan.evasion.fragment.is_none() && !matches!(plan.technique, Technique::Idle | Technique::TcpConnect) {
            let packets = probes * (plan.evasion.decoys.len() as u64 + 1);
            prop_assert_eq!(outcome.packets as u64, packets, "each decoy sends each probe, too");
        }
    }

    #[test]
    fn a_lost_first_probe_changes_nothing(asked in any_plan(), lost in any::<u64>(), delay in 0_u64..40) {
        let unlucky = asked.1.keys().enumerate().filter(|(index, _)| lost >> (index % 64) & 1 == 1);
        let lost_first = unlucky.map(|(_, cell)| (*cell, 1)).collect();
        let faults = Faults { lost_first, delay: Duration::from_millis(delay), ..Faults::default() };
        let outcome = scan(&asked, faults);
        // Who looks through a zombie does not see that a SYN is lost.
        if asked.0.technique != Technique::Idle {
            prop_assert_eq!(outcome.result().states(), states(&truth(&asked, 0)));
        }
    }

    #[test]
    fn whatever_is_lost_no_port_reads_as_what_it_is_not(
        asked in any_plan(),
        loss_percent in 0_u8..60,
        replies_per_second in prop::option::of(1_u64..200),
        duplicates in 0_u8..3,
        delay in 0_u64..2_000,
        overtaking in 0_u64..500,
    ) {
        let (delay, delay_more) = (Duration::from_millis(delay), Duration::from_millis(overtaking));
        let faults = Faults { delay, delay_more, loss_percent, duplicates, replies_per_second, ..Faults::default() };
        let (plan, outcome, truth) = (&asked.0, scan(&asked, faults), truth(&asked, 0));
        prop_assume!(plan.technique != Technique::Idle);
        let allowed = plan.timing.template().tries_max;
        prop_assert!(outcome.probes.values().all(|probes| *probes <= allowed), "{:?}", outcome.probes);
        prop_assert!(outcome.probes.keys().eq(asked.1.keys()), "every port is asked");
        for (cell, state) in outcome.result().states() {
            let (truth, _) = truth[&cell];
            prop_assert!(state == truth || state == silent(plan.technique), "{}: {} is {}", cell, state, truth);
        }
        for (cell, (probes, _)) in evidence(outcome.result()) {
            prop_assert_eq!(probes, Some(outcome.probes[&cell]), "{}", cell);
        }
    }

    #[test]
    fn each_reply_too_many_is_counted(asked in any_plan(), duplicates in 1_u8..5) {
        prop_assume!(asked.0.technique != Technique::Idle);
        let outcome = scan(&asked, Faults { duplicates, ..Faults::default() });
        let answered = truth(&asked, 0).values().filter(|(_, answered)| *answered).count() as u64;
        let result = outcome.result();
        prop_assert_eq!(result.duplicate_replies, answered * u64::from(duplicates));
        prop_assert_eq!(result.late_replies, 0);
    }

    #[test]
    fn the_same_seed_sends_the_same_bytes(asked in any_plan(), loss_percent in 0_u8..30) {
        let once = || {
            let outcome = scan(&asked, Faults { loss_percent, ..Faults::default() });
            (outcome.sent, outcome.packets, outcome.took, outcome.result)
        };
        prop_assert_eq!(once(), once());
    }

    #[test]
    fn no_packet_of_a_stranger_is_believed(asked in any_plan(), noise in any::<[u8; 16]>()) {
        let (mut scan, replies) = first_replies(&asked);
        for mut reply in replies {
            let (head, source, destination) = match reply[0] >> 4 {
                0 => (12, 17, 27),
                4 => (20, 15, 19),
                _ => (40, 23, 39),
            };
            scan.receive(Stamp(2), &reply[..head]);
            scan.receive(Stamp(2), &noise);
            // From another address of the lab; then, to another.
            reply[source] ^= 0x40;
            // RFC 4861, section 4.4: an advertisement says itself whom it is about.
            let anybodys = is_error(&reply) || asked.0.technique == Technique::Arp && head == 40;
            if !anybodys {
                scan.receive(Stamp(2), &reply);
            }
            reply[source] ^= 0x40;
            reply[destination] ^= 0x40;
            scan.receive(Stamp(2), &reply);
        }
        prop_assert!(scan.finish().expect("a result").answered().is_empty());
    }

    #[test]
    fn replies_to_another_scan_are_not_believed(asked in any_plan(), seed in any::<u64>()) {
        let (plan, policies) = &asked;
        let numbered = matches!(plan.technique.protocol(), Protocol::Tcp | Protocol::Sctp);
        prop_assume!(numbered && plan.technique != Technique::Idle && seed != plan.seed);
        let (_, replies) = first_replies(&(ScanPlan { seed, ..plan.clone() }, policies.clone()));
        let (mut scan, _) = first_replies(&asked);
        replies.iter().filter(|reply| !is_error(reply)).for_each(|reply| scan.receive(Stamp(2), reply));
        prop_assert!(scan.finish().expect("a result").answered().is_empty());
    }
}

/// A scan that has sent its first batch, and the replies to that.
fn first_replies((plan, policies): &(ScanPlan, Policies)) -> (Scan, Vec<Vec<u8>>) {
    let mut scan = Scan::new(plan).expect("a plan inside the lab");
    let (mut batch, now) = (Batch::default(), Stamp(1));
    scan.poll_transmit(now, &mut batch);
    if plan.technique == Technique::Idle || plan.evasion.sources == Sources::Spoofed {
        return (scan, Vec::new());
    }
    let mut target = Target::new(plan.technique, policies.clone(), Faults::default(), plan.seed);
    let mut fragments = Fragments::default();
    let whole = batch.iter().filter_map(|packet| fragments.take(packet, plan.evasion.fragment));
    let replies = whole.flat_map(|packet| {
        let sent = Sent::read(&packet);
        target.receive(now, &sent, plan.evasion.decoys.contains(&sent.source))
    });
    (scan, replies.map(|(_, reply)| reply).collect())
}

/// An ICMP error may come from anybody on the way.
fn is_error(packet: &[u8]) -> bool {
    match packet[0] >> 4 {
        4 => packet[9] == 1 && matches!(packet[20], 3 | 11),
        6 => packet[6] == 58 && packet[40] < 128,
        _ => false,
    }
}
