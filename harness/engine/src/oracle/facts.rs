//! The captures' testimony: which probe passed the target's end, which reply went back, when. Facts only; the
//! one table in the model judges them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use scandrill_lab::{Captured, CapturedPacket, Decoded, Kind, decode};
use scandrill_model::{CellFacts, Reply, Stamp, Technique};
use scandrill_scanners::ScanPlan;

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

/// What makes a probe or a reply part of one exchange: red's port or id, and the target's port or sequence.
type Exchange = (u16, u16);

/// Reads the captures for one scan that ran from `from` to `until`.
pub fn testimony(
    scan: &ScanPlan,
    from: Stamp,
    until: Stamp,
    at_target: &Captured,
    at_red: &Captured,
) -> Testimony {
    let during = |packet: &&CapturedPacket| (from..=until).contains(&packet.at);
    let is_probe =
        |packet: &CapturedPacket| decode(packet).is_some_and(|decoded| probe_of(scan, &decoded).is_some());
    let sent = at_red
        .packets
        .iter()
        .filter(|packet| packet.outgoing)
        .filter(during)
        .filter(|packet| is_probe(packet));
    let mut pairing =
        Pairing { scan, from, until, open: BTreeMap::new(), cells: BTreeMap::new(), arrived: 0 };
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
    scan: &'a ScanPlan,
    from: Stamp,
    until: Stamp,
    /// Whether the latest probe of an exchange belongs to this scan.
    open: BTreeMap<Exchange, bool>,
    cells: BTreeMap<u16, CellFacts>,
    arrived: u64,
}

impl Pairing<'_> {
    fn packet(&mut self, packet: &CapturedPacket) {
        let Some(decoded) = decode(packet) else { return };
        if packet.outgoing {
            self.reply(packet.at, &decoded);
        } else if let Some((exchange, port)) = probe_of(self.scan, &decoded) {
            self.probe(packet.at, exchange, port);
        }
    }

    fn probe(&mut self, at: Stamp, exchange: Exchange, port: u16) {
        let ours = (self.from..=self.until).contains(&at);
        self.open.insert(exchange, ours);
        if ours {
            self.arrived += 1;
            let cell =
                self.cells.entry(port).or_insert_with(|| CellFacts { port, probes: Vec::new(), reply: None });
            cell.probes.push(at);
        }
    }

    /// The first reply of a cell counts, as it does for a scanner.
    fn reply(&mut self, at: Stamp, decoded: &Decoded) {
        let Some((exchange, port, reply)) = reply_of(self.scan, decoded) else { return };
        if self.open.get(&exchange) != Some(&true) {
            return;
        }
        if let Some(cell) = self.cells.get_mut(&port) {
            cell.reply.get_or_insert((at, reply));
        }
    }
}

/// The exchange and the cell of a packet that is one of the scan's probes.
fn probe_of(scan: &ScanPlan, decoded: &Decoded) -> Option<(Exchange, u16)> {
    if (decoded.source, decoded.destination) != (scan.source, scan.target) {
        return None;
    }
    match (&decoded.kind, scan.technique) {
        (Kind::EchoRequest { id, sequence }, Technique::IcmpEcho) => Some(((*id, *sequence), 0)),
        (Kind::Udp { source_port, destination_port }, Technique::Udp) => {
            Some(((*source_port, *destination_port), *destination_port))
        }
        (Kind::Tcp { source_port, destination_port, flags, .. }, technique)
            if technique.probe_flags() == Some(*flags) =>
        {
            Some(((*source_port, *destination_port), *destination_port))
        }
        _ => None,
    }
    .filter(|(_, port)| scan.ports.contains(*port))
}

/// The exchange, the cell and the meaning of a packet that answers one of the scan's probes.
fn reply_of(scan: &ScanPlan, decoded: &Decoded) -> Option<(Exchange, u16, Reply)> {
    if decoded.destination != scan.source {
        return None;
    }
    match (&decoded.kind, scan.technique) {
        (Kind::Unreachable { what, quoted }, technique) => {
            let ours = (quoted.source, quoted.destination) == (scan.source, scan.target);
            let exchange = ours.then_some((quoted.source_port?, quoted.destination_port?))?;
            let port = if technique == Technique::IcmpEcho { 0 } else { exchange.1 };
            Some((exchange, port, Reply::Unreachable(*what)))
        }
        (Kind::EchoReply { id, sequence }, Technique::IcmpEcho) if from_target(scan, decoded.source) => {
            Some(((*id, *sequence), 0, Reply::EchoReply))
        }
        (Kind::Udp { source_port, destination_port }, Technique::Udp)
            if from_target(scan, decoded.source) =>
        {
            Some(((*destination_port, *source_port), *source_port, Reply::Udp))
        }
        (Kind::Tcp { source_port, destination_port, flags, window, .. }, technique)
            if technique.probe_flags().is_some() && from_target(scan, decoded.source) =>
        {
            let reply = Reply::Tcp { flags: *flags, window: *window };
            Some(((*destination_port, *source_port), *source_port, reply))
        }
        _ => None,
    }
}

fn from_target(scan: &ScanPlan, source: IpAddr) -> bool {
    source == scan.target
}
