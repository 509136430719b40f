//! Verdicts and how they add up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::Display;

/// How a case ended. The worst wins when verdicts are put together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// Every expectation was met, and what was absent could have been seen.
    #[default]
    Pass,
    /// Something the case needs is missing on this machine.
    Skip,
    /// An expectation was not met.
    Fail,
    /// It could not be judged.
    Error,
}

/// What became of a claim when its author's own expectations were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Outcome {
    /// In every case that was judged, what it predicts was seen.
    Held,
    /// In at least one case something else was seen.
    Refuted,
    /// No case could be judged.
    Undecided,
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Error, Fail, Pass, Skip};

    #[test]
    fn the_worst_verdict_wins() {
        assert_eq!([Pass, Skip, Error, Fail].into_iter().max(), Some(Error));
        assert!(Pass < Skip && Skip < Fail && Fail < Error);
    }
}
