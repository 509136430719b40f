//! The event log, folded: what was observed, by whom, and nothing else.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use scandrill_model::{
    BanCheck, Cause, CellFacts, ClientLook, Event, Mark, Millis, Moment, Need, PortSet, PortState, Reason,
    ScanResult, Stamp, Technique, TextLine, What,
};

/// What was seen of one scan by both witnesses.
#[derive(Clone, Debug, Default)]
pub struct ScanSeen {
    /// The scanner's own result.
    pub result: Option<ScanResult>,
    /// Its reading, port by port. What it was silent about although an answer came back reads as the captures say.
    pub states: BTreeMap<u16, PortState>,
    /// The ports that it was silent about although an answer came back.
    pub missed: PortSet,
    /// How long the scan took.
    pub took: Millis,
    /// Probes that left red's end.
    pub probes_sent: u64,
    /// Probes that reached the target.
    pub probes_arrived: u64,
    /// The captures' facts by port; `None` where they have not been read.
    pub cells: Option<BTreeMap<u16, CellFacts>>,
}

impl ScanSeen {
    /// Some scanners keep answers to themselves, which is a finding about them and not about the defense.
    fn fill_in(&mut self, technique: Technique) {
        let kept = self.result.iter().flat_map(|result| &result.groups);
        let kept =
            kept.filter(|group| group.reason == Reason::not_reported()).flat_map(|group| group.ports.iter());
        let answered = |port: &u16| self.cells.as_ref()?.get(port).filter(|cell| cell.reply.is_some());
        self.missed = kept.filter(|port| answered(port).is_some()).collect();
        for port in self.missed.iter() {
            if let Some(cell) = self.cells.as_ref().and_then(|cells| cells.get(&port)) {
                self.states.insert(port, cell.state(technique));
            }
        }
    }
}

/// What a green client got.
#[derive(Clone, Debug, Default)]
pub struct RequestsSeen {
    /// `None`: served.
    pub failures: Vec<Option<String>>,
    /// How long each of them took.
    pub latencies_us: Vec<u64>,
    /// When each of them began.
    pub starts: Vec<Stamp>,
    /// TCP segments that were sent again for each of them.
    pub retransmissions: Vec<u64>,
    /// What a fresh source got beside the client in the end, where a ban was asked for.
    pub look: Option<ClientLook>,
    /// When the last of them was over.
    pub at: Stamp,
}

/// What a flood came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct FloodSeen {
    /// Packets sent.
    pub sent: u64,
    /// Packets that the link did not take.
    pub refused: u64,
    /// Handshakes completed.
    pub completed: u64,
    /// Whether it ended with those for whom it lasted.
    pub ended_early: bool,
    /// How long it lasted.
    pub took: Millis,
}

/// What a counter read.
#[derive(Clone, Copy, Debug, Default)]
pub struct CounterSeen {
    /// Right before the actors acted.
    pub before: u64,
    /// Right after.
    pub after: u64,
}

/// What an operator's commands came to.
#[derive(Clone, Debug, Default)]
pub struct RunSeen {
    /// Their exit code; `None` when a signal ended them.
    pub exit: Option<i32>,
    /// What they said.
    pub output: String,
    /// How many bytes of it were not kept.
    pub left_out: u64,
    /// When they ended.
    pub at: Stamp,
}

/// One reading back of the defense.
#[derive(Clone, Debug)]
pub struct ReadBackSeen {
    /// Whose.
    pub host: String,
    /// When.
    pub moment: Moment,
    /// Rules, sets and values that were looked at.
    pub items: usize,
    /// What was not as asked for.
    pub differences: Vec<String>,
}

/// A whole log, folded.
#[derive(Clone, Debug, Default)]
pub struct Observations {
    /// Whether the log has its last event.
    pub ended: bool,
    /// When the first event was.
    pub start: Stamp,
    /// From the first event to the last.
    pub took: Millis,
    /// What must work and did not.
    pub problems: Vec<String>,
    /// What a reader should know, each once.
    pub notes: Vec<String>,
    /// What is missing on this machine.
    pub unmet: Vec<Need>,
    /// The ports that the undefended target answered, by the red actor whose control it was.
    pub controls: BTreeMap<String, PortSet>,
    /// What it read as to each of them.
    pub control_states: BTreeMap<String, BTreeMap<u16, PortState>>,
    /// Clients that the undefended target served, or why not.
    pub control_requests: BTreeMap<String, Option<String>>,
    /// Each reading back.
    pub read_backs: Vec<ReadBackSeen>,
    /// Each attempt of the source that must pass.
    pub canaries: Vec<(Moment, bool)>,
    /// Scans by actor.
    pub scans: BTreeMap<String, ScanSeen>,
    /// When each actor started.
    pub started: BTreeMap<String, Stamp>,
    /// When each attacker's scan or flood ended.
    pub attack_ended: BTreeMap<String, Stamp>,
    /// Requests by actor.
    pub requests: BTreeMap<String, RequestsSeen>,
    /// Commands by operator.
    pub runs: BTreeMap<String, RunSeen>,
    /// Floods by actor.
    pub floods: BTreeMap<String, FloodSeen>,
    /// Counters by name.
    pub counters: BTreeMap<String, CounterSeen>,
    /// Looks at bans by actor.
    pub bans: BTreeMap<String, Vec<(Stamp, BanCheck)>>,
    /// Points of sources' time lines, as they were told.
    pub marks: Vec<(IpAddr, Mark)>,
    /// When the machine was least punctual, and how late it woke a thread then; of cases that bound times.
    pub late: Option<(Stamp, Duration)>,
    /// The ways that packets went, in the order in which they were told.
    pub causes: Vec<Cause>,
    /// What rules matched, by host and its text.
    pub matched: BTreeMap<(String, usize), Vec<TextLine>>,
    /// Ends of links whose capture lost packets.
    pub lossy: Vec<(String, u64)>,
    /// Packets that each end of a link lost on purpose.
    pub lost: BTreeMap<String, u64>,
    /// Whether the defense came off.
    pub removed: bool,
}

impl Observations {
    /// Folds a log in its own order.
    pub fn of(events: &[Event]) -> Self {
        let mut seen = Self::default();
        if let (Some(first), Some(last)) = (events.first(), events.last()) {
            seen.start = first.at;
            seen.took = last.at.since(first.at).into();
        }
        for event in events {
            seen.see(event);
        }
        seen
    }

    fn see(&mut self, event: &Event) {
        match &event.what {
            What::Control { actors, result, .. } => {
                self.controls.extend(actors.iter().map(|actor| (actor.clone(), result.answered())));
                self.control_states.extend(actors.iter().map(|actor| (actor.clone(), result.states())));
            }
            What::ControlRequest { actor, failure } => {
                self.control_requests.insert(actor.clone(), failure.clone());
            }
            What::ReadBack { host, moment, items, differences } => {
                let (host, differences) = (host.clone(), differences.clone());
                self.read_backs.push(ReadBackSeen { host, moment: *moment, items: *items, differences });
            }
            What::Canary { moment, passed, .. } => self.canaries.push((*moment, *passed)),
            What::Scan { actor, result, took, .. } => {
                self.attack_ended.insert(actor.clone(), event.at);
                let scan = self.scan(actor);
                scan.took = *took;
                scan.states = result.states();
                scan.result = Some(result.clone());
            }
            What::Facts { actor, technique, probes_sent, probes_arrived, cells } => {
                let scan = self.scan(actor);
                scan.probes_sent = *probes_sent;
                scan.probes_arrived = *probes_arrived;
                scan.cells = Some(cells.iter().map(|cell| (cell.port, cell.clone())).collect());
                scan.fill_in(*technique);
            }
            What::Requests { actor, failures, latencies_us, starts, retransmissions, look } => {
                let requests = RequestsSeen {
                    failures: failures.clone(),
                    latencies_us: latencies_us.clone(),
                    starts: starts.clone(),
                    retransmissions: retransmissions.clone(),
                    look: look.clone(),
                    at: event.at,
                };
                self.requests.insert(actor.clone(), requests);
            }
            What::Flooded { actor, sent, refused, completed, ended_early, took } => {
                let (sent, refused, completed) = (*sent, *refused, *completed);
                let (ended_early, took) = (*ended_early, *took);
                let flood = FloodSeen { sent, refused, completed, ended_early, took };
                self.floods.insert(actor.clone(), flood);
                self.attack_ended.insert(actor.clone(), event.at);
            }
            What::Counted { counter, before, after } => {
                self.counters.insert(counter.clone(), CounterSeen { before: *before, after: *after });
            }
            What::Ran { actor, exit, output, left_out } => {
                let (exit, output, left_out) = (*exit, output.clone(), *left_out);
                self.runs.insert(actor.clone(), RunSeen { exit, output, left_out, at: event.at });
            }
            What::ActorStarted { actor, .. } => {
                self.started.insert(actor.clone(), event.at);
            }
            What::BanChecked { actor, check } => {
                self.bans.entry(actor.clone()).or_default().push((event.at, check.clone()));
            }
            What::Punctual { late_us, due, .. } => self.late = Some((*due, Duration::from_micros(*late_us))),
            What::Followed { cause } => self.causes.push((**cause).clone()),
            What::Matched { host, text, rules } => {
                self.matched.insert((host.clone(), *text), rules.clone());
            }
            What::Marked { source, mark } => self.marks.push((*source, mark.clone())),
            What::Captured { host, dropped, .. } if *dropped > 0 => self.lossy.push((host.clone(), *dropped)),
            What::Lost { host, packets } => {
                self.lost.insert(host.clone(), *packets);
            }
            What::Unmet { need } => self.unmet.push(need.clone()),
            What::Note { text } if !self.notes.contains(text) => self.notes.push(text.clone()),
            What::Problem { operation, error } => self.problems.push(format!("{operation}: {error}")),
            What::Removed => self.removed = true,
            What::Ended => self.ended = true,
            What::Started { .. }
            | What::LabBuilt { .. }
            | What::ServiceReady { .. }
            | What::Installed { .. }
            | What::Knocked { .. }
            | What::Traffic { .. }
            | What::Glimpsed { .. }
            | What::Request { .. }
            | What::Captured { .. }
            | What::Note { .. } => {}
        }
    }

    fn scan(&mut self, actor: &str) -> &mut ScanSeen {
        self.scans.entry(actor.to_owned()).or_default()
    }

    /// When `at` was, counted from the first event.
    pub fn when(&self, at: Stamp) -> String {
        format!("at {:.3} s", at.since(self.start).as_secs_f64())
    }

    /// The ports that an actor's control got an answer for.
    pub fn control_answered(&self, actor: &str) -> PortSet {
        self.controls.get(actor).cloned().unwrap_or_default()
    }
}
