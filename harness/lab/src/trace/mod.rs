//! Packets' ways through a host's rules, as the kernel tells them: nftables' own trace, in which iptables-nft's rules are
//! seen, too, and iptables-legacy's, which is read by NFLOG. A mark that nftables sets on a packet switches on both.
//!
//! Packets are chosen by a table of the lab's own, before all other rules; the reading back of a defense leaves it out. A
//! rule of that table is the first in each trace, so that a packet of which nothing is told has not come. What the table
//! says of conntrack is asked only where the rules themselves use it: asking switches it on.

mod hearing;
mod listing;
mod selector;
mod way;

use std::collections::BTreeSet;
use std::time::Duration;

use scandrill_model::{CommandLine, Family, HookVerdict, Stamp};
use serde_json::Value;

use self::hearing::Ear;
use self::listing::{LIST, Rules};
pub(crate) use self::selector::TABLE;
use self::selector::table;
pub use self::selector::{FollowBound, Selector};
use self::way::Known;
use crate::error::LabError;
use crate::host::Host;
use crate::snapshot::past_stand_ins;
use crate::watch::Carried;

/// Longer than any of the programs takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Packets are followed.
#[must_use = "who follows packets is stopped to learn what was seen"]
#[derive(Debug)]
pub struct Following {
    host: Host,
    rules: Rules,
    ear: Ear,
}

/// What was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// The packets, in the order in which they came.
    pub packets: Vec<Traced>,
    /// What each rule matched from its installation on.
    pub matched: Vec<Matched>,
}

/// What was told of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// When that was read.
    pub at: Stamp,
    /// The packet as it came.
    pub packet: Carried,
    /// What conntrack called it; `None` where no rule uses conntrack.
    pub conntrack: Option<String>,
    /// Its way, in order.
    pub path: Vec<Passed>,
    /// Whether the trace of iptables-legacy took part.
    pub by_legacy: bool,
}

/// A rule that matched, or a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The hook, as nft names it.
    pub hook: String,
    /// Its chain.
    pub chain: ChainName,
    /// The rule's place there; `None` for a policy, or where rules were changed meanwhile.
    pub place: Option<RulePlace>,
    /// The rule in its tool's words, or the policy.
    pub text: String,
    /// What was said of the packet.
    pub verdict: HookVerdict,
}

/// A chain of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainName {
    /// The table's family, as nft names it.
    pub family: String,
    /// The table.
    pub table: String,
    /// Its name.
    pub chain: String,
}

/// Where a rule is in its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulePlace {
    /// From 0.
    pub at: usize,
    /// How many rules the chain has.
    pub of: usize,
}

/// What a rule came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    /// Its chain.
    pub chain: ChainName,
    /// Where it is there.
    pub place: RulePlace,
    /// Packets; `None` where they are not counted.
    pub packets: Option<u64>,
}

impl Following {
    /// Follows from now on the packets that come to `host` and that one of `selectors` means; of which each counts for the
    /// first one alone.
    pub async fn start(host: &Host, selectors: &[Selector]) -> Result<Self, LabError> {
        let rules = Rules::parse(&bash(host, LIST, None).await?);
        let families: BTreeSet<Family> = selectors.iter().map(Selector::family).collect();
        let legacy = families.into_iter().filter(|family| rules.have_legacy(*family)).map(number).collect();
        let ear = Ear::open(host, legacy).await?;
        let table = table(selectors, rules.use_conntrack());
        bash(host, "nft -f -", Some(table.into_bytes())).await?;
        Ok(Self { host: host.clone(), rules, ear })
    }

    /// Ends it and gives what was told. Who emptied the ruleset ended it before.
    pub async fn stop(self) -> Result<Told, LabError> {
        let script = format!("{LIST}nft delete table inet {TABLE} 2> /dev/null || true\n");
        let after = Rules::parse(&bash(&self.host, &script, None).await?);
        let heard = self.ear.stop().await?;
        let known = Known { before: self.rules, after };
        Ok(Told { packets: known.ways(&heard), matched: known.matched() })
    }
}

/// `NFPROTO_IPV4` or `NFPROTO_IPV6`.
fn number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

async fn bash(host: &Host, script: &str, input: Option<Vec<u8>>) -> Result<String, LabError> {
    let command = CommandLine { program: "bash".into(), args: vec!["-ec".into(), past_stand_ins(script)] };
    let output = host.output(&command, input, LIMIT).await?.success(&command)?.stdout;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Whether an nftables object, as `nft -j` lists it, belongs to a trace and not to a defense.
pub(crate) fn is_of_trace(kind: &str, body: &Value) -> bool {
    let table = if kind == "table" { "name" } else { "table" };
    body.get(table).and_then(Value::as_str) == Some(TABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lab_s_own_table_is_no_part_of_a_defense() {
        let object = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(is_of_trace("table", &object(r#"{"family": "inet", "name": "scandrill-trace"}"#)));
        assert!(is_of_trace("rule", &object(r#"{"table": "scandrill-trace", "chain": "first"}"#)));
        assert!(!is_of_trace("table", &object(r#"{"family": "inet", "name": "filter"}"#)));
    }
}
