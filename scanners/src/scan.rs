//! One scan as a state machine: which port is asked next, when a probe counts as unanswered, when a port is given
//! up. Retransmission is nmap's (`allowedTryno` and the bench in scan_engine.cc): a silent port is asked twice;
//! more often only once a reply to a later try proved that packets get lost, and then one more time than nmap
//! does, which asks more slowly instead.

use std::collections::VecDeque;
use std::time::Duration;

use pnet_packet::tcp::TcpOption;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use scandrill_model::{CellRead, Reason, ScanResult, Stamp, TcpFlags, state_of};

use crate::again::Again;
use crate::batch::Batch;
use crate::cells::{Cells, Progress, Wait};
use crate::error::ScanError;
use crate::flights::{Flight, Flights};
use crate::identity::Identity;
use crate::packet::{Answer, Endpoints, Handshake, Reader, Template};
use crate::plan::{Order, ScanPlan};
use crate::rtt::Rtt;
use crate::technique::{self, Aftermath, CLOCK, Probe, Segment, TcpShape};
use crate::window::Window;

/// A running scan.
pub struct Scan {
    probe: &'static dyn Probe,
    endpoints: Endpoints,
    template: Template,
    payload: fn(u16) -> &'static [u8],
    reader: Reader,
    identity: Identity,
    cells: Cells,
    /// Ports not asked yet, in order.
    fresh: std::vec::IntoIter<u16>,
    /// Ports to be asked again.
    again: Again,
    /// Ports that were asked as often as is worth it, as far as is known.
    parked: Vec<u16>,
    flights: Flights,
    /// How many of them are awaited.
    unanswered: u64,
    /// Packets of connections that a target accepted.
    handshakes: VecDeque<(TcpFlags, Handshake)>,
    rtt: Rtt,
    window: Window,
    delay: Duration,
    next_probe: Stamp,
    /// The latest try, from 0, that was ever answered.
    answered_try: u8,
    retries_max: u8,
    probes_sent: u64,
    late_replies: u64,
}

impl Scan {
    /// Prepares a scan; nothing is sent before it is polled.
    ///
    /// # Errors
    /// A source or target outside the lab's ranges or of different IP versions; no port to ask.
    pub fn new(plan: &ScanPlan) -> Result<Self, ScanError> {
        plan.check()?;
        let (from, target) = (plan.source, plan.target);
        let endpoints = Endpoints::new(from, target).ok_or(ScanError::MixedFamilies { from, target })?;
        let probe = technique::find(plan.technique)?;
        let segment = probe.segment();
        let flags = plan.technique.probe_flags().unwrap_or(TcpFlags::NONE);
        let timing = plan.timing.template();
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
        let identity = Identity::new(&mut random);
        Ok(Self {
            probe,
            endpoints,
            template: Template::new(endpoints, &segment, flags),
            payload: if let Segment::Udp { payload } = segment { payload } else { |_| b"" },
            reader: Reader::new(endpoints, plan.technique.protocol(), flags),
            identity,
            cells: Cells::new(&plan.cells()),
            fresh: ordered(plan, &mut random).into_iter(),
            again: Again::default(),
            parked: Vec::new(),
            flights: Flights::default(),
            unanswered: 0,
            handshakes: VecDeque::new(),
            rtt: Rtt::new(&timing),
            window: Window::new(&timing),
            delay: plan.interval(),
            next_probe: Stamp(0),
            answered_try: 0,
            retries_max: timing.retries_max,
            probes_sent: 0,
            late_replies: 0,
        })
    }

    /// Adds the packets that may leave at `now` to the batch, until it is full.
    pub fn poll_transmit(&mut self, now: Stamp, batch: &mut Batch) {
        self.expire(now);
        self.go_on_with_handshakes(batch);
        while !batch.is_full() && self.may_probe(now) {
            let Some(port) = self.next_port() else { break };
            self.send(port, now, batch);
        }
        self.settle();
    }

    /// Takes in a packet that arrived at `now`; whatever is no reply to this scan is ignored.
    pub fn receive(&mut self, now: Stamp, packet: &[u8]) {
        if let Some(answer) = self.reader.read(&self.identity, packet) {
            self.accept(now, &answer);
            self.forget_landed();
            self.settle();
        }
    }

    /// When to poll again even if no packet arrives; `None` when the scan is finished.
    pub fn next_timeout(&self) -> Option<Stamp> {
        if !self.handshakes.is_empty() {
            return Some(Stamp(0));
        }
        let expiry = self.flights.next_deadline(self.rtt.timeout());
        let waiting = self.fresh.len() > 0 || !self.again.is_empty();
        let probe = (waiting && self.unanswered < self.window.limit()).then_some(self.next_probe);
        expiry.into_iter().chain(probe).min()
    }

    /// Whether every port is answered or given up, and nothing more is to be sent.
    pub fn is_finished(&self) -> bool {
        self.cells.unresolved() == 0 && self.handshakes.is_empty()
    }

    /// What was learnt. A port that is still waiting reads as a silent one.
    pub fn finish(self) -> ScanResult {
        let technique = self.probe.technique();
        let cells = self.cells.replies();
        let read = cells.map(|(port, reply)| {
            CellRead::new(port, state_of(technique, reply), Reason::of(technique, reply))
        });
        ScanResult {
            probes_sent: Some(self.probes_sent),
            late_replies: self.late_replies,
            ..ScanResult::from_cells(read)
        }
    }

    fn may_probe(&self, now: Stamp) -> bool {
        now >= self.next_probe && self.unanswered < self.window.limit()
    }

    /// Retransmissions come first, as in nmap.
    fn next_port(&mut self) -> Option<u16> {
        while let Some(port) = self.again.pop() {
            if self.cells.waits_for(port, Wait::Turn) {
                return Some(port);
            }
        }
        self.fresh.next()
    }

    fn send(&mut self, port: u16, now: Stamp, batch: &mut Batch) {
        let attempt = self.cells.probe(port, now);
        self.template.write(&self.identity.mark(port, attempt), (self.payload)(port), batch);
        self.flights.push(Flight { port, attempt, sent: now });
        self.unanswered += 1;
        self.probes_sent += 1;
        self.next_probe = now + self.delay;
    }

    /// Stops waiting for what should have been answered by now.
    fn expire(&mut self, now: Stamp) {
        let timeout = self.rtt.timeout();
        self.forget_landed();
        while let Some(flight) = self.flights.pop_expired(now, timeout) {
            if is_awaited(&self.cells, &flight) {
                self.on_silence(flight);
            }
        }
        self.forget_landed();
    }

    /// Drops probes that nobody waits for any more, so that the next deadline is a true one.
    fn forget_landed(&mut self) {
        self.flights.forget(|flight| is_awaited(&self.cells, flight));
    }

    fn on_silence(&mut self, flight: Flight) {
        self.unanswered -= 1;
        self.window.on_silence();
        if flight.attempt >= self.retries_max {
            self.cells.resolve(flight.port, Progress::GivenUp);
        } else if flight.attempt < self.tries_worth() {
            self.cells.wait_for(flight.port, Wait::Turn);
            self.again.push(flight.port, flight.attempt + 1);
        } else {
            self.cells.wait_for(flight.port, Wait::Evidence);
            self.parked.push(flight.port);
        }
    }

    /// The latest try that is worth making.
    fn tries_worth(&self) -> u8 {
        let worth = if self.answered_try == 0 { 1 } else { self.answered_try + 2 };
        worth.min(self.retries_max)
    }

    fn accept(&mut self, now: Stamp, answer: &Answer) {
        let (port, attempt) = (answer.port, answer.attempt);
        let cell = self.cells.get(port);
        if attempt >= cell.tries {
            return;
        }
        match cell.progress {
            Progress::Unasked | Progress::Answered(_) => return,
            Progress::GivenUp => {
                self.late_replies += 1;
                return;
            }
            Progress::Waiting(Wait::Reply) => self.unanswered -= 1,
            Progress::Waiting(Wait::Turn | Wait::Evidence) => {}
        }
        self.cells.resolve(port, Progress::Answered(answer.reply));
        self.learn(now, self.cells.sent(port, attempt), attempt);
        if let (Aftermath::CompleteAndReset, Some(handshake)) = (self.probe.aftermath(), answer.handshake) {
            self.handshakes.push_back((TcpFlags::ACK, handshake));
            self.handshakes.push_back((TcpFlags::RST | TcpFlags::ACK, handshake));
        }
    }

    /// What a reply says about the way to the target.
    fn learn(&mut self, now: Stamp, sent: Stamp, attempt: u8) {
        self.rtt.sample(now.since(sent));
        self.window.on_reply();
        if attempt > 0 {
            self.window.on_drop(sent, now, self.unanswered);
        }
        if attempt > self.answered_try {
            self.answered_try = attempt;
            self.ask_parked_again();
        }
    }

    fn ask_parked_again(&mut self) {
        for port in std::mem::take(&mut self.parked) {
            if self.cells.waits_for(port, Wait::Evidence) {
                self.cells.wait_for(port, Wait::Turn);
                self.again.push(port, self.cells.get(port).tries);
            }
        }
    }

    /// When nothing is left from which evidence could come, parked ports are given up.
    fn settle(&mut self) {
        if self.unanswered == 0 && self.fresh.len() == 0 && self.again.is_empty() {
            for port in std::mem::take(&mut self.parked) {
                if self.cells.waits_for(port, Wait::Evidence) {
                    self.cells.resolve(port, Progress::GivenUp);
                }
            }
        }
    }

    fn go_on_with_handshakes(&mut self, batch: &mut Batch) {
        while !batch.is_full() {
            let Some((flags, handshake)) = self.handshakes.pop_front() else { break };
            let echo = |their| vec![TcpOption::nop(), TcpOption::nop(), TcpOption::timestamp(CLOCK, their)];
            let options = handshake.timestamp.map(echo).unwrap_or_default();
            let shape = TcpShape { window: ESTABLISHED_WINDOW, options };
            Template::tcp(self.endpoints, &shape, flags).write(&handshake.mark, b"", batch);
        }
    }
}

/// Linux's first window of 64,240 bytes, in units of the scale 7 that was offered.
const ESTABLISHED_WINDOW: u16 = 502;

fn is_awaited(cells: &Cells, flight: &Flight) -> bool {
    let cell = cells.get(flight.port);
    cell.progress == Progress::Waiting(Wait::Reply) && cell.tries == flight.attempt + 1
}

fn ordered(plan: &ScanPlan, random: &mut ChaCha8Rng) -> Vec<u16> {
    let mut ports: Vec<u16> = plan.cells().iter().collect();
    match plan.order {
        Order::Ascending => {}
        Order::Random | Order::Popular => ports.shuffle(random),
    }
    ports
}
