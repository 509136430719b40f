//! Limits that do not do what they look like: one bucket for all sources before a list of sources, a limit on the drop
//! itself, and a limit on what is accepted where the rest is accepted, too.

use super::{Check, Example, Remark};
use crate::lint::rule::{Act, Limit, Match, Rule, Verdict};
use crate::lint::ruleset::{Key, Ruleset};

/// `global-limit-per-source`.
pub struct GlobalBeforeList;

/// `limit-inside-drop`.
pub struct InsideDrop;

/// `accept-limit-without-drop`.
pub struct AcceptWithoutDrop;

/// Rules with a limit, each with its chain's key and its place in the chain.
fn limited(rules: &Ruleset) -> impl Iterator<Item = (&Key, usize, &Rule, &Limit)> {
    rules.chains.iter().flat_map(|(key, chain)| {
        let rules = chain.rules.iter().enumerate();
        rules.filter_map(move |(at, rule)| Some((key, at, rule, rule.limit.as_ref()?)))
    })
}

impl Check for GlobalBeforeList {
    fn name(&self) -> &'static str {
        "global-limit-per-source"
    }

    fn about(&self) -> &'static str {
        "a limit shared by all sources that decides which of them gets onto a list"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let feeding = limited(rules).filter(|(key, _, rule, limit)| {
            !limit.is_per_source && (lists_sources(rule) || leads_to_a_list(rules, key, rule))
        });
        let remark = |(_, _, rule, limit): (&Key, usize, &Rule, &Limit)| {
            let why = if limit.is_over {
                format!(
                    "all sources share the limit of {}, so whoever comes while others exceed it is listed",
                    limit.text
                )
            } else {
                format!(
                    "all sources share the limit of {}, so one that sends more keeps the others off the list",
                    limit.text
                )
            };
            let hint = "count each source by itself: `-m hashlimit --hashlimit-mode srcip`, or `update @set { ip saddr limit rate ... }`";
            Remark::new(rule.place, why, hint)
        };
        feeding.map(remark).collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n-A INPUT -m recent --rcheck -j DROP\n-A INPUT -p tcp --syn -m limit --limit 5/s -m recent --set\nCOMMIT\n",
                sound: "*filter\n-A INPUT -m recent --rcheck -j DROP\n\
                        -A INPUT -p tcp --syn -m hashlimit --hashlimit-above 5/s --hashlimit-mode srcip --hashlimit-name a -m recent --set\nCOMMIT\n",
            },
            Example {
                bad: "table ip t {\nset s { type ipv4_addr; flags dynamic; }\nset n { type ipv4_addr; flags dynamic; }\nchain c {\n\
                      type filter hook input priority 0;\nip saddr @s drop\ntcp flags syn limit rate over 5/second add @s { ip saddr } drop\n}\n}\n",
                sound: "table ip t {\nset s { type ipv4_addr; flags dynamic; }\nset n { type ipv4_addr; flags dynamic; }\nchain c {\n\
                        type filter hook input priority 0;\nip saddr @s drop\ntcp flags syn update @n { ip saddr limit rate over 5/second } add @s { ip saddr } drop\n}\n}\n",
            },
        ]
    }
}

fn lists_sources(rule: &Rule) -> bool {
    rule.recents.iter().any(|recent| recent.act == Act::Set)
        || rule.adds.iter().any(|added| added.by_source && !added.counts)
}

fn leads_to_a_list(rules: &Ruleset, key: &Key, rule: &Rule) -> bool {
    rules.led_to(key, rule).is_some_and(|(_, chain)| chain.rules.iter().any(lists_sources))
}

impl Check for InsideDrop {
    fn name(&self) -> &'static str {
        "limit-inside-drop"
    }

    fn about(&self) -> &'static str {
        "a limit on the drop itself: what exceeds it is not dropped here"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let dropping =
            limited(rules).filter(|(key, _, rule, limit)| !limit.is_over && drops(rules, key, rule));
        let remark = |(_, _, rule, limit): (&Key, usize, &Rule, &Limit)| {
            let why = format!(
                "the limit is on the drop: {} are dropped, and what exceeds that goes on to the next rule",
                limit.text
            );
            let hint = "accept up to the limit and drop the rest, or drop what is above it (`--hashlimit-above`, `limit rate over`)";
            Remark::new(rule.place, why, hint)
        };
        dropping.map(remark).collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p icmp -m limit --limit 1/s -j DROP\nCOMMIT\n",
                sound: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p icmp -m limit --limit 1/s -j ACCEPT\n-A INPUT -p icmp -j DROP\nCOMMIT\n",
            },
            Example {
                bad: "table inet t {\nchain c {\ntype filter hook input priority 0;\nicmp type echo-request limit rate 1/second drop\n}\n}\n",
                sound: "table inet t {\nchain c {\ntype filter hook input priority 0;\nicmp type echo-request limit rate over 1/second drop\n}\n}\n",
            },
        ]
    }
}

/// Whether it drops, by itself or by a chain that drops everything. A limited refusal is another thing: it limits
/// answers.
fn drops(rules: &Ruleset, key: &Key, rule: &Rule) -> bool {
    let led_to = || rules.led_to(key, rule).and_then(|(next, _)| rules.decides(next));
    rule.verdict == Verdict::Drop || led_to() == Some(true)
}

impl Check for AcceptWithoutDrop {
    fn name(&self) -> &'static str {
        "accept-limit-without-drop"
    }

    fn about(&self) -> &'static str {
        "a limit on what is accepted, where what exceeds it is accepted all the same"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let accepting =
            limited(rules).filter(|(_, _, rule, limit)| !limit.is_over && rule.verdict == Verdict::Accept);
        accepting.filter_map(|(key, at, rule, limit)| excess(rules, key, at, rule, limit)).collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -m limit --limit 5/s -j ACCEPT\n-A INPUT -p tcp -j DROP\nCOMMIT\n",
                sound: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p udp -m limit --limit 5/s -j ACCEPT\n-A INPUT -p udp -j DROP\nCOMMIT\n",
            },
            Example {
                bad: "table inet t {\nchain c {\ntype filter hook input priority 0; policy drop;\nicmp type echo-request limit rate 1/second accept\n\
                      meta l4proto icmp accept\n}\n}\n",
                sound: "table inet t {\nchain c {\ntype filter hook input priority 0; policy drop;\nicmp type echo-request limit rate 1/second accept\n}\n}\n",
            },
        ]
    }
}

/// Where the excess ends up.
enum Fate {
    /// Refused, perhaps in part.
    Refused,
    /// Accepted by this rule.
    Accepted(String),
    /// No rule decides.
    Open,
}

fn excess(rules: &Ruleset, key: &Key, at: usize, rule: &Rule, limit: &Limit) -> Option<Remark> {
    let bases = rules.bases(key);
    let guards = |key: &&&Key| rules.chains.get(**key).is_some_and(|chain| chain.kind == "filter");
    let bases: Vec<&&Key> = bases.iter().filter(guards).collect();
    if bases.is_empty() {
        return None;
    }
    let refused =
        |key: &&&Key| rules.chains.get(**key).is_some_and(super::super::ruleset::Chain::refuses_by_policy);
    let why = match fate(rules, key, at + 1, rule, &mut Vec::new()) {
        Fate::Refused => return None,
        Fate::Accepted(by) => {
            format!("what exceeds {} is accepted by {by}, so the limit changes nothing", limit.text)
        }
        Fate::Open if bases.iter().any(refused) => return None,
        Fate::Open => format!(
            "what exceeds {} is accepted too: no later rule drops it, and the policy accepts, so the limit changes nothing",
            limit.text
        ),
    };
    Some(Remark::new(
        rule.place,
        why,
        "drop the rest right after it; who is hurt by one limit for all is worth a drill",
    ))
}

/// What later rules do with what exceeds the limit of `of`, from a place in a chain on, then in the chains that led
/// there.
fn fate<'a>(rules: &'a Ruleset, key: &'a Key, from: usize, of: &Rule, seen: &mut Vec<&'a Key>) -> Fate {
    if seen.contains(&key) {
        return Fate::Open;
    }
    seen.push(key);
    let later = rules.chains.get(key).into_iter().flat_map(|chain| chain.rules.iter().skip(from));
    for rule in later {
        match met(rules, key, rule, of) {
            Fate::Open => {}
            fate @ (Fate::Refused | Fate::Accepted(_)) => return fate,
        }
    }
    let mut last = Fate::Open;
    for (caller, at, _) in rules.callers(key) {
        match fate(rules, caller, at + 1, of, seen) {
            Fate::Open => {}
            Fate::Refused => return Fate::Refused,
            fate @ Fate::Accepted(_) => last = fate,
        }
    }
    last
}

/// What one rule does with it.
fn met(rules: &Ruleset, key: &Key, rule: &Rule, of: &Rule) -> Fate {
    if rule.is_apart_from(of) {
        return Fate::Open;
    }
    match &rule.verdict {
        Verdict::Drop | Verdict::Reject if narrows_by_place_alone(rule, of) => Fate::Refused,
        Verdict::Accept if rule.covers(of) => Fate::Accepted(rules.told(rule.place, of.place)),
        Verdict::Jump(_) | Verdict::Goto(_) if narrows_by_place_alone(rule, of) => {
            let below = rules.led_to(key, rule).map(|(next, _)| rules.below(next)).unwrap_or_default();
            let mut inner =
                below.iter().filter_map(|key| rules.chains.get(*key)).flat_map(|chain| &chain.rules);
            let refuses = |inner: &Rule| {
                inner.verdict.refuses() && !inner.is_apart_from(of) && narrows_by_place_alone(inner, of)
            };
            if inner.any(refuses) { Fate::Refused } else { Fate::Open }
        }
        Verdict::Unclear => Fate::Refused,
        Verdict::None
        | Verdict::Accept
        | Verdict::Drop
        | Verdict::Reject
        | Verdict::Return
        | Verdict::Jump(_)
        | Verdict::Goto(_)
        | Verdict::Ends => Fate::Open,
    }
}

/// Whether `rule` takes what `of` takes, but for where packets come from or go to. A drop of invalid packets or of
/// listed sources is none of the rest.
fn narrows_by_place_alone(rule: &Rule, of: &Rule) -> bool {
    let places = ["in", "out", "src", "dst", "nfproto", "--dst-type", "--src-type", "--pkt-type", "pkttype"];
    let is_compared = |own: &Match| of.matches.iter().any(|other| other.key == own.key);
    rule.matches
        .iter()
        .all(|own| own.values.is_some() && (places.contains(&own.key.as_str()) || is_compared(own)))
}
