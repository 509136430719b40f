//! What is known of each port while a scan runs: one array, indexed by port.

use scandrill_model::{PortSet, Reply, Stamp};

/// How far a port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Not part of the scan.
    Unasked,
    /// To be asked, or asked and not answered yet.
    Waiting(Wait),
    /// Answered.
    Answered(Reply),
    /// Asked often enough.
    GivenUp,
}

/// What an unanswered port waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Its turn to be asked, for the first time or again.
    Turn,
    /// The reply to its latest probe.
    Reply,
    /// Evidence, from other ports, that one more try is worth it.
    Evidence,
}

/// One port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// How far it is.
    pub progress: Progress,
    /// How many probes were sent to it.
    pub tries: u8,
}

/// All ports.
#[derive(Clone, Debug)]
pub(crate) struct Cells {
    ports: Vec<Cell>,
    /// When each try left, by try and port; a try's row is made when it is first needed.
    sent: Vec<Vec<Stamp>>,
    unresolved: usize,
}

impl Cells {
    /// Every port of `ports` waits for its turn.
    pub(crate) fn new(ports: &PortSet) -> Self {
        let length = ports.iter().last().map_or(0, |last| usize::from(last) + 1);
        let mut known = vec![Cell { progress: Progress::Unasked, tries: 0 }; length];
        for port in ports.iter() {
            known[usize::from(port)].progress = Progress::Waiting(Wait::Turn);
        }
        Self { ports: known, sent: Vec::new(), unresolved: ports.len() }
    }

    /// How many ports are neither answered nor given up.
    pub(crate) fn unresolved(&self) -> usize {
        self.unresolved
    }

    /// What is known of `port`.
    pub(crate) fn get(&self, port: u16) -> Cell {
        let unasked = Cell { progress: Progress::Unasked, tries: 0 };
        self.ports.get(usize::from(port)).copied().unwrap_or(unasked)
    }

    /// Whether `port` waits for exactly that.
    pub(crate) fn waits_for(&self, port: u16, what: Wait) -> bool {
        self.get(port).progress == Progress::Waiting(what)
    }

    /// Changes what an unanswered port waits for.
    pub(crate) fn wait_for(&mut self, port: u16, what: Wait) {
        self.ports[usize::from(port)].progress = Progress::Waiting(what);
    }

    /// Its next probe leaves now; returns which try that is, from 0.
    pub(crate) fn probe(&mut self, port: u16, now: Stamp) -> u8 {
        let cell = &mut self.ports[usize::from(port)];
        let attempt = cell.tries;
        *cell = Cell { progress: Progress::Waiting(Wait::Reply), tries: attempt + 1 };
        if self.sent.len() <= usize::from(attempt) {
            self.sent.push(vec![Stamp(0); self.ports.len()]);
        }
        self.sent[usize::from(attempt)][usize::from(port)] = now;
        attempt
    }

    /// When that try left.
    pub(crate) fn sent(&self, port: u16, attempt: u8) -> Stamp {
        self.sent[usize::from(attempt)][usize::from(port)]
    }

    /// Settles a waiting port.
    pub(crate) fn resolve(&mut self, port: u16, progress: Progress) {
        self.ports[usize::from(port)].progress = progress;
        self.unresolved -= 1;
    }

    /// Each port of the scan with its reply.
    pub(crate) fn replies(&self) -> impl Iterator<Item = (u16, Option<Reply>)> {
        (0..=u16::MAX).zip(&self.ports).filter_map(|(port, cell)| match cell.progress {
            Progress::Unasked => None,
            Progress::Answered(reply) => Some((port, Some(reply))),
            Progress::Waiting(_) | Progress::GivenUp => Some((port, None)),
        })
    }
}
