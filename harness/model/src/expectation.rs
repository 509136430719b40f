//! What a scenario says will be seen. An expectation never holds what was seen.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::evidence::BanOutcome;
use crate::port::PortSet;
use crate::state::PortState;
use crate::time::Millis;

/// A set of port states of which one must be read, e.g. filtered or open|filtered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StateSet(pub Vec<PortState>);

impl StateSet {
    /// Whether `state` is one of them.
    pub fn contains(&self, state: PortState) -> bool {
        self.0.contains(&state)
    }
}

impl fmt::Display for StateSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(PortState::to_string).collect();
        f.write_str(&words.join(" or "))
    }
}

/// What is allowed of a port: one of some states, or any state that rests on silence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Allowed {
    /// It reads as one of these.
    States(StateSet),
    /// It gives no answer, by its nature or by a defense; that says nothing of a filter.
    Silent,
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::States(states) => states.fmt(f),
            Self::Silent => f.write_str("silent"),
        }
    }
}

/// A bound on a count; both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bound {
    /// Not fewer than this.
    pub min: u64,
    /// Not more than this.
    pub max: u64,
}

impl Bound {
    /// Whether `count` is within.
    pub fn contains(self, count: u64) -> bool {
        (self.min..=self.max).contains(&count)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, max) if min == max => write!(f, "exactly {min}"),
            (min, u64::MAX) => write!(f, "at least {min}"),
            (0, max) => write!(f, "at most {max}"),
            (min, max) => write!(f, "{min} to {max}"),
        }
    }
}

/// A bound on a length of time; both ends included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimeBound {
    /// Not shorter than this.
    pub min: Millis,
    /// Not longer than this; only in `exclusive` scenarios.
    pub max: Option<Millis>,
}

impl TimeBound {
    /// Whether `length` is within.
    pub fn contains(self, length: Millis) -> bool {
        length >= self.min && self.max.is_none_or(|max| length <= max)
    }
}

impl fmt::Display for TimeBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.min, self.max) {
            (min, None) => write!(f, "at least {} ms", min.0),
            (Millis(0), Some(max)) => write!(f, "at most {} ms", max.0),
            (min, Some(max)) => write!(f, "{} to {} ms", min.0, max.0),
        }
    }
}

/// What one red actor is expected to learn and to suffer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedExpectation {
    /// Ports named in the file, with what is allowed for them. Port sets do not overlap.
    pub states: Vec<(PortSet, Allowed)>,
    /// What is allowed for every other scanned port.
    pub rest: Option<Allowed>,
    /// How many of the scanned ports give any answer.
    pub answered: Option<Bound>,
    /// The time to live, or hop limit, of every reply.
    pub ttl: Option<Bound>,
    /// How the scanner's best guess at the target's system begins.
    pub os: Option<String>,
    /// Percent of its confidence in the best guess; none is 0.
    pub os_accuracy: Option<Bound>,
    /// Whether, when and for how long the source is banned.
    pub ban: Option<BanExpectation>,
    /// How many of its probes arrive at the target, each try counted.
    pub probes: Option<Bound>,
    /// How long the scan takes.
    pub took: Option<TimeBound>,
}

/// A ban: the source goes unanswered on a service port where, at that time, a fresh source is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BanExpectation {
    /// `false` expects that the source is still served after its scan.
    pub lands: bool,
    /// The first probe after which nothing of the source is answered is at most this one, counted from 1.
    pub lands_within_probes: Option<u64>,
    /// From red's first probe to its last answered one, at most this long; only in `exclusive` scenarios.
    pub enforced_within: Option<Millis>,
    /// Still banned this long after the source's last packet (nobody looked in between).
    pub holds: Option<Millis>,
    /// Served again this long after the source's last packet (nobody looked in between).
    pub lifts: Option<Millis>,
    /// What its time line comes to.
    pub outcome: Option<BanOutcome>,
    /// Bounds on half of the repeats.
    pub p50: Option<RepeatsExpectation>,
    /// Bounds on 95 in 100 of the repeats, by nearest rank.
    pub p95: Option<RepeatsExpectation>,
    /// Bounds on all repeats.
    pub every: Option<RepeatsExpectation>,
}

impl BanExpectation {
    /// The bounds on repeats, each with its word and the percent of the repeats that keep it.
    pub fn of_repeats(&self) -> impl Iterator<Item = (&'static str, u8, RepeatsExpectation)> {
        let named = [("p50", 50, self.p50), ("p95", 95, self.p95), ("every", 100, self.every)];
        named.into_iter().filter_map(|(word, percent, bounds)| Some((word, percent, bounds?)))
    }
}

/// What is expected of a share of a case's repeats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepeatsExpectation {
    /// From red's first probe to its last answer, at most this long; only in `exclusive` scenarios.
    pub enforced_within: Option<Millis>,
    /// Ports that red gets an answer of before the ban, at most as many.
    pub leaked: Option<u64>,
}

/// What one green client is expected to get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GreenExpectation {
    /// Smallest allowed share of requests that succeed, 0 to 1.
    pub success_min: Option<f64>,
    /// Largest allowed share of requests that succeed, 0 to 1; for scenarios that show whom a defense hurts.
    pub success_max: Option<f64>,
    /// How many requests succeed.
    pub served: Option<Bound>,
    /// No request that is served takes longer than this; only in `exclusive` scenarios.
    pub latency_max: Option<Millis>,
    /// At most so many TCP segments of its are sent again, over all requests.
    pub retransmissions_max: Option<u64>,
    /// Whether it is banned: served at first, and no more in the end, while a fresh source is served.
    pub banned: Option<bool>,
    /// What it gets before the first attacker begins.
    pub before: Option<PhaseExpectation>,
    /// What it gets while attackers act.
    pub during: Option<PhaseExpectation>,
    /// What it gets once the last attacker has ended.
    pub after: Option<PhaseExpectation>,
}

/// What one green client is expected to get in one phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PhaseExpectation {
    /// Smallest allowed share of requests that succeed, 0 to 1.
    pub success_min: Option<f64>,
    /// Largest allowed share of requests that succeed, 0 to 1.
    pub success_max: Option<f64>,
    /// 99 in 100 served requests take no longer than this; only in `exclusive` scenarios.
    pub latency_p99_max: Option<Millis>,
    /// At most so many TCP segments of its are sent again.
    pub retransmissions_max: Option<u64>,
}

/// What one operator's command is expected to come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperatorExpectation {
    /// Its exit code.
    pub exit: Option<i32>,
    /// Regular expressions; each is found in its output.
    pub says: Vec<String>,
    /// Regular expressions; none is found in its output.
    pub says_not: Vec<String>,
    /// Its output is one number, within these bounds.
    pub value: Option<Bound>,
}
