//! iptables' commands and the texts of iptables-restore.

use scandrill_model::Family;

use super::below;
use super::options::rule;
use super::words::{Word, words};
use crate::lint::rule::{Place, Rule, Verdict};
use crate::lint::ruleset::{Ruleset, Table};

/// What becomes of a table's rules when a text for it is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// They are gone.
    Replaced,
    /// `--noflush`: they stay.
    Kept,
}

/// Who reads commands: of which family, in which table, under which conditions.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    /// Whose program it is.
    family: Family,
    /// The table where a command names none.
    table: String,
    /// The conditions of a script.
    branch: &'a [usize],
}

impl<'a> Reader<'a> {
    /// One that begins in the table filter.
    pub fn new(family: Family, branch: &'a [usize]) -> Self {
        Self { family, table: "filter".to_owned(), branch }
    }

    /// Reads what iptables-restore gets.
    pub fn restore(mut self, rules: &mut Ruleset, text: &str, start: Place, before: Before) {
        for (index, line) in text.lines().enumerate() {
            self.line(rules, line, below(start, index), before);
        }
    }

    fn line(&mut self, rules: &mut Ruleset, line: &str, place: Place, before: Before) {
        let line = line.trim();
        if let Some(table) = line.strip_prefix('*') {
            table.trim().clone_into(&mut self.table);
            let table = self.table();
            if before == Before::Replaced {
                rules.forget(|other| *other == table);
            }
        } else if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let (Some(name), policy) = (words.next(), words.next()) else { return };
            rules.chain(&self.table(), name, place).policy = policy.and_then(policy_of);
        } else if line.starts_with('-') || line.starts_with('[') {
            let line =
                if line.starts_with('[') { line.split_once(']').map_or("", |(_, rest)| rest) } else { line };
            self.command(rules, &words(line), place);
        }
    }

    fn table(&self) -> Table {
        Table::Iptables(self.family, self.table.clone())
    }

    /// One command, without the program's name.
    pub fn command(&self, rules: &mut Ruleset, words: &[Word], place: Place) {
        let mut own = self.clone();
        let mut rest = Vec::with_capacity(words.len());
        let mut command: Option<(char, Vec<&Word>)> = None;
        let mut at = 0;
        while let Some(word) = words.get(at) {
            at += 1;
            let text = word.text.as_str();
            if let ("-t" | "--table", Some(table)) = (text, words.get(at)) {
                table.text.clone_into(&mut own.table);
                at += 1;
            } else if let Some(act) = act_of(word).filter(|_| command.is_none()) {
                let operands: Vec<&Word> = operands(act, &words[at..]).collect();
                at += operands.len();
                command = Some((act, operands));
            } else {
                rest.push(word.clone());
            }
        }
        if let Some((act, operands)) = command {
            own.act(rules, act, &operands, &rest, place);
        }
    }

    fn act(&self, rules: &mut Ruleset, act: char, operands: &[&Word], rest: &[Word], place: Place) {
        let table = self.table();
        let Some(name) = operands.first() else {
            if act == 'F' || act == 'X' {
                self.flush(rules, act, None);
            }
            return;
        };
        if name.is_unclear {
            rules.is_partial = true;
            return;
        }
        let number = operands.get(1).and_then(|number| number.text.parse::<usize>().ok());
        match act {
            'A' | 'I' | 'D' | 'R' => {
                let rule = Rule { branch: self.branch.to_vec(), ..rule(rest, place) };
                rules.has_unclear_jumps |= rule.verdict == Verdict::Unclear;
                let chain = rules.chain(&table, &name.text, place);
                put(&mut chain.rules, act, number, rule, rest.is_empty());
            }
            'N' => {
                rules.chain(&table, &name.text, place);
            }
            'P' => {
                let policy = operands.get(1).and_then(|policy| policy_of(&policy.text));
                rules.chain(&table, &name.text, place).policy = policy;
            }
            'F' | 'X' => self.flush(rules, act, Some(&name.text)),
            _ => {}
        }
    }

    fn flush(&self, rules: &mut Ruleset, act: char, name: Option<&str>) {
        let table = self.table();
        let is_meant = |key: &(Table, String)| key.0 == table && name.is_none_or(|name| name == key.1);
        if act == 'F' {
            let meant = rules.chains.iter_mut().filter(|(key, _)| is_meant(key));
            meant.for_each(|(_, chain)| chain.rules.clear());
        } else {
            rules.chains.retain(|key, chain| !is_meant(key) || chain.hook.is_some());
        }
    }
}

/// Puts a rule where the command says.
fn put(rules: &mut Vec<Rule>, act: char, number: Option<usize>, rule: Rule, is_bare: bool) {
    let index = number.unwrap_or(1).saturating_sub(1);
    match act {
        'I' => rules.insert(index.min(rules.len()), rule),
        'R' if index < rules.len() => rules[index] = rule,
        'D' => {
            let found = if is_bare && number.is_some() {
                Some(index).filter(|index| *index < rules.len())
            } else {
                rules.iter().position(|other| other.text == rule.text)
            };
            found.map(|index| rules.remove(index));
        }
        _ => rules.push(rule),
    }
}

/// The chain, and where in it, or its policy.
fn operands(act: char, words: &[Word]) -> impl Iterator<Item = &Word> {
    let is_value = |word: &&Word| !word.is_option() && word.text != "!";
    let second = move |(at, word): &(usize, &Word)| {
        *at == 0 || (*at == 1 && (act == 'P' || word.text.parse::<usize>().is_ok()))
    };
    words.iter().take_while(is_value).enumerate().take_while(second).map(|(_, word)| word)
}

/// The letter of a command.
fn act_of(word: &Word) -> Option<char> {
    if !word.is_option() {
        return None;
    }
    let letter = match word.text.as_str() {
        "-A" | "--append" => 'A',
        "-I" | "--insert" => 'I',
        "-D" | "--delete" => 'D',
        "-R" | "--replace" => 'R',
        "-C" | "--check" => 'C',
        "-N" | "--new-chain" | "--new" => 'N',
        "-P" | "--policy" => 'P',
        "-F" | "--flush" => 'F',
        "-X" | "--delete-chain" => 'X',
        "-Z" | "--zero" | "-L" | "--list" | "-S" | "--list-rules" | "-E" | "--rename-chain" => 'L',
        _ => return None,
    };
    Some(letter)
}

fn policy_of(text: &str) -> Option<Verdict> {
    match text {
        "ACCEPT" => Some(Verdict::Accept),
        "DROP" => Some(Verdict::Drop),
        _ => None,
    }
}
