//! What is known of each port while a scan runs: twelve bytes a port, and two more for its place in the order.

use std::time::Duration;

use scandrill_model::{PortSet, Reply, Stamp};

/// How far a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// To be asked, for the first time or again.
    Turn,
    /// Asked; the reply to its latest probe is awaited.
    Asked,
    /// Answered.
    Answered(Reply),
    /// Asked often enough.
    GivenUp,
}

/// One port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// When its latest probe left, in [`Ticks`]; once it is answered, which of its probes was, from 0.
    mark: u32,
    /// How far it is.
    pub progress: Progress,
    /// How many probes were sent to it.
    pub tries: u8,
    /// The reply's time to live.
    pub ttl: u8,
}

impl Cell {
    /// Whether nothing more is asked of it.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.progress, Progress::Answered(_) | Progress::GivenUp)
    }

    /// Whether its first probe was answered.
    pub(crate) fn is_answered_at_once(&self) -> bool {
        matches!(self.progress, Progress::Answered(_)) && self.mark == 0
    }

    /// Time since its latest probe left, where it is not answered yet.
    pub(crate) fn age(&self, now: u32) -> Duration {
        Duration::from_micros(now.wrapping_sub(self.mark).into())
    }
}

/// Microseconds since the scan began, which wrap after 71 minutes: no probe is awaited for as long.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ticks {
    start: Option<Stamp>,
}

impl Ticks {
    /// The tick of a moment; the first one asked for is the start.
    pub(crate) fn at(&mut self, now: Stamp) -> u32 {
        let start = *self.start.get_or_insert(now);
        let micros = now.since(start).as_micros() & u128::from(u32::MAX);
        u32::try_from(micros).unwrap_or_default()
    }
}

/// A stretch of neighbouring ports, and where the first of them stands in the array.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    first: u16,
    last: u16,
    base: usize,
}

/// All ports of a scan.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    stretches: Vec<Stretch>,
    in_order: Vec<Cell>,
    unresolved: usize,
}

impl Cells {
    /// Every port of `ports` waits for its turn.
    pub(crate) fn new(ports: &PortSet) -> Self {
        let mut base = 0;
        let stretches = ports.ranges().map(|range| {
            let stretch = Stretch { first: *range.start(), last: *range.end(), base };
            base += range.len();
            stretch
        });
        let stretches = stretches.collect();
        let waiting = Cell { mark: 0, progress: Progress::Turn, tries: 0, ttl: 0 };
        Self { stretches, in_order: vec![waiting; ports.len()], unresolved: ports.len() }
    }

    /// How many ports there are.
    pub(crate) fn len(&self) -> usize {
        self.in_order.len()
    }

    /// How many ports are neither answered nor given up.
    pub(crate) fn unresolved(&self) -> usize {
        self.unresolved
    }

    /// What is known of `port`; `None` when it is not part of the scan.
    pub(crate) fn get(&self, port: u16) -> Option<&Cell> {
        self.in_order.get(self.index(port)?)
    }

    fn get_mut(&mut self, port: u16) -> Option<&mut Cell> {
        let index = self.index(port)?;
        self.in_order.get_mut(index)
    }

    fn index(&self, port: u16) -> Option<usize> {
        let after = self.stretches.partition_point(|stretch| stretch.first <= port);
        let stretch = self.stretches.get(after.checked_sub(1)?)?;
        (port <= stretch.last).then(|| stretch.base + usize::from(port - stretch.first))
    }

    /// Its next probe leaves now; returns which try that is, from 0.
    pub(crate) fn ask(&mut self, port: u16, now: u32) -> u8 {
        self.get_mut(port).map_or(0, |cell| {
            let attempt = cell.tries;
            *cell = Cell { mark: now, progress: Progress::Asked, tries: attempt.saturating_add(1), ttl: 0 };
            attempt
        })
    }

    /// Its latest probe counts as unanswered.
    pub(crate) fn expire(&mut self, port: u16) {
        if let Some(cell) = self.get_mut(port) {
            cell.progress = Progress::Turn;
        }
    }

    /// The ports whose reply is awaited.
    pub(crate) fn awaited(&self) -> impl Iterator<Item = u16> {
        self.iter().filter(|(_, cell)| cell.progress == Progress::Asked).map(|(port, _)| port)
    }

    /// All awaited probes count as unanswered; gives the ports that wait for their turn then.
    pub(crate) fn expire_all(&mut self) -> Vec<u16> {
        let ports = self.stretches.iter().flat_map(|stretch| stretch.first..=stretch.last);
        let silent = ports.zip(&mut self.in_order).filter(|(_, cell)| !cell.is_settled());
        silent.map(|(port, cell)| (port, cell.progress = Progress::Turn).0).collect()
    }

    /// The answer to its probe `attempt` came, counted from 0.
    pub(crate) fn answer(&mut self, port: u16, attempt: u8, reply: Reply, ttl: u8) {
        if let Some(cell) = self.get_mut(port) {
            (cell.progress, cell.mark, cell.ttl) = (Progress::Answered(reply), attempt.into(), ttl);
            self.unresolved -= 1;
        }
    }

    /// Gives up every port that was not answered.
    pub(crate) fn give_up(&mut self) {
        for cell in self.in_order.iter_mut().filter(|cell| !cell.is_settled()) {
            cell.progress = Progress::GivenUp;
        }
        self.unresolved = 0;
    }

    /// Each port of the scan, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u16, &Cell)> {
        let ports = self.stretches.iter().flat_map(|stretch| stretch.first..=stretch.last);
        ports.zip(&self.in_order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_costs_twelve_bytes() {
        assert_eq!(size_of::<Cell>(), 12);
    }

    #[test]
    fn ports_are_found_in_whatever_stretch_they_are() {
        let ports: PortSet = "1-3,80,1000-65535".parse().unwrap();
        let cells = Cells::new(&ports);
        let found: Vec<u16> = (0..=u16::MAX).filter(|port| cells.get(*port).is_some()).collect();
        assert_eq!(found, ports.iter().collect::<Vec<_>>());
        assert_eq!(cells.iter().map(|(port, _)| port).collect::<Vec<_>>(), found);
    }

    #[test]
    fn ages_are_right_across_the_wrap_of_the_clock() {
        let mut ticks = Ticks::default();
        ticks.at(Stamp(0));
        let almost = Stamp(0) + Duration::from_micros(u64::from(u32::MAX) - 10);
        let mut cells = Cells::new(&PortSet::one(80));
        cells.ask(80, ticks.at(almost));
        let later = ticks.at(almost + Duration::from_micros(30));
        assert_eq!(cells.get(80).unwrap().age(later), Duration::from_micros(30));
    }
}
