//! The driver: virtual time, and packets between a scan and a simulated target.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use scandrill_model::{Family, ScanResult, Stamp, Technique};
use scandrill_scanners::{Batch, Pace, Scan, ScanPlan};

use crate::packet::Sent;
use crate::policy::Policy;
use crate::target::Target;

/// What one scan did.
pub struct Outcome {
    /// What it read.
    pub result: ScanResult,
    /// What it sent, and when, since the start.
    pub sent: Vec<(Duration, Sent)>,
    /// How long it took.
    pub took: Duration,
    /// The most replies that were on their way at once.
    pub replies_at_once: usize,
}

impl Outcome {
    /// How many probes each port got; what follows an accepted connection is no probe.
    pub fn probes(&self, technique: Technique) -> BTreeMap<u16, usize> {
        let mut probes = BTreeMap::new();
        for (_, sent) in self.sent.iter().filter(|(_, sent)| sent.flags() == technique.probe_flags()) {
            *probes.entry(sent.port()).or_default() += 1;
        }
        probes
    }
}

/// A plan for the ports of `policies`, in the lab's ranges.
pub fn plan(technique: Technique, family: Family, policies: &BTreeMap<u16, Policy>, seed: u64) -> ScanPlan {
    let (source, target): (IpAddr, IpAddr) = match family {
        Family::V4 => ([198, 18, 2, 7].into(), [198, 18, 0, 1].into()),
        Family::V6 => {
            let prefix = |last| [0xfd00, 0x198, 0x18, 0, 0, 0, 0, last].into();
            (prefix(7), prefix(1))
        }
    };
    ScanPlan::new(technique, source, target, policies.keys().copied().collect(), seed)
}

/// A plan with the least time between two probes.
pub fn paced(plan: ScanPlan, interval: u64) -> ScanPlan {
    let pace = Pace { interval: Some(Duration::from_millis(interval)), ..plan.pace };
    ScanPlan { pace, ..plan }
}

/// Runs the scan to its end; panics when it takes longer than `patience` of virtual time, stands still, or sends
/// anything that the plan does not allow.
pub fn run(plan: &ScanPlan, target: &mut Target, patience: Duration) -> Outcome {
    let start = Stamp(1_700_000_000_000_000_000);
    let mut scan = Scan::new(plan).expect("a plan inside the lab");
    let mut world =
        World { plan, start, now: start, on_their_way: BTreeMap::new(), sent: Vec::new(), most: 0 };
    let mut batch = Batch::default();
    while !scan.is_finished() {
        scan.poll_transmit(world.now, &mut batch);
        let sent = batch.len();
        world.deliver_to(target, &batch);
        batch.clear();
        let received = world.deliver_back(&mut scan);
        if sent == 0 && received == 0 && !scan.is_finished() {
            world.wait(&mut scan);
        }
        assert!(world.now.since(start) <= patience, "not finished within {patience:?}");
    }
    Outcome {
        result: scan.finish().expect("a result"),
        took: world.now.since(start),
        sent: world.sent,
        replies_at_once: world.most,
    }
}

struct World<'a> {
    plan: &'a ScanPlan,
    start: Stamp,
    now: Stamp,
    /// By arrival, then by departure.
    on_their_way: BTreeMap<(Stamp, usize), Vec<u8>>,
    sent: Vec<(Duration, Sent)>,
    most: usize,
}

impl World<'_> {
    fn deliver_to(&mut self, target: &mut Target, batch: &Batch) {
        for packet in batch.iter() {
            let sent = Sent::read(packet);
            assert_eq!(
                (sent.source, sent.destination),
                (self.plan.source, self.plan.target),
                "only as planned"
            );
            if let Some((at, reply)) = target.receive(self.now, &sent) {
                self.on_their_way.insert((at, self.sent.len()), reply);
            }
            self.sent.push((self.now.since(self.start), sent));
        }
        self.most = self.most.max(self.on_their_way.len());
    }

    fn deliver_back(&mut self, scan: &mut Scan) -> usize {
        let mut received = 0;
        while let Some(first) = self.on_their_way.first_entry().filter(|first| first.key().0 <= self.now) {
            scan.receive(self.now, &first.remove());
            received += 1;
        }
        received
    }

    /// Time goes on to the next thing that happens, and something must.
    fn wait(&mut self, scan: &mut Scan) {
        let reply = self.on_their_way.keys().next().map(|(at, _)| *at);
        let next = reply.into_iter().chain(scan.next_timeout()).min().expect("something to wait for");
        assert!(next > self.now, "the scan stands still");
        self.now = next;
    }
}
