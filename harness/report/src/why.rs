//! Why packets met their fate, in a sentence.

use scandrill_model::{Cause, RuleAt};

use crate::words::ports;

/// The widest set of ports that is told whole.
const PORTS: usize = 40;

/// `portscan.rules:6: -A INPUT ... -j DROP`.
pub fn in_its_words(rule: &RuleAt) -> String {
    match (&rule.file, rule.line) {
        (Some(file), Some(line)) => format!("{file}:{line}: {}", rule.rule),
        (_, _) => rule.rule.clone(),
    }
}

/// `red: tcp 198.18.2.10:40000 -> 198.18.0.1:22 syn and 8 more, ports 1-9: dropped, by portscan.rules:6: ...`.
pub fn told(cause: &Cause) -> String {
    let actor = cause.actor.as_ref().map_or_else(String::new, |actor| format!("{actor}: "));
    let rule = cause.decided_by.as_ref().map_or_else(|| "no rule".to_owned(), in_its_words);
    format!("{actor}{}{}: {}, by {rule}", cause.packet, others(cause), cause.fate)
}

/// ` and 8 more, ports 1-9`: those that went the same way.
pub fn others(cause: &Cause) -> String {
    let asked = match cause.ports.len() {
        0 | 1 => String::new(),
        _ => format!(", ports {}", ports(&cause.ports, PORTS)),
    };
    match cause.packets.saturating_sub(1) {
        0 => String::new(),
        more => format!(" and {more} more{asked}"),
    }
}
