//! What a scenario file says of a ban, as it is written.

use std::fmt;

use scandrill_model::BanOutcome;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::file::At;

/// What is expected of a ban.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum BanValue {
    /// It lands, or it does not.
    Lands(bool),
    /// It lands within bounds.
    Within(Box<BanTable>),
}

impl<'de> Deserialize<'de> for BanValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BanVisitor)
    }
}

/// Written by hand as a count's is: an untagged enum would say neither what is wrong nor where.
struct BanVisitor;

impl<'de> Visitor<'de> for BanVisitor {
    type Value = BanValue;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or a table such as { lands_within_probes = 10 }")
    }
    fn visit_bool<E: de::Error>(self, lands: bool) -> Result<BanValue, E> {
        Ok(BanValue::Lands(lands))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BanValue, A::Error> {
        BanTable::deserialize(MapAccessDeserializer::new(map)).map(|table| BanValue::Within(Box::new(table)))
    }
}

/// Bounds of a ban.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BanTable {
    /// The first unanswered probe, counted from 1, is at most this one.
    pub lands_within_probes: Option<u64>,
    /// Red is answered for at most this long, e.g. "800ms"; only in an `exclusive` scenario.
    pub enforced_within: Option<At<String>>,
    /// Still banned this long after red's last packet, e.g. "2s".
    pub holds: Option<At<String>>,
    /// Served again this long after red's last packet, e.g. "61s". Not together with `holds`: looking may
    /// refresh a ban.
    pub lifts: Option<At<String>>,
    /// What becomes of the source: "not-banned", "decided-not-enforced" (something decided to ban it, and it is served as
    /// before), "enforced" or "lifted".
    pub outcome: Option<At<BanOutcome>>,
    /// Half of the repeats keep to this; with `repeat`.
    pub p50: Option<At<RepeatsTable>>,
    /// 95 in 100 repeats keep to this; with `repeat`.
    pub p95: Option<At<RepeatsTable>>,
    /// Every repeat keeps to this; with `repeat`.
    pub every: Option<At<RepeatsTable>>,
}

/// Bounds over the repeats of a case.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepeatsTable {
    /// From red's first probe to its last answer, e.g. "800ms"; only in an `exclusive` scenario.
    pub enforced_within: Option<At<String>>,
    /// At most as many ports answer red before the ban.
    pub leaked: Option<u64>,
}
