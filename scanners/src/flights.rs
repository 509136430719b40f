//! Probes on their way, and when each counts as unanswered.
//!
//! A first and a second try wait for one timeout, as nmap's do. Each later try, which is made only where loss is
//! proven, waits twice as long as the one before (RFC 6298, section 5.5): where replies are rate limited, tries
//! that follow each other too fast are all used up between two replies. nmap gets the same from its growing scan
//! delay and its wait before each new try (`boostScanDelay`, `rate_limit_detection_info`).

use std::collections::VecDeque;
use std::time::Duration;

use scandrill_model::Stamp;

/// A probe on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flight {
    /// The asked port.
    pub port: u16,
    /// Which try, from 0.
    pub attempt: u8,
    /// When it left.
    pub sent: Stamp,
}

/// All probes on their way, in a lane for each try, so that each lane is in the order of its deadlines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights {
    lanes: Vec<VecDeque<Flight>>,
}

impl Flights {
    /// A probe leaves.
    pub(crate) fn push(&mut self, flight: Flight) {
        let lane = usize::from(flight.attempt);
        if self.lanes.len() <= lane {
            self.lanes.resize_with(lane + 1, VecDeque::new);
        }
        self.lanes[lane].push_back(flight);
    }

    /// Drops probes from the fronts that nobody waits for any more.
    pub(crate) fn forget(&mut self, is_awaited: impl Fn(&Flight) -> bool) {
        for lane in &mut self.lanes {
            while lane.front().is_some_and(|flight| !is_awaited(flight)) {
                lane.pop_front();
            }
        }
    }

    /// Takes out a probe whose deadline has passed.
    pub(crate) fn pop_expired(&mut self, now: Stamp, timeout: Duration) -> Option<Flight> {
        let is_due = |flight: &Flight| now.since(flight.sent) >= wait(flight.attempt, timeout);
        let due = self.lanes.iter_mut().find(|lane| lane.front().is_some_and(is_due));
        due.and_then(VecDeque::pop_front)
    }

    /// The next deadline.
    pub(crate) fn next_deadline(&self, timeout: Duration) -> Option<Stamp> {
        let fronts = self.lanes.iter().filter_map(VecDeque::front);
        fronts.map(|flight| flight.sent + wait(flight.attempt, timeout)).min()
    }
}

/// Doubling ends here: even a limit of one reply a second lets something through by then.
const DOUBLED_MAX: Duration = Duration::from_secs(1);

fn wait(attempt: u8, timeout: Duration) -> Duration {
    let doublings = u32::from(attempt.saturating_sub(1)).min(16);
    timeout.saturating_mul(1 << doublings).min(DOUBLED_MAX.max(timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_after_the_second_wait_twice_as_long_each() {
        let waits = (0..7).map(|attempt| wait(attempt, Duration::from_millis(100)).as_millis());
        assert_eq!(waits.collect::<Vec<_>>(), [100, 100, 200, 400, 800, 1_000, 1_000]);
    }

    #[test]
    fn a_later_try_does_not_hold_up_an_earlier_one() {
        let mut flights = Flights::default();
        let patient = Flight { port: 1, attempt: 3, sent: Stamp(0) };
        let quick = Flight { port: 2, attempt: 0, sent: Stamp(1_000_000) };
        flights.push(patient);
        flights.push(quick);
        let timeout = Duration::from_millis(100);
        assert_eq!(flights.next_deadline(timeout), Some(quick.sent + timeout));
        assert_eq!(flights.pop_expired(quick.sent + timeout, timeout), Some(quick));
        assert_eq!(flights.pop_expired(quick.sent + timeout, timeout), None);
        assert_eq!(flights.next_deadline(timeout), Some(patient.sent + timeout * 4));
    }
}
