//! The claim of a scenario file as it is written. The comments here are the descriptions in the published JSON Schema, as in
//! `file`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::{
    At, BanValue, Count, GreenExpect, OneOrMany, OperatorExpect, PhaseExpect, RedExpect, TimeTable,
};

/// A sentence and what its author predicts.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimTable {
    /// The claim in one sentence.
    pub text: String,
    /// Where it is made.
    pub source: String,
    /// What would be seen if it held: keys of the `expect` of one kind of actor. Held or refuted is computed from it.
    pub predicts: At<PredictsTable>,
}

/// The author's expectation about one actor.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PredictsTable {
    /// The actor it is about; by default the first of the kind that has these keys.
    pub actor: Option<At<String>>,
    /// As in a red `expect`.
    pub open: Option<At<String>>,
    /// As in a red `expect`.
    pub closed: Option<At<String>>,
    /// As in a red `expect`.
    pub filtered: Option<At<String>>,
    /// As in a red `expect`.
    pub unfiltered: Option<At<String>>,
    /// As in a red `expect`.
    #[serde(rename = "open|filtered")]
    pub open_filtered: Option<At<String>>,
    /// As in a red `expect`.
    #[serde(rename = "closed|filtered")]
    pub closed_filtered: Option<At<String>>,
    /// As in a red `expect`.
    pub silent: Option<At<String>>,
    /// As in a red `expect`.
    pub rest: Option<At<OneOrMany<String>>>,
    /// As in a red `expect`.
    pub answered: Option<At<Count>>,
    /// As in a red `expect`.
    pub ttl: Option<At<Count>>,
    /// As in a red `expect`.
    pub os: Option<At<String>>,
    /// As in a red `expect`.
    pub os_accuracy: Option<At<Count>>,
    /// As in a red `expect`.
    pub ban: Option<At<BanValue>>,
    /// As in a green `expect`.
    pub success_min: Option<At<f64>>,
    /// As in a green `expect`.
    pub success_max: Option<At<f64>>,
    /// As in a green `expect`.
    pub served: Option<At<Count>>,
    /// As in a red `expect`.
    pub probes: Option<At<Count>>,
    /// As in a red `expect`.
    pub took: Option<TimeTable>,
    /// As in a green `expect`.
    pub latency_max: Option<At<String>>,
    /// As in a green `expect`.
    pub retransmissions_max: Option<At<u64>>,
    /// As in a green `expect`.
    pub banned: Option<At<bool>>,
    /// As in a green `expect`.
    pub before: Option<At<PhaseExpect>>,
    /// As in a green `expect`.
    pub during: Option<At<PhaseExpect>>,
    /// As in a green `expect`.
    pub after: Option<At<PhaseExpect>>,
    /// As the `expect` of a counter.
    pub counts: Option<At<Count>>,
    /// As in an operator's `expect`.
    pub exit: Option<At<i32>>,
    /// As in an operator's `expect`.
    pub says: Option<At<OneOrMany<String>>>,
    /// As in an operator's `expect`.
    pub says_not: Option<At<OneOrMany<String>>>,
    /// As in an operator's `expect`.
    pub value: Option<At<Count>>,
}

impl PredictsTable {
    /// The keys of a red `expect`.
    pub fn red(&self) -> RedExpect {
        RedExpect {
            open: self.open.clone(),
            closed: self.closed.clone(),
            filtered: self.filtered.clone(),
            unfiltered: self.unfiltered.clone(),
            open_filtered: self.open_filtered.clone(),
            closed_filtered: self.closed_filtered.clone(),
            silent: self.silent.clone(),
            rest: self.rest.clone(),
            answered: self.answered.clone(),
            ttl: self.ttl.clone(),
            os: self.os.clone(),
            os_accuracy: self.os_accuracy.clone(),
            ban: self.ban.clone(),
            probes: self.probes.clone(),
            took: self.took.clone(),
        }
    }

    /// The keys of a green `expect`.
    pub fn green(&self) -> GreenExpect {
        GreenExpect {
            success_min: self.success_min.clone(),
            success_max: self.success_max.clone(),
            served: self.served.clone(),
            latency_max: self.latency_max.clone(),
            retransmissions_max: self.retransmissions_max.clone(),
            banned: self.banned.clone(),
            before: self.before.clone(),
            during: self.during.clone(),
            after: self.after.clone(),
        }
    }

    /// The keys of an operator's `expect`.
    pub fn operator(&self) -> OperatorExpect {
        OperatorExpect {
            exit: self.exit.clone(),
            says: self.says.clone(),
            says_not: self.says_not.clone(),
            value: self.value.clone(),
        }
    }
}
