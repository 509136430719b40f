//! Which rules of the texts were put to the test: each text once for all cases of a run, with the packets that its lines
//! matched.

use std::collections::{BTreeMap, BTreeSet};

use scandrill_model::{CaseReport, RuleText, RunReport};

/// A text with what its rules came to.
pub struct Covered<'a> {
    /// Whose.
    pub host: &'a str,
    /// Its name.
    pub file: &'a str,
    /// Its lines.
    pub text: &'a str,
    /// How many cases installed it.
    pub cases: usize,
    /// Each rule's packets, by line; `None` where they are not counted.
    pub packets: BTreeMap<u32, Option<u64>>,
    /// The lines that decided on packets which were followed.
    pub decisive: BTreeSet<u32>,
}

/// Host, file and text.
pub type Key<'a> = (&'a str, &'a str, &'a str);

/// What tells a text from others.
pub fn key(text: &RuleText) -> Key<'_> {
    (&text.host, &text.file, &text.text)
}

impl<'a> Covered<'a> {
    /// One that no case has installed yet.
    pub fn nowhere(text: &'a RuleText) -> Self {
        let (host, file) = (text.host.as_str(), text.file.as_str());
        Self { host, file, text: &text.text, cases: 0, packets: BTreeMap::new(), decisive: BTreeSet::new() }
    }

    /// Counts what it came to in a case.
    pub fn add(&mut self, case: &CaseReport, text: &RuleText) {
        self.cases += 1;
        for rule in &text.rules {
            let sum = self.packets.entry(rule.line).or_insert(Some(0));
            *sum = sum.zip(rule.packets).map(|(sum, more)| sum + more);
        }
        self.decisive.extend(decisive(case, text));
    }

    /// How many rules are counted.
    pub fn counted(&self) -> usize {
        self.packets.values().flatten().count()
    }

    /// The rules that are counted and never matched, each with its line.
    pub fn idle(&self) -> impl Iterator<Item = (u32, &'a str)> {
        let lines: Vec<&'a str> = self.text.lines().collect();
        let idle = self.packets.iter().filter(|(_, packets)| **packets == Some(0));
        idle.map(move |(number, _)| {
            let at = usize::try_from(*number).unwrap_or(usize::MAX).wrapping_sub(1);
            (*number, lines.get(at).map_or("", |line| line.trim()))
        })
    }
}

/// The lines of `text` that decided in `case`.
fn decisive<'a>(case: &'a CaseReport, text: &'a RuleText) -> impl Iterator<Item = u32> + 'a {
    let decided = case.causes.iter().filter_map(|cause| cause.decided_by.as_ref());
    let banned = case.collateral.iter().filter_map(|client| client.banned.as_ref()?.rule.as_ref());
    decided.chain(banned).filter(|rule| rule.file.as_ref() == Some(&text.file)).filter_map(|rule| rule.line)
}

/// Every text of a run, in the order of its cases.
pub fn of(report: &RunReport) -> Vec<Covered<'_>> {
    let mut places: BTreeMap<Key<'_>, usize> = BTreeMap::new();
    let mut all: Vec<Covered<'_>> = Vec::new();
    for case in &report.cases {
        for text in &case.rules {
            let place = *places.entry(key(text)).or_insert_with(|| {
                all.push(Covered::nowhere(text));
                all.len() - 1
            });
            all[place].add(case, text);
        }
    }
    all
}
