//! From what was heard to ways: each step beside the rule that it is of. A rule is named only where it is certain which it
//! is: rules may have been changed meanwhile, and their numbers given to others.

use std::time::Duration;

use scandrill_model::{Family, HookVerdict};

use super::hearing::{Heard, HeardPacket};
use super::listing::{self, Chain, Rule, Rules};
use super::selector::{TABLE, TRACKED};
use super::{ChainName, Matched, Passed, RulePlace, Traced};
use crate::watch::{Carried, Kind, Step, Verdict};

/// Lines of a packet are told within this time; another one of the same ports comes later, as one that is sent again.
const APART: Duration = Duration::from_millis(100);

/// The rules as they were when packets began to be followed, and when they no longer were.
pub(super) struct Known {
    pub(super) before: Rules,
    pub(super) after: Rules,
}

impl Known {
    /// The ways of all packets.
    pub(super) fn ways(&self, heard: &Heard) -> Vec<Traced> {
        heard.packets.iter().filter_map(|packet| self.way(packet, heard)).collect()
    }

    /// What each rule matched.
    pub(super) fn matched(&self) -> Vec<Matched> {
        let of_others = self.after.chains.iter().filter(|chain| chain.name.table != TABLE);
        of_others.flat_map(matched_of).collect()
    }

    fn way(&self, packet: &HeardPacket, heard: &Heard) -> Option<Traced> {
        let carried = packet.steps.iter().find_map(|step| step.carried)?;
        let mut path = self.of_nft(&packet.steps);
        let own = heard.legacy.iter().filter(|(at, of, _)| {
            let apart = at.since(packet.at).max(packet.at.since(*at));
            is_same(of, &carried) && apart < APART
        });
        let family = if carried.source.is_ipv4() { "ip" } else { "ip6" };
        let of_legacy: Vec<Passed> = own.filter_map(|(_, _, line)| self.of_legacy(family, line)).collect();
        let by_legacy = !of_legacy.is_empty();
        if !by_legacy && self.after.have_legacy(Family::of(carried.source)) {
            // Half a way says nothing of the other half.
            return None;
        }
        path.extend(of_legacy);
        path.sort_by_key(|passed| order(&passed.hook));
        let conntrack = conntrack(&packet.steps);
        Some(Traced { at: packet.at, packet: carried, conntrack, path, by_legacy })
    }

    /// The rules and policies of others in nftables' trace.
    fn of_nft(&self, steps: &[Step]) -> Vec<Passed> {
        let mut hook = String::new();
        let mut path = Vec::new();
        for step in steps.iter().filter(|step| step.table != TABLE) {
            let chain = ChainName {
                family: step.family.to_owned(),
                table: step.table.clone(),
                chain: step.chain.clone(),
            };
            if let Some(base) = self.chain(&chain, false).and_then(|chain| chain.hook.as_ref()) {
                hook.clone_from(base);
            }
            let (place, text) = match (step.kind, step.handle) {
                (Kind::Policy, _) => (None, format!("policy {:?}", step.verdict).to_lowercase()),
                (Kind::Rule, Some(handle)) => self.rule(&chain, handle),
                (Kind::Rule | Kind::Return | Kind::Unknown, _) => continue,
            };
            let verdict = said(&step.verdict, &text);
            path.push(Passed { hook: hook.clone(), chain, place, text, verdict });
        }
        path
    }

    /// `TRACE: filter:INPUT:rule:3 `, a rule's number or a policy's.
    fn of_legacy(&self, family: &str, line: &str) -> Option<Passed> {
        let mut words = line.strip_prefix("TRACE: ")?.trim().splitn(4, ':');
        let [table, chain, what, number] = [words.next()?, words.next()?, words.next()?, words.next()?];
        let chain = ChainName { family: family.to_owned(), table: table.to_owned(), chain: chain.to_owned() };
        let listed = self.chain(&chain, true)?;
        let at = number.parse::<usize>().ok()?.checked_sub(1)?;
        let (place, text) = match what {
            "rule" if self.is_as_before(&chain, true) => {
                (Some(RulePlace { at, of: listed.rules.len() }), listed.rules.get(at)?.text.clone())
            }
            "rule" => (None, changed()),
            "policy" => (None, format!("policy {}", listed.policy.as_deref()?.to_lowercase())),
            _ => return None,
        };
        let hook = listed.hook.clone().unwrap_or_else(|| "input".to_owned());
        let verdict = listing::verdict_of(&text);
        Some(Passed { hook, chain, place, text, verdict })
    }

    /// The chain as it was last.
    fn chain(&self, name: &ChainName, legacy: bool) -> Option<&Chain> {
        self.after.chain(name, legacy).or_else(|| self.before.chain(name, legacy))
    }

    fn is_as_before(&self, name: &ChainName, legacy: bool) -> bool {
        let (before, after) = (self.before.chain(name, legacy), self.after.chain(name, legacy));
        let is_same = |a: &Rule, b: &Rule| (a.handle, &a.text) == (b.handle, &b.text);
        before.zip(after).is_some_and(|(before, after)| {
            before.rules.len() == after.rules.len()
                && before.rules.iter().zip(&after.rules).all(|(a, b)| is_same(a, b))
        })
    }

    /// The rule of nftables with that number, where only one had it.
    fn rule(&self, name: &ChainName, handle: u64) -> (Option<RulePlace>, String) {
        let find = |rules: &Rules| {
            let chain = rules.chain(name, false)?;
            let at = chain.place(handle)?;
            Some((RulePlace { at, of: chain.rules.len() }, chain.rules[at].text.clone()))
        };
        match (find(&self.before), find(&self.after)) {
            (Some((place, text)), Some((_, other))) if text == other => {
                (Some(place).filter(|_| self.is_as_before(name, false)), text)
            }
            (Some((_, text)), None) | (None, Some((_, text))) => (None, text),
            (Some(_), Some(_)) | (None, None) => (None, changed()),
        }
    }
}

fn changed() -> String {
    "a rule that was changed meanwhile".to_owned()
}

fn matched_of(chain: &Chain) -> impl Iterator<Item = Matched> {
    let of = chain.rules.len();
    chain.rules.iter().enumerate().map(move |(at, rule)| Matched {
        chain: chain.name.clone(),
        place: RulePlace { at, of },
        packets: rule.packets,
    })
}

/// Whether both are of one packet: the address to which it goes may have been translated.
fn is_same(one: &Carried, other: &Carried) -> bool {
    (one.source, one.protocol, one.ports) == (other.source, other.protocol, other.ports)
}

fn conntrack(steps: &[Step]) -> Option<String> {
    let states = steps.iter().filter(|step| step.table == TABLE && step.chain == TRACKED);
    states.into_iter().find_map(|step| match &step.verdict {
        Verdict::Jump(state) => Some(state.clone()),
        Verdict::Continue | Verdict::Accept | Verdict::Drop | Verdict::Return | Verdict::Stolen => None,
    })
}

/// A drop with an answer is one by its text alone.
fn said(verdict: &Verdict, text: &str) -> HookVerdict {
    match verdict {
        Verdict::Continue => HookVerdict::Continue,
        Verdict::Accept => HookVerdict::Accept,
        Verdict::Drop if text.split_whitespace().any(|word| word.eq_ignore_ascii_case("reject")) => {
            HookVerdict::Reject
        }
        Verdict::Drop => HookVerdict::Drop,
        Verdict::Jump(_) => HookVerdict::Jump,
        Verdict::Return => HookVerdict::Return,
        Verdict::Stolen => HookVerdict::Stolen,
    }
}

/// The order of the hooks on a packet's way in.
fn order(hook: &str) -> usize {
    ["ingress", "prerouting", "input", "forward", "output", "postrouting"]
        .iter()
        .position(|known| *known == hook)
        .unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(texts: &[(u64, &str)]) -> Rules {
        let rules: Vec<String> =
            texts.iter().map(|(handle, text)| format!("\t\t{text} # handle {handle}\n")).collect();
        let rules = rules.concat();
        Rules::parse(&format!(
            "== nft\ntable inet t {{ # handle 1\n\tchain input {{ # handle 1\n\
             \t\ttype filter hook input priority filter; policy accept;\n{rules}\t}}\n}}\n"
        ))
    }

    fn name() -> ChainName {
        ChainName { family: "inet".to_owned(), table: "t".to_owned(), chain: "input".to_owned() }
    }

    #[test]
    fn a_rule_has_its_place_where_nothing_was_changed() {
        let one = || rules(&[(4, "tcp dport 22 accept"), (5, "drop")]);
        let known = Known { before: one(), after: one() };
        assert_eq!(known.rule(&name(), 5), (Some(RulePlace { at: 1, of: 2 }), "drop".to_owned()));
    }

    #[test]
    fn a_number_that_two_rules_had_names_neither() {
        let known = Known { before: rules(&[(4, "accept")]), after: rules(&[(4, "drop")]) };
        assert_eq!(known.rule(&name(), 4), (None, changed()));
    }

    #[test]
    fn a_rule_that_came_later_has_its_words_alone() {
        let known = Known { before: rules(&[(4, "accept")]), after: rules(&[(6, "drop"), (4, "accept")]) };
        assert_eq!(known.rule(&name(), 6), (None, "drop".to_owned()));
        assert_eq!(known.rule(&name(), 4), (None, "accept".to_owned()), "its place is another");
    }
}
