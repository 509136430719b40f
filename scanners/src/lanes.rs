//! Whose turn it is. A scan is rounds over one order of ports: everybody is asked once, then again whoever was silent,
//! and so on. Each round is a lane with two marks on that one order, how far it has asked and how far it has waited; so
//! probes on their way need no list of their own, and rounds overlap.

use std::time::Duration;

use crate::cells::{Cell, Cells, Progress};

/// The most probes a port ever gets. Each try has a source port of its own, in a row.
pub const TRIES_MAX: u8 = 16;

/// One round.
#[derive(Clone, Copy, Debug, Default)]
struct Lane {
    /// Places of the order before this one were asked in this round, or need not be.
    asked: usize,
    /// Places before this one were answered or waited for long enough.
    waited: usize,
    /// Probes of this round.
    probes: u64,
    /// Replies to them.
    answers: u64,
}

/// How the first round was answered.
#[derive(Clone, Copy, Debug)]
struct FirstAnswers {
    number: u64,
    /// The share of the order before which all of them stand.
    share: f64,
}

/// All rounds of a scan.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    order: Vec<u16>,
    rounds: [Lane; TRIES_MAX as usize],
    at_once: Option<FirstAnswers>,
}

impl Lanes {
    /// Over ports in the order of the first round.
    pub(crate) fn new(order: Vec<u16>) -> Self {
        Self { order, rounds: Default::default(), at_once: None }
    }

    /// Takes the next port to be asked, in a round below `rounds`. Those that were asked most often come first: they
    /// have the fewest tries left, and where replies are rate limited the first to ask are answered.
    pub(crate) fn take(&mut self, cells: &Cells, rounds: u8) -> Option<u16> {
        (0..rounds.min(TRIES_MAX)).rev().find_map(|round| {
            let port = self.peek_in(cells, round)?;
            let lane = &mut self.rounds[usize::from(round)];
            lane.asked += 1;
            lane.probes += 1;
            Some(port)
        })
    }

    /// Whether some port waits to be asked, in a round below `rounds`.
    pub(crate) fn has_next(&mut self, cells: &Cells, rounds: u8) -> bool {
        (0..rounds.min(TRIES_MAX)).rev().any(|round| self.peek_in(cells, round).is_some())
    }

    /// The first port whose turn it is in a round: a lane asks what the lane before it has waited for in vain.
    fn peek_in(&mut self, cells: &Cells, round: u8) -> Option<u16> {
        let end = match round.checked_sub(1) {
            None => self.order.len(),
            Some(before) => self.rounds[usize::from(before)].waited,
        };
        let lane = &mut self.rounds[usize::from(round)];
        while lane.asked < end {
            let port = self.order[lane.asked];
            let due = |cell: &Cell| cell.progress == Progress::Turn && cell.tries == round;
            if cells.get(port).is_some_and(due) {
                return Some(port);
            }
            lane.asked += 1;
        }
        None
    }

    /// The first probe that has waited as long as `wait` says for its try.
    pub(crate) fn overdue(&mut self, cells: &Cells, now: u32, wait: impl Fn(u8) -> Duration) -> Option<u16> {
        (0..TRIES_MAX).find_map(|round| {
            let (port, age) = self.oldest(cells, now, round)?;
            (age >= wait(round)).then_some(port)
        })
    }

    /// How long until the next probe is overdue; `None` when none is awaited.
    pub(crate) fn next_overdue(
        &mut self,
        cells: &Cells,
        now: u32,
        wait: impl Fn(u8) -> Duration,
    ) -> Option<Duration> {
        let left = |round| self.oldest(cells, now, round).map(|(_, age)| wait(round).saturating_sub(age));
        (0..TRIES_MAX).filter_map(left).min()
    }

    /// The oldest awaited probe of a round, and its age.
    fn oldest(&mut self, cells: &Cells, now: u32, round: u8) -> Option<(u16, Duration)> {
        let lane = &mut self.rounds[usize::from(round)];
        while lane.waited < lane.asked {
            let port = self.order[lane.waited];
            let cell = cells.get(port)?;
            if cell.progress == Progress::Asked && cell.tries == round + 1 {
                return Some((port, cell.age(now)));
            }
            lane.waited += 1;
        }
        None
    }

    /// A probe of that try was answered.
    pub(crate) fn answered(&mut self, attempt: u8) {
        if let Some(lane) = self.rounds.get_mut(usize::from(attempt)) {
            lane.answers += 1;
        }
    }

    /// For each round, whether most repeated probes were answered up to it: then silence before was chance.
    pub(crate) fn lively(&self) -> [bool; TRIES_MAX as usize] {
        let (mut probes, mut answers) = (0, 0);
        let mut lively = [false; TRIES_MAX as usize];
        for (lane, lively) in self.rounds.iter().zip(&mut lively).skip(1) {
            (probes, answers) = (probes + lane.probes, answers + lane.answers);
            *lively = answers > 0 && answers * 2 >= probes;
        }
        lively
    }

    /// Looked up in the cells, because an answer may be read long after it came; and again when more have come.
    fn first_answers(&mut self, cells: &Cells) -> FirstAnswers {
        let number = self.rounds[0].answers;
        let known = self.at_once.filter(|known| known.number == number);
        let counted = known.unwrap_or_else(|| {
            let at_once = |port: &u16| cells.get(*port).is_some_and(Cell::is_answered_at_once);
            let end = self.order.iter().rposition(at_once).map_or(0, |place| place + 1);
            FirstAnswers { number, share: float(end as u64) / float(self.order.len() as u64) }
        });
        *self.at_once.insert(counted)
    }

    /// Whether the second round was answered, too, but hardly: as where a limit lets something through again and again.
    fn refills(&self) -> bool {
        let second = &self.rounds[1];
        second.waited >= self.order.len() && second.answers > 0 && second.answers * 2 < second.probes
    }

    /// Whether the first round's answers ended early, as those of a target that limits their rate do, though the order is
    /// one that no port knows of: the chance that all answered ports stand so far in front by themselves is below one
    /// in ten thousand.
    pub(crate) fn ran_dry(&mut self, cells: &Cells) -> bool {
        let first = &self.rounds[0];
        if first.waited < self.order.len() || first.answers == 0 {
            return false;
        }
        let FirstAnswers { number: answers, share } = self.first_answers(cells);
        share.powf(float(answers)) < 1e-4 || self.refills()
    }
}

/// No scan has as many ports as would not fit.
fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
