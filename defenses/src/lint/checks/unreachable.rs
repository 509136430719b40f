//! Rules that no packet reaches: an earlier one of the same chain has taken all that they match.

use super::{Check, Example, Remark};
use crate::lint::rule::{Rule, Verdict};
use crate::lint::ruleset::{Key, Ruleset};

/// `never-matches`.
pub struct Unreachable;

/// So many earlier rules of a chain are compared with each; blocklists have thousands that are all alike.
const COMPARED_MAX: usize = 1000;

impl Check for Unreachable {
    fn name(&self) -> &'static str {
        "never-matches"
    }

    fn about(&self) -> &'static str {
        "a rule whose packets an earlier rule of the chain has all taken"
    }

    fn look(&self, rules: &Ruleset) -> Vec<Remark> {
        let mut remarks = Vec::new();
        for (key, chain) in &rules.chains {
            let mut taking: Vec<&Rule> = Vec::new();
            for rule in &chain.rules {
                let taken = taking.iter().find(|earlier| earlier.is_there_with(rule) && earlier.covers(rule));
                if let Some(earlier) = taken.filter(|earlier| earlier.place != rule.place) {
                    remarks.push(remark(rules, earlier, rule));
                }
                if taking.len() < COMPARED_MAX && takes(rules, key, rule) {
                    taking.push(rule);
                }
            }
        }
        remarks
    }

    fn examples(&self) -> &'static [Example] {
        &[
            Example {
                bad: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -j ACCEPT\n-A INPUT -p tcp --dport 23 -j DROP\nCOMMIT\n",
                sound: "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport 23 -j DROP\n-A INPUT -p tcp -j ACCEPT\nCOMMIT\n",
            },
            Example {
                bad: "table inet t {\nchain c {\ntype filter hook input priority 0; policy drop;\naccept\ntcp dport 23 drop\n}\n}\n",
                sound: "table inet t {\nchain c {\ntype filter hook input priority 0; policy drop;\ntcp dport 23 drop\naccept\n}\n}\n",
            },
        ]
    }
}

/// Whether no packet that the rule matches goes on to the next one.
fn takes(rules: &Ruleset, key: &Key, rule: &Rule) -> bool {
    let leads_to_an_end = || {
        matches!(rule.verdict, Verdict::Jump(_))
            && rules.led_to(key, rule).is_some_and(|(next, _)| rules.decides(next).is_some())
    };
    rule.verdict.leaves_the_chain() || leads_to_an_end()
}

fn remark(rules: &Ruleset, earlier: &Rule, rule: &Rule) -> Remark {
    let by = rules.told(earlier.place, rule.place);
    let why = if earlier.matches.is_empty() {
        format!("no packet comes here: {by} takes every packet that gets that far")
    } else {
        format!("no packet comes here: {by} takes every packet that this would match")
    };
    Remark::new(rule.place, why, format!("put it before {by}, or take it out"))
}
