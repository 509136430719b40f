//! The same rule twice: a recipe that was applied again. What counts then counts each packet twice.

use std::collections::HashMap;

use super::{Check, Example, Remark};
use crate::lint::rule::{Act, Rule};
use crate::lint::ruleset::Ruleset;

/// `repeated-rule`.
pub struct RepeatedRule;

impl Check for RepeatedRule {
    fn name(&self) -> &'static str {
        "repeated-rule"
    }

    fn about(&self) -> &'static str {
        "the same rule twice in a chain, such as a recipe applied again"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let mut remarks = Vec::new();
        for chain in rules.chains.values() {
            let mut seen: HashMap<&str, &Rule> = HashMap::new();
            // Those whose verdict ends the walk are found as rules that never match.
            for rule in chain.rules.iter().filter(|rule| is_noticed_twice(rule)) {
                match seen.get(rule.text.as_str()) {
                    Some(first) if first.place != rule.place && first.is_there_with(rule) => {
                        remarks.push(remark(rules, first, rule));
                    }
                    Some(_) => {}
                    None => drop(seen.insert(&rule.text, rule)),
                }
            }
        }
        remarks
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n-A INPUT -p tcp -m recent --set\n-A INPUT -p tcp -m recent --update --hitcount 9 -j DROP\n\
                      -A INPUT -p tcp -m recent --set\nCOMMIT\n",
                sound: "*filter\n-A INPUT -p tcp -m recent --set\n-A INPUT -p tcp -m recent --update --hitcount 9 -j DROP\nCOMMIT\n",
            },
            Example {
                bad: "*filter\n-A INPUT -p tcp -j LOG\n-A INPUT -p tcp -j LOG\nCOMMIT\n",
                sound: "*filter\n-A INPUT -p tcp -j LOG\n-A INPUT -p udp -j LOG\nCOMMIT\n",
            },
        ]
    }
}

/// Whether it does more than decide, or decides by a list, so that a second one does something.
fn is_noticed_twice(rule: &Rule) -> bool {
    !rule.recents.is_empty() || !rule.adds.is_empty() || rule.log.is_some() || rule.limit.is_some()
}

fn remark(rules: &Ruleset, first: &Rule, rule: &Rule) -> Remark {
    let by = rules.told(first.place, rule.place);
    let why = if rule.recents.iter().any(|recent| recent.act == Act::Set) {
        format!("it is {by} again: the list counts each packet twice, so a limit of ten is reached by five")
    } else if rule.limit.is_some() {
        format!("it is {by} again: what the first lets through or not, the second has another rate for")
    } else {
        format!("it is {by} again: each packet meets it twice")
    };
    Remark::new(rule.place, why, "take one of them out, and flush the chain before a recipe is applied again")
}
