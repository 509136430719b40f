//! The captures of a case: at the target's end and at every attacker's, from before the first packet to after
//! the last.

use std::fs::File;
use std::os::fd::OwnedFd;

use scandrill_lab::{Capture, Captured, CapturedPacket, Kind, Lab, create_in, decode, write_pcapng};
use scandrill_model::What;
use scandrill_scanners::ScanPlan;

use super::Window;
use super::log::{Log, Trouble, Troubled};
use crate::oracle::facts::{Testimony, testimony};
use crate::plan::{Plan, TARGET};

/// Packets of clients, canaries, controls and neighbours that may wait to be read.
const ORDINARY: usize = 4096;

/// Running captures.
#[must_use = "captures are stopped to be read"]
pub struct Watch {
    captures: Vec<Capture>,
}

/// What the captures hold; the target's is the first.
pub struct Seen {
    captured: Vec<Captured>,
}

impl Watch {
    /// Starts one capture at each end that a probe passes.
    pub async fn start(plan: &Plan, lab: &Lab) -> Result<Self, Trouble> {
        if !plan.watched {
            return Ok(Self { captures: Vec::new() });
        }
        let mut ends = vec![TARGET];
        for host in plan.reds.iter().map(|red| red.from.host.as_str()) {
            if !ends.contains(&host) {
                ends.push(host);
            }
        }
        // A probe, its answer, and what a kernel or a handshake adds; and room for everybody else.
        let probed = plan.reds.iter().map(|red| red.scan.ports.len()).max().unwrap_or(0);
        let burst = 4 * probed + ORDINARY;
        let mut captures = Vec::new();
        for end in ends {
            let interface = plan.lab.interfaces().find(|interface| interface.host == end);
            let name = interface.map_or("eth0", |interface| interface.name.as_str());
            let host = lab.host(end).trouble("finding a host")?;
            captures.push(Capture::start(host, name, burst).await.trouble("starting a capture")?);
        }
        Ok(Self { captures })
    }

    /// Stops them all.
    pub async fn stop(self, log: &Log) -> Result<Seen, Trouble> {
        let mut captured = Vec::new();
        for capture in self.captures {
            let one = capture.stop().await.trouble("stopping a capture")?;
            let (host, packets) = (one.host.clone(), one.packets.len() as u64);
            log.emit(What::Captured { host, packets, dropped: one.dropped });
            captured.push(one);
        }
        Ok(Seen { captured })
    }
}

impl Seen {
    /// What the captures say of one scan.
    pub fn testimony(&self, scan: &ScanPlan, from_host: &str, (start, end): Window) -> Testimony {
        let at_red = self.captured.iter().find(|captured| captured.host == from_host);
        match (self.captured.first(), at_red) {
            (Some(at_target), Some(at_red)) => testimony(scan, start, end, at_target, at_red),
            _ => Testimony::default(),
        }
    }

    /// Writes `capture.pcapng` into a directory of the runner's.
    pub fn keep(&self, directory: &OwnedFd) -> Result<(), Trouble> {
        let file: File = create_in(directory, "capture.pcapng").trouble("making the capture file")?;
        write_pcapng(file, &self.captured, &comment).trouble("writing the capture file")
    }
}

/// What a packet is, for whoever opens the file.
fn comment(packet: &CapturedPacket) -> Option<String> {
    let decoded = decode(packet)?;
    let way = if packet.outgoing { "sent" } else { "received" };
    match decoded.kind {
        Kind::Unreachable { what, quoted } => {
            Some(format!("{way}: unreachable ({what:?}) about {} to {}", quoted.source, quoted.destination))
        }
        Kind::Tcp { flags, .. } => Some(format!("{way}: tcp {flags:?}")),
        Kind::Udp { .. } | Kind::EchoRequest { .. } | Kind::EchoReply { .. } | Kind::Other => None,
    }
}
