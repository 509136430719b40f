//! Any plan that there may be: technique, IP version, ports and what happens to them, evasions, order, pace.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use scandrill_model::{Asks, Family, Millis, TcpFlags, Technique};
use scandrill_scanners::{
    Burst, Evasion, Order, Pace, Scan, ScanPlan, Sources, SynShape, Timing, techniques,
};
use strum::IntoEnumIterator;

use crate::policy::{Policy, any_policy};
use crate::world::{host, plan};

/// Cells, and what happens to packets for them.
pub type Policies = BTreeMap<u16, Policy>;

/// Every technique over every IP version that has it.
pub fn any_technique() -> impl Strategy<Value = (Technique, Family)> {
    let each = techniques().iter().map(|probe| probe.technique());
    let each = each.flat_map(|technique| Family::iter().map(move |family| (technique, family)));
    let each = each.filter(|(technique, family)| technique.exists_over(*family)).collect::<Vec<_>>();
    (prop::sample::select(each), 0..0x40_u8).prop_map(|((technique, family), flags)| match technique {
        Technique::TcpFlags(_) => (Technique::TcpFlags(TcpFlags(flags)), family),
        other => (other, family),
    })
}

/// Policies of so many cells.
pub fn any_policies(technique: Technique, family: Family) -> impl Strategy<Value = Policies> {
    let (cells, most) = match technique.asks() {
        Asks::Ports => (1..=u16::MAX, 60),
        Asks::Protocols => (0..=255, 60),
        Asks::Host => (0..=0, 1),
    };
    prop::collection::btree_map(cells, any_policy(technique, family), 1..=most).prop_map(
        move |mut policies| {
            // Without a body it is no fragment header, with a random one it is a wrong one.
            if technique == Technique::IpProtocol && family == Family::V6 {
                policies.remove(&44);
                policies.entry(6).or_insert(Policy::Open);
            }
            policies
        },
    )
}

/// A plan with whatever evasions it can have.
pub fn any_plan() -> impl Strategy<Value = (ScanPlan, Policies)> {
    let asked = any_technique()
        .prop_flat_map(|(technique, family)| (Just((technique, family)), any_policies(technique, family)));
    let timing = prop::sample::select(Timing::iter().collect::<Vec<_>>());
    let order = prop::sample::select(Order::iter().collect::<Vec<_>>());
    (asked, timing, order, any_pace(), any_wishes(), any::<u64>()).prop_map(
        |(((technique, family), policies), timing, order, pace, wishes, seed)| {
            let plain = ScanPlan { timing, order, pace, ..plan(technique, family, &policies, seed) };
            (wishes.into_iter().fold(plain, |plan, wish| granted(plan, &wish)), policies)
        },
    )
}

fn any_pace() -> impl Strategy<Value = Pace> {
    let interval = prop_oneof![3 => Just(None), 1 => (0_u64..50_000).prop_map(Some)];
    let burst = prop_oneof![3 => Just(None), 1 => (1_u32..9, 1_u64..90).prop_map(Some)];
    (interval, 0..=100_u8, burst).prop_map(|(interval, jitter_percent, burst)| Pace {
        interval: interval.map(Duration::from_micros),
        jitter_percent,
        burst: burst.map(|(probes, pause)| Burst { probes, pause: Millis(pause) }),
    })
}

/// One evasion.
#[derive(Clone, Debug)]
pub enum Wish {
    SourcePort(u16),
    Decoys(u8),
    Spoofed,
    Pool(u32),
    Fragment(u16),
    Ttl(u8),
    BadChecksum,
    DataLength(u16),
    Syn(SynShape),
}

fn any_wishes() -> impl Strategy<Value = Vec<Wish>> {
    let wish = prop_oneof![
        any::<u16>().prop_map(Wish::SourcePort),
        (1_u8..6).prop_map(Wish::Decoys),
        Just(Wish::Spoofed),
        (1_u32..200).prop_map(Wish::Pool),
        (1_u16..6).prop_map(|eights| Wish::Fragment(eights * 8)),
        (1_u8..=255).prop_map(Wish::Ttl),
        Just(Wish::BadChecksum),
        (1_u16..64).prop_map(Wish::DataLength),
        prop::sample::select(SynShape::iter().collect::<Vec<_>>()).prop_map(Wish::Syn),
    ];
    prop_oneof![1 => Just(Vec::new()), 2 => prop::collection::vec(wish, 1..5)]
}

/// The plan with that wish, where its technique can have it.
fn granted(plan: ScanPlan, wish: &Wish) -> ScanPlan {
    let family = Family::of(plan.target);
    let evasion = plan.evasion.clone();
    let evasion = match wish {
        Wish::SourcePort(port) => Evasion { source_port: Some(*port), ..evasion },
        Wish::Decoys(count) => {
            Evasion { decoys: (20..20 + count).map(|number| host(family, number)).collect(), ..evasion }
        }
        Wish::Spoofed => Evasion { sources: Sources::Spoofed, ..evasion },
        Wish::Pool(count) => Evasion { sources: pool(family, *count), ..evasion },
        Wish::Fragment(size) => Evasion { fragment: Some(*size), ..evasion },
        Wish::Ttl(ttl) => Evasion { ttl: Some(*ttl), ..evasion },
        Wish::BadChecksum => Evasion { bad_checksum: true, ..evasion },
        Wish::DataLength(length) => Evasion { data_length: *length, ..evasion },
        Wish::Syn(syn) => Evasion { syn: *syn, ..evasion },
    };
    let wished = ScanPlan { evasion, ..plan.clone() };
    if Scan::new(&wished).is_ok() { wished } else { plan }
}

/// So many addresses of a prefix that is routed to the scanner.
pub fn pool(family: Family, count: u32) -> Sources {
    let prefix = if family == Family::V4 { "198.18.3.0/24" } else { "fd00:198:18:3::/64" };
    Sources::Pool { prefix: prefix.parse().expect("a prefix"), count }
}
