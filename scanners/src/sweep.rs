//! Many targets in one run: some of their scans at once, the next as soon as one has ended, so that what is remembered
//! does not grow with the number of targets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use scandrill_model::{ScanResult, Stamp};

use crate::batch::Batch;
use crate::error::ScanError;
use crate::plan::ScanPlan;
use crate::scan::Scan;

/// So many targets are asked at once.
const ACTIVE_MAX: usize = 16;

/// Running scans, each of a target of its own, with the methods of a [`Scan`].
pub struct Sweep {
    waiting: VecDeque<ScanPlan>,
    active: BTreeMap<IpAddr, Scan>,
    /// Whose turn it is to send.
    next: usize,
    results: BTreeMap<IpAddr, ScanResult>,
}

impl Sweep {
    /// Prepares the scans; nothing is sent before it is polled.
    ///
    /// # Errors
    /// As [`Scan::new`]; two plans for one target.
    pub fn new(plans: Vec<ScanPlan>) -> Result<Self, ScanError> {
        let mut targets = BTreeSet::new();
        for plan in &plans {
            Scan::new(plan)?;
            if !targets.insert(plan.target) {
                return Err(ScanError::SameTarget(plan.target));
            }
        }
        let mut sweep =
            Self { waiting: plans.into(), active: BTreeMap::new(), next: 0, results: BTreeMap::new() };
        sweep.start_more()?;
        Ok(sweep)
    }

    /// As [`Scan::poll_transmit`], in turns.
    ///
    /// # Errors
    /// As [`Scan::finish`], of a scan that has come to its end.
    pub fn poll_transmit(&mut self, now: Stamp, batch: &mut Batch) -> Result<(), ScanError> {
        let count = self.active.len().max(1);
        let mut in_turn: Vec<&mut Scan> = self.active.values_mut().collect();
        in_turn.rotate_left(self.next % count);
        for scan in in_turn {
            if batch.is_full() {
                break;
            }
            scan.poll_transmit(now, batch);
            self.next += 1;
        }
        self.collect()
    }

    /// As [`Scan::receive`]: the packet goes to the scan that it is about. One about no target is shown to all, such as
    /// a zombie's reset, or an advertisement that comes from another address of the target.
    pub fn receive(&mut self, now: Stamp, packet: &[u8]) {
        match subject(packet).and_then(|target| self.active.get_mut(&target)) {
            Some(scan) => scan.receive(now, packet),
            None => self.active.values_mut().for_each(|scan| scan.receive(now, packet)),
        }
    }

    /// As [`Scan::next_timeout`]: the earliest of all, and at once where an ended scan makes room for one that waits.
    pub fn next_timeout(&mut self) -> Option<Stamp> {
        if !self.waiting.is_empty() && self.active.values().any(Scan::is_finished) {
            return Some(Stamp(0));
        }
        self.active.values_mut().filter_map(Scan::next_timeout).min()
    }

    /// Whether every target is read.
    pub fn is_finished(&self) -> bool {
        self.waiting.is_empty() && self.active.values().all(Scan::is_finished)
    }

    /// What was learnt of each target.
    ///
    /// # Errors
    /// As [`Scan::finish`].
    pub fn finish(mut self) -> Result<BTreeMap<IpAddr, ScanResult>, ScanError> {
        self.collect()?;
        for (target, scan) in self.active {
            self.results.insert(target, scan.finish()?);
        }
        Ok(self.results)
    }

    /// Puts the results of ended scans away, and starts others in their places.
    fn collect(&mut self) -> Result<(), ScanError> {
        let ended: Vec<IpAddr> =
            self.active.iter().filter(|(_, scan)| scan.is_finished()).map(|(target, _)| *target).collect();
        for target in ended {
            if let Some(scan) = self.active.remove(&target) {
                self.results.insert(target, scan.finish()?);
            }
        }
        self.start_more()
    }

    fn start_more(&mut self) -> Result<(), ScanError> {
        while self.active.len() < ACTIVE_MAX {
            let Some(plan) = self.waiting.pop_front() else { break };
            self.active.insert(plan.target, Scan::new(&plan)?);
        }
        Ok(())
    }
}

/// The target that a packet is about: its source, or, where it is an ICMP error, where the quoted packet went.
fn subject(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        // ARP: the sender's protocol address (RFC 826).
        0 => Some(IpAddr::from(*packet.get(14..)?.first_chunk::<4>()?)),
        4 => {
            let payload = packet.get(usize::from(packet[0] & 0x0f) * 4..)?;
            let is_error = *packet.get(9)? == 1 && matches!(payload.first()?, 3 | 11);
            let at = if is_error { payload.get(8 + 16..)? } else { packet.get(12..)? };
            Some(IpAddr::from(*at.first_chunk::<4>()?))
        }
        6 => {
            let payload = packet.get(40..)?;
            let is_error = packet[6] == 58 && *payload.first()? < 128;
            let at = if is_error { payload.get(8 + 24..)? } else { packet.get(8..)? };
            Some(IpAddr::from(*at.first_chunk::<16>()?))
        }
        _ => None,
    }
}
