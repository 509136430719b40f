//! What is asked of a scanner, whichever it is.

use std::net::IpAddr;

use scandrill_model::{Millis, PortSet, Protocol, Technique, is_lab_address};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::error::ScanError;
use crate::timing::Timing;

/// One scan: a technique, from a source, of a target's ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScanPlan {
    /// How ports are asked.
    pub technique: Technique,
    /// Where the probes come from; inside the lab's ranges.
    pub source: IpAddr,
    /// Where they go; inside the lab's ranges, and of the same IP version.
    pub target: IpAddr,
    /// Which ports are asked; `{0}` or nothing for ICMP, which has none.
    pub ports: PortSet,
    /// Patience and pace.
    pub timing: Timing,
    /// In which order the ports are asked first.
    pub order: Order,
    /// Time from one probe to the next; `None` leaves the pace to the template and the target's answers.
    pub interval: Option<Millis>,
    /// Of the order, the source ports and the numbers that identify the probes.
    pub seed: u64,
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
}

impl ScanPlan {
    /// Refuses what must never be sent.
    pub(crate) fn check(&self) -> Result<(), ScanError> {
        let (from, target) = (self.source, self.target);
        if let Some(&outside) = [from, target].iter().find(|address| !is_lab_address(**address)) {
            return Err(ScanError::OutsideLab { from, target, outside });
        }
        if from.is_ipv4() != target.is_ipv4() {
            return Err(ScanError::MixedFamilies { from, target });
        }
        if self.cells().is_empty() { Err(ScanError::NoPorts(self.technique)) } else { Ok(()) }
    }

    /// The ports that get a state: those of the plan, or the one port 0 that stands for a host asked by ICMP.
    pub(crate) fn cells(&self) -> PortSet {
        match self.technique.protocol() {
            Protocol::Icmp => PortSet::one(0),
            Protocol::Tcp | Protocol::Udp => self.ports.clone(),
        }
    }

    /// The least time between two probes: the plan's own, else the template's, as with nmap's --scan-delay.
    pub(crate) fn delay(&self) -> Millis {
        self.interval.unwrap_or_else(|| self.timing.scan_delay())
    }
}
