//! Behaviour that has one right answer: pace, patience, size, handshakes, late replies, refusals.

use std::collections::BTreeMap;
use std::time::Duration;

use scandrill_model::{Family, PortState, Technique};
use scandrill_scanners::{Order, Scan, ScanError, ScanPlan, Timing};

use crate::packet::Kind;
use crate::policy::Policy;
use crate::target::{Faults, Target};
use crate::world::{paced, plan, run};

fn all(ports: std::ops::RangeInclusive<u16>, policy: Policy) -> BTreeMap<u16, Policy> {
    ports.map(|port| (port, policy)).collect()
}

fn target(policies: &BTreeMap<u16, Policy>, faults: Faults) -> Target {
    asked_by(Technique::TcpSyn, policies, faults)
}

fn asked_by(technique: Technique, policies: &BTreeMap<u16, Policy>, faults: Faults) -> Target {
    Target::new(technique, policies.clone(), faults, 7)
}

const PATIENCE: Duration = Duration::from_secs(3_600);

#[test]
fn every_port_there_is_is_asked_once_and_read() {
    for family in [Family::V4, Family::V6] {
        let mut policies = all(1..=u16::MAX, Policy::Closed);
        policies.extend([(22, Policy::Open), (65_535, Policy::Open)]);
        let outcome = run(
            &plan(Technique::TcpSyn, family, &policies, 1),
            &mut target(&policies, Faults::default()),
            PATIENCE,
        );
        assert_eq!(outcome.result().ports_in(PortState::Open).to_string(), "22,65535");
        assert_eq!(outcome.result().ports_in(PortState::Closed).len(), 65_533);
        assert_eq!(outcome.result().probes_sent, Some(65_535));
    }
}

#[test]
fn replies_on_their_way_never_exceed_half_of_a_small_receive_queue() {
    let policies = all(1..=20_000, Policy::Closed);
    for (timing, delay) in [(Timing::T3, 30), (Timing::T4, 8), (Timing::T5, 4)] {
        let faults = Faults { delay: Duration::from_millis(delay), ..Faults::default() };
        let plan = ScanPlan { timing, ..plan(Technique::TcpSyn, Family::V4, &policies, 1) };
        let outcome = run(&plan, &mut asked_by(plan.technique, &policies, faults), PATIENCE);
        assert!(outcome.replies_at_once <= 128, "{timing}: {}", outcome.replies_at_once);
        assert_eq!(outcome.result().probes_sent, Some(20_000), "slow replies are no lost ones");
    }
}

#[test]
fn silent_ports_are_asked_three_times_and_awaited_longest_at_the_end() {
    let mut policies = all(1..=1_000, Policy::Drop);
    let quiet = plan(Technique::TcpSyn, Family::V4, &policies, 1);
    let outcome = run(&quiet, &mut target(&policies, Faults::default()), PATIENCE);
    assert!(outcome.took <= Duration::from_millis(300), "{:?}", outcome.took);
    assert_eq!(outcome.result().probes_sent, Some(3_000));
    assert_eq!(outcome.result().groups[0].probes, Some(3));
    policies.insert(80, Policy::Open);
    let outcome = run(&quiet, &mut target(&policies, Faults::default()), PATIENCE);
    assert_eq!(outcome.result().probes_sent, Some(2_998));
}

#[test]
fn an_interval_is_the_least_time_between_two_probes() {
    let policies = all(1..=40, Policy::Closed);
    for family in [Family::V4, Family::V6] {
        let plan = paced(plan(Technique::TcpSyn, family, &policies, 1), 250);
        let outcome = run(&plan, &mut asked_by(plan.technique, &policies, Faults::default()), PATIENCE);
        let times: Vec<Duration> = outcome.sent.iter().map(|(at, _)| *at).collect();
        assert!(
            times.windows(2).all(|pair| pair[1].saturating_sub(pair[0]) == Duration::from_millis(250)),
            "{times:?}"
        );
    }
}

#[test]
fn a_polite_scan_asks_one_port_at_a_time_with_nmaps_delay() {
    for (timing, delay) in [(Timing::T2, 400), (Timing::T1, 15_000), (Timing::T0, 300_000)] {
        let policies = all(1..=5, Policy::Drop);
        let plan = ScanPlan { timing, ..plan(Technique::TcpSyn, Family::V4, &policies, 1) };
        let outcome = run(&plan, &mut target(&policies, Faults::default()), PATIENCE * 10);
        let times: Vec<Duration> = outcome.sent.iter().map(|(at, _)| *at).collect();
        let least = Duration::from_millis(delay).max(timing.template().wait_initial);
        assert!(times.windows(2).all(|pair| pair[1].saturating_sub(pair[0]) >= least), "{timing} {times:?}");
    }
}

#[test]
fn an_accepted_connection_is_completed_and_reset() {
    let policies = BTreeMap::from([(22, Policy::Open), (23, Policy::Closed), (24, Policy::Drop)]);
    for family in [Family::V4, Family::V6] {
        let mut target = asked_by(Technique::TcpConnect, &policies, Faults::default());
        let outcome = run(&plan(Technique::TcpConnect, family, &policies, 3), &mut target, PATIENCE);
        assert_eq!(target.closed.iter().copied().collect::<Vec<_>>(), [22]);
        assert_eq!(outcome.sent.len(), 1 + 2 + 1 + 3, "handshake and reset; one refusal; three unanswered");
        assert_eq!(outcome.result().probes_sent, Some(5));
    }
}

#[test]
fn a_scan_that_never_connects_leaves_a_connection_half_open() {
    let policies = BTreeMap::from([(22, Policy::Open)]);
    let mut target = target(&policies, Faults::default());
    let outcome = run(&plan(Technique::TcpSyn, Family::V4, &policies, 3), &mut target, PATIENCE);
    assert_eq!((outcome.sent.len(), target.closed.len()), (1, 0));
}

#[test]
fn a_reply_to_a_port_that_was_given_up_is_late_and_changes_nothing() {
    // Replies take longer than T5 waits. Port 1's second try proves loss, which earns the others the last try that
    // T5 has; those that are given up then are answered later still.
    let policies = all(1..=100, Policy::Closed);
    let (delay, lost_first) = (Duration::from_secs(4), BTreeMap::from([(1, 1)]));
    let faults = Faults { delay, lost_first, ..Faults::default() };
    let plan = paced(plan(Technique::TcpSyn, Family::V4, &policies, 1), 100);
    let plan = ScanPlan { timing: Timing::T5, order: Order::Ascending, ..plan };
    let outcome = run(&plan, &mut asked_by(plan.technique, &policies, faults), PATIENCE);
    let silent = outcome.result().ports_in(PortState::Filtered).len();
    assert!(outcome.result().late_replies > 0 && silent > 0, "{:?}", outcome.result());
}

#[test]
fn loss_that_is_proven_earns_every_port_more_tries() {
    let mut policies = all(1..=1_000, Policy::Closed);
    policies.insert(1_001, Policy::Drop);
    let lost_first = (1..=100).map(|port| (port, 1)).collect();
    let faults = Faults { lost_first, ..Faults::default() };
    let plan = plan(Technique::TcpSyn, Family::V4, &policies, 1);
    let outcome = run(&plan, &mut asked_by(plan.technique, &policies, faults), PATIENCE);
    assert_eq!(outcome.result().ports_in(PortState::Closed).to_string(), "1-1000");
    assert_eq!(outcome.probes[&1_001], 6, "one probe in eleven was lost: 1001 / 11^6 < 0.001");
    let faults = Faults { loss_percent: 30, ..Faults::default() };
    let outcome = run(&plan, &mut asked_by(plan.technique, &policies, faults), PATIENCE);
    let tries = outcome.probes[&1_001];
    assert_eq!(tries, 16, "half of all is lost, which asks for more tries than there are");
}

#[test]
fn random_loss_costs_tries_and_never_truth() {
    for (loss_percent, within) in [(5, 400), (20, 1_500)] {
        for seed in 0..10 {
            let mut policies = all(1..=5_000, Policy::Closed);
            policies.extend((1..=500).map(|tenth| (tenth * 10, Policy::Open)));
            let faults = Faults { loss_percent, ..Faults::default() };
            let plan = plan(Technique::TcpSyn, Family::V4, &policies, seed);
            let outcome = run(&plan, &mut asked_by(plan.technique, &policies, faults), PATIENCE);
            assert_eq!(outcome.result().ports_in(PortState::Open).len(), 500, "{loss_percent} % {seed}");
            assert_eq!(outcome.result().ports_in(PortState::Closed).len(), 4_500, "{loss_percent} % {seed}");
            assert!(outcome.took < Duration::from_millis(within), "{:?}", outcome.took);
        }
    }
}

#[test]
fn a_target_that_limits_its_icmp_errors_is_read_at_its_own_pace() {
    let policies = all(1..=1_000, Policy::Closed);
    let faults = Faults { replies_per_second: Some(1_000), burst: 50, ..Faults::default() };
    let plan = plan(Technique::Udp, Family::V4, &policies, 1);
    let outcome = run(&plan, &mut asked_by(plan.technique, &policies, faults), PATIENCE);
    assert_eq!(outcome.result().ports_in(PortState::Closed).len(), 1_000);
    assert!(outcome.took <= Duration::from_millis(1_200), "{:?}", outcome.took);
}

#[test]
fn a_target_too_slow_to_be_read_is_called_rate_limited_and_one_that_falls_silent_is_not() {
    let policies = all(1..=1_000, Policy::Closed);
    let plan = plan(Technique::Udp, Family::V4, &policies, 1);
    let read = |faults| {
        let outcome = run(&plan, &mut asked_by(plan.technique, &policies, faults), PATIENCE);
        assert!(outcome.took <= Duration::from_secs(3), "{:?}", outcome.took);
        let silent = outcome.result().groups.iter().filter(|group| group.state == PortState::OpenFiltered);
        silent.map(|group| group.reason.0.clone()).collect::<std::collections::BTreeSet<_>>()
    };
    let limited = Faults { replies_per_second: Some(1), burst: 6, ..Faults::default() };
    assert_eq!(Vec::from_iter(read(limited)), ["rate-limited"]);
    let banned = Faults { replies_max: Some(6), ..Faults::default() };
    assert_eq!(Vec::from_iter(read(banned)), ["no-response"]);
}

#[test]
fn a_limit_is_seen_however_late_the_first_answers_are_heard() {
    let policies = all(1..=100, Policy::Closed);
    let plan = plan(Technique::Udp, Family::V4, &policies, 1);
    for delay in [0, 2, 8, 15].map(Duration::from_millis) {
        let faults = Faults { replies_per_second: Some(1), burst: 6, delay, ..Faults::default() };
        let outcome = run(&plan, &mut asked_by(plan.technique, &policies, faults), PATIENCE);
        for group in &outcome.result().groups {
            let told = (group.state, group.reason.0.as_str());
            let due = [(PortState::Closed, "port-unreach"), (PortState::OpenFiltered, "rate-limited")];
            assert!(due.contains(&told), "{delay:?}: {group:?}");
        }
    }
}

#[test]
fn a_rate_limited_target_is_read_to_its_last_port() {
    let policies = all(20..=36, Policy::Closed);
    for technique in [Technique::Udp, Technique::TcpSyn, Technique::TcpConnect, Technique::TcpXmas] {
        for seed in 0..20 {
            let faults = Faults { replies_per_second: Some(20), ..Faults::default() };
            let plan = plan(technique, Family::V6, &policies, seed);
            let outcome = run(&plan, &mut asked_by(plan.technique, &policies, faults), PATIENCE);
            assert_eq!(outcome.result().ports_in(PortState::Closed), plan.ports, "{technique} {seed}");
        }
    }
}

#[test]
fn well_known_services_are_asked_in_their_own_words_and_others_with_nothing() {
    let policies = all(1..=1_000, Policy::Open);
    let plan = plan(Technique::Udp, Family::V6, &policies, 1);
    let outcome = run(&plan, &mut asked_by(plan.technique, &policies, Faults::default()), PATIENCE);
    let mut spoken_to = std::collections::BTreeSet::new();
    for (_, sent) in &outcome.sent {
        let Kind::Udp { port, payload, .. } = &sent.kind else { panic!("{sent:?}") };
        if !payload.is_empty() {
            spoken_to.insert(*port);
        }
    }
    assert!([53, 123, 161].iter().all(|port| spoken_to.contains(port)), "{spoken_to:?}");
    assert!(spoken_to.len() < 50, "{spoken_to:?}");
}

#[test]
fn ports_are_asked_in_the_order_of_the_plan() {
    let policies = all(1..=100, Policy::Closed);
    let shuffled = plan(Technique::TcpFin, Family::V4, &policies, 1);
    let ports = |plan: &ScanPlan| {
        let outcome = run(plan, &mut asked_by(plan.technique, &policies, Faults::default()), PATIENCE);
        outcome.sent.iter().map(|(_, sent)| sent.port()).collect::<Vec<_>>()
    };
    let ascending: Vec<u16> = (1..=100).collect();
    assert_eq!(ports(&ScanPlan { order: Order::Ascending, ..shuffled.clone() }), ascending);
    assert_ne!(ports(&shuffled), ascending);
    assert_ne!(ports(&shuffled), ports(&ScanPlan { seed: 2, ..shuffled.clone() }));
    assert_eq!(ports(&ScanPlan { order: Order::Popular, ..shuffled.clone() })[..3], [80, 23, 21]);
}

#[test]
fn what_lies_outside_the_lab_is_never_scanned() {
    let policies = all(1..=1, Policy::Open);
    let inside = plan(Technique::TcpSyn, Family::V4, &policies, 1);
    let refusal = |source: &str, target: &str| {
        let (source, target) = (source.parse().unwrap(), target.parse().unwrap());
        Scan::new(&ScanPlan { source, target, ..inside.clone() }).err()
    };
    for (source, target, outside) in [
        ("198.18.0.2", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1", "198.18.0.1", "10.0.0.1"),
        ("fd00:198:18::2", "2001:db8::1", "2001:db8::1"),
    ] {
        let Some(ScanError::OutsideLab { outside: named, .. }) = refusal(source, target) else {
            panic!("{target}")
        };
        assert_eq!(named.to_string(), outside);
    }
    assert!(matches!(refusal("198.18.0.2", "fd00:198:18::1"), Some(ScanError::MixedFamilies { .. })));
    let empty = ScanPlan { ports: scandrill_model::PortSet::default(), ..inside };
    assert_eq!(Scan::new(&empty).err(), Some(ScanError::NoPorts(Technique::TcpSyn)));
}
