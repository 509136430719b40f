//! Patience and pace by nmap's templates, as data. How they are used is in `patience`, `window` and `schedule`.

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
    /// A window that starts at this many.
    Window(u64),
}

/// The numbers of one template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template {
    /// How long to wait for a reply before the next try, while none has come yet.
    pub wait_initial: Duration,
    /// Never wait less than this.
    pub wait_min: Duration,
    /// Never wait longer than this, as long as no loss is proven.
    pub wait_max: Duration,
    /// The last try, and those that follow silence, are waited for at least this long.
    pub patience: Duration,
    /// A silent port is asked so often where nothing hints at loss.
    pub tries: u8,
    /// And at most so often where something does.
    pub tries_max: u8,
    /// Least time between two probes.
    pub scan_delay: Millis,
    /// How many probes may be unanswered at once.
    pub parallelism: Parallelism,
}

impl Timing {
    /// The template's numbers. Delays, and the waits of T0 to T3, are nmap's (reference guide, "Timing and
    /// Performance"; `nmap.cc` where the guide gives none). T4 and T5 are for a lab's link, which has no delay of its
    /// own: a reply that is not there within milliseconds is lost, so they ask again soon, and wait long at the end only.
    pub fn template(self) -> Template {
        use Parallelism::{Serial, Window};
        let (waits, patience, tries, delay, parallelism) = match self {
            Self::T0 => ([300_000, 100, 300_000], 100, (2, 11), 300_000, Serial),
            Self::T1 => ([15_000, 100, 15_000], 100, (2, 11), 15_000, Serial),
            Self::T2 => ([1_000, 100, 10_000], 100, (2, 11), 400, Serial),
            Self::T3 => ([1_000, 100, 10_000], 100, (3, 11), 0, Window(10)),
            Self::T4 => ([20, 10, 1_250], 65, (3, 16), 0, Window(128)),
            Self::T5 => ([10, 5, 300], 50, (3, 8), 0, Window(128)),
        };
        let [wait_initial, wait_min, wait_max] = waits.map(Duration::from_millis);
        Template {
            wait_initial,
            wait_min,
            wait_max,
            patience: Duration::from_millis(patience),
            tries: tries.0,
            tries_max: tries.1,
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
    use crate::lanes::TRIES_MAX;

    #[test]
    fn templates_get_more_aggressive_with_their_number() {
        let templates: Vec<Template> = Timing::iter().map(Timing::template).collect();
        for pair in templates.windows(2) {
            assert!(pair[0].wait_initial >= pair[1].wait_initial && pair[0].wait_max >= pair[1].wait_max);
            assert!(pair[0].patience >= pair[1].patience && pair[0].scan_delay >= pair[1].scan_delay);
        }
        for template in templates {
            assert!(template.wait_min <= template.wait_initial && template.wait_initial <= template.wait_max);
            assert!(template.tries <= template.tries_max && template.tries_max <= TRIES_MAX);
        }
    }

    #[test]
    fn templates_are_written_as_nmap_writes_them() {
        assert_eq!("T4".parse(), Ok(Timing::T4));
        assert_eq!(Timing::T0.to_string(), "T0");
    }
}
