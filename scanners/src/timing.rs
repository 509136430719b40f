//! nmap's timing templates as data. How they are used is in `rtt`, `window` and `scan`.

use std::time::Duration;

use scandrill_model::Millis;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

/// One of nmap's templates, `-T0` to `-T5`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, Display, EnumIter, EnumString)]
pub enum Timing {
    /// Paranoid: a probe every five minutes.
    T0,
    /// Sneaky: a probe every 15 seconds.
    T1,
    /// Polite: a probe every 0.4 seconds.
    T2,
    /// Normal: nmap's own default.
    T3,
    /// Aggressive: for fast and reliable networks, as a lab is; the default here.
    #[default]
    T4,
    /// Insane: gives ports up early.
    T5,
}

/// How many probes may be unanswered at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parallelism {
    /// One: the next leaves when the last is answered or timed out.
    Serial,
    /// A congestion window that starts at this many.
    Window(u64),
}

/// The numbers of one template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// How long to wait for a reply while none has come yet.
    pub rtt_initial: Duration,
    /// Never wait less than this.
    pub rtt_min: Duration,
    /// Never wait longer than this.
    pub rtt_max: Duration,
    /// A port is asked at most once more than this.
    pub retries_max: u8,
    /// Least time between two probes.
    pub scan_delay: Millis,
    /// How many probes may be unanswered at once.
    pub parallelism: Parallelism,
}

impl Timing {
    /// The template's numbers: nmap's reference guide, "Timing and Performance", and `nmap.cc` where the guide
    /// gives none. The first window is nmap's 10 for T3; T4 and T5 start with one and two batches, because nmap
    /// widens its own at once by an answered ping, which a scan of one technique does not send.
    pub fn template(self) -> Template {
        use Parallelism::{Serial, Window};
        let (initial, min, max, retries_max, delay, parallelism) = match self {
            Self::T0 => (300_000, 100, 300_000, 10, 300_000, Serial),
            Self::T1 => (15_000, 100, 15_000, 10, 15_000, Serial),
            Self::T2 => (1_000, 100, 10_000, 10, 400, Serial),
            Self::T3 => (1_000, 100, 10_000, 10, 0, Window(10)),
            Self::T4 => (500, 100, 1_250, 6, 0, Window(64)),
            Self::T5 => (250, 50, 300, 2, 0, Window(128)),
        };
        Template {
            rtt_initial: Duration::from_millis(initial),
            rtt_min: Duration::from_millis(min),
            rtt_max: Duration::from_millis(max),
            retries_max,
            scan_delay: Millis(delay),
            parallelism,
        }
    }

    /// Least time between two probes of this template.
    pub fn scan_delay(self) -> Millis {
        self.template().scan_delay
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn templates_get_more_aggressive_with_their_number() {
        let templates: Vec<Template> = Timing::iter().map(Timing::template).collect();
        for pair in templates.windows(2) {
            assert!(pair[0].rtt_initial >= pair[1].rtt_initial && pair[0].rtt_max >= pair[1].rtt_max);
            assert!(pair[0].retries_max >= pair[1].retries_max && pair[0].scan_delay >= pair[1].scan_delay);
        }
        for template in templates {
            assert!(template.rtt_min <= template.rtt_initial && template.rtt_initial <= template.rtt_max);
        }
    }

    #[test]
    fn templates_are_written_as_nmap_writes_them() {
        assert_eq!("T4".parse(), Ok(Timing::T4));
        assert_eq!(Timing::T0.to_string(), "T0");
    }
}
