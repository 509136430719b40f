//! What all kinds of actors have in common. A kind is a line in each place here.

use std::ops::Range;

use scandrill_model::{Bound, GreenExpectation, OperatorExpectation, RedExpectation};
use serde::{Deserialize, Serialize};
use strum::Display;

use super::expect::{self, Located};
use super::file::PredictsTable;
use super::{Counter, Flood, Green, Operator, Red, Scenario};

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
    /// Load.
    Flood,
    /// What a kernel counts: it does nothing, but a claim may be about it.
    Counter,
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
    /// Who acts between its own beginning and end.
    pub around: &'a [String],
    /// Its place in the file.
    pub span: &'a Range<usize>,
}

impl Scenario {
    /// All actors, kind by kind, each kind in the order of the file.
    pub fn actors(&self) -> Vec<Actor<'_>> {
        let mut actors = Vec::new();
        actors.extend(self.reds.iter().map(Red::as_actor));
        actors.extend(self.greens.iter().map(Green::as_actor));
        actors.extend(self.operators.iter().map(Operator::as_actor));
        actors.extend(self.floods.iter().map(Flood::as_actor));
        actors
    }

    /// All that has a name: the actors, and what is counted.
    pub fn named(&self) -> Vec<Actor<'_>> {
        let counters = self.counters.iter().map(|Counter { name, host, span, .. }| Actor {
            name,
            kind: Kind::Counter,
            host,
            after: &[],
            around: &[],
            span,
        });
        self.actors().into_iter().chain(counters).collect()
    }
}

impl Red {
    fn as_actor(&self) -> Actor<'_> {
        let Self { name, host, after, span, .. } = self;
        Actor { name, kind: Kind::Red, host, after, around: &[], span }
    }
}

impl Green {
    fn as_actor(&self) -> Actor<'_> {
        let Self { name, host, after, around, span, .. } = self;
        Actor { name, kind: Kind::Green, host, after, around, span }
    }
}

impl Operator {
    fn as_actor(&self) -> Actor<'_> {
        let Self { name, host, after, around, span, .. } = self;
        Actor { name, kind: Kind::Operator, host, after, around, span }
    }
}

impl Flood {
    fn as_actor(&self) -> Actor<'_> {
        let Self { name, host, after, around, span, .. } = self;
        Actor { name, kind: Kind::Flood, host, after, around, span }
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
    /// About a counter.
    Counter(Option<Bound>),
}

impl Prediction {
    /// Each kind's part of what an author predicts.
    pub(super) fn parts(table: &PredictsTable) -> Located<[Self; 4]> {
        Ok([
            Self::Red(expect::red(&table.red())?),
            Self::Green(expect::green(&table.green())?),
            Self::Operator(expect::operator(&table.operator())?),
            Self::Counter(table.counts.as_ref().map(|count| expect::at(count, expect::bound)).transpose()?),
        ])
    }

    /// What it is about.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Red(_) => Kind::Red,
            Self::Green(_) => Kind::Green,
            Self::Operator(_) => Kind::Operator,
            Self::Counter(_) => Kind::Counter,
        }
    }

    /// Whether it says nothing.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Red(expect) => *expect == RedExpectation::default(),
            Self::Green(expect) => *expect == GreenExpectation::default(),
            Self::Operator(expect) => *expect == OperatorExpectation::default(),
            Self::Counter(expect) => expect.is_none(),
        }
    }
}
