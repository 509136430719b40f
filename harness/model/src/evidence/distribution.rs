//! What repeats of one case came to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::Finding;

/// One quantity over the repeats of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Distribution {
    /// The case without its repeat, e.g. `fail2ban/lands[builtin,v4,nft]`.
    pub case: String,
    /// The actor it is about.
    pub actor: String,
    /// What was measured: `enforced_within`, `leaked`, ...
    pub quantity: String,
    /// Its unit: `us`, `probes`, `ports`.
    pub unit: String,
    /// Each repeat's value, ascending.
    pub values: Vec<u64>,
    /// What was expected of it, beside what was seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Distribution {
    /// As [`nearest_rank`].
    pub fn percentile(&self, percent: u8) -> Option<u64> {
        nearest_rank(&self.values, percent)
    }
}

/// Of ascending values, the smallest that at least `percent` of a hundred do not exceed; `None` without a value.
pub fn nearest_rank(ascending: &[u64], percent: u8) -> Option<u64> {
    let rank = (ascending.len() * usize::from(percent)).div_ceil(100).max(1);
    ascending.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        let of = |values: &[u64]| Distribution {
            case: String::new(),
            actor: String::new(),
            quantity: String::new(),
            unit: String::new(),
            values: values.to_vec(),
            findings: Vec::new(),
        };
        let twenty: Vec<u64> = (1..=20).collect();
        assert_eq!([0, 50, 95, 100].map(|p| of(&twenty).percentile(p)), [1, 10, 19, 20].map(Some));
        assert_eq!([50, 95].map(|p| of(&[7]).percentile(p)), [Some(7); 2]);
        assert_eq!(of(&[]).percentile(50), None);
    }
}
