//! Knocking: the ports that an actor touches, one after the other, before it does what it came for.

use std::fmt;

use scandrill_model::{Millis, Protocol};
use serde::{Deserialize, Serialize};

use super::expect::{Located, at};
use super::file::At;
use super::words::{self, Wrong};

/// A knock; without steps none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Knock {
    /// TCP and UDP ports, in order.
    pub steps: Vec<(Protocol, u16)>,
    /// From one step to the next, and from the last to what follows.
    pub pace: Millis,
}

impl Knock {
    /// How long it takes.
    pub fn took(&self) -> Millis {
        Millis(self.pace.0 * self.steps.len() as u64)
    }

    /// Its steps, as a scenario names them.
    pub fn names(&self) -> Vec<String> {
        self.steps.iter().map(|(protocol, port)| format!("{protocol}/{port}")).collect()
    }
}

impl fmt::Display for Knock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, one every {} ms", self.names().join(", "), self.pace.0)
    }
}

/// More than any that is published.
const STEPS_MAX: usize = 32;
/// Longer than any window of a step.
const PACE_MAX: Millis = Millis(300_000);
/// As a program knocks that waits for no answer.
const PACE: Millis = Millis(20);

/// Understands an actor's knock.
pub fn knock(steps: Option<&At<Vec<String>>>, pace: Option<&At<String>>) -> Located<Knock> {
    let Some(steps) = steps else {
        return match pace {
            None => Ok(Knock::default()),
            Some(pace) => Err((pace.span.clone(), Wrong::new("nobody knocks", "add knock = [\"tcp/7000\"]"))),
        };
    };
    let steps = at(steps, |texts| match texts.len() {
        1..=STEPS_MAX => texts.iter().map(|text| step(text)).collect(),
        count => Err(Wrong::new(format!("a knock of {count} steps"), format!("name 1 to {STEPS_MAX} ports"))),
    })?;
    let pace = pace.map(|pace| at(pace, |text| self::pace(text))).transpose()?.unwrap_or(PACE);
    Ok(Knock { steps, pace })
}

fn step(text: &str) -> Result<(Protocol, u16), Wrong> {
    match words::address(text)? {
        step @ (Protocol::Tcp | Protocol::Udp, _) => Ok(step),
        (other, _) => Err(Wrong::new(
            format!("nobody knocks over {other}"),
            "write each step as `tcp/7000` or `udp/8000`",
        )),
    }
}

fn pace(text: &str) -> Result<Millis, Wrong> {
    match words::length(text)? {
        pace if pace <= PACE_MAX => Ok(pace),
        _ => Err(Wrong::new(format!("`{text}` is too long for a step"), "write at most `5m`")),
    }
}
