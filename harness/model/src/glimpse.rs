//! What a defense holds at one moment, as a live view shows it. It judges nothing: the reading back and the captures do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A host's rules with their counts, its sets and its log, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Glimpse {
    /// Its rules, in the kernel's order.
    pub rules: Vec<CountedRule>,
    /// Its sets and lists of sources.
    pub sets: Vec<SetFill>,
    /// How many lines the kernel log has.
    pub log_lines: u64,
    /// The last of them.
    pub log: Vec<String>,
}

/// A rule, and how many packets it has matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountedRule {
    /// Its chain.
    pub chain: String,
    /// The rule in its tool's words.
    pub rule: String,
    /// Packets so far; `None` of a rule that does not count.
    pub packets: Option<u64>,
}

/// A set of nftables or ipset, or a list of xt_recent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SetFill {
    /// Its name.
    pub name: String,
    /// How many elements it has.
    pub elements: u64,
    /// The first few of them.
    pub first: Vec<String>,
}
