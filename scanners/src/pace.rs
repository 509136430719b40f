//! When probes may leave: as data, and as a schedule that reads no clock. A rate is kept by a plan of departures, not by the
//! time since the last one, so that what left late is caught up with and the mean stays right.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scandrill_model::{Millis, Stamp};
use serde::{Deserialize, Serialize};

use crate::plan::ScanPlan;

/// How probes are spaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Time from one probe to the next; `None` leaves the pace to the template and the target's answers.
    pub interval: Option<Duration>,
    /// Each interval is longer or shorter by up to so many hundredths of it, by the seed; the mean stays.
    pub jitter_percent: u8,
    /// Pauses between bursts.
    pub burst: Option<Burst>,
}

/// So many probes, then nothing for a while, and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// Probes of a burst; at least one.
    pub probes: u32,
    /// From the last probe of a burst to the first of the next.
    pub pause: Millis,
}

/// How far behind its plan a scan may be and still catch up, if that is more than half an interval; what is beyond is
/// left out. A scan that waited long for a processor must not make a burst of it that the plan does not know.
const CATCH_UP: Duration = Duration::from_millis(20);

/// The plan of departures.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    interval: Duration,
    jitter_percent: u8,
    burst: Option<Burst>,
    random: ChaCha8Rng,
    /// When the next probe is due; `None` before the first.
    due: Option<Stamp>,
    left: u32,
}

impl Schedule {
    /// Nothing has left yet; the first probe may at any time.
    pub(crate) fn new(plan: &ScanPlan) -> Self {
        Self {
            interval: plan.interval(),
            jitter_percent: plan.pace.jitter_percent.min(100),
            burst: plan.pace.burst,
            random: ChaCha8Rng::seed_from_u64(plan.seed ^ 0x7061_6365),
            due: None,
            left: plan.pace.burst.map_or(0, |burst| burst.probes),
        }
    }

    /// When the next probe may leave.
    pub(crate) fn due(&self) -> Stamp {
        self.due.unwrap_or_default()
    }

    /// A probe leaves at `now`.
    pub(crate) fn on_probe(&mut self, now: Stamp) {
        let gap = self.gap();
        if gap.is_zero() {
            return;
        }
        let latest = now - CATCH_UP.max(self.interval / 2);
        self.due = Some(self.due.map_or(now, |due| due.max(latest)) + gap);
    }

    fn gap(&mut self) -> Duration {
        let interval = match (self.jitter_percent, self.interval.is_zero()) {
            (0, _) | (_, true) => self.interval,
            (percent, false) => {
                let off = self.random.random_range(-1.0..=1.0) * f64::from(percent) / 100.0;
                self.interval.mul_f64(1.0 + off)
            }
        };
        let Some(burst) = self.burst else { return interval };
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return interval;
        }
        self.left = burst.probes;
        interval.max(burst.pause.into())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use scandrill_model::{PortSet, Technique};

    use super::*;

    fn schedule(pace: Pace) -> Schedule {
        let (source, target) = (Ipv4Addr::new(198, 18, 0, 2).into(), Ipv4Addr::new(198, 18, 0, 1).into());
        let plan = ScanPlan::new(Technique::TcpSyn, source, target, PortSet::one(1), 7);
        Schedule::new(&ScanPlan { pace, ..plan })
    }

    /// Departures of so many probes, each as soon as it may, but every poll `late` too late.
    fn departures(pace: Pace, count: usize, late: Duration) -> Vec<Duration> {
        let (mut schedule, start) = (schedule(pace), Stamp(1_000_000_000_000));
        let mut now = start;
        (0..count)
            .map(|_| {
                now = now.max(schedule.due() + late);
                schedule.on_probe(now);
                now.since(start)
            })
            .collect()
    }

    fn every(interval: Duration) -> Pace {
        Pace { interval: Some(interval), ..Pace::default() }
    }

    #[test]
    fn a_rate_is_kept_although_each_probe_is_late() {
        for (interval, late) in [(Duration::from_micros(100), 60), (Duration::from_millis(250), 1_000)] {
            let times = departures(every(interval), 1_001, Duration::from_micros(late));
            let mean = times[1_000] / 1_000;
            assert!(mean.abs_diff(interval) <= interval / 100, "{mean:?} for {interval:?}");
        }
    }

    #[test]
    fn what_was_long_late_makes_no_burst() {
        let mut schedule = schedule(every(Duration::from_millis(1)));
        let start = Stamp(1_000_000_000_000);
        schedule.on_probe(start);
        let late = start + Duration::from_secs(5);
        let mut burst = 0;
        while schedule.due() <= late {
            schedule.on_probe(late);
            burst += 1;
        }
        assert!(burst <= 21, "{burst} probes at once");
    }

    #[test]
    fn jitter_keeps_the_mean() {
        let pace = Pace { jitter_percent: 50, ..every(Duration::from_millis(10)) };
        let times = departures(pace, 5_001, Duration::ZERO);
        let mean = times[5_000] / 5_000;
        assert!(mean.abs_diff(Duration::from_millis(10)) < Duration::from_micros(300), "{mean:?}");
        let gaps: Vec<Duration> = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
        assert!(
            gaps.iter().min() < Some(&Duration::from_millis(6))
                && gaps.iter().max() > Some(&Duration::from_millis(14))
        );
    }

    #[test]
    fn bursts_are_followed_by_pauses() {
        let burst = Some(Burst { probes: 3, pause: Millis(500) });
        let times = departures(Pace { burst, ..every(Duration::from_millis(1)) }, 7, Duration::ZERO);
        assert_eq!(
            times.iter().map(Duration::as_millis).collect::<Vec<_>>(),
            [0, 1, 2, 502, 503, 504, 1_004]
        );
    }
}
