//! How punctual the machine is while a case goes on: a thread that is to wake every five milliseconds notes how late it
//! does. What keeps it waiting keeps clients, daemons and scanners waiting, too.

use std::time::Duration;

use nix::errno::Errno;
use nix::poll::PollTimeout;
use scandrill_model::Stamp;

use crate::clock;
use crate::error::{During, LabError};
use crate::listening::{Listening, Told};

/// From one waking to the next.
const TICK_MS: u8 = 5;

/// The thread, which goes on until it is stopped.
#[derive(Debug)]
pub struct Punctuality(Listening<Lateness>);

/// The latest of all wakings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    /// How late it was.
    pub longest: Duration,
    /// When it should have been.
    pub at: Stamp,
    /// How many wakings there were.
    pub ticks: u64,
}

impl Punctuality {
    /// Watches from its return on.
    pub async fn start() -> Result<Self, LabError> {
        let watch = |(), told: &Told| watch(told).during(|| "watch the clock".to_owned());
        Listening::begin("punctuality", || Ok(()), watch).await.map(Self)
    }

    /// Ends it.
    pub async fn stop(self) -> Result<Lateness, LabError> {
        self.0.stop().await
    }
}

fn watch(told: &Told) -> Result<Lateness, Errno> {
    let mut lateness = Lateness::default();
    loop {
        let due = clock::now() + Duration::from_millis(TICK_MS.into());
        if told.wait([], PollTimeout::from(TICK_MS))? {
            return Ok(lateness);
        }
        lateness.note(due, clock::now());
    }
}

impl Lateness {
    fn note(&mut self, due: Stamp, woke: Stamp) {
        self.ticks += 1;
        let late = woke.since(due);
        if late >= self.longest {
            (self.longest, self.at) = (late, due);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_waking_is_told() {
        let mut lateness = Lateness::default();
        for (due, woke) in [(10, 11), (20, 29), (30, 30)] {
            lateness.note(Stamp(due), Stamp(woke));
        }
        assert_eq!(lateness, Lateness { longest: Duration::from_nanos(9), at: Stamp(20), ticks: 3 });
    }
}
