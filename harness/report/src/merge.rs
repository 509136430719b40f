//! Parts of one run put together: shards that ran on several machines, or cases that were chosen by hand.

use std::collections::BTreeMap;

use scandrill_model::{ClaimReport, Millis, Outcome, RunReport, Verdict};
use thiserror::Error;

/// Why reports are not parts of one run.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotOneRun {
    /// There is none.
    #[error("no report to put together")]
    Nothing,
    /// They differ in what all cases of a run have in common.
    #[error(
        "{first} and {second} are not parts of one run: {what} is {left} in the one and {right} in the other"
    )]
    Differ {
        /// One file.
        first: String,
        /// The other.
        second: String,
        /// What differs.
        what: String,
        /// What the one says.
        left: String,
        /// What the other says.
        right: String,
    },
    /// A case is in two of them.
    #[error("the case {case} is in {first} and in {second}; a case is in one part of a run")]
    Twice {
        /// The case.
        case: String,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
}

/// The one run that `parts` are of, each with the name of its file, in their order. Parts of one run have the same seed,
/// the same scandrill, the same kernel and programs of the same versions: a result rests on all of these.
pub fn merge(parts: Vec<(String, RunReport)>) -> Result<RunReport, NotOneRun> {
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut whole: Option<(String, RunReport)> = None;
    for (file, part) in parts {
        for case in &part.cases {
            if let Some(first) = owners.insert(case.name.clone(), file.clone()) {
                return Err(NotOneRun::Twice { case: case.name.clone(), first, second: file });
            }
        }
        whole = Some(match whole {
            None => (file, part),
            Some((first, mut whole)) => {
                same(&first, &whole, &file, &part)?;
                add(&mut whole, part);
                (first, whole)
            }
        });
    }
    whole.map(|(_, whole)| whole).ok_or(NotOneRun::Nothing)
}

/// Whether two parts agree in what all cases of a run have in common.
fn same(first: &str, whole: &RunReport, second: &str, part: &RunReport) -> Result<(), NotOneRun> {
    let mut facts = vec![
        ("the seed".to_owned(), whole.seed.to_string(), part.seed.to_string()),
        ("scandrill".to_owned(), whole.scandrill.clone(), part.scandrill.clone()),
        ("the kernel".to_owned(), whole.environment.kernel.clone(), part.environment.kernel.clone()),
        ("root".to_owned(), whole.environment.root.to_string(), part.environment.root.to_string()),
    ];
    for (program, version) in &whole.environment.tools {
        if let Some(other) = part.environment.tools.get(program) {
            facts.push((program.clone(), version.clone(), other.clone()));
        }
    }
    match facts.into_iter().find(|(_, left, right)| left != right) {
        None => Ok(()),
        Some((what, left, right)) => {
            Err(NotOneRun::Differ { first: first.to_owned(), second: second.to_owned(), what, left, right })
        }
    }
}

fn add(whole: &mut RunReport, part: RunReport) {
    whole.verdict = Verdict::max(whole.verdict, part.verdict);
    // Nothing says whether they ran at the same time.
    whole.took = Millis(whole.took.0 + part.took.0);
    whole.environment.tools.extend(part.environment.tools);
    whole.cases.extend(part.cases);
    whole.distributions.extend(part.distributions);
    for claim in part.claims {
        add_claim(&mut whole.claims, claim);
    }
}

/// A claim whose scenario's cases are in several parts is as it is over all of them: one case refutes it.
fn add_claim(claims: &mut Vec<ClaimReport>, claim: ClaimReport) {
    let weight = |outcome| match outcome {
        Outcome::Undecided => 0,
        Outcome::Held => 1,
        Outcome::Refuted => 2,
    };
    let known = claims.iter_mut().find(|known| known.scenario == claim.scenario && known.text == claim.text);
    match known {
        None => claims.push(claim),
        Some(known) if weight(claim.outcome) > weight(known.outcome) => *known = claim,
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn part(cases: std::ops::Range<usize>) -> RunReport {
        let mut part = fixture::everything();
        part.cases = part.cases[cases].to_vec();
        part.verdict = part.cases.iter().map(|case| case.verdict).max().unwrap_or_default();
        part.distributions.clear();
        part
    }

    fn named(parts: Vec<RunReport>) -> Vec<(String, RunReport)> {
        (1..).map(|number| format!("{number}.json")).zip(parts).collect()
    }

    #[test]
    fn parts_of_a_run_make_the_run_again() {
        let whole = RunReport { distributions: Vec::new(), ..fixture::everything() };
        let took = whole.took.0;
        let merged = merge(named(vec![part(0..2), part(2..5), part(5..7)])).unwrap();
        assert_eq!(merged, RunReport { took: Millis(3 * took), ..whole });
    }

    #[test]
    fn one_part_that_refutes_a_claim_refutes_it() {
        let mut parts = vec![part(0..2), part(2..5), part(5..7)];
        parts[0].claims[0].outcome = Outcome::Held;
        parts[1].claims[0].outcome = Outcome::Undecided;
        parts[2].claims[0].outcome = Outcome::Held;
        assert_eq!(merge(named(parts.clone())).unwrap().claims[0].outcome, Outcome::Held);
        parts[1].claims[0].outcome = Outcome::Refuted;
        assert_eq!(merge(named(parts)).unwrap().claims[0].outcome, Outcome::Refuted);
    }

    #[test]
    fn what_differs_is_named() {
        let mut other = part(2..5);
        other.environment.tools.insert("nft".to_owned(), "nftables v1.1".to_owned());
        let error = merge(named(vec![part(0..2), other])).unwrap_err().to_string();
        assert_eq!(
            error,
            "1.json and 2.json are not parts of one run: nft is nftables v1.0.6 (Lester Gooch #5) in the one and \
             nftables v1.1 in the other"
        );
        let seed = RunReport { seed: 8, ..part(2..5) };
        let error = merge(named(vec![part(0..2), seed])).unwrap_err().to_string();
        assert_eq!(
            error,
            "1.json and 2.json are not parts of one run: the seed is 7 in the one and 8 in the other"
        );
    }

    #[test]
    fn a_case_is_in_one_part() {
        let error = merge(named(vec![part(0..2), part(2..4), part(1..2)])).unwrap_err().to_string();
        assert_eq!(
            error,
            "the case manual/recent[nmap,v4,nft] is in 1.json and in 3.json; a case is in one part of a run"
        );
    }
}
