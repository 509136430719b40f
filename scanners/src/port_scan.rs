//! A scan in which each probe has its own reply, as a state machine: who is asked next, when a probe counts as
//! unanswered, when a port is given up. Whose turn it is stands in `lanes`, for how long and how often in `patience`,
//! how many at once in `window`, how fast in `pace`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use scandrill_model::{Protocol, Reason, Reply, ScanResult, Stamp, StateGroup, Technique, state_of, tells};

use crate::batch::Batch;
use crate::cells::{Cells, Progress, Ticks};
use crate::error::ScanError;
use crate::lanes::Lanes;
use crate::order::ordered;
use crate::pace::Schedule;
use crate::packet::{Answer, FollowUp, Reader, Writer};
use crate::patience::Patience;
use crate::plan::ScanPlan;
use crate::scan::{Consult, Told};
use crate::technique::{self, Aftermath};
use crate::timing::Template;
use crate::trickle::{Expired, Trickle};
use crate::window::Window;

/// A running scan.
pub(crate) struct PortScan {
    technique: Technique,
    aftermath: Aftermath,
    template: Template,
    writer: Writer,
    reader: Reader,
    cells: Cells,
    lanes: Lanes,
    ticks: Ticks,
    /// When it was polled last.
    now: Stamp,
    /// Ports that were asked since somebody last looked for their replies elsewhere, as far as there is room: most scans
    /// are looked for by nobody.
    recent: Vec<u16>,
    /// How many probes are awaited.
    unanswered: u64,
    /// Packets of connections that the target accepted.
    follow_ups: VecDeque<FollowUp>,
    patience: Patience,
    window: Window,
    schedule: Schedule,
    /// How the rest is asked, once the target is found to limit its answers.
    trickle: Option<Trickle>,
    /// Whether the target's limit is why silent ports are silent.
    limited: bool,
    probes_sent: u64,
    late_replies: u64,
    duplicate_replies: u64,
}

/// More than leave between two looks.
const RECENT_MAX: usize = 16 * Batch::CAPACITY;

impl PortScan {
    /// Prepares a scan of a plan that was checked.
    pub(crate) fn new(plan: &ScanPlan) -> Result<Self, ScanError> {
        let template = plan.timing.template();
        let identity = plan.identity();
        Ok(Self {
            technique: plan.technique,
            aftermath: technique::find(plan.technique)?.aftermath(),
            template,
            writer: Writer::new(plan, identity.clone())?,
            reader: Reader::new(plan, identity),
            cells: Cells::new(&plan.cells()),
            lanes: Lanes::new(ordered(plan)),
            ticks: Ticks::default(),
            now: Stamp(0),
            recent: Vec::new(),
            unanswered: 0,
            follow_ups: VecDeque::new(),
            patience: Patience::new(template),
            window: Window::new(&template),
            schedule: Schedule::new(plan),
            trickle: None,
            limited: false,
            probes_sent: 0,
            late_replies: 0,
            duplicate_replies: 0,
        })
    }

    /// See [`crate::Scan::poll_transmit`].
    pub(crate) fn poll_transmit(&mut self, now: Stamp, batch: &mut Batch) {
        self.now = now;
        self.expire();
        self.follow_up(batch);
        while batch.room() >= self.writer.packets_per_probe() && self.may_probe() {
            let Some(port) = self.next_port() else { break };
            self.send(port, batch);
        }
        self.settle();
    }

    /// See [`crate::Scan::receive`].
    pub(crate) fn receive(&mut self, now: Stamp, packet: &[u8]) {
        if let Some(answer) = self.reader.read(packet) {
            self.now = self.now.max(now);
            self.accept(&answer);
        }
    }

    /// See [`crate::Scan::consult`].
    pub(crate) fn consult(&mut self, now: Stamp, which: Consult, told: impl Fn(u16) -> Option<Told>) {
        self.now = self.now.max(now);
        let recent = std::mem::take(&mut self.recent);
        let ports = match which {
            Consult::Recent if recent.len() < RECENT_MAX => recent,
            Consult::Recent | Consult::Awaited => self.cells.awaited().collect(),
        };
        for port in ports {
            if let Some(told) = told(port) {
                let handshake = told.opened.map(|opened| self.reader.handshake(port, told.attempt, opened));
                let Told { attempt, reply, ttl, .. } = told;
                self.accept(&Answer { port, attempt, reply, ttl, handshake });
            }
        }
    }

    /// See [`crate::Scan::next_timeout`].
    pub(crate) fn next_timeout(&mut self) -> Option<Stamp> {
        if self.is_finished() {
            return None;
        }
        if !self.follow_ups.is_empty() {
            return Some(Stamp(0));
        }
        let is_open = self.unanswered < self.window.limit();
        if let Some(trickle) = &self.trickle {
            let next = trickle.next(self.patience.timeout(), is_open);
            return next.map(|next| next.max(self.schedule.due()));
        }
        let rounds = self.rounds();
        let probe = (is_open && self.lanes.has_next(&self.cells, rounds)).then(|| self.schedule.due());
        let tick = self.ticks.at(self.now);
        let (patience, lively) = (&self.patience, self.lanes.lively());
        let wait = |round: u8| patience.wait(round, round + 1 >= rounds, lively[usize::from(round)]);
        let expiry = self.lanes.next_overdue(&self.cells, tick, wait).map(|left| self.now + left);
        probe.into_iter().chain(expiry).min()
    }

    /// See [`crate::Scan::is_finished`].
    pub(crate) fn is_finished(&self) -> bool {
        self.cells.unresolved() == 0 && self.follow_ups.is_empty()
    }

    /// See [`crate::Scan::finish`].
    pub(crate) fn finish(self) -> ScanResult {
        // First by bare evidence: a word for each of 65,535 ports would cost more than sending its probe.
        let mut groups: BTreeMap<(Option<Reply>, u8, u8), Vec<u16>> = BTreeMap::new();
        for (port, cell) in self.cells.iter() {
            let reply = if let Progress::Answered(reply) = cell.progress { Some(reply) } else { None };
            groups.entry((reply, cell.ttl, cell.tries)).or_default().push(port);
        }
        let (technique, limited) = (self.technique, self.limited);
        let group = |((reply, ttl, probes), ports): ((Option<Reply>, u8, u8), Vec<u16>)| StateGroup {
            state: state_of(technique, reply),
            reason: reason(technique, reply, limited),
            ttl: reply.map(|_| ttl).filter(|ttl| *ttl > 0),
            probes: Some(probes),
            ports: ports.into_iter().collect(),
        };
        ScanResult {
            probes_sent: Some(self.probes_sent),
            late_replies: self.late_replies,
            duplicate_replies: self.duplicate_replies,
            ..ScanResult::from_groups(groups.into_iter().map(group))
        }
    }

    fn may_probe(&self) -> bool {
        self.now >= self.schedule.due() && self.unanswered < self.window.limit()
    }

    /// How many rounds there are, as far as is known.
    fn rounds(&self) -> u8 {
        self.patience.tries(self.cells.len())
    }

    fn next_port(&mut self) -> Option<u16> {
        let (cells, now) = (&self.cells, self.now);
        if let Some(trickle) = &mut self.trickle {
            let most = self.template.tries_max;
            return trickle.take(now, |port| is_silent(cells, port, most));
        }
        let rounds = self.patience.tries(cells.len());
        self.lanes.take(cells, rounds)
    }

    fn send(&mut self, port: u16, batch: &mut Batch) {
        let attempt = self.cells.ask(port, self.ticks.at(self.now));
        self.writer.probe(port, attempt, batch);
        if self.recent.len() < RECENT_MAX {
            self.recent.push(port);
        }
        self.unanswered += 1;
        self.probes_sent += 1;
        self.schedule.on_probe(self.now);
    }

    /// Stops waiting for what should have been answered by now.
    fn expire(&mut self) {
        if self.trickle.is_some() {
            return self.expire_trickle();
        }
        let (tick, rounds) = (self.ticks.at(self.now), self.rounds());
        let (patience, lively) = (&self.patience, self.lanes.lively());
        let wait = |round: u8| patience.wait(round, round + 1 >= rounds, lively[usize::from(round)]);
        while let Some(port) = self.lanes.overdue(&self.cells, tick, wait) {
            self.cells.expire(port);
            self.unanswered -= 1;
            self.window.on_silence();
        }
        if self.limits_its_errors() {
            self.trickle = Some(Trickle::new(self.cells.expire_all(), self.now));
            self.unanswered = 0;
        }
    }

    fn expire_trickle(&mut self) {
        let (Some(trickle), cells, unanswered) = (&mut self.trickle, &mut self.cells, &mut self.unanswered)
        else {
            return;
        };
        trickle.expire(self.now, self.patience.timeout(), |port| {
            let Some(cell) = cells.get(port).filter(|cell| cell.progress == Progress::Asked) else {
                return Expired::Answered;
            };
            let again = cell.tries < self.template.tries_max;
            cells.expire(port);
            *unanswered -= 1;
            if again { Expired::AskAgain } else { Expired::AskedEnough }
        });
    }

    /// A target whose refusals are ICMP errors, and ended early: its kernel limits them.
    fn limits_its_errors(&mut self) -> bool {
        matches!(self.technique.protocol(), Protocol::Udp | Protocol::Ip) && self.lanes.ran_dry(&self.cells)
    }

    /// Takes an answer down. One that tells nothing is as good as none: its probe goes on waiting, as nmap's does.
    fn accept(&mut self, answer: &Answer) {
        if !tells(self.technique, answer.reply) {
            return;
        }
        let Some(cell) = self.cells.get(answer.port).copied() else { return };
        if answer.attempt >= cell.tries {
            return;
        }
        match cell.progress {
            Progress::Answered(_) => {
                self.duplicate_replies += 1;
                return;
            }
            Progress::GivenUp => {
                self.late_replies += 1;
                return;
            }
            Progress::Asked => self.unanswered -= 1,
            Progress::Turn => {}
        }
        if cell.progress == Progress::Turn || answer.attempt + 1 < cell.tries {
            self.late_replies += 1;
        }
        let age = cell.age(self.ticks.at(self.now)) + self.waited_before(answer.attempt, cell.tries);
        self.cells.answer(answer.port, answer.attempt, answer.reply, answer.ttl);
        self.lanes.answered(answer.attempt);
        self.patience.on_answer(answer.attempt, age);
        self.window.on_reply();
        self.trickle.iter_mut().for_each(Trickle::on_reply);
        if let (Aftermath::CompleteAndReset, Some(handshake)) = (self.aftermath, answer.handshake) {
            self.follow_ups.extend(handshake.complete_and_reset());
        }
    }

    /// How long tries before the latest were waited for, at least: only the latest has its time written down.
    fn waited_before(&self, attempt: u8, tries: u8) -> Duration {
        self.patience.timeout() * u32::from(tries.saturating_sub(attempt + 1))
    }

    /// When nobody is left to be asked or waited for, the rest is given up.
    fn settle(&mut self) {
        let done = match &self.trickle {
            Some(trickle) => trickle.is_done() || trickle.is_hopeless(self.now),
            None => self.unanswered == 0 && !self.lanes.has_next(&self.cells, self.rounds()),
        };
        if done && self.cells.unresolved() > 0 {
            self.limited = self.trickle.as_ref().is_some_and(Trickle::is_limited);
            self.cells.give_up();
        }
    }

    fn follow_up(&mut self, batch: &mut Batch) {
        while batch.room() > 0 {
            let Some(step) = self.follow_ups.pop_front() else { break };
            self.writer.follow_up(&step, batch);
        }
    }
}

/// Whether a port has not answered, and may be asked once more.
fn is_silent(cells: &Cells, port: u16, tries_max: u8) -> bool {
    cells.get(port).is_some_and(|cell| !cell.is_settled() && cell.tries < tries_max)
}

/// nmap's word, but for silence that the target's own limit explains; nmap has none for that.
fn reason(technique: Technique, reply: Option<Reply>, limited: bool) -> Reason {
    match reply {
        None if limited => Reason("rate-limited".to_owned()),
        reply => Reason::of(technique, reply),
    }
}
