//! Bans that come after the rule that accepts open connections: they do not end those.

use super::{Check, Example, Remark};
use crate::lint::rule::{Rule, Verdict};
use crate::lint::ruleset::{Key, Ruleset, Table};
use crate::lint::values::Values;

/// `ban-after-established`.
pub struct BanAfterEstablished;

impl Check for BanAfterEstablished {
    fn name(&self) -> &'static str {
        "ban-after-established"
    }

    fn about(&self) -> &'static str {
        "a ban behind the rule that accepts open connections, which it then does not end"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let mut remarks = Vec::new();
        for (key, chain) in &rules.chains {
            for (at, rule) in chain.rules.iter().enumerate().filter(|(_, rule)| is_ban(rules, key, rule)) {
                if let Some(accept) = accepted_before(rules, key, at, rule, &mut Vec::new()) {
                    remarks.push(remark(rules, accept, rule));
                }
            }
        }
        remarks
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n-A INPUT -m recent --rcheck --name bad -j DROP\n\
                      -A INPUT -p tcp --dport 23 -m recent --set --name bad -j DROP\nCOMMIT\n",
                sound: "*filter\n-A INPUT -m recent --rcheck --name bad -j DROP\n-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
                        -A INPUT -p tcp --dport 23 -m recent --set --name bad -j DROP\nCOMMIT\n",
            },
            Example {
                bad: "table ip t {\nset s { type ipv4_addr; flags dynamic, timeout; timeout 60s; }\nchain c {\ntype filter hook input priority 0;\n\
                      ct state established,related accept\nip saddr @s drop\ntcp dport 23 add @s { ip saddr } drop\n}\n}\n",
                sound: "table ip t {\nset s { type ipv4_addr; flags dynamic, timeout; timeout 60s; }\nchain c {\ntype filter hook input priority 0;\n\
                        ip saddr @s drop\nct state established,related accept\ntcp dport 23 add @s { ip saddr } drop\n}\n}\n",
            },
        ]
    }
}

/// A drop of sources that rules or programs list while the host runs. One that is only for new connections is not meant
/// for open ones.
fn is_ban(rules: &Ruleset, (table, _): &Key, rule: &Rule) -> bool {
    let scope = match table {
        Table::Iptables(..) => None,
        Table::Nft(..) => Some(table.clone()),
    };
    let grows = |set: &str| {
        let key = (scope.clone(), set.to_owned());
        rules.sets.get(&key).is_some_and(|set| set.times_out)
            || rules.set_uses(|rule| &rule.adds).any(|(other, _, _)| other == key)
    };
    let by_list = rule.lookups.iter().any(|used| used.by_source && grows(&used.set));
    let begins = rule.is_for_state("new") || rule.compared("tcp flags").is_some();
    rule.verdict.refuses() && rule.checks_sources() && (by_list || !rule.recents.is_empty()) && !begins
}

/// The rule that accepts open connections before a place in a chain, or before the jumps that lead to the chain.
fn accepted_before<'a>(
    rules: &'a Ruleset,
    key: &'a Key,
    at: usize,
    ban: &Rule,
    seen: &mut Vec<&'a Key>,
) -> Option<&'a Rule> {
    if seen.contains(&key) {
        return None;
    }
    seen.push(key);
    let before = rules.chains.get(key)?.rules.iter().take(at);
    let here = before.rev().find(|rule| accepts_open_connections(rule) && rule.is_there_with(ban));
    here.or_else(|| {
        rules.callers(key).find_map(|(caller, at, _)| accepted_before(rules, caller, at, ban, seen))
    })
}

/// All of them: one that makes exceptions was thought about.
fn accepts_open_connections(rule: &Rule) -> bool {
    let is_state = |states: &Values| states.takes_all_of(&Values::words(["established"]));
    let by_state = rule
        .compared("ct state")
        .is_some_and(|one| !one.negated && one.values.as_ref().is_some_and(is_state));
    let exceptions = rule.matches.iter().filter(|one| !["ct state", "in"].contains(&one.key.as_str()));
    rule.verdict == Verdict::Accept && by_state && exceptions.count() == 0
}

fn remark(rules: &Ruleset, accept: &Rule, ban: &Rule) -> Remark {
    let by = rules.told(accept.place, ban.place);
    let why = format!("{by} accepts open connections before it, so a ban does not end those of the source");
    let hint =
        "put it before that line to end them; then a forged packet that bans a source ends its sessions, too";
    Remark::new(ban.place, why, hint)
}
