//! How many probes may be unanswered at once. After nmap's `ultra_timing_vals` (scan_engine.cc): each reply widens
//! the window, a reply to a retransmission is evidence of a drop and narrows it to one probe, and where few
//! probes are answered each reply counts for more.
//!
//! Two things differ, because a lab's link has no queue that silence could be a sign of. nmap widens its window
//! towards a silent target by pings that are answered; here silence itself widens it, until a drop was seen. And
//! the window is bounded by what may come back: the receive queue of a packet socket holds about 250 small packets
//! when its owner may not enlarge it (net.core.rmem_max), so no more than half of that is asked for at once.

use scandrill_model::Stamp;

use crate::timing::{Parallelism, Template};

/// The window is counted in thousandths of a probe.
const PROBE: u64 = 1_000;
/// So many replies may be expected at once.
const REPLIES_MAX: u64 = 128;
/// So many probes may be unanswered when hardly any is answered.
const PROBES_MAX: u64 = 1_024;
/// A reply counts for at most so many (nmap: `cc_scale_max`).
const SCALE_MAX: u64 = 50;
/// Growth per window of replies, once a drop was seen (nmap: `ca_incr` of T4).
const AVOIDANCE: u64 = 2;

/// A congestion window.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    parallelism: Parallelism,
    size: u64,
    /// Below it the window grows by a probe per reply; without one, no drop was seen yet.
    threshold: Option<u64>,
    last_drop: Stamp,
    /// Probes of which it is known whether they were answered.
    settled: u64,
    answered: u64,
}

impl Window {
    /// As wide as the template says.
    pub(crate) fn new(template: &Template) -> Self {
        let first = match template.parallelism {
            Parallelism::Serial => 1,
            Parallelism::Window(first) => first,
        };
        Self {
            parallelism: template.parallelism,
            size: first * PROBE,
            threshold: None,
            last_drop: Stamp(0),
            settled: 0,
            answered: 0,
        }
    }

    /// How many probes may be unanswered.
    pub(crate) fn limit(&self) -> u64 {
        match self.parallelism {
            Parallelism::Serial => 1,
            Parallelism::Window(_) => (self.size / PROBE).clamp(1, self.bound()),
        }
    }

    /// So many probes that the share of them which is answered makes no more than `REPLIES_MAX` replies.
    fn bound(&self) -> u64 {
        (REPLIES_MAX * self.settled / self.answered.max(1)).clamp(REPLIES_MAX, PROBES_MAX)
    }

    /// A reply came.
    pub(crate) fn on_reply(&mut self) {
        self.settled += 1;
        self.answered += 1;
        let scale = (self.settled * PROBE / self.answered).min(SCALE_MAX * PROBE);
        self.size = match self.threshold {
            Some(threshold) if self.size >= threshold => self.size + AVOIDANCE * PROBE * scale / self.size,
            Some(threshold) => (self.size + scale).min(threshold),
            None => self.size + scale,
        };
        self.size = self.size.min(PROBES_MAX * PROBE);
    }

    /// A probe was not answered in time.
    pub(crate) fn on_silence(&mut self) {
        self.settled += 1;
        if self.threshold.is_none() {
            self.size = (self.size + PROBE).min(PROBES_MAX * PROBE);
        }
    }

    /// A probe that left at `sent` was answered although an earlier one to the same port was not. Drops come in
    /// bursts; a burst narrows the window once.
    pub(crate) fn on_drop(&mut self, sent: Stamp, now: Stamp, unanswered: u64) {
        if sent > self.last_drop {
            self.last_drop = now;
            self.size = PROBE;
            self.threshold = Some((unanswered * PROBE * 3 / 4).max(2 * PROBE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::Timing;

    #[test]
    fn replies_never_overflow_a_small_receive_queue() {
        let mut window = Window::new(&Timing::T5.template());
        for _ in 0..10_000 {
            window.on_reply();
            assert!(window.limit() <= REPLIES_MAX);
        }
    }

    #[test]
    fn silence_widens_the_window_until_a_drop_is_seen() {
        let mut window = Window::new(&Timing::T4.template());
        for _ in 0..2_000 {
            window.on_silence();
        }
        assert_eq!(window.limit(), PROBES_MAX);
        window.on_drop(Stamp(1), Stamp(2), 100);
        assert_eq!(window.limit(), 1);
        window.on_silence();
        assert_eq!(window.limit(), 1);
        window.on_reply();
        assert_eq!(window.limit(), 51, "where hardly any probe is answered, a reply counts for fifty");
        window.on_drop(Stamp(1), Stamp(3), 100);
        assert_eq!(window.limit(), 51, "the same burst of drops");
    }

    #[test]
    fn a_serial_template_stays_serial() {
        let mut window = Window::new(&Timing::T2.template());
        window.on_reply();
        window.on_silence();
        assert_eq!(window.limit(), 1);
    }
}
