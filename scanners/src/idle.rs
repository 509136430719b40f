//! The idle scan (nmap -sI; reference guide, "TCP Idle Scan"): the target is asked in a zombie's name, and whether it
//! answered is read from the zombie's IP identification. A SYN-ACK makes the target's zombie send a reset, which
//! counts; a reset or silence does not. Ports are asked in groups, and a group in which something is open is halved.
//! A reading counts once a second one agrees, since the zombie may speak to others, and packets may be lost.

use std::collections::BTreeMap;
use std::time::Duration;

use pnet_packet::tcp::TcpPacket;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use scandrill_model::{CellRead, Reason, Reply, ScanResult, Stamp, TcpFlags, Technique, state_of};

use crate::batch::Batch;
use crate::error::ScanError;
use crate::evasion::SynShape;
use crate::identity::{Identity, Mark};
use crate::lanes::TRIES_MAX;
use crate::order::ordered;
use crate::packet::{Form, Route, numbers, open, tcp_form};
use crate::plan::{ScanPlan, Zombie};
use crate::technique::TcpShape;

/// A running idle scan.
pub(crate) struct IdleScan {
    zombie: Zombie,
    identity: Identity,
    query: Form,
    syn: Form,
    interval: Duration,
    step: Step,
    /// The query that is awaited, and when it left.
    awaited: Option<(Mark, Stamp)>,
    /// When the next packet may leave.
    due: Stamp,
    /// The longest round trip to the zombie.
    rtt: Duration,
    counts: Counts,
    /// Groups that are still to be read, the next one last.
    groups: Vec<Group>,
    read: BTreeMap<u16, Cell>,
    queries: u16,
    lessons: u8,
    lost: u8,
    /// SYNs to the target; what the zombie is asked is no probe.
    sent: u64,
    failure: Option<ScanError>,
}

/// What is done next.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// The zombie is asked for its identification again and again; these it gave.
    Learn(Vec<u16>),
    /// It is asked before the target is.
    Before,
    /// The target is asked in its name.
    Ask(u16),
    /// It is asked again.
    After(u16),
}

/// By how much the identification grows with each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    /// By one.
    Big,
    /// By 256: a counter sent with its lower byte first.
    Little,
}

/// Ports that are read together.
struct Group {
    ports: Vec<u16>,
    /// What the last reading found open.
    last: Option<u16>,
    readings: u8,
}

/// One port.
#[derive(Clone, Copy, Default)]
struct Cell {
    open: bool,
    probes: u8,
}

/// How often the zombie is asked to learn how it counts, and how far apart, as nmap does (idle_scan.cc).
const LESSONS: usize = 6;
const LESSON_INTERVAL: Duration = Duration::from_millis(30);
/// Somebody else's packet spoils a lesson; one that is spoilt so often shows a busy zombie.
const LESSONS_MAX: u8 = 3;
/// How long a zombie may take, before its round trip is known and at least.
const TIMEOUT_FIRST: Duration = Duration::from_millis(500);
const TIMEOUT_MIN: Duration = Duration::from_millis(100);
/// It is asked so often in vain before it counts as silent.
const LOST_MAX: u8 = 10;
/// What a target needs to answer, beside the round trips.
const MARGIN: Duration = Duration::from_millis(10);
/// Ports in a group at first. All of its SYNs leave at once.
const GROUP: usize = 32;
/// A group that is not read twice alike in so many readings never will be.
const READINGS_MAX: u8 = 16;

impl IdleScan {
    /// Prepares a scan.
    ///
    /// # Errors
    /// No zombie, or one outside the lab or of the other IP version.
    pub(crate) fn new(plan: &ScanPlan) -> Result<Self, ScanError> {
        plan.check()?;
        let zombie = plan.zombie.ok_or(ScanError::NoZombie(plan.technique))?;
        let asked = ScanPlan { target: zombie.address, ..plan.clone() };
        asked.check()?;
        let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
        let identity = Identity::new(&asked, &mut random);
        let shape = if plan.evasion.syn == SynShape::Own { SynShape::Nmap } else { plan.evasion.syn };
        let bare = TcpShape { window: 1024, options: Vec::new() };
        let route = |target| Route { target, ttl: plan.evasion.ttl.unwrap_or(64), bad_checksum: false };
        let query = tcp_form(route(zombie.address), &bare, TcpFlags::SYN | TcpFlags::ACK, b"");
        let size = if plan.interval().is_zero() { GROUP } else { 1 };
        let order = ordered(plan);
        Ok(Self {
            zombie,
            identity,
            query: query.with_port(zombie.port),
            syn: tcp_form(route(plan.target), &shape.shape().unwrap_or(bare), TcpFlags::SYN, b""),
            interval: plan.interval(),
            step: Step::Learn(Vec::new()),
            awaited: None,
            due: Stamp(0),
            rtt: Duration::ZERO,
            counts: Counts::Big,
            groups: order.chunks(size).rev().map(Group::new).collect(),
            read: BTreeMap::new(),
            queries: 0,
            lessons: 0,
            lost: 0,
            sent: 0,
            failure: None,
        })
    }

    /// Adds the packets that may leave at `now`.
    pub(crate) fn poll_transmit(&mut self, now: Stamp, batch: &mut Batch) {
        if self.is_finished() {
            return;
        }
        if let Some((_, left)) = self.awaited {
            if now.since(left) < self.timeout() {
                return;
            }
            self.on_silence();
        }
        if self.is_finished() || now < self.due {
            return;
        }
        if let Step::Ask(before) = self.step {
            self.ask_target(now, before, batch);
        } else if batch.room() > 0 {
            self.ask_zombie(now, batch);
        }
    }

    /// Takes in a packet that arrived at `now`: a reset of the zombie that belongs to the awaited query.
    pub(crate) fn receive(&mut self, now: Stamp, packet: &[u8]) {
        let Some((mark, left)) = self.awaited else { return };
        let Some(identification) = self.identification(&mark, packet) else { return };
        self.awaited = None;
        self.lost = 0;
        self.rtt = self.rtt.max(now.since(left));
        self.due = now;
        match std::mem::replace(&mut self.step, Step::Before) {
            Step::Learn(seen) => self.learn(left, seen, identification),
            Step::Before => self.step = Step::Ask(identification),
            Step::Ask(_) => {}
            Step::After(before) => self.conclude(before, identification),
        }
    }

    /// When to poll again even if no packet arrives; `None` when the scan is finished.
    pub(crate) fn next_timeout(&mut self) -> Option<Stamp> {
        let waiting = self.awaited.map(|(_, left)| left + self.timeout());
        (!self.is_finished()).then(|| waiting.unwrap_or(self.due))
    }

    /// Whether every port is read, or none can be.
    pub(crate) fn is_finished(&self) -> bool {
        self.failure.is_some() || self.groups.is_empty()
    }

    /// What was learnt.
    ///
    /// # Errors
    /// A zombie that does not answer, or does not count its packets one by one.
    pub(crate) fn finish(self) -> Result<ScanResult, ScanError> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let waiting = self.groups.iter().flat_map(|group| &group.ports).map(|port| (*port, Cell::default()));
        let cells = waiting.chain(self.read).map(|(port, cell)| {
            let reply = cell.open.then_some(Reply::IpIdChange);
            let (state, reason) = (state_of(Technique::Idle, reply), Reason::of(Technique::Idle, reply));
            CellRead { probes: Some(cell.probes), ..CellRead::new(port, state, reason) }
        });
        Ok(ScanResult { probes_sent: Some(self.sent), ..ScanResult::from_cells(cells) })
    }

    fn timeout(&self) -> Duration {
        if self.rtt.is_zero() { TIMEOUT_FIRST } else { (self.rtt * 4).max(TIMEOUT_MIN) }
    }

    fn ask_zombie(&mut self, now: Stamp, batch: &mut Batch) {
        let attempt = u8::try_from(self.queries % u16::from(TRIES_MAX)).unwrap_or_default();
        let mark = self.identity.mark(self.queries, attempt);
        self.queries = self.queries.wrapping_add(1);
        if let Some(packet) = batch.push(self.query.bytes(), b"") {
            self.query.finish(&mark, mark.source, packet);
            self.awaited = Some((mark, now));
        }
    }

    /// All of the group's SYNs, as the zombie would send them from the port that answers with resets.
    fn ask_target(&mut self, now: Stamp, before: u16, batch: &mut Batch) {
        let Some(group) = self.groups.last() else { return };
        if batch.room() < group.ports.len() {
            return;
        }
        for port in &group.ports {
            let cell = self.read.entry(*port).or_default();
            cell.probes = cell.probes.saturating_add(1);
            let mark = self.identity.mark(*port, cell.probes % TRIES_MAX);
            let mark = Mark { source: self.zombie.address, source_port: self.zombie.port, ..mark };
            if let Some(packet) = batch.push(self.syn.bytes(), b"") {
                self.syn.finish(&mark, mark.source, packet);
                self.sent += 1;
            }
        }
        self.step = Step::After(before);
        // To the target, from there to the zombie, and its reset: each is a way as long as the zombie's, or so.
        self.due = now + (self.rtt * 3 + MARGIN).max(self.interval);
    }

    /// A lost query may have counted or not: what was to be read with it is read anew.
    fn on_silence(&mut self) {
        self.awaited = None;
        self.lost += 1;
        if self.lost >= LOST_MAX {
            self.fail("it does not answer a SYN-ACK with a reset");
        }
        self.step = match self.step {
            Step::Learn(_) => Step::Learn(Vec::new()),
            Step::Before | Step::Ask(_) | Step::After(_) => Step::Before,
        };
    }

    fn learn(&mut self, left: Stamp, mut seen: Vec<u16>, identification: u16) {
        seen.push(identification);
        self.due = left + LESSON_INTERVAL;
        if seen.len() < LESSONS {
            self.step = Step::Learn(seen);
            return;
        }
        let steps: Vec<u16> = seen.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])).collect();
        let all = |step: u16| steps.iter().all(|seen| *seen == step);
        let swapped = seen.windows(2).all(|pair| Counts::Little.between(pair[0], pair[1]) == 1);
        match () {
            () if all(1) => self.counts = Counts::Big,
            () if swapped => self.counts = Counts::Little,
            () if all(0) => self.fail("its IP identification stands still"),
            () if self.lessons < LESSONS_MAX => {
                self.lessons += 1;
                self.step = Step::Learn(Vec::new());
            }
            () => self.fail("its IP identification does not count its packets one by one"),
        }
    }

    fn conclude(&mut self, before: u16, after: u16) {
        let Some(mut group) = self.groups.pop() else { return };
        // One step is the reset that answered the second query.
        let open = self.counts.between(before, after).checked_sub(1);
        let open = open.filter(|open| usize::from(*open) <= group.ports.len());
        group.readings += 1;
        let agreed = open.filter(|_| group.last == open);
        if agreed.is_none() && group.readings >= READINGS_MAX {
            self.fail("its IP identification went on by itself while ports were asked");
        }
        match agreed.map(usize::from) {
            None => {
                group.last = open;
                self.groups.push(group);
            }
            Some(open) if open == 0 || open == group.ports.len() => {
                for port in group.ports {
                    self.read.entry(port).or_default().open = open > 0;
                }
            }
            Some(_) => {
                let (first, second) = group.ports.split_at(group.ports.len() / 2);
                self.groups.extend([Group::new(second), Group::new(first)]);
            }
        }
    }

    fn fail(&mut self, why: &'static str) {
        let Zombie { address, port } = self.zombie;
        self.failure = Some(ScanError::Zombie { address, port, why });
    }

    /// The identification of the reset that answers a query: at the very number that the query acknowledged.
    fn identification(&self, mark: &Mark, packet: &[u8]) -> Option<u16> {
        let opened = open(packet)?;
        let segment = TcpPacket::new(opened.payload)?;
        let is_answer = opened.protocol == numbers::TCP
            && (opened.source, segment.get_source()) == (self.zombie.address, self.zombie.port)
            && (opened.destination, segment.get_destination()) == (mark.source, mark.source_port)
            && TcpFlags(segment.get_flags()).contains(TcpFlags::RST)
            && segment.get_sequence() == mark.acknowledgement;
        is_answer.then(|| u16::try_from(opened.label).ok()).flatten()
    }
}

impl Group {
    fn new(ports: &[u16]) -> Self {
        Self { ports: ports.to_vec(), last: None, readings: 0 }
    }
}

impl Counts {
    /// How many packets were sent between two identifications.
    fn between(self, before: u16, after: u16) -> u16 {
        match self {
            Self::Big => after.wrapping_sub(before),
            Self::Little => after.swap_bytes().wrapping_sub(before.swap_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
    use scandrill_model::{PortSet, PortState};

    use super::*;

    /// A zombie that counts, and a target that answers it.
    struct World {
        zombie: Zombie,
        identification: u16,
        counts: Counts,
        open: Vec<u16>,
        /// Every so many packets it sends one more, to somebody else; 0 is never.
        chatter: u16,
        /// Ports whose first SYN is still to be lost.
        losing: Vec<u16>,
    }

    impl World {
        fn count(&mut self) -> u16 {
            self.identification = self.identification.wrapping_add(1);
            match self.counts {
                Counts::Big => self.identification,
                Counts::Little => self.identification.swap_bytes(),
            }
        }

        /// What comes back to the scanner.
        fn take(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
            let sliced = SlicedPacket::from_ip(packet).unwrap();
            let Some(etherparse::NetSlice::Ipv4(ip)) = sliced.net else { panic!("not IPv4") };
            let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("not TCP") };
            if ip.header().source_addr() == self.zombie.address {
                assert!(tcp.syn() && !tcp.ack());
                assert_eq!(tcp.source_port(), self.zombie.port);
                let port = tcp.destination_port();
                if let Some(at) = self.losing.iter().position(|losing| *losing == port) {
                    self.losing.remove(at);
                } else if self.open.contains(&port) {
                    self.count();
                }
                return None;
            }
            assert!(tcp.syn() && tcp.ack());
            let mut identification = self.count();
            if self.chatter > 0 && self.identification.is_multiple_of(self.chatter) {
                identification = self.count();
            }
            let mut header = etherparse::Ipv4Header::new(
                20,
                64,
                etherparse::IpNumber::TCP,
                ip.header().destination(),
                ip.header().source(),
            )
            .unwrap();
            header.identification = identification;
            let builder =
                PacketBuilder::ip(etherparse::IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default()));
            let builder =
                builder.tcp(tcp.destination_port(), tcp.source_port(), tcp.acknowledgment_number(), 0).rst();
            let mut reply = Vec::new();
            builder.write(&mut reply, &[]).unwrap();
            Some(reply)
        }
    }

    fn run(world: &mut World, ports: &str) -> Result<ScanResult, ScanError> {
        let (source, target) = ("198.18.0.7".parse().unwrap(), "198.18.0.1".parse().unwrap());
        let mut plan = ScanPlan::new(Technique::Idle, source, target, ports.parse().unwrap(), 1);
        plan.zombie = Some(world.zombie);
        let mut scan = IdleScan::new(&plan)?;
        let mut now = Stamp(0);
        let mut batch = Batch::default();
        while let Some(next) = scan.next_timeout() {
            assert!(next.0 < 60_000_000_000, "it takes too long");
            now = now.max(next);
            scan.poll_transmit(now, &mut batch);
            let sent: Vec<Vec<u8>> = batch.iter().map(<[u8]>::to_vec).collect();
            batch.clear();
            for packet in sent {
                if let Some(reply) = world.take(&packet) {
                    now = now + Duration::from_millis(1);
                    scan.receive(now, &reply);
                }
            }
        }
        scan.finish()
    }

    fn world(counts: Counts, open: &[u16]) -> World {
        let zombie = Zombie { address: "198.18.0.9".parse().unwrap(), port: 999 };
        World { zombie, identification: 65_500, counts, open: open.to_vec(), chatter: 0, losing: Vec::new() }
    }

    #[test]
    fn open_ports_are_told_by_a_zombie_of_either_byte_order_through_chatter_and_a_lost_syn() {
        for (counts, chatter) in [(Counts::Big, 0), (Counts::Little, 0), (Counts::Big, 23)] {
            let losing = vec![22, 80, 99, 100];
            let mut world = World { chatter, losing, ..world(counts, &[22, 80, 99, 100]) };
            let result = run(&mut world, "1-200").unwrap();
            let open: PortSet = [22, 80, 99, 100].into_iter().collect();
            assert_eq!(result.ports_in(PortState::Open), open);
            assert_eq!(result.ports_in(PortState::ClosedFiltered).len(), 196);
        }
    }

    #[test]
    fn a_zombie_that_tells_nothing_ends_the_scan() {
        let mut busy = World { chatter: 2, ..world(Counts::Big, &[]) };
        let why = |result| match result {
            Err(ScanError::Zombie { why, .. }) => why,
            other => panic!("{other:?}"),
        };
        assert!(why(run(&mut busy, "1-5")).contains("one by one"));
        let mut deaf = world(Counts::Big, &[]);
        deaf.zombie.port = 998;
        let (source, target) = ("198.18.0.7".parse().unwrap(), "198.18.0.1".parse().unwrap());
        let mut plan = ScanPlan::new(Technique::Idle, source, target, PortSet::one(1), 1);
        assert_eq!(IdleScan::new(&plan).err(), Some(ScanError::NoZombie(Technique::Idle)));
        plan.zombie = Some(deaf.zombie);
        let mut scan = IdleScan::new(&plan).unwrap();
        while let Some(now) = scan.next_timeout() {
            scan.poll_transmit(now, &mut Batch::default());
        }
        assert!(why(scan.finish()).contains("does not answer"));
    }
}
