//! A scan cut into parts, and many targets in one run.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scandrill_model::{Asks, Family, PortState, ScanResult, Stamp, Technique};
use scandrill_scanners::{Batch, ScanPlan, Sweep, techniques};

use crate::packet::Sent;
use crate::policy::{Policy, Refusal};
use crate::target::{Faults, Target};
use crate::world::{START, plan, run};

type Policies = BTreeMap<u16, Policy>;

const PATIENCE: Duration = Duration::from_secs(3_600);

fn policies(technique: Technique, count: usize, random: &mut ChaCha8Rng) -> Policies {
    let known = match technique.asks() {
        Asks::Host => vec![Policy::Open, Policy::Drop],
        Asks::Ports | Asks::Protocols => {
            let refused = Policy::Refuse(Refusal { kind: 1, code: 1 });
            vec![Policy::Open, Policy::Closed, Policy::Drop, refused]
        }
    };
    let cells: BTreeSet<u16> = match technique.asks() {
        Asks::Host => BTreeSet::from([0]),
        Asks::Protocols => [1, 6, 17, 47, 132].into(),
        Asks::Ports => (0..count).map(|_| random.random_range(1..=u16::MAX)).collect(),
    };
    cells.into_iter().map(|cell| (cell, *known.choose(random).expect("some"))).collect()
}

#[test]
fn parts_of_a_scan_read_together_what_one_scan_reads() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for family in [Family::V4, Family::V6] {
        for technique in [Technique::TcpSyn, Technique::TcpConnect, Technique::TcpXmas, Technique::SctpInit] {
            let policies = policies(technique, 5_000, &mut random);
            let whole = plan(technique, family, &policies, 9);
            let parts = whole.shards(2);
            assert_eq!(parts.len(), 2);
            let read = |plan: &ScanPlan| {
                let mut target = Target::new(technique, policies.clone(), Faults::default(), 1);
                run(plan, &mut target, PATIENCE).result.expect("a result")
            };
            let sent: BTreeSet<_> = parts.iter().filter_map(ScanPlan::source_ports).flatten().collect();
            assert!(sent.is_empty() || sent.len() == 32, "each part has source ports of its own");
            let merged = ScanResult::merge(parts.iter().map(read).collect());
            assert_eq!(merged, read(&whole), "{technique}");
        }
    }
}

/// Plans of 256 targets, each of a technique in turn.
fn hosts(family: Family) -> Vec<(ScanPlan, Policies)> {
    let asked: Vec<Technique> = techniques().iter().map(|probe| probe.technique()).collect();
    let fit = |technique: &&Technique| technique.exists_over(family) && **technique != Technique::Idle;
    let asked: Vec<Technique> = asked.iter().filter(fit).copied().collect();
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let host = |number: u8, technique: Technique, random: &mut ChaCha8Rng| {
        let policies = policies(technique, 12, random);
        let target: IpAddr = match family {
            Family::V4 => [198, 18, 9, number].into(),
            Family::V6 => [0xfd00, 0x198, 0x18, 9, 0, 0, 0, number.into()].into(),
        };
        (ScanPlan { target, ..plan(technique, family, &policies, number.into()) }, policies)
    };
    (0..=u8::MAX).zip(asked.iter().cycle()).map(|(number, asked)| host(number, *asked, &mut random)).collect()
}

fn faults() -> Faults {
    Faults { delay: Duration::from_millis(2), ..Faults::default() }
}

fn sweep(hosts: &[(ScanPlan, Policies)]) -> BTreeMap<IpAddr, ScanResult> {
    let mut sweep = Sweep::new(hosts.iter().map(|(plan, _)| plan.clone()).collect()).expect("plans");
    let target = |(plan, policies): &(ScanPlan, Policies)| {
        (plan.target, Target::new(plan.technique, policies.clone(), faults(), plan.seed))
    };
    let mut targets: BTreeMap<IpAddr, Target> = hosts.iter().map(target).collect();
    let (mut now, mut batch) = (START, Batch::default());
    let mut on_their_way: BTreeMap<(Stamp, usize), Vec<u8>> = BTreeMap::new();
    let (mut departures, mut stands) = (0, 0);
    while !sweep.is_finished() {
        sweep.poll_transmit(now, &mut batch).expect("scans of ports do not fail");
        let sent = batch.len();
        for packet in batch.iter() {
            let sent = Sent::read(packet);
            let asked = if let crate::packet::Kind::Solicitation(asked) = sent.kind {
                asked
            } else {
                sent.destination
            };
            let target = targets.get_mut(&asked).expect("one of the targets");
            for (arrival, reply) in target.receive(now, &sent, false) {
                departures += 1;
                on_their_way.insert((arrival, departures), reply);
            }
        }
        batch.clear();
        let mut received = 0;
        while let Some(first) = on_their_way.first_entry().filter(|first| first.key().0 <= now) {
            sweep.receive(now, &first.remove());
            received += 1;
        }
        let next = sweep.next_timeout();
        assert!(next.is_some() || sweep.is_finished(), "who is not finished says when he goes on");
        if sent == 0 && received == 0 && !sweep.is_finished() {
            let next = on_their_way.keys().map(|(at, _)| *at).next().into_iter().chain(next).min();
            let next = next.expect("something to wait for");
            // Once, when an ended scan has just made room for the next.
            stands = if next > now { 0 } else { stands + 1 };
            assert!(stands < 2, "the sweep stands still");
            now = now.max(next);
        }
        assert!(now.since(START) < PATIENCE);
    }
    sweep.finish().expect("results")
}

#[test]
fn each_target_of_a_sweep_reads_as_by_a_scan_of_its_own() {
    for family in [Family::V4, Family::V6] {
        let hosts = hosts(family);
        let results = sweep(&hosts);
        assert_eq!(results.len(), 256);
        let mut read = BTreeSet::new();
        for (plan, policies) in hosts {
            let mut target = Target::new(plan.technique, policies, faults(), plan.seed);
            let alone = run(&plan, &mut target, PATIENCE);
            let states = results[&plan.target].states();
            assert_eq!(states, alone.result().states(), "{} of {}", plan.technique, plan.target);
            read.extend(states.into_values());
        }
        let all = [PortState::Open, PortState::Closed, PortState::Filtered, PortState::Unfiltered];
        assert!(all.iter().all(|state| read.contains(state)), "{read:?}");
    }
}
