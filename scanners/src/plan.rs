//! What is asked of a scanner, whichever it is.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use ipnet::IpNet;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use scandrill_model::{Asks, Family, PortSet, Protocol, Technique, is_lab_address};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::error::ScanError;
use crate::evasion::{Evasion, Sources};
use crate::identity::{Identity, Signature};
use crate::pace::Pace;
use crate::timing::{Parallelism, Timing};

/// One scan: a technique, from a source, of a target's ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanPlan {
    /// How ports are asked.
    pub technique: Technique,
    /// Where the probes come from; inside the lab's ranges.
    pub source: IpAddr,
    /// Where they go; inside the lab's ranges, and of the same IP version.
    pub target: IpAddr,
    /// Which ports, or protocols, are asked; `{0}` or nothing where a technique asks the host.
    pub ports: PortSet,
    /// Patience and pace.
    pub timing: Timing,
    /// In which order the ports are asked first.
    pub order: Order,
    /// How probes are spaced.
    pub pace: Pace,
    /// How it hides.
    pub evasion: Evasion,
    /// What nmap is to find out beside the ports' states; the built-in scanner knows none of it.
    pub detect: Detect,
    /// Whose IP identification an idle scan reads; nothing else has one.
    pub zombie: Option<Zombie>,
    /// Which part of a scan that several threads share; see [`ScanPlan::shards`].
    pub part: u8,
    /// The Ethernet address of the scanner's interface, which ARP requests and neighbour solicitations carry; nothing
    /// else needs it.
    pub link: Option<[u8; 6]>,
    /// Of the order, the source ports and the numbers that identify the probes.
    pub seed: u64,
}

/// What is asked beyond port states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Detect {
    /// The operating system (nmap -O).
    pub system: bool,
    /// The services behind open ports (nmap -sV).
    pub services: bool,
}

/// A host that answers a SYN-ACK with a reset, and numbers its packets one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zombie {
    /// Its address.
    pub address: IpAddr,
    /// A closed TCP port of it.
    pub port: u16,
}

/// In which order ports are asked for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[derive(Serialize, Deserialize, Display, EnumIter, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Order {
    /// From the lowest port to the highest (nmap -r).
    Ascending,
    /// Shuffled by the seed.
    #[default]
    Random,
    /// Shuffled by the seed, but the ports that are most often open first, as nmap does by default.
    Popular,
}

impl ScanPlan {
    /// A scan as the technique does it by itself, as fast as it goes.
    pub fn new(technique: Technique, source: IpAddr, target: IpAddr, ports: PortSet, seed: u64) -> Self {
        Self {
            technique,
            source,
            target,
            ports,
            timing: Timing::default(),
            order: Order::default(),
            pace: Pace::default(),
            evasion: Evasion::default(),
            detect: Detect::default(),
            zombie: None,
            part: 0,
            link: None,
            seed,
        }
    }

    /// Refuses what must never be sent.
    pub(crate) fn check(&self) -> Result<(), ScanError> {
        let (from, target) = (self.source, self.target);
        if let Some(&outside) = [from, target].iter().find(|address| !is_lab_address(**address)) {
            return Err(ScanError::OutsideLab { from, target, outside });
        }
        if from.is_ipv4() != target.is_ipv4() {
            return Err(ScanError::MixedFamilies { from, target });
        }
        if !self.technique.exists_over(Family::of(target)) {
            return Err(ScanError::NotOverIpv6 { technique: self.technique, target });
        }
        self.evasion.check(self.technique, Family::of(target))?;
        if self.cells().is_empty() { Err(ScanError::NoPorts(self.technique)) } else { Ok(()) }
    }

    /// The ports that get a state: those of the plan, or the one port 0 that stands for a host that is asked itself.
    pub fn cells(&self) -> PortSet {
        match self.technique.asks() {
            Asks::Host => PortSet::one(0),
            Asks::Ports | Asks::Protocols => self.ports.clone(),
        }
    }

    /// The least time between two probes: the plan's own, else the template's, as with nmap's --scan-delay.
    pub fn interval(&self) -> Duration {
        self.pace.interval.unwrap_or_else(|| self.timing.scan_delay().into())
    }

    /// The plan cut into parts for so many threads, which ask different ports at the same time. A scan keeps its one
    /// thread where the order or the pace of its probes is part of the question, or where it is small.
    pub fn shards(&self, threads: usize) -> Vec<Self> {
        let is_free = self.pace == Pace::default()
            && self.interval().is_zero()
            && self.order == Order::Random
            && self.evasion == Evasion::default()
            && self.technique.asks() == Asks::Ports
            && matches!(self.timing.template().parallelism, Parallelism::Window(_));
        if threads < 2 || !is_free || self.ports.len() < SHARED_MIN {
            return vec![self.clone()];
        }
        let ports: Vec<u16> = self.ports.iter().collect();
        let chunks = (0_u8..).zip(ports.chunks(ports.len().div_ceil(threads)));
        chunks
            .map(|(part, ports)| Self { part, ports: ports.iter().copied().collect(), ..self.clone() })
            .collect()
    }

    /// The addresses that replies come back to.
    pub fn sources(&self) -> IpNet {
        match &self.evasion.sources {
            Sources::Pool { prefix, .. } => *prefix,
            Sources::Own | Sources::Spoofed => IpNet::from(self.source),
        }
    }

    /// The ports that replies come back to, where they all come by TCP, UDP or SCTP, or as ICMP errors.
    pub fn source_ports(&self) -> Option<RangeInclusive<u16>> {
        let is_all = self.technique.asks() == Asks::Ports && self.technique != Technique::Idle;
        is_all.then(|| self.identity().source_ports())
    }

    pub(crate) fn identity(&self) -> Identity {
        Identity::new(self, &mut ChaCha8Rng::seed_from_u64(self.seed))
    }

    /// By what replies are known, where nothing but a scan's own key and its tries' source ports tells; the tries of its
    /// parts are numbered through. `None` where an evasion or the technique makes it more than that.
    pub fn signature(&self) -> Option<Signature> {
        let is_plain = self.evasion == Evasion::default()
            && matches!(self.technique.protocol(), Protocol::Tcp | Protocol::Udp)
            && self.technique != Technique::Idle;
        is_plain.then(|| self.identity().signature())
    }
}

/// A scan of fewer ports is over before a second thread has started.
const SHARED_MIN: usize = 4_096;
