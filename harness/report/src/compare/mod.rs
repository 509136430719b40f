//! Two runs beside each other: what got better, and what worse. Only cases that both have are compared, so that a run of
//! fewer cases is not taken for one that lost something.

mod changes;
mod forms;

use scandrill_model::RunReport;

pub use forms::{html, markdown, terminal};

/// Which way something went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// It fails where it passed, leaks more, bans later, hurts more, or never matches any more.
    Worse,
    /// The other way round.
    Better,
    /// Neither: it is new, is gone, or could not run.
    Neither,
}

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which way it went.
    pub way: Way,
    /// The case, the claim's scenario, or the file of rules.
    pub subject: String,
    /// What about it: `verdict`, `red: ports leaked`.
    pub what: String,
    /// What it was.
    pub old: String,
    /// What it is.
    pub new: String,
}

/// Two runs beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What both ran on, where it differs: kernel, versions, seed.
    pub differs: Vec<Change>,
    /// What changed: worse first, then by subject.
    pub changes: Vec<Change>,
    /// How many cases are in both.
    pub common: usize,
}

impl Comparison {
    /// How many changes went a way.
    pub fn count(&self, way: Way) -> usize {
        self.changes.iter().filter(|change| change.way == way).count()
    }
}

/// What changed from `old` to `new`.
pub fn compare(old: &RunReport, new: &RunReport) -> Comparison {
    let (mut changes, common) = changes::of_cases(old, new);
    changes.extend(changes::of_claims(old, new));
    changes.extend(changes::of_rules(old, new));
    changes.sort_by(|one, other| {
        (one.way, &one.subject, &one.what).cmp(&(other.way, &other.subject, &other.what))
    });
    Comparison { differs: changes::of_places(old, new), changes, common }
}

#[cfg(test)]
mod tests;
