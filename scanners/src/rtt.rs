//! How long a reply may take before its probe counts as unanswered: nmap's smoothed round trip time and variance
//! (`adjust_timeouts2` in nmap's timing.cc), after Jacobson, "Congestion Avoidance and Control" (1988).

use std::time::Duration;

use crate::timing::Template;

/// Estimates the round trip time from the replies that came.
#[derive(Clone, Debug)]
pub(crate) struct Rtt {
    smoothed: Option<(Duration, Duration)>,
    timeout: Duration,
    min: Duration,
    max: Duration,
}

/// The first variance is at least this: one sample says little.
const VARIANCE_MIN: Duration = Duration::from_millis(5);
/// And at most this.
const VARIANCE_MAX: Duration = Duration::from_secs(2);
/// A sample beyond this is no round trip.
const SAMPLE_MAX: Duration = Duration::from_secs(8);

impl Rtt {
    /// Knows nothing yet but the template.
    pub(crate) fn new(template: &Template) -> Self {
        Self {
            smoothed: None,
            timeout: template.wait_initial,
            min: template.wait_min,
            max: template.wait_max,
        }
    }

    /// How long to wait for a reply.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A reply came `sample` after its probe.
    pub(crate) fn sample(&mut self, sample: Duration) {
        let (smoothed, variance) = match self.smoothed {
            None => (sample, sample.clamp(VARIANCE_MIN, VARIANCE_MAX)),
            Some(_) if sample >= SAMPLE_MAX => return,
            Some((smoothed, variance)) => {
                let off = sample.abs_diff(smoothed);
                ((smoothed * 7 + sample) / 8, (variance * 3 + off) / 4)
            }
        };
        self.smoothed = Some((smoothed, variance.min(VARIANCE_MAX)));
        self.timeout = (smoothed + variance * 4).clamp(self.min, self.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timing::Timing;

    #[test]
    fn the_timeout_falls_to_the_minimum_when_replies_come_at_once() {
        let mut rtt = Rtt::new(&Timing::T3.template());
        assert_eq!(rtt.timeout(), Duration::from_secs(1));
        rtt.sample(Duration::from_micros(20));
        assert_eq!(rtt.timeout(), Duration::from_millis(100));
    }

    #[test]
    fn the_timeout_follows_slow_replies_up_to_the_maximum() {
        let mut rtt = Rtt::new(&Timing::T4.template());
        rtt.sample(Duration::from_millis(200));
        assert_eq!(rtt.timeout(), Duration::from_secs(1));
        for _ in 0..50 {
            rtt.sample(Duration::from_millis(200));
        }
        let settled = rtt.timeout();
        assert!(settled >= Duration::from_millis(200) && settled < Duration::from_millis(300), "{settled:?}");
        rtt.sample(Duration::from_secs(7));
        assert_eq!(rtt.timeout(), Duration::from_millis(1_250));
    }
}
