//! Any scan, whatever its technique.

use scandrill_model::{Reply, ScanResult, Stamp, Technique};

use crate::batch::Batch;
use crate::error::ScanError;
use crate::idle::IdleScan;
use crate::plan::ScanPlan;
use crate::port_scan::PortScan;

/// A running scan, as a state machine without I/O.
pub struct Scan(Kind);

enum Kind {
    /// Each probe has its own reply.
    Ports(Box<PortScan>),
    /// A zombie is asked what became of the probes.
    Idle(Box<IdleScan>),
}

/// About whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consult {
    /// The ports that were asked since the last time: on a lab's link their replies have come.
    Recent,
    /// All that are awaited.
    Awaited,
}

/// A reply that somebody else read and believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Which try was answered, from 0.
    pub attempt: u8,
    /// What came back.
    pub reply: Reply,
    /// Its time to live or hop limit.
    pub ttl: u8,
    /// The sequence number and the time stamp of a SYN-ACK.
    pub opened: Option<(u32, Option<u32>)>,
}

impl Scan {
    /// Prepares a scan; nothing is sent before it is polled.
    ///
    /// # Errors
    /// A source or target outside the lab's ranges or of different IP versions; no port to ask; a technique that does
    /// not exist over that IP version, or cannot be combined with an evasion.
    pub fn new(plan: &ScanPlan) -> Result<Self, ScanError> {
        plan.check()?;
        Ok(Self(if plan.technique == Technique::Idle {
            Kind::Idle(Box::new(IdleScan::new(plan)?))
        } else {
            Kind::Ports(Box::new(PortScan::new(plan)?))
        }))
    }

    /// Adds the packets that may leave at `now` to the batch, as long as it has room.
    pub fn poll_transmit(&mut self, now: Stamp, batch: &mut Batch) {
        match &mut self.0 {
            Kind::Ports(scan) => scan.poll_transmit(now, batch),
            Kind::Idle(scan) => scan.poll_transmit(now, batch),
        }
    }

    /// Takes in a packet that arrived at `now`; whatever is no reply to this scan is ignored.
    pub fn receive(&mut self, now: Stamp, packet: &[u8]) {
        match &mut self.0 {
            Kind::Ports(scan) => scan.receive(now, packet),
            Kind::Idle(scan) => scan.receive(now, packet),
        }
    }

    /// Asks somebody else who reads replies, such as a program in the kernel, what he knows of the ports that are still
    /// awaited. An idle scan has nobody to ask.
    pub fn consult(&mut self, now: Stamp, which: Consult, told: impl Fn(u16) -> Option<Told>) {
        if let Kind::Ports(scan) = &mut self.0 {
            scan.consult(now, which, told);
        }
    }

    /// When to poll again even if no packet arrives; `None` when the scan is finished.
    pub fn next_timeout(&mut self) -> Option<Stamp> {
        match &mut self.0 {
            Kind::Ports(scan) => scan.next_timeout(),
            Kind::Idle(scan) => scan.next_timeout(),
        }
    }

    /// Whether every port is answered or given up, and nothing more is to be sent.
    pub fn is_finished(&self) -> bool {
        match &self.0 {
            Kind::Ports(scan) => scan.is_finished(),
            Kind::Idle(scan) => scan.is_finished(),
        }
    }

    /// What was learnt. A port that is still waiting reads as a silent one.
    ///
    /// # Errors
    /// A zombie that does not answer, or does not count its packets.
    pub fn finish(self) -> Result<ScanResult, ScanError> {
        match self.0 {
            Kind::Ports(scan) => Ok(scan.finish()),
            Kind::Idle(scan) => scan.finish(),
        }
    }
}
