//! A scenario's rate is kept, from one probe in five minutes to 100,000 a second.

use std::collections::BTreeMap;
use std::time::Duration;

use scandrill_model::{Family, Millis, Technique};
use scandrill_scanners::{Burst, Pace};

use crate::policy::Policy;
use crate::target::{Faults, Target};
use crate::world::{plan, run};
use scandrill_scanners::ScanPlan;

/// Enough for the mean of half-width jitter to be right within a third of a percent.
const PORTS: u16 = 10_000;

/// The mean time between two departures of a scan whose host wakes late.
fn mean(pace: Pace, wakes_late: Duration) -> Duration {
    let policies: BTreeMap<u16, Policy> = (1..=PORTS).map(|port| (port, Policy::Closed)).collect();
    let plan = ScanPlan { pace, ..plan(Technique::TcpSyn, Family::V4, &policies, 3) };
    let faults = Faults { wakes_late, ..Faults::default() };
    let mut target = Target::new(plan.technique, policies, faults, 3);
    let outcome = run(&plan, &mut target, Duration::from_secs(50 * 24 * 3_600));
    assert_eq!(outcome.sent.len(), usize::from(PORTS), "every port answers its first probe");
    let [first, .., last] = outcome.sent.as_slice() else { panic!("two at least") };
    last.0.saturating_sub(first.0) / u32::from(PORTS - 1)
}

#[track_caller]
fn assert_within_a_hundredth(measured: Duration, meant: Duration, what: &str) {
    assert!(measured.abs_diff(meant) * 100 <= meant, "{what}: {measured:?} is not {meant:?}");
}

#[test]
fn a_rate_is_kept_within_a_hundredth_from_five_minutes_to_ten_microseconds() {
    for micros in [10, 100, 1_000, 10_000, 1_000_000, 300_000_000] {
        let interval = Duration::from_micros(micros);
        for wakes_late in [Duration::ZERO, Duration::from_micros(60)] {
            let pace = Pace { interval: Some(interval), ..Pace::default() };
            assert_within_a_hundredth(mean(pace, wakes_late), interval, "even");
            let pace = Pace { jitter_percent: 50, ..pace };
            assert_within_a_hundredth(mean(pace, wakes_late), interval, "jittered");
        }
    }
}

#[test]
fn bursts_and_their_pauses_are_kept_within_a_hundredth() {
    for (micros, probes, pause) in [(10, 100, 20), (1_000, 10, 500), (1_000_000, 4, 300_000)] {
        let interval = Duration::from_micros(micros);
        let burst = Some(Burst { probes, pause: Millis(pause) });
        let pace = Pace { interval: Some(interval), burst, ..Pace::default() };
        let meant = (interval * (probes - 1) + Duration::from_millis(pause)) / probes;
        assert_within_a_hundredth(mean(pace, Duration::from_micros(60)), meant, "in bursts");
    }
}
