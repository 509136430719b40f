//! The driver: virtual time, and packets between a scan and simulated hosts. It fails the test where a packet leaves that
//! the plan does not allow, and where a scan stands still.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use scandrill_model::{Family, ScanResult, Stamp, Technique, is_lab_address};
use scandrill_scanners::{Batch, Pace, Scan, ScanError, ScanPlan, Sources};

use crate::fragments::Fragments;
use crate::packet::{Kind, Sent};
use crate::policy::Policy;
use crate::target::Target;
use crate::zombie::Zombie;

/// When every scan of these tests begins.
pub const START: Stamp = Stamp(1_700_000_000_000_000_000);

/// What one scan did.
pub struct Outcome {
    /// What it read.
    pub result: Result<ScanResult, ScanError>,
    /// What it sent itself, fragments put together, and when, since the start.
    pub sent: Vec<(Duration, Sent)>,
    /// How many packets left, decoys' and fragments counted.
    pub packets: usize,
    /// How long it took.
    pub took: Duration,
    /// The most replies that were on their way at once.
    pub replies_at_once: usize,
    /// How many probes each port got.
    pub probes: BTreeMap<u16, u8>,
}

impl Outcome {
    /// What it read; no scan but one through a zombie may fail.
    pub fn result(&self) -> &ScanResult {
        self.result.as_ref().expect("a result")
    }
}

/// An address of the lab.
pub fn host(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => [198, 18, 0, number].into(),
        Family::V6 => [0xfd00, 0x198, 0x18, 0, 0, 0, 0, number.into()].into(),
    }
}

/// A plan for the ports of `policies`, in the lab's ranges.
pub fn plan(technique: Technique, family: Family, policies: &BTreeMap<u16, Policy>, seed: u64) -> ScanPlan {
    let ports = policies.keys().copied().collect();
    let mut plan = ScanPlan::new(technique, host(family, 7), host(family, 1), ports, seed);
    plan.link = Some([2, 0, 0, 0, 0, 7]);
    plan.zombie = Some(scandrill_scanners::Zombie { address: host(family, 9), port: 999 });
    plan
}

/// A plan with the time between two probes.
pub fn paced(plan: ScanPlan, interval: u64) -> ScanPlan {
    let pace = Pace { interval: Some(Duration::from_millis(interval)), ..plan.pace };
    ScanPlan { pace, ..plan }
}

/// Runs the scan to its end; panics when it takes longer than `patience` of virtual time, stands still, or sends
/// anything that the plan does not allow.
pub fn run(plan: &ScanPlan, target: &mut Target, patience: Duration) -> Outcome {
    run_through(plan, target, None, patience)
}

/// The same, with a zombie.
pub fn run_through(
    plan: &ScanPlan,
    target: &mut Target,
    zombie: Option<Zombie>,
    patience: Duration,
) -> Outcome {
    let mut scan = Scan::new(plan).expect("a plan inside the lab");
    let mut world = World::new(plan, target, zombie);
    let mut batch = Batch::default();
    while !scan.is_finished() {
        scan.poll_transmit(world.now, &mut batch);
        let sent = batch.len();
        world.take(&batch);
        batch.clear();
        let received = world.give_back(&mut scan);
        if sent == 0 && received == 0 && !scan.is_finished() {
            world.wait(&mut scan);
        }
        assert!(world.now.since(START) <= patience, "not finished within {patience:?}");
    }
    Outcome {
        result: scan.finish(),
        took: world.now.since(START),
        sent: world.sent,
        packets: world.packets,
        replies_at_once: world.most,
        probes: world.probes,
    }
}

struct World<'a> {
    plan: &'a ScanPlan,
    target: &'a mut Target,
    zombie: Option<Zombie>,
    now: Stamp,
    /// By arrival, then by departure.
    on_their_way: BTreeMap<(Stamp, usize), Vec<u8>>,
    departures: usize,
    fragments: Fragments,
    sent: Vec<(Duration, Sent)>,
    packets: usize,
    probes: BTreeMap<u16, u8>,
    most: usize,
}

impl<'a> World<'a> {
    fn new(plan: &'a ScanPlan, target: &'a mut Target, zombie: Option<Zombie>) -> Self {
        Self {
            plan,
            target,
            zombie,
            now: START,
            on_their_way: BTreeMap::new(),
            departures: 0,
            fragments: Fragments::default(),
            sent: Vec::new(),
            packets: 0,
            probes: BTreeMap::new(),
            most: 0,
        }
    }

    /// Whatever left the scanner.
    fn take(&mut self, batch: &Batch) {
        for packet in batch.iter() {
            self.packets += 1;
            if let Some(whole) = self.fragments.take(packet, self.plan.evasion.fragment) {
                self.deliver(Sent::read(&whole));
            }
        }
        self.most = self.most.max(self.on_their_way.len());
    }

    fn deliver(&mut self, sent: Sent) {
        self.assert_allowed(&sent);
        let decoy = self.plan.evasion.decoys.contains(&sent.source);
        if self.is_zombies(sent.destination) {
            self.depart(self.now + self.target.faults.delay, sent.bytes.clone());
        } else {
            for (arrival, reply) in self.target.receive(self.now, &sent, decoy) {
                self.depart(arrival, reply);
            }
            if self.target.is_probe(&sent) && !decoy {
                *self.probes.entry(self.target.cell(&sent)).or_default() += 1;
            }
        }
        if !decoy {
            self.sent.push((self.now.since(START), sent));
        }
    }

    fn depart(&mut self, arrival: Stamp, packet: Vec<u8>) {
        self.departures += 1;
        self.on_their_way.insert((arrival, self.departures), packet);
    }

    /// Nothing leaves the lab's ranges, from an address or in a form that the plan does not name.
    fn assert_allowed(&self, sent: &Sent) {
        let (plan, evasion) = (self.plan, &self.plan.evasion);
        let solicits = matches!(sent.kind, Kind::Solicitation(_));
        assert!(is_lab_address(sent.source) && (solicits || is_lab_address(sent.destination)), "{sent:?}");
        let own = match &evasion.sources {
            Sources::Own | Sources::Spoofed => sent.source == plan.source,
            Sources::Pool { prefix, .. } => prefix.contains(&sent.source),
        };
        let zombie = plan.technique == Technique::Idle && self.is_zombies(sent.source);
        assert!(own || zombie || evasion.decoys.contains(&sent.source), "whose is {}?", sent.source);
        let asked = match &sent.kind {
            Kind::Solicitation(asked) => *asked,
            _ => sent.destination,
        };
        assert!(asked == plan.target || self.is_zombies(asked), "only as planned");
        let ttl = if solicits { 255 } else { evasion.ttl.unwrap_or(64) };
        assert!(sent.ttl.is_none_or(|sent| sent == ttl), "{:?}", sent.ttl);
        assert!(sent.is_sound.is_none_or(|sound| sound != evasion.bad_checksum), "{sent:?}");
        if let (Some(port), Kind::Tcp(header, _)) = (evasion.source_port, &sent.kind) {
            assert_eq!(header.source_port, port);
        }
    }

    fn is_zombies(&self, address: IpAddr) -> bool {
        self.zombie.as_ref().is_some_and(|zombie| zombie.address == address)
    }

    /// Whatever has arrived by now: at the zombie, whose answers come back, or at the scanner, who sees all replies but
    /// those to an address that he only pretends to have.
    fn give_back(&mut self, scan: &mut Scan) -> usize {
        let mut received = 0;
        while let Some(first) = self.on_their_way.first_entry().filter(|first| first.key().0 <= self.now) {
            let packet = first.remove();
            received += 1;
            let to = (packet[0] >> 4 == 4).then(|| <[u8; 4]>::try_from(&packet[16..20]).expect("an address"));
            match &mut self.zombie {
                Some(zombie) if to.map(IpAddr::from) == Some(zombie.address) => {
                    if let Some(reset) = zombie.receive(self.now, &packet) {
                        self.depart(self.now + self.target.faults.delay, reset);
                    }
                }
                _ if self.plan.evasion.sources == Sources::Spoofed => {}
                _ => scan.receive(self.now, &packet),
            }
        }
        received
    }

    /// Time goes on to the next thing that happens, and something must.
    fn wait(&mut self, scan: &mut Scan) {
        let reply = self.on_their_way.keys().next().map(|(at, _)| *at);
        let timeout = scan.next_timeout().map(|next| next + self.target.faults.wakes_late);
        let next = reply.into_iter().chain(timeout).min().expect("something to wait for");
        assert!(next > self.now, "the scan stands still");
        self.now = next;
    }
}
