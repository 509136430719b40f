//! The captures' testimony: which probe passed the target's end, which reply went back, when. Facts only; the
//! one table in the model judges them. What makes a packet a probe or a reply of a scan is in `exchange`.

use std::collections::BTreeMap;

use scandrill_lab::{Captured, CapturedPacket, Decoded, decode};
use scandrill_model::{CellFacts, Stamp, tells};
use scandrill_scanners::ScanPlan;

use super::exchange::{Exchange, probe_of, reply_of};

/// What the captures saw of one scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Testimony {
    /// Probes that left red's end.
    pub probes_sent: u64,
    /// Probes that arrived at the target's end.
    pub probes_arrived: u64,
    /// Cell by cell, ascending by port.
    pub cells: Vec<CellFacts>,
}

/// A scan as the captures can know it.
#[derive(Clone, Copy, Debug)]
pub struct Scanned<'a> {
    /// What was asked.
    pub plan: &'a ScanPlan,
    /// The Ethernet address of its host: who sends in somebody else's name is told by it.
    pub mac: [u8; 6],
    /// When it began.
    pub from: Stamp,
    /// When it ended.
    pub until: Stamp,
}

impl Scanned<'_> {
    fn ran_at(&self, at: Stamp) -> bool {
        (self.from..=self.until).contains(&at)
    }

    /// The exchange and the cell of a packet that is one of its probes.
    fn probe(&self, packet: &CapturedPacket) -> Option<(Exchange, u16)> {
        // An Ethernet frame begins with its destination's address, then its source's.
        let sent_by_its_host = packet.bytes.get(6..12) == Some(&self.mac);
        let decoded = sent_by_its_host.then(|| decode(packet))??;
        probe_of(self.plan, &decoded)
    }
}

/// Reads the captures for one scan.
pub fn testimony(scan: Scanned<'_>, at_target: &Captured, at_red: &Captured) -> Testimony {
    let left = |packet: &&CapturedPacket| packet.outgoing && scan.ran_at(packet.at);
    let sent = at_red.packets.iter().filter(left).filter(|packet| scan.probe(packet).is_some());
    let mut pairing = Pairing { scan, open: BTreeMap::new(), cells: BTreeMap::new(), arrived: 0 };
    for packet in &at_target.packets {
        pairing.packet(packet);
    }
    Testimony {
        probes_sent: sent.count() as u64,
        probes_arrived: pairing.arrived,
        cells: pairing.cells.into_values().collect(),
    }
}

/// Walks the target's capture once, in order.
struct Pairing<'a> {
    scan: Scanned<'a>,
    /// Whether the latest probe of an exchange belongs to this scan.
    open: BTreeMap<Exchange, bool>,
    cells: BTreeMap<u16, CellFacts>,
    arrived: u64,
}

impl Pairing<'_> {
    fn packet(&mut self, packet: &CapturedPacket) {
        if packet.outgoing {
            if let Some(decoded) = decode(packet) {
                self.reply(packet.at, &decoded);
            }
        } else if let Some((exchange, port)) = self.scan.probe(packet) {
            self.probe(packet.at, exchange, port);
        }
    }

    fn probe(&mut self, at: Stamp, exchange: Exchange, port: u16) {
        let ours = self.scan.ran_at(at);
        self.open.insert(exchange, ours);
        if ours {
            self.arrived += 1;
            self.cells.entry(port).or_insert_with(|| CellFacts::new(port)).probes.push(at);
        }
    }

    /// The first reply of a cell that tells something counts, as it does for a scanner; the same once more is a
    /// duplicate.
    fn reply(&mut self, at: Stamp, decoded: &Decoded) {
        let Some((exchange, port, reply)) = reply_of(self.scan.plan, decoded) else { return };
        if self.open.get(&exchange) != Some(&true) {
            return;
        }
        let Some(cell) = self.cells.get_mut(&port) else { return };
        let tells_nothing = |(_, reply)| !tells(self.scan.plan.technique, reply);
        match cell.reply {
            first if first.is_none_or(tells_nothing) => {
                (cell.reply, cell.ttl) = (Some((at, reply)), decoded.ttl);
            }
            Some((_, first)) if first == reply => cell.duplicates += 1,
            _ => {}
        }
    }
}
