//! Rules for IPv4 alone: the host's IPv6 is left as it was.

use std::collections::BTreeSet;

use scandrill_model::Family;

use super::{Check, Example, Remark, V6_TWIN_MISSING};
use crate::lint::rule::{Place, Rule, SetUse};
use crate::lint::ruleset::{Chain, Ruleset, Table};
use crate::lint::values::Values;

/// `v6-twin-missing`.
pub struct V6Twin;

impl Check for V6Twin {
    fn name(&self) -> &'static str {
        V6_TWIN_MISSING
    }

    fn about(&self) -> &'static str {
        "rules for IPv4 without any for IPv6"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        if rules.is_partial {
            return Vec::new();
        }
        let mut remarks = tables_without_twin(rules);
        remarks.extend(bans_without_twin(rules));
        remarks
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "iptables -A INPUT -p tcp --dport 23 -j DROP\n",
                sound: "iptables -A INPUT -p tcp --dport 23 -j DROP\nip6tables -A INPUT -p tcp --dport 23 -j DROP\n",
            },
            Example {
                bad: "table ip t {\nchain c {\ntype filter hook input priority 0;\ntcp dport 23 drop\n}\n}\n",
                sound: "table inet t {\nchain c {\ntype filter hook input priority 0;\ntcp dport 23 drop\n}\n}\n",
            },
            Example {
                bad: "table inet t {\nset s { type ipv4_addr; flags dynamic; }\nchain c {\ntype filter hook input priority 0;\n\
                      ip saddr @s drop\ntcp dport 23 add @s { ip saddr } drop\n}\n}\n",
                sound: "table inet t {\nset s { type ipv4_addr; flags dynamic; }\nset s6 { type ipv6_addr; flags dynamic; }\nchain c {\n\
                        type filter hook input priority 0;\nip saddr @s drop\nip6 saddr @s6 drop\n\
                        meta nfproto ipv4 tcp dport 23 add @s { ip saddr } drop\ntcp dport 23 add @s6 { ip6 saddr } drop\n}\n}\n",
            },
        ]
    }
}

/// The first line of each file whose rules guard IPv4, where nothing guards IPv6.
fn tables_without_twin(rules: &Ruleset) -> Vec<Remark> {
    let guarding = |family: Family| {
        let chains = rules.chains.iter().filter(move |((table, _), _)| table.sees(family));
        chains.filter(|(_, chain)| guards(chain))
    };
    if guarding(Family::V6).next().is_some() {
        return Vec::new();
    }
    // A chain's rules say more than its policy.
    let place = |chain: &Chain| {
        let first = chain.rules.iter().map(|rule| rule.place).min();
        (first.is_none(), first.unwrap_or(chain.place))
    };
    let places: BTreeSet<(bool, Place)> = guarding(Family::V4).map(|(_, chain)| place(chain)).collect();
    let mut files = BTreeSet::new();
    let places = places.into_iter().map(|(_, place)| place).filter(|place| files.insert(place.text));
    let why = "these rules are for IPv4 alone: over IPv6 the host answers as if they were not there";
    let hint =
        "write their twins with ip6tables, or one nft table `inet`; if they are in another file, name it too";
    places.map(|place| Remark::new(place, why, hint)).collect()
}

/// Whether packets to the host or through it may meet something here.
fn guards(chain: &Chain) -> bool {
    let is_in_the_way = ["input", "forward", "prerouting", "ingress"];
    let hook = chain.hook.as_ref().is_some_and(|hook| is_in_the_way.contains(&hook.as_str()));
    hook && chain.kind != "nat" && (!chain.rules.is_empty() || chain.refuses_by_policy())
}

/// In tables for both: the first rule of each that bans IPv4's sources where none bans IPv6's.
fn bans_without_twin(rules: &Ruleset) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let both: BTreeSet<&Table> = rules
        .chains
        .keys()
        .map(|(table, _)| table)
        .filter(|table| table.sees(Family::V4) && table.sees(Family::V6))
        .collect();
    for table in both {
        let own = || rules.rules().filter(|((other, _), _)| other == table).map(|(_, rule)| rule);
        let bans = |rule: &Rule, version: &str| {
            let by_source = |used: &SetUse| used.by_source;
            let version = rule
                .matches
                .iter()
                .any(|one| one.key == "nfproto" && one.values == Some(Values::words([version])));
            version && rule.adds.iter().any(by_source)
        };
        if own().any(|rule| bans(rule, "ipv6")) {
            continue;
        }
        if let Some(first) = own().find(|rule| bans(rule, "ipv4")) {
            let why = "this lists IPv4's sources, and no rule of the table lists IPv6's: over IPv6 nobody is listed";
            remarks.push(Remark::new(
                first.place,
                why,
                "add a set of type ipv6_addr and a rule with `ip6 saddr`",
            ));
        }
    }
    remarks
}
