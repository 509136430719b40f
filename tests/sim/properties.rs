//! What must hold for every technique, over both IP versions, whatever the ports, policies, faults and seeds.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use scandrill_model::{Family, PortState, Technique};
use scandrill_scanners::{Order, ScanPlan, Timing, techniques};

use crate::policy::{Policy, any_policy, expected, is_answered, silent};
use crate::target::{Faults, Target};
use crate::world::{plan, run};

type Policies = BTreeMap<u16, Policy>;

/// Longer than the scan may ever take: each port after the other, each asked as often and awaited as long as the
/// template allows.
fn patience(plan: &ScanPlan) -> Duration {
    let template = plan.timing.template();
    let longest = template.wait_max.max(Duration::from_secs(1));
    longest * u32::from(template.tries_max) * u32::try_from(plan.ports.len()).expect("few ports")
}

fn any_technique() -> impl Strategy<Value = Technique> {
    let registered = techniques().iter().map(|probe| probe.technique());
    prop::sample::select(registered.collect::<Vec<_>>())
}

fn any_policies(technique: Technique) -> impl Strategy<Value = Policies> {
    let (ports, most) = if technique == Technique::IcmpEcho { (0..=0, 1) } else { (1..=u16::MAX, 60) };
    prop::collection::btree_map(ports, any_policy(technique), 1..=most)
}

fn any_plan() -> impl Strategy<Value = (ScanPlan, Policies)> {
    let technique = any_technique().prop_flat_map(|technique| (Just(technique), any_policies(technique)));
    let family = prop::sample::select(vec![Family::V4, Family::V6]);
    let timing = prop::sample::select(vec![Timing::T3, Timing::T4, Timing::T5]);
    let order = prop::sample::select(vec![Order::Ascending, Order::Random]);
    (technique, family, timing, order, any::<u64>()).prop_map(
        |((technique, policies), family, timing, order, seed)| {
            (ScanPlan { timing, order, ..plan(technique, family, &policies, seed) }, policies)
        },
    )
}

fn states(technique: Technique, policies: &Policies) -> BTreeMap<u16, PortState> {
    policies.iter().map(|(port, policy)| (*port, expected(technique, *policy))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_port_reads_as_its_policy_says((plan, policies) in any_plan()) {
        let mut target = Target::new(policies.clone(), Faults::default(), plan.seed);
        let outcome = run(&plan, &mut target, patience(&plan));
        prop_assert_eq!(outcome.result.states(), states(plan.technique, &policies));
        for (port, probes) in outcome.probes(plan.technique) {
            let answered = is_answered(plan.technique, policies[&port]);
            prop_assert_eq!(probes, if answered { 1 } else { 3 }, "port {}", port);
        }
        prop_assert_eq!(outcome.result.late_replies, 0);
    }

    #[test]
    fn a_lost_first_probe_changes_nothing((plan, policies) in any_plan(), lost in any::<u64>(), delay in 0_u64..40) {
        let unlucky = policies.keys().enumerate().filter(|(index, _)| lost >> (index % 64) & 1 == 1);
        let lost_first = unlucky.map(|(_, port)| (*port, 1)).collect();
        let faults = Faults { lost_first, delay: Duration::from_millis(delay), ..Faults::default() };
        let outcome = run(&plan, &mut Target::new(policies.clone(), faults, plan.seed), patience(&plan));
        prop_assert_eq!(outcome.result.states(), states(plan.technique, &policies));
    }

    #[test]
    fn whatever_is_lost_no_port_reads_as_what_it_is_not(
        (plan, policies) in any_plan(),
        loss_percent in 0_u8..60,
        replies_per_second in prop::option::of(1_u64..200),
        delay in 0_u64..2_000,
    ) {
        let delay = Duration::from_millis(delay);
        let faults = Faults { delay, loss_percent, replies_per_second, ..Faults::default() };
        let outcome = run(&plan, &mut Target::new(policies.clone(), faults, plan.seed), patience(&plan));
        let allowed = usize::from(plan.timing.template().tries_max);
        let probes = outcome.probes(plan.technique);
        prop_assert!(probes.values().all(|probes| *probes <= allowed), "{:?}", probes);
        prop_assert_eq!(outcome.result.probes_sent, Some(probes.values().sum::<usize>() as u64));
        prop_assert_eq!(probes.keys().copied().collect::<Vec<_>>(), policies.keys().copied().collect::<Vec<_>>());
        for (port, state) in outcome.result.states() {
            let truth = expected(plan.technique, policies[&port]);
            prop_assert!(state == truth || state == silent(plan.technique), "{}: {} is {}", port, state, truth);
        }
    }

    #[test]
    fn the_same_seed_sends_the_same_bytes((plan, policies) in any_plan(), loss_percent in 0_u8..30) {
        let scan = || {
            let faults = Faults { loss_percent, ..Faults::default() };
            let outcome = run(&plan, &mut Target::new(policies.clone(), faults, plan.seed), patience(&plan));
            (outcome.sent, outcome.took)
        };
        prop_assert_eq!(scan(), scan());
    }

    #[test]
    fn no_packet_of_a_stranger_is_believed((plan, policies) in any_plan(), noise in any::<[u8; 16]>()) {
        let mut scan = scandrill_scanners::Scan::new(&plan).expect("a plan inside the lab");
        let mut batch = scandrill_scanners::Batch::default();
        let now = scandrill_model::Stamp(1);
        scan.poll_transmit(now, &mut batch);
        let open = policies.keys().map(|port| (*port, Policy::Open)).collect();
        let mut target = Target::new(open, Faults::default(), plan.seed);
        let answers = batch.iter().filter_map(|packet| target.receive(now, &crate::packet::Sent::read(packet)));
        for (_, mut reply) in answers.collect::<Vec<_>>() {
            scan.receive(now, &reply[..reply.len() / 2]);
            scan.receive(now, &noise);
            // From another address of the lab; then, to another.
            let (source, destination) = if reply[0] >> 4 == 4 { (15, 19) } else { (23, 39) };
            reply[source] ^= 0x40;
            scan.receive(now, &reply);
            reply[source] ^= 0x40;
            reply[destination] ^= 0x40;
            scan.receive(now, &reply);
        }
        prop_assert!(scan.finish().expect("a result").answered().is_empty());
    }
}
