//! Who else was hurt: each client's service before, during and after the attack.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter};

use crate::evidence::RuleAt;

/// When, seen from the attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumIter)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Phase {
    /// Before the first attacker began.
    Before,
    /// From the first attacker's beginning to the last one's end.
    During,
    /// After the last attacker's end.
    After,
}

/// What one client got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Collateral {
    /// The client.
    pub actor: String,
    /// What it does, as the scenario says: `browser`, `http tcp/80`, ...
    pub role: String,
    /// Its address.
    pub source: IpAddr,
    /// What it got, by phase, ascending; a phase without a request is left out.
    pub phases: Vec<Service>,
    /// What banned it; `None` where nothing did. A client that is banned is a false positive.
    pub banned: Option<BannedBy>,
}

/// What a client got in one phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// When.
    pub phase: Phase,
    /// Requests made.
    pub requests: u64,
    /// Requests that were served.
    pub served: u64,
    /// How long the served ones took; `None` where none was.
    pub latency: Option<Latency>,
    /// TCP segments its kernel sent again.
    pub retransmissions: u64,
    /// Why requests were not served, each once, in a few words.
    pub failures: Vec<String>,
}

/// How long served requests took, in microseconds, by nearest rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Half of them took no longer.
    pub p50_us: u64,
    /// 99 in 100 took no longer.
    pub p99_us: u64,
}

/// What banned a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BannedBy {
    /// The rule that dropped its packets, where it was found.
    pub rule: Option<RuleAt>,
    /// How it is known, in a few words: the set element, the daemon's line, the first request that failed.
    pub evidence: String,
}
