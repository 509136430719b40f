//! A packet's way, beside the lines of the texts that were loaded: which rule decided, and what that came to.

use scandrill_defenses::lint::Lines;
use scandrill_lab::{Passed, Traced};
use scandrill_model::{Cause, HookVerdict, Hop, PortSet, RuleAt};

use crate::plan::EDGE;

/// One packet's fate on a host.
pub(super) fn cause(host: &str, traced: &Traced, lines: &Lines) -> Cause {
    let path: Vec<Hop> = traced.path.iter().map(|passed| hop(host, passed, lines)).collect();
    Cause {
        actor: None,
        packet: traced.packet.to_string(),
        ports: PortSet::one(traced.packet.port()),
        packets: 1,
        conntrack: traced.conntrack.clone(),
        decided_by: decisive(&path).and_then(|hop| hop.rule.clone()),
        fate: fate(&path).to_owned(),
        witness: if traced.by_legacy { "xtables TRACE" } else { "nftables trace" }.to_owned(),
        path,
    }
}

/// What the rules made of it, in a word or two.
pub(super) fn fate(path: &[Hop]) -> &'static str {
    match decisive(path).map(|hop| hop.verdict) {
        Some(HookVerdict::Drop) => "dropped",
        Some(HookVerdict::Reject) => "rejected",
        Some(HookVerdict::Stolen) => "taken",
        Some(HookVerdict::Accept) => "accepted",
        Some(HookVerdict::Continue | HookVerdict::Jump | HookVerdict::Return) | None => "left to the host",
    }
}

/// The step that decided: what ended it, or else what let it through last.
pub(super) fn decisive(path: &[Hop]) -> Option<&Hop> {
    let ended = path.iter().rev().find(|hop| ends(hop.verdict));
    ended.or_else(|| path.iter().rev().find(|hop| hop.verdict == HookVerdict::Accept))
}

fn ends(verdict: HookVerdict) -> bool {
    matches!(verdict, HookVerdict::Drop | HookVerdict::Reject | HookVerdict::Stolen)
}

fn hop(host: &str, passed: &Passed, lines: &Lines) -> Hop {
    let Passed { hook, chain, place, text, verdict } = passed;
    let line =
        place.and_then(|place| lines.at(&chain.family, &chain.table, &chain.chain, place.at, place.of));
    let rule = match line {
        Some(line) => RuleAt { file: Some(line.file), line: u32::try_from(line.line).ok(), rule: line.text },
        None => RuleAt { file: None, line: None, rule: text.clone() },
    };
    let before = if host == EDGE { format!("{host} ") } else { String::new() };
    Hop {
        hook: format!("{before}{hook}"),
        chain: format!("{} {} {}", chain.family, chain.table, chain.chain),
        rule: Some(rule),
        verdict: *verdict,
    }
}
