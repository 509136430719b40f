//! Playing a recorded log by its own time: when each event is due, while somebody pauses, steps and hurries. It reads no
//! clock; who plays says how much time has passed.

use std::time::Duration;

use scandrill_model::Event;

/// Times as fast as it happened.
const SPEEDS: [u32; 4] = [1, 2, 4, 8];

/// How far a log has been played.
#[derive(Debug)]
pub struct Player {
    /// When each event is due, from the first one; never before the one ahead of it.
    due: Vec<Duration>,
    /// How many have been shown.
    shown: usize,
    at: Duration,
    speed: usize,
    paused: bool,
}

impl Player {
    /// A log of which nothing has been played.
    pub fn new(events: &[Event]) -> Self {
        let first = events.first().map_or_else(Default::default, |event| event.at);
        let due = events.iter().scan(Duration::ZERO, |latest, event| {
            *latest = (*latest).max(event.at.since(first));
            Some(*latest)
        });
        Self { due: due.collect(), shown: 0, at: Duration::ZERO, speed: 0, paused: false }
    }

    /// Lets time pass; gives the events that have come due.
    pub fn pass(&mut self, time: Duration) -> std::ops::Range<usize> {
        let before = self.shown;
        if !self.paused && !self.is_over() {
            self.at += time * self.speed();
            let later = self.due[self.shown..].partition_point(|due| *due <= self.at);
            self.shown += later;
        }
        before..self.shown
    }

    /// Pauses, or goes on.
    pub fn pause(&mut self) {
        self.paused = !self.paused;
    }

    /// Stands still, and shows the next event alone.
    pub fn step(&mut self) -> std::ops::Range<usize> {
        self.paused = true;
        let before = self.shown;
        if let Some(due) = self.due.get(self.shown) {
            self.at = *due;
            self.shown += 1;
        }
        before..self.shown
    }

    /// Goes faster, or slower.
    pub fn faster(&mut self) {
        self.speed = (self.speed + 1).min(SPEEDS.len() - 1);
    }

    /// Goes slower.
    pub fn slower(&mut self) {
        self.speed = self.speed.saturating_sub(1);
    }

    /// Takes the speed of that number, from 1.
    pub fn at_speed(&mut self, number: usize) {
        self.speed = number.saturating_sub(1).min(SPEEDS.len() - 1);
    }

    /// How many times as fast as it happened.
    pub fn speed(&self) -> u32 {
        SPEEDS[self.speed]
    }

    /// Whether it stands still.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Whether all has been shown.
    pub fn is_over(&self) -> bool {
        self.shown == self.due.len()
    }

    /// How far it is, on the log's own clock.
    pub fn at(&self) -> Duration {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use scandrill_model::{Stamp, What};

    use super::*;

    /// Events so many seconds after the first one.
    fn player(seconds: &[u64]) -> Player {
        let event = |second: &u64| Event { at: Stamp((100 + second) * 1_000_000_000), what: What::Removed };
        Player::new(&seconds.iter().map(event).collect::<Vec<_>>())
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn events_come_when_they_are_due() {
        let mut player = player(&[0, 1, 1, 3]);
        assert_eq!(player.pass(Duration::ZERO), 0..1);
        assert_eq!(player.pass(SECOND), 1..3);
        assert_eq!(player.pass(SECOND), 3..3);
        assert_eq!(player.pass(SECOND), 3..4);
        assert!(player.is_over());
    }

    #[test]
    fn one_that_was_stamped_late_comes_in_its_place() {
        let mut player = player(&[0, 2, 1]);
        assert_eq!(player.pass(SECOND), 0..1);
        assert_eq!(player.pass(SECOND), 1..3);
    }

    #[test]
    fn nothing_comes_while_it_stands_still_but_what_is_asked_for() {
        let mut player = player(&[0, 1, 2, 9]);
        player.pause();
        assert_eq!(player.pass(60 * SECOND), 0..0);
        assert_eq!((player.step(), player.step()), (0..1, 1..2));
        assert_eq!(player.at(), SECOND);
        player.pause();
        assert_eq!(player.pass(SECOND), 2..3);
    }

    #[test]
    fn a_step_stands_still() {
        let mut player = player(&[0, 1]);
        player.step();
        assert!(player.is_paused());
    }

    #[test]
    fn speed_has_an_end_on_both_sides() {
        let mut player = player(&[0, 7, 8]);
        player.slower();
        assert_eq!(player.speed(), 1);
        (0..9).for_each(|_| player.faster());
        assert_eq!((player.speed(), player.pass(SECOND)), (8, 0..3));
        player.at_speed(2);
        assert_eq!(player.speed(), 2);
    }
}
