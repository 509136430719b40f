//! Lists and sets that are looked in but never filled, filled but never looked in, never made, or shared by recipes
//! that know nothing of each other.

use std::collections::BTreeMap;

use scandrill_model::Family;

use super::{Check, Example, Remark};
use crate::lint::rule::{Act, Recent, Rule};
use crate::lint::ruleset::{Ruleset, Table};

/// `list-never-set`.
pub struct NeverSet;

/// `list-never-checked`.
pub struct NeverChecked;

/// `set-not-created`.
pub struct NeverCreated;

/// `shared-list`.
pub struct Shared;

/// A list of xt_recent. Addresses of one IP version are of no use to the other's rules.
type List<'a> = (Family, &'a str);

/// Each list with the rules that use it and how, in the order of the chains.
fn lists(rules: &Ruleset) -> BTreeMap<List<'_>, Vec<(&Rule, &Recent)>> {
    let mut lists: BTreeMap<List, Vec<(&Rule, &Recent)>> = BTreeMap::new();
    for ((table, _), rule) in rules.rules() {
        let Table::Iptables(family, _) = table else { continue };
        for recent in &rule.recents {
            lists.entry((*family, &recent.name)).or_default().push((rule, recent));
        }
    }
    // Somebody writes to it, or reads it, by hand.
    let by_hand = |name: &str| {
        let file = format!("xt_recent/{name}");
        rules.texts.iter().flat_map(|(_, lines)| lines).any(|line| line.contains(&file))
    };
    lists.retain(|(_, name), _| !by_hand(name) && !name.contains('$'));
    lists
}

/// The first use of its kind where there is none of the other kind.
fn without<'a>(uses: &[(&'a Rule, &Recent)], kind: Act, is_other: impl Fn(Act) -> bool) -> Option<&'a Rule> {
    if uses.iter().any(|(_, recent)| is_other(recent.act)) {
        return None;
    }
    uses.iter().find(|(_, recent)| recent.act == kind).map(|(rule, _)| *rule)
}

impl Check for NeverSet {
    fn name(&self) -> &'static str {
        "list-never-set"
    }

    fn about(&self) -> &'static str {
        "a list or set that rules look in and nothing is ever put into"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        if rules.is_partial {
            return Vec::new();
        }
        let recents = lists(rules).into_iter().filter_map(|((_, name), uses)| {
            let rule = without(&uses, Act::Check, |act| act == Act::Set)?;
            let why = format!("no rule writes an address into the list `{name}`, so this never matches");
            Some(Remark::new(rule.place, why, format!("add a rule with `-m recent --set --name {name}`")))
        });
        let sets = rules.set_uses(|rule| &rule.lookups).filter_map(|(key, rule, used)| {
            let set = rules.sets.get(&key).filter(|set| !set.is_filled)?;
            let is_added_to = rules.set_uses(|rule| &rule.adds).any(|(other, _, _)| other == key);
            if is_added_to || set.is_named {
                return None;
            }
            let why = format!("nothing in these rules puts anything into the set `{}`", used.set);
            let hint = "give it elements, or a rule that adds to it; if a program fills it later, it is empty until then";
            Some(Remark::new(rule.place, why, hint))
        });
        recents.chain(sets).collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n-A INPUT -m recent --rcheck --seconds 60 --name bad --rsource -j DROP\nCOMMIT\n",
                sound: "*filter\n-A INPUT -m recent --rcheck --seconds 60 --name bad --rsource -j DROP\n\
                        -A INPUT -p tcp --dport 23 -m recent --set --name bad --rsource -j DROP\nCOMMIT\n",
            },
            Example {
                bad: "table inet t {\nset bad { type ipv4_addr; }\nchain c {\ntype filter hook input priority 0;\nip saddr @bad drop\n}\n}\n",
                sound: "table inet t {\nset bad { type ipv4_addr; elements = { 192.0.2.1 } }\nchain c {\n\
                        type filter hook input priority 0;\nip saddr @bad drop\n}\n}\n",
            },
        ]
    }
}

impl Check for NeverChecked {
    fn name(&self) -> &'static str {
        "list-never-checked"
    }

    fn about(&self) -> &'static str {
        "a list or set that rules fill and none looks in"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        if rules.is_partial {
            return Vec::new();
        }
        let recents = lists(rules).into_iter().filter_map(|((_, name), uses)| {
            let rule = without(&uses, Act::Set, |act| act != Act::Set)?;
            let why = format!(
                "addresses are written into the list `{name}`, and no rule looks whether one is there"
            );
            Some(Remark::new(
                rule.place,
                why,
                format!("add a rule with `-m recent --rcheck --name {name} -j DROP`"),
            ))
        });
        let sets = rules.set_uses(|rule| &rule.adds).filter_map(|(key, rule, used)| {
            let is_looked_in = rules.set_uses(|rule| &rule.lookups).any(|(other, _, _)| other == key);
            let is_named = rules.sets.get(&key).is_some_and(|set| set.is_named);
            if is_looked_in || is_named || used.counts {
                return None;
            }
            let why = format!("this adds to the set `{}`, and no rule looks in it", used.set);
            Some(Remark::new(
                rule.place,
                why,
                "add a rule that drops what is in it, before the rules that accept",
            ))
        });
        recents.chain(sets).collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n-A INPUT -p tcp --dport 23 -m recent --set --name bad --rsource -j DROP\nCOMMIT\n",
                sound: "*filter\n-A INPUT -m recent --rcheck --seconds 60 --name bad --rsource -j DROP\n\
                        -A INPUT -p tcp --dport 23 -m recent --set --name bad --rsource -j DROP\nCOMMIT\n",
            },
            Example {
                bad: "table ip t {\nset bad { type ipv4_addr; flags dynamic; }\nchain c {\ntype filter hook input priority 0;\n\
                      tcp dport 23 add @bad { ip saddr } drop\n}\n}\n",
                sound: "table ip t {\nset bad { type ipv4_addr; flags dynamic; }\nchain c {\ntype filter hook input priority 0;\n\
                        ip saddr @bad drop\ntcp dport 23 add @bad { ip saddr } drop\n}\n}\n",
            },
        ]
    }
}

impl Check for NeverCreated {
    fn name(&self) -> &'static str {
        "set-not-created"
    }

    fn about(&self) -> &'static str {
        "a set that rules name and these texts do not make"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        if rules.is_partial {
            return Vec::new();
        }
        let mut missing: BTreeMap<String, Remark> = BTreeMap::new();
        let uses = rules.set_uses(|rule| &rule.lookups).chain(rules.set_uses(|rule| &rule.adds));
        for ((table, set), rule, used) in uses {
            // Meters make their own.
            if used.counts || set.contains('$') || rules.sets.contains_key(&(table.clone(), set.clone())) {
                continue;
            }
            let why = format!(
                "these rules do not make the set `{set}`: where it is missing when they load, none of them loads"
            );
            let hint = match table {
                None => "put `ipset save`'s lines before them, and load both when the machine starts",
                Some(_) => "make it in the same table",
            };
            missing.entry(set).or_insert_with(|| Remark::new(rule.place, why, hint));
        }
        missing.into_values().collect()
    }

    fn examples(&self) -> &'static [Example] {
        &[Example {
            bad: "*filter\n-A INPUT -m set --match-set bad src -j DROP\nCOMMIT\n",
            sound: "create bad hash:ip\nadd bad 192.0.2.1\n*filter\n-A INPUT -m set --match-set bad src -j DROP\nCOMMIT\n",
        }]
    }
}

impl Check for Shared {
    fn name(&self) -> &'static str {
        "shared-list"
    }

    fn about(&self) -> &'static str {
        "recipes that count into one list of xt_recent, so that their counts add up"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let mut remarks = Vec::new();
        for ((_, name), uses) in lists(rules) {
            let counts = |(_, recent): &(&Rule, &Recent)| recent.hitcount.is_some_and(|hits| hits > 1);
            let mut setting = uses.iter().filter(|(_, recent)| recent.act == Act::Set).map(|(rule, _)| *rule);
            let Some(first) = setting.next().filter(|_| uses.iter().any(counts)) else { continue };
            // The same rule again is found as such.
            for rule in setting.filter(|rule| rule.text != first.text && rule.place != first.place) {
                let by = rules.told(first.place, rule.place);
                let why = format!("{by} writes into the list `{name}` too: what either counts, both count");
                remarks.push(Remark::new(
                    rule.place,
                    why,
                    "give each recipe a list of its own with `--name`",
                ));
            }
        }
        remarks
    }

    fn examples(&self) -> &'static [Example] {
        &[Example {
            bad: "*filter\n-A INPUT -p tcp --dport 22 -m recent --set\n-A INPUT -p tcp --dport 22 -m recent --update --hitcount 4 -j DROP\n\
                  -A INPUT -p tcp --dport 25 -m recent --set\n-A INPUT -p tcp --dport 25 -m recent --update --hitcount 9 -j DROP\nCOMMIT\n",
            sound: "*filter\n-A INPUT -p tcp --dport 22 -m recent --set --name ssh\n\
                    -A INPUT -p tcp --dport 22 -m recent --update --hitcount 4 --name ssh -j DROP\n\
                    -A INPUT -p tcp --dport 25 -m recent --set --name smtp\n\
                    -A INPUT -p tcp --dport 25 -m recent --update --hitcount 9 --name smtp -j DROP\nCOMMIT\n",
        }]
    }
}
