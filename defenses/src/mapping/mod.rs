//! Carries a user's own rules into a lab: their interface and their address ranges become the lab's, word by word,
//! and every change is told. Lines stay where they are, so that an error names the user's line. What stays as it is:
//! comments and log texts, ports, the loopback, link-local and multicast ranges, and what means "everyone".

mod addresses;
mod interfaces;
mod places;
mod words;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use crate::error::DefenseError;
use crate::rules::Format;
use addresses::Addresses;
use interfaces::Interfaces;
use words::{Word, words};

/// What the user's names are mapped onto.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Onto {
    /// The name of the target's interface in the lab.
    pub interface: String,
    /// The target's addresses: what the rules call their own host.
    pub target: (Ipv4Addr, Ipv6Addr),
    /// The user's interface that faces attackers, where they named one; else it is found out.
    pub outer: Option<String>,
}

/// A text carried over, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The text as the lab loads it, line for line.
    pub text: String,
    /// Each thing that was changed or could not be, in the order of the text, each once.
    pub mappings: Vec<Mapping>,
}

/// One thing of the user's and what it is in the lab.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mapping {
    /// As the user wrote it.
    pub from: String,
    /// As the lab has it.
    pub to: String,
    /// What kind of change it is.
    pub why: Why,
}

/// Kinds of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The interface that faces attackers.
    Interface,
    /// Another interface, which the lab does not have.
    OtherInterface,
    /// A range or address of others.
    Range,
    /// A range that is wider than the lab has room for.
    ShortenedRange,
    /// The host's own address.
    OwnAddress,
    /// All of the Internet's addresses.
    Everyone,
    /// A range for which the lab has no room left; it stays, and nobody in the lab has it.
    NoRoom,
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, .. } = self;
        match self.why {
            Why::Interface => write!(f, "interface {from} -> {to}"),
            Why::OtherInterface if from == to => {
                write!(f, "interface {from} stays: nothing in the lab arrives by it")
            }
            Why::OtherInterface => write!(f, "interface {from} -> {to}: nothing in the lab arrives by it"),
            Why::Range => write!(f, "{from} -> {to}"),
            Why::ShortenedRange => write!(f, "{from} -> {to} (shortened: the lab has no room for all of it)"),
            Why::OwnAddress => write!(f, "{from} -> {to} (the target's own address)"),
            Why::Everyone => write!(f, "{from} -> {to} (everyone)"),
            Why::NoRoom => {
                write!(f, "{from} stays: the lab has no room left, and nobody in it has that address")
            }
        }
    }
}

/// Several files carried over, and what was not understood of their interfaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllMapped {
    /// Each file, in their order.
    pub files: Vec<Mapped>,
    /// Variables and sets that rules match interfaces with, whose value the files do not give.
    pub unclear: Vec<String>,
}

/// Rewrites a user's rules for a lab.
///
/// # Errors
/// As [`map_all`].
pub fn map(text: &str, format: Format, onto: &Onto) -> Result<Mapped, DefenseError> {
    Ok(map_all(&[(text, format)], onto)?.files.swap_remove(0))
}

/// Rewrites several files that belong together: what one of them names is the same thing in all of them.
///
/// # Errors
/// The interface that the user names must occur in one of them.
pub fn map_all(files: &[(&str, Format)], onto: &Onto) -> Result<AllMapped, DefenseError> {
    let cut: Vec<(Vec<Vec<Word>>, Format)> = files
        .iter()
        .map(|&(text, format)| (text.lines().map(|line| words(line, format)).collect(), format))
        .collect();
    let lines: Vec<&Vec<Word>> = cut.iter().flat_map(|(lines, _)| lines).collect();
    let interfaces = Interfaces::of(files, &lines, onto);
    if let Some(name) = interfaces.missing {
        let named = if interfaces.named.is_empty() { "none".to_owned() } else { interfaces.named.join(", ") };
        return Err(DefenseError::UnknownInterface { name, named });
    }
    let addresses = Addresses::of(&cut, onto);
    let mapped = files
        .iter()
        .zip(&cut)
        .map(|((text, _), (lines, format))| {
            let mut mapped = Mapped { text: String::with_capacity(text.len()), mappings: Vec::new() };
            for (line, words) in text.split_inclusive('\n').zip(lines) {
                let mut changes = addresses.changes(words);
                changes.extend(interfaces.changes(words, *format));
                apply(line, changes, &mut mapped);
            }
            mapped
        })
        .collect();
    Ok(AllMapped { files: mapped, unclear: interfaces.unclear })
}

/// New text for a part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    span: Range<usize>,
    to: String,
    /// What is told of it; nothing when it only follows from another change.
    told: Option<Mapping>,
}

/// Applies the changes from left to right; of two that overlap, the one that begins first.
fn apply(line: &str, mut changes: Vec<Change>, mapped: &mut Mapped) {
    changes.sort_by_key(|change| change.span.start);
    let mut end = 0;
    for change in &changes {
        if change.span.start < end {
            continue;
        }
        mapped.text.push_str(&line[end..change.span.start]);
        mapped.text.push_str(&change.to);
        end = change.span.end;
        if let Some(told) = change.told.as_ref().filter(|told| !mapped.mappings.contains(told)) {
            mapped.mappings.push(told.clone());
        }
    }
    mapped.text.push_str(&line[end..]);
}

#[cfg(test)]
mod tests;
