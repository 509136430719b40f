//! The captures of a case: at the end of the target, or of the edge before it, and at every attacker's, from before the first packet to after
//! the last.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::os::fd::OwnedFd;

use ipnet::IpNet;
use scandrill_lab::{Capture, Captured, Lab, create_in, write_pcapng};
use scandrill_model::What;

use super::Window;
use super::log::{Log, Trouble, Troubled};
use crate::oracle::facts::{Scanned, Testimony, testimony};
use crate::plan::{Plan, RedPlan, TARGET};

/// Packets of clients, canaries, controls and neighbours that may wait to be read.
const ORDINARY: usize = 4096;

/// How many packets go out at the first try of each port: decoys send it, too, and fragments are more.
fn packets(red: &RedPlan) -> usize {
    let evasion = &red.scan.evasion;
    // A TCP header with its options is the longest of what goes before the data.
    let length = 60 + usize::from(evasion.data_length);
    let pieces = evasion.fragment.map_or(1, |size| length.div_ceil(size.into()));
    red.scan.ports.len() * (1 + evasion.decoys.len()) * pieces
}

/// Running captures.
pub struct Watch {
    /// That of the host which faces the others is the first.
    captures: RefCell<VecDeque<Capture>>,
    /// What was captured at the target's end before it was booted again.
    before: RefCell<Vec<Captured>>,
}

/// What the captures hold; that of the host which faces the others is the first.
pub struct Seen {
    captured: Vec<Captured>,
}

impl Watch {
    /// Starts one capture at each end that a probe passes.
    pub async fn start(plan: &Plan, lab: &Lab) -> Result<Self, Trouble> {
        let mut captures = VecDeque::new();
        for end in ends(plan) {
            captures.push_back(start(plan, lab, end).await?);
        }
        Ok(Self { captures: RefCell::new(captures), before: RefCell::default() })
    }

    /// Stops the target's capture, as its interface is about to go away. That of an edge stays.
    pub async fn pause(&self, plan: &Plan) -> Result<(), Trouble> {
        if plan.face() != TARGET {
            return Ok(());
        }
        let of_target = self.captures.borrow_mut().pop_front();
        if let Some(capture) = of_target {
            let captured = capture.stop().await.trouble("stopping a capture")?;
            self.before.borrow_mut().push(captured);
        }
        Ok(())
    }

    /// Starts it again, before its interface is up.
    pub async fn resume(&self, plan: &Plan, lab: &Lab) -> Result<(), Trouble> {
        if ends(plan).first() == Some(&TARGET) {
            let capture = start(plan, lab, TARGET).await?;
            self.captures.borrow_mut().push_front(capture);
        }
        Ok(())
    }

    /// What they hold so far.
    pub fn so_far(&self) -> Seen {
        let running = self.captures.borrow();
        let mut captured: Vec<Captured> = running.iter().map(Capture::so_far).collect();
        if let Some(target) = captured.first_mut() {
            prepend(self.before.borrow().clone(), target);
        }
        Seen { captured }
    }

    /// Stops them all.
    pub async fn stop(&self, log: &Log) -> Result<Seen, Trouble> {
        let mut captured = Vec::new();
        for capture in self.captures.take() {
            captured.push(capture.stop().await.trouble("stopping a capture")?);
        }
        if let Some(target) = captured.first_mut() {
            prepend(self.before.take(), target);
        }
        for one in &captured {
            let (host, packets) = (one.host.clone(), one.packets.len() as u64);
            log.emit(What::Captured { host, packets, dropped: one.dropped });
        }
        Ok(Seen { captured })
    }
}

/// The ends of links that are watched; the target's, or its edge's outer one, first.
fn ends(plan: &Plan) -> Vec<&str> {
    if !plan.watched {
        return Vec::new();
    }
    let mut ends = vec![plan.face()];
    for host in plan.reds.iter().map(|red| red.from.host.as_str()) {
        if !ends.contains(&host) {
            ends.push(host);
        }
    }
    ends
}

async fn start(plan: &Plan, lab: &Lab, end: &str) -> Result<Capture, Trouble> {
    // A probe, its answer, and what a kernel or a handshake adds; and room for everybody else.
    let burst = 4 * plan.reds.iter().map(packets).max().unwrap_or(0) + ORDINARY;
    let interface = plan.lab.interfaces().find(|interface| interface.host == end);
    let name = interface.map_or("eth0", |interface| interface.name.as_str());
    let host = lab.host(end).trouble("finding a host")?;
    let floods: Vec<IpNet> = plan.floods.iter().map(|flood| flood.packets.prefix).collect();
    Capture::start_without(host, name, burst, &floods).await.trouble("starting a capture")
}

/// Puts what was captured before, in its order, before what was captured after.
fn prepend(before: Vec<Captured>, after: &mut Captured) {
    let mut packets = Vec::new();
    for one in before {
        packets.extend(one.packets);
        after.dropped += one.dropped;
    }
    packets.append(&mut after.packets);
    after.packets = packets;
}

impl Seen {
    /// What the captures say of one scan.
    pub fn testimony(&self, red: &RedPlan, (from, until): Window) -> Testimony {
        let host = &red.from.host;
        let at_red = self.captured.iter().find(|captured| captured.host == *host);
        match (self.captured.first(), at_red) {
            (Some(at_target), Some(at_red)) => {
                testimony(Scanned { plan: &red.scan, mac: red.from.mac, from, until }, at_target, at_red)
            }
            _ => Testimony::default(),
        }
    }

    /// Writes `capture.pcapng` into a directory of the runner's.
    pub fn keep(&self, directory: &OwnedFd) -> Result<(), Trouble> {
        let file: File = create_in(directory, "capture.pcapng").trouble("making the capture file")?;
        write_pcapng(file, &self.captured).trouble("writing the capture file")
    }
}
