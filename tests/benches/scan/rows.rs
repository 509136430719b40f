//! What is measured: one row a question.

use std::time::Duration;

use scandrill_model::{PortSet, PortState, Technique};
use scandrill_scanners::{Evasion, Pace, ScanPlan, Sources, Timing};

use crate::lab::{SOURCE, TARGET};

/// One question.
pub struct Row {
    /// What it is called.
    pub name: &'static str,
    /// How ports are asked.
    pub technique: Technique,
    /// Which are asked.
    pub ports: &'static str,
    /// Which of them have a listener.
    pub open: &'static str,
    /// What the target does to everything else than accept or refuse it.
    pub target: Target,
    /// How often each scanner runs.
    pub rounds: usize,
    /// Who runs beside the built-in scanner.
    pub peers: &'static [Peer],
    /// Whether nmap is measured with captures, too.
    pub watches_nmap: bool,
    /// From how many addresses the built-in scanner sends.
    pub sources: u32,
    /// Time from one probe to the next; `None` is as fast as it goes.
    pub interval: Option<Duration>,
    /// The built-in scanner may miss so many open ports in a run; it is never wrong otherwise.
    pub missed_max: usize,
}

/// What stands between the scanner and the ports.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Nothing.
    Answers,
    /// Everything is dropped.
    Drops,
    /// So many of a thousand packets are lost, each way.
    Loses(u16),
    /// The kernel's own ICMP limits.
    LimitsErrors,
}

/// Somebody else's scanner.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// `nmap -T4`.
    Nmap,
    /// nmap in as much haste as its options allow: `-T5 --min-rate 100000`.
    HastyNmap,
    /// masscan, at its adapter's default rate.
    Masscan,
}

const ALL: &str = "1-65535";
/// Ports 1000, 1650, ...: a hundred of them.
const HUNDRED: &str = "every 650";
const THOUSAND: &str = "every 65";

const USUAL: Row = Row {
    name: "",
    technique: Technique::TcpSyn,
    ports: ALL,
    open: HUNDRED,
    target: Target::Answers,
    rounds: 10,
    peers: &[Peer::Nmap],
    watches_nmap: false,
    sources: 1,
    interval: None,
    missed_max: 0,
};

/// All rows.
pub fn all() -> Vec<Row> {
    let stealth = |name, technique| Row { name, technique, ..USUAL };
    let paced = |name, ports, micros| {
        let interval = Some(Duration::from_micros(micros));
        Row { name, ports, interval, rounds: 5, peers: &[], ..USUAL }
    };
    vec![
        Row { name: "answering", peers: &[Peer::Nmap, Peer::Masscan], watches_nmap: true, ..USUAL },
        Row { name: "dropped", target: Target::Drops, peers: &[Peer::HastyNmap], ..USUAL },
        Row { name: "loss of 5 %", target: Target::Loses(50), peers: &[], rounds: 20, ..USUAL },
        Row {
            name: "loss of 20 %",
            target: Target::Loses(200),
            open: THOUSAND,
            peers: &[],
            rounds: 20,
            missed_max: 1,
            ..USUAL
        },
        Row { name: "1,000 ports", ports: "1-1000", rounds: 20, ..USUAL },
        Row { name: "1 port", ports: "650", rounds: 20, ..USUAL },
        Row { name: "tcp-connect", technique: Technique::TcpConnect, ..USUAL },
        stealth("tcp-fin", Technique::TcpFin),
        stealth("tcp-null", Technique::TcpNull),
        stealth("tcp-xmas", Technique::TcpXmas),
        paced("pace of 10 a second", "1-50", 100_000),
        paced("pace of 1,000 a second", "1-3000", 1_000),
        paced("pace of 20,000 a second", ALL, 50),
        Row {
            name: "udp, errors limited, 256 sources",
            technique: Technique::Udp,
            ports: "1-1000",
            open: "",
            target: Target::LimitsErrors,
            peers: &[],
            sources: 256,
            rounds: 20,
            ..USUAL
        },
    ]
}

impl Row {
    /// The listeners' ports.
    pub fn open(&self) -> PortSet {
        match self.open.strip_prefix("every ") {
            Some(step) => {
                let step: usize = step.parse().expect("a number");
                let asked: PortSet = self.ports.parse().expect("ports");
                let every = (step..=65_000).step_by(step).filter_map(|port| u16::try_from(port).ok());
                every.filter(|port| asked.contains(*port)).collect()
            }
            None => self.open.parse().unwrap_or_default(),
        }
    }

    /// What is asked, in the `round`th run of any scanner.
    pub fn plan(&self, round: u64) -> ScanPlan {
        let (source, target) = (SOURCE.parse().expect("an address"), TARGET.parse().expect("an address"));
        let plan = ScanPlan::new(self.technique, source, target, self.ports.parse().expect("ports"), round);
        let pace = Pace { interval: self.interval, ..Pace::default() };
        let plan = ScanPlan { pace, ..plan };
        if self.sources == 1 {
            return plan;
        }
        // Others than in the last runs: the kernel limits what each address gets, and forgets it within six seconds.
        let prefix = format!("198.18.{}.0/23", 128 + 2 * (round % 60)).parse().expect("a prefix");
        let sources = Sources::Pool { prefix, count: self.sources };
        ScanPlan { evasion: Evasion { sources, ..Evasion::default() }, ..plan }
    }

    /// What a peer is asked; the same, as far as it can do it.
    pub fn plan_for(&self, peer: Peer, round: u64) -> ScanPlan {
        let plan = self.plan(round);
        match peer {
            Peer::Nmap | Peer::Masscan => plan,
            Peer::HastyNmap => {
                let pace = Pace { interval: Some(Duration::from_micros(10)), ..Pace::default() };
                ScanPlan { timing: Timing::T5, pace, ..plan }
            }
        }
    }

    /// What a port must read as, open or not.
    pub fn truth(&self, is_open: bool) -> PortState {
        match (self.target, self.technique) {
            (Target::Drops, _) => PortState::Filtered,
            (_, Technique::TcpFin | Technique::TcpNull | Technique::TcpXmas) if is_open => {
                PortState::OpenFiltered
            }
            _ if is_open => PortState::Open,
            _ => PortState::Closed,
        }
    }
}
