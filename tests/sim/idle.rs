//! The idle scan, through zombies that can be used and such that cannot.

use std::collections::BTreeMap;
use std::time::Duration;

use scandrill_model::{Family, PortSet, PortState, ScanResult, Technique};
use scandrill_scanners::ScanError;

use crate::policy::{Policy, Refusal};
use crate::target::{Faults, Target};
use crate::world::{host, plan, run_through};
use crate::zombie::{Counter, Zombie};

const OPEN: [u16; 4] = [22, 80, 99, 100];

fn scan(zombie: Zombie, faults: Faults) -> Result<ScanResult, ScanError> {
    let refused = Policy::Refuse(Refusal { kind: 3, code: 13 });
    let others = [Policy::Closed, Policy::Drop, refused];
    let mut policies: BTreeMap<u16, Policy> =
        (1..=200).map(|port| (port, others[usize::from(port % 3)])).collect();
    policies.extend(OPEN.map(|port| (port, Policy::Open)));
    let plan = plan(Technique::Idle, Family::V4, &policies, 1);
    let mut target = Target::new(Technique::Idle, policies, faults, 1);
    let outcome = run_through(&plan, &mut target, Some(zombie), Duration::from_secs(600));
    let asked = outcome.sent.iter().filter(|(_, sent)| sent.destination == plan.target);
    assert!(asked.clone().count() > 0 || outcome.result.is_err());
    for (_, sent) in asked {
        assert_eq!(sent.source, host(Family::V4, 9), "the target never hears of the scanner");
    }
    outcome.result
}

fn zombie(counter: Counter, chatter: Option<u64>) -> Zombie {
    Zombie::new(host(Family::V4, 9), counter, chatter.map(Duration::from_millis), 5)
}

fn open(result: &ScanResult) -> PortSet {
    result.ports_in(PortState::Open)
}

#[test]
fn a_zombie_that_counts_tells_what_is_open() {
    let slow = Faults { delay: Duration::from_millis(30), ..Faults::default() };
    for faults in [Faults::default(), slow] {
        // In steps of one or of 256; and where it says a word to somebody else now and then.
        for (counter, chatter) in
            [(Counter::ByOne, None), (Counter::Swapped, None), (Counter::ByOne, Some(1_700))]
        {
            let result = scan(zombie(counter, chatter), faults.clone()).expect("a zombie that counts");
            assert_eq!(open(&result), OPEN.into_iter().collect(), "{counter:?} {chatter:?}");
            assert_eq!(result.ports_in(PortState::ClosedFiltered).len(), 196);
        }
    }
}

#[test]
fn a_zombie_that_tells_nothing_is_an_error_and_never_a_state() {
    let mut silent = zombie(Counter::ByOne, None);
    silent.is_silent = true;
    for (zombie, expected) in [
        (silent, "does not answer"),
        (zombie(Counter::Random, None), "does not count"),
        (zombie(Counter::Still, None), "stands still"),
        (zombie(Counter::ByOne, Some(7)), "does not count"),
    ] {
        let Err(ScanError::Zombie { why, .. }) = scan(zombie, Faults::default()) else {
            panic!("{expected}")
        };
        assert!(why.contains(expected), "{why}");
    }
}
