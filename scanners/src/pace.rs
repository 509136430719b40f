//! When probes may leave, as data and as a clockless schedule: a rate is kept by the plan of departures, not by the
//! time since the last one, so that what was late is caught up with and the mean stays right.

use std::time::Duration;

use scandrill_model::Millis;
use serde::{Deserialize, Serialize};

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
