//! What all kinds of actors have in common. A kind is a line in each place here.

use std::ops::Range;

use scandrill_model::{GreenExpectation, OperatorExpectation, RedExpectation};
use serde::{Deserialize, Serialize};
use strum::Display;

use super::Scenario;
use super::expect::{self, Located};
use super::file::PredictsTable;

/// The kinds of actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display)]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// An attacker.
    Red,
    /// A client.
    Green,
    /// An administrator.
    Operator,
}

/// An actor of whatever kind.
#[derive(Clone, Copy, Debug)]
pub struct Actor<'a> {
    /// Unique among all actors.
    pub name: &'a str,
    /// What it is.
    pub kind: Kind,
    /// Where it works.
    pub host: &'a str,
    /// Who must have finished before.
    pub after: &'a [String],
    /// Its place in the file.
    pub span: &'a Range<usize>,
}

macro_rules! actors {
    ($actors:expr, $kind:expr) => {
        $actors.iter().map(|actor| Actor {
            name: &actor.name,
            kind: $kind,
            host: &actor.host,
            after: &actor.after,
            span: &actor.span,
        })
    };
}

impl Scenario {
    /// All actors, kind by kind, each kind in the order of the file.
    pub fn actors(&self) -> Vec<Actor<'_>> {
        let mut actors = Vec::new();
        actors.extend(actors!(self.reds, Kind::Red));
        actors.extend(actors!(self.greens, Kind::Green));
        actors.extend(actors!(self.operators, Kind::Operator));
        actors
    }
}

/// An expectation of whatever kind of actor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prediction {
    /// About a red actor.
    Red(RedExpectation),
    /// About a green one.
    Green(GreenExpectation),
    /// About an operator.
    Operator(OperatorExpectation),
}

impl Prediction {
    /// Each kind's part of what an author predicts.
    pub(super) fn parts(table: &PredictsTable) -> Located<[Self; 3]> {
        Ok([
            Self::Red(expect::red(&table.red())?),
            Self::Green(expect::green(&table.green())?),
            Self::Operator(expect::operator(&table.operator())?),
        ])
    }

    /// What it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Red(_) => Kind::Red,
            Self::Green(_) => Kind::Green,
            Self::Operator(_) => Kind::Operator,
        }
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Red(expect) => *expect == RedExpectation::default(),
            Self::Green(expect) => *expect == GreenExpectation::default(),
            Self::Operator(expect) => *expect == OperatorExpectation::default(),
        }
    }
}
