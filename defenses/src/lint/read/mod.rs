//! Reads the texts that loaders get into one form. A reader never fails: what it does not understand is an unclear
//! match, of which no check says anything.

mod ipset;
mod iptables;
mod nft;
mod options;
mod shell;
mod words;

use scandrill_model::{Loader, Step};

use super::rule::Place;
use super::ruleset::Ruleset;

/// Reads all steps that load rules, in their order.
pub fn read(steps: &[Step]) -> Ruleset {
    let mut rules = Ruleset::default();
    for step in steps {
        let Step::Load { loader, text, origin } = step else { continue };
        let start = Place { text: source(&mut rules, origin, text), line: 1 };
        match loader {
            Loader::IptablesRestore { family, .. } => {
                let reader = iptables::Reader::new(*family, &[]);
                reader.restore(&mut rules, text, start, iptables::Before::Replaced);
            }
            Loader::IpsetRestore => ipset::restore(&mut rules, text, start),
            Loader::Nft => nft::read(&mut rules, text, start, &[]),
            Loader::Script { .. } => shell::read(&mut rules, text, start),
        }
    }
    rules
}

/// The number of a text. A file that is cut into several steps is one text: each step has its lines where they were.
fn source(rules: &mut Ruleset, origin: &str, text: &str) -> usize {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if let Some(at) = rules.texts.iter().position(|(name, known)| name == origin && fits(known, &lines)) {
        for (known, line) in rules.texts[at].1.iter_mut().zip(lines).filter(|(known, _)| known.is_empty()) {
            *known = line;
        }
        return at;
    }
    rules.texts.push((origin.to_owned(), lines));
    rules.texts.len() - 1
}

fn fits(known: &[String], lines: &[String]) -> bool {
    known.len() == lines.len()
        && known.iter().zip(lines).all(|(one, other)| one.is_empty() || other.is_empty())
}

/// The place of the line that is `index` lines below the first one of a text.
fn below(start: Place, index: usize) -> Place {
    Place { line: start.line + index, ..start }
}
