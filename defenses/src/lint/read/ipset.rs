//! ipset's commands, in a restore file or typed one by one.

use super::below;
use super::words::{Word, words};
use crate::lint::rule::Place;
use crate::lint::ruleset::Ruleset;

/// Reads what `ipset restore` gets.
pub fn restore(rules: &mut Ruleset, text: &str, start: Place) {
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#')) {
        command(rules, &words(line), below(start, index));
    }
}

/// Reads one command, without the program's name.
pub fn command(rules: &mut Ruleset, words: &[Word], place: Place) {
    let words: Vec<&Word> = words.iter().filter(|word| !IGNORED.contains(&word.text.as_str())).collect();
    let [act, rest @ ..] = words.as_slice() else { return };
    let Some(name) = rest.first().map(|name| name.text.as_str()) else { return };
    match act.text.as_str() {
        "create" | "-N" | "--create" | "n" => {
            rules.set(None, name, place).times_out |= rest.iter().any(|word| word.text == "timeout");
        }
        "add" | "-A" | "--add" | "a" => {
            rules.set(None, name, place).is_filled = true;
            // A list of sets leads to its members.
            let member = rest.get(1).map(|word| (None, word.text.clone()));
            if let Some(member) = member.and_then(|member| rules.sets.get_mut(&member)) {
                member.is_named = true;
            }
        }
        "restore" | "-R" | "--restore" => rules.is_partial = true,
        // What is swapped in is filled elsewhere.
        "swap" | "-W" | "--swap" | "rename" | "-E" | "--rename" => {
            for word in rest {
                let set = rules.set(None, &word.text, place);
                (set.is_filled, set.is_named) = (true, true);
            }
        }
        _ => {}
    }
}

const IGNORED: [&str; 6] = ["-exist", "-!", "-q", "-quiet", "--exist", "-o"];
