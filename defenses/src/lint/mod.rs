//! A static look at rules: what their text alone tells, before a packet is sent. Each check is one file and one line in
//! the registry. A finding is a hint about a line; it judges nothing.
//!
//! A check speaks only of what is certain from the texts. What they do not show (a variable, a file that they include,
//! a program that fills a set) makes it silent.

mod checks;
mod lines;
mod read;
mod rule;
mod ruleset;
mod values;

use std::fmt;

use scandrill_model::Step;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use checks::{V6_TWIN_MISSING, checks};
pub use lines::{Line, Lines};
use rule::Place;
use ruleset::Ruleset;

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The check's name, which stays the same from version to version.
    pub check: String,
    /// The line's text.
    pub text: String,
    /// What is wrong with it, in one sentence.
    pub why: String,
    /// What would be right.
    pub hint: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}; {}", self.file, self.line, self.check, self.why, self.hint)
    }
}

/// One kind of mistake. Adding one is one file and one line in the registry.
pub trait Check: Sync {
    /// Its name, in lower case with dashes.
    fn name(&self) -> &'static str;

    /// What it finds, in one line.
    fn about(&self) -> &'static str;

    /// Looks at all rules.
    fn look(&self, rules: &Ruleset) -> Vec<Remark>;

    /// A text in which it finds something, and the same as it should be, in which it finds nothing.
    fn examples(&self) -> &'static [Example];
}

/// A mistake beside its remedy, in any format that `rules::detect` tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Example {
    /// With the mistake.
    pub bad: &'static str,
    /// Without it.
    pub sound: &'static str,
}

/// What a check says of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    place: Place,
    why: String,
    hint: String,
}

impl Remark {
    fn new(place: Place, why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place, why: why.into(), hint: hint.into() }
    }
}

/// All findings in the texts that these steps load, one after the other into one kernel, in the order of the files
/// and of their lines.
pub fn lint(steps: &[Step]) -> Vec<Finding> {
    let rules = read::read(steps);
    let of = |check: &&'static dyn Check| {
        let name = check.name();
        let remarks = check.look(&rules);
        remarks.into_iter().map(move |remark| (remark.place, name, remark))
    };
    let mut found: Vec<(Place, &str, Remark)> = checks().iter().flat_map(of).collect();
    found.sort_by_key(|(place, _, _)| *place);
    // A line in a loop is many rules.
    found.dedup_by_key(|(place, name, _)| (*place, *name));
    let finding = |(place, check, remark): (Place, &str, Remark)| Finding {
        file: rules.file(place).to_owned(),
        line: place.line,
        check: check.to_owned(),
        text: rules.line(place).to_owned(),
        why: remark.why,
        hint: remark.hint,
    };
    found.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests;
