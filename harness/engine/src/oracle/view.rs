//! A scan as its witnesses saw it: the scanner and the captures side by side, and what each says in a few words.

use std::collections::BTreeMap;
use std::net::IpAddr;

use scandrill_model::{
    Asks, CellFacts, Finding, PortSet, PortState, Reason, Reply, ScanResult, Technique, Verdict, state_of,
};

use super::observations::Observations;

/// A scan that both witnesses agree on, ready to be compared.
pub struct ScanView<'a> {
    /// Who scanned.
    pub actor: &'a str,
    /// From which address, the first where it has many.
    pub source: IpAddr,
    /// How.
    pub technique: Technique,
    /// What it was asked.
    pub ports: &'a PortSet,
    /// Everything that the scanner says.
    pub result: &'a ScanResult,
    /// What it read, port by port.
    pub states: &'a BTreeMap<u16, PortState>,
    /// Ports that answered and that it does not report.
    pub missed: &'a PortSet,
    /// What the captures saw, port by port.
    pub cells: &'a BTreeMap<u16, CellFacts>,
    /// Ports that the undefended target answered.
    pub control: PortSet,
    /// Ports that are silent without any defense.
    pub silent: PortSet,
    /// To whom the answers go when it is not the scanner, which then hears nothing.
    pub answers_to: Option<IpAddr>,
    /// Ports with a listener.
    pub served: PortSet,
    /// Everything that was seen in the case.
    pub seen: &'a Observations,
}

impl ScanView<'_> {
    pub fn finding(&self, subject: String, expected: String, observed: String, verdict: Verdict) -> Finding {
        let witnesses = self.witnesses();
        Finding { actor: self.actor.to_owned(), subject, expected, observed, verdict, witnesses }
    }

    /// `tcp-syn, ports 1-21,23-30`; a ping asks no port.
    pub fn subject(&self, ports: &PortSet) -> String {
        match self.technique.asks() {
            Asks::Host => self.technique.to_string(),
            Asks::Ports => format!("{}, ports {}", self.technique, shortened(ports)),
            Asks::Protocols => format!("{}, protocols {}", self.technique, shortened(ports)),
        }
    }

    fn witnesses(&self) -> Vec<String> {
        let probes: usize = self.cells.values().map(|cell| cell.probes.len()).sum();
        let answered = self.answered().len();
        let first = self.cells.values().filter_map(|cell| cell.probes.first()).min();
        let to = self.answers_to.map_or_else(String::new, |address| format!(", to {address}"));
        let first = first.map_or_else(|| "never".to_owned(), |at| self.seen.when(*at));
        let mut witnesses = vec![
            format!("scanner: {}{}", summary(self.result), untimely(self.result)),
            format!(
                "captures: {probes} probes arrived, the first {first}; {answered} of {} ports answered{to}",
                self.ports.len()
            ),
            format!(
                "control: {} of {} ports answered without the defense",
                self.control.len(),
                self.ports.len()
            ),
        ];
        if !self.missed.is_empty() {
            let missed = self.missed.len();
            witnesses
                .push(format!("missed: {missed} ports that answered and that the scanner does not report"));
        }
        let (late, _) = disagreements(self);
        witnesses.extend(
            late.first()
                .map(|first| format!("late: {} replies that the scanner did not hear; {first}", late.len())),
        );
        witnesses
    }

    pub fn answered(&self) -> PortSet {
        self.cells.values().filter(|cell| cell.reply.is_some()).map(|cell| cell.port).collect()
    }

    /// What a port is without a defense.
    fn kind(&self, port: u16) -> &'static str {
        match (self.technique.asks(), self.served.contains(port)) {
            (Asks::Host, _) => "hosts",
            (Asks::Protocols, _) => "protocols",
            (Asks::Ports, false) => "closed ports",
            (Asks::Ports, true) => "open ports",
        }
    }

    /// `tcp-xmas: 12 of 12 closed ports read closed`: how the ports of `group`, a part of `all`, read.
    pub fn reading(&self, group: &PortSet, all: &PortSet) -> String {
        let mut counts: BTreeMap<(&str, PortState), usize> = BTreeMap::new();
        for port in group.iter() {
            if let Some(state) = self.states.get(&port) {
                *counts.entry((self.kind(port), *state)).or_default() += 1;
            }
        }
        let share = |((kind, state), count): ((&str, PortState), usize)| {
            let of = all.iter().filter(|port| self.kind(*port) == kind).count();
            format!("{count} of {of} {kind} read {state}")
        };
        format!("{}: {}", self.technique, counts.into_iter().map(share).collect::<Vec<_>>().join(", "))
    }
}

/// `28 closed (1 probe each), 2 filtered (3 probes each)`: how many ports, and on how many probes their state rests,
/// where the scanner says so.
fn summary(result: &ScanResult) -> String {
    let mut counts: BTreeMap<(PortState, Option<u8>), usize> = BTreeMap::new();
    for group in &result.groups {
        *counts.entry((group.state, group.probes)).or_default() += group.ports.len();
    }
    let share = |((state, probes), count): ((PortState, Option<u8>), usize)| {
        let rests = probes.map_or_else(String::new, |probes| {
            let (s, each) = (if probes == 1 { "" } else { "s" }, if count == 1 { "" } else { " each" });
            format!(" ({probes} probe{s}{each})")
        });
        format!("{count} {state}{rests}")
    };
    counts.into_iter().map(share).collect::<Vec<_>>().join(", ")
}

/// `; 2 late and 3 duplicate replies`: what came after its port had been given up, and what came again.
fn untimely(result: &ScanResult) -> String {
    let named = [(result.late_replies, "late"), (result.duplicate_replies, "duplicate")];
    let told: Vec<String> =
        named.iter().filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    if told.is_empty() { String::new() } else { format!("; {} replies", told.join(" and ")) }
}

/// Where the scanner and the captures do not say the same. A reply that came too late for the scanner, or that its
/// kernel kept, is named as such; everything else cannot be judged.
pub fn disagreements(view: &ScanView<'_>) -> (Vec<String>, Vec<String>) {
    let (mut late, mut other) = (Vec::new(), Vec::new());
    for port in view.ports.iter() {
        let Some(cell) = view.cells.get(&port) else {
            other.push(format!("port {port}: the scanner reads it, and no probe of it is in the capture"));
            continue;
        };
        let heard = cell.reply.filter(|_| view.answers_to.is_none()).map(|(_, reply)| reply);
        let (scanner_state, captures) = (view.states.get(&port).copied(), state_of(view.technique, heard));
        let scanner = scanner_state.as_ref();
        if scanner == Some(&captures) {
            continue;
        }
        let scanner = scanner.map_or_else(|| "nothing".to_owned(), PortState::to_string);
        let reason = Reason::of(view.technique, heard).0;
        let line = format!("port {port}: the scanner reads {scanner}, the captures {captures} ({reason})");
        if is_late(cell) || kept_by_the_kernel(view.technique, cell, scanner_state) {
            late.push(line);
        } else {
            other.push(line);
        }
    }
    (late, other)
}

/// nmap's connect scan hears of an ICMP error from its kernel alone, which keeps it to itself where the error meets the
/// very call that sent the SYN (`tcp_v4_err`, `tcp_v6_err`: a socket that is in use gets a soft error). Whether nmap
/// learns it from a retransmitted SYN before it gives up is a matter of time.
fn kept_by_the_kernel(technique: Technique, cell: &CellFacts, scanner: Option<PortState>) -> bool {
    let refused = matches!(cell.reply, Some((_, Reply::Unreachable(_))));
    technique == Technique::TcpConnect && refused && scanner == Some(PortState::Filtered)
}

/// Later than any scanner waits on a link without delay.
const LATE: std::time::Duration = std::time::Duration::from_millis(100);

fn is_late(cell: &CellFacts) -> bool {
    let Some((at, _)) = cell.reply else { return false };
    let before = cell.probes.iter().rev().find(|probe| **probe <= at);
    before.is_some_and(|probe| at.since(*probe) > LATE)
}

/// A set of ports that fits on a line.
pub fn shortened(ports: &PortSet) -> String {
    let text = ports.to_string();
    match text.char_indices().nth(60) {
        None => text,
        Some((end, _)) => {
            let cut = text[..end].rfind(',').unwrap_or(end);
            format!("{},... ({} ports)", &text[..cut], ports.len())
        }
    }
}
