//! Scanners that somebody else wrote: one file (or folder) and one line in the registry each. Such a scanner is a few
//! command lines and a reader of what they print; somebody else runs them.
//!
//! A scanner that says less than it was asked is not corrected: what it keeps silent about is in its result as such
//! ([`Reason::not_reported`]), and whoever compares sees what it missed.

mod masscan;
pub mod nmap;
mod xml;
mod zmap;

use std::collections::BTreeMap;

use scandrill_model::{CellRead, CommandLine, Reason, ScanResult, is_lab_address, state_of};
use serde::{Deserialize, Serialize};

use crate::error::ScanError;
use crate::plan::ScanPlan;

/// One scanner of somebody else's.
pub trait Foreign: Sync {
    /// Its name in a scenario, which is its program's, too.
    fn name(&self) -> &'static str;

    /// Refuses what a plan asks and it cannot do.
    ///
    /// # Errors
    /// [`ScanError::CannotDo`], which names the first such thing.
    fn check(&self, plan: &ScanPlan) -> Result<(), ScanError>;

    /// What has to be run, one after the other, for a plan that it does not refuse.
    fn commands(&self, plan: &ScanPlan, nic: &Nic) -> Vec<CommandLine>;

    /// What it found, by what each command wrote to its standard output.
    ///
    /// # Errors
    /// A report that is broken or unfinished, or that speaks of what the plan does not ask.
    fn parse(&self, outputs: &[Vec<u8>], plan: &ScanPlan) -> Result<ScanResult, ScanError>;

    /// How it needs its host to be.
    fn habits(&self) -> Habits;
}

/// What a scanner needs of the host it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// Whether its source must be an address of the host's kernel, or one that the kernel does not own, lest it resets
    /// what the scanner is waiting for.
    pub source: SourceOwner,
    /// Whether it notices that its time is over only when a frame passes its interface: libpcap's third packet ring
    /// wakes nobody on a quiet link. Any frame does, also one that leaves.
    pub needs_frames: bool,
}

/// Whose a scanner's source address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceOwner {
    /// The kernel's of the scanner's host.
    Kernel,
    /// Nobody's; the target must know without asking which Ethernet address it has.
    Scanner,
}

/// Where a scanner's frames leave, for those that write them themselves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nic {
    /// The interface.
    pub interface: String,
    /// Its Ethernet address.
    pub address: [u8; 6],
    /// The Ethernet address of the target, or of the router on the way to it.
    pub next_hop: [u8; 6],
}

/// All of them.
pub fn foreign_scanners() -> &'static [&'static dyn Foreign] {
    &[&nmap::Nmap, &masscan::Masscan, &zmap::Zmap]
}

/// The one of that name.
pub fn foreign_scanner(name: &str) -> Option<&'static dyn Foreign> {
    foreign_scanners().iter().copied().find(|scanner| scanner.name() == name)
}

/// Refuses the first of `demands` that is made: what it is, and whether the plan asks it.
fn refuse(scanner: &'static str, demands: &[(&str, bool)]) -> Result<(), ScanError> {
    match demands.iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(ScanError::CannotDo { scanner, what: (*what).to_owned() }),
        None => Ok(()),
    }
}

/// Refuses what must never be sent: the absolute rule holds for everybody's packets, and whoever they name.
fn check_addresses(plan: &ScanPlan) -> Result<(), ScanError> {
    plan.check()?;
    match plan.zombie.map(|zombie| zombie.address).filter(|address| !is_lab_address(*address)) {
        Some(outside) => Err(ScanError::OutsideLab { from: plan.source, target: plan.target, outside }),
        None => Ok(()),
    }
}

/// `52:54:00:12:34:56`.
fn ethernet(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

/// The result of a scanner that reports only what answered, and asks each port once: the rest reads as silence does.
fn with_silence(heard: &BTreeMap<u16, CellRead>, plan: &ScanPlan) -> ScanResult {
    let cell = |port| match heard.get(&port) {
        Some(cell) => cell.clone(),
        None => CellRead {
            probes: Some(1),
            ..CellRead::new(port, state_of(plan.technique, None), Reason::not_reported())
        },
    };
    ScanResult::from_cells(plan.cells().iter().map(cell))
}

/// Adds a cell, which must be one of the plan's and new.
fn insert(cells: &mut BTreeMap<u16, CellRead>, cell: CellRead, plan: &ScanPlan) -> Result<(), ScanError> {
    let port = cell.port;
    if !plan.cells().contains(port) {
        return Err(ScanError::Report(format!("it speaks of port {port}, which was not asked")));
    }
    match cells.insert(port, cell) {
        None => Ok(()),
        Some(_) => Err(ScanError::Report(format!("it speaks of port {port} twice"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use scandrill_model::{PortSet, Technique};

    use super::*;
    use crate::evasion::{Evasion, Sources};
    use crate::pace::{Burst, Pace};

    pub(super) fn nic() -> Nic {
        Nic { interface: "eth0".to_owned(), address: [2, 0, 0, 0, 0, 2], next_hop: [2, 0, 0, 0, 0, 0x1f] }
    }

    pub(super) fn plan(technique: Technique, ports: &str, v6: bool) -> ScanPlan {
        let [source, target] =
            if v6 { ["fd00:198:18::2", "fd00:198:18::1"] } else { ["198.18.0.2", "198.18.0.1"] };
        let ports = PortSet::try_from(ports.to_owned()).unwrap();
        ScanPlan::new(technique, source.parse().unwrap(), target.parse().unwrap(), ports, 1)
    }

    #[test]
    fn each_is_found_by_its_name() {
        let names: BTreeSet<&str> = foreign_scanners().iter().map(|scanner| scanner.name()).collect();
        assert_eq!(names.len(), foreign_scanners().len());
        for name in names {
            assert_eq!(foreign_scanner(name).map(Foreign::name), Some(name));
        }
    }

    #[test]
    fn nobody_outside_the_lab_is_ever_named() {
        let outside = "192.0.2.1".parse().unwrap();
        let asked = plan(Technique::TcpSyn, "22", false);
        let decoys = Evasion { decoys: vec![outside], ..Evasion::default() };
        let zombie = Some(crate::plan::Zombie { address: outside, port: 80 });
        for scanner in foreign_scanners() {
            for plan in [
                ScanPlan { target: outside, ..asked.clone() },
                ScanPlan { source: outside, ..asked.clone() },
                ScanPlan { evasion: decoys.clone(), ..asked.clone() },
                ScanPlan { zombie, ..asked.clone() },
            ] {
                let refused = scanner.check(&plan).unwrap_err();
                let outside = matches!(refused, ScanError::OutsideLab { .. } | ScanError::Evasion { .. });
                assert!(outside, "{}: {refused}", scanner.name());
            }
        }
    }

    /// Of everything a plan can ask, what none of them has.
    #[test]
    fn what_is_ours_alone_is_refused_by_name() {
        let jitter = Pace { jitter_percent: 10, ..Pace::default() };
        let burst = Burst { probes: 2, pause: scandrill_model::Millis(1) };
        let burst = Pace { burst: Some(burst), ..Pace::default() };
        let pool = Sources::Pool { prefix: "198.18.1.0/24".parse().unwrap(), count: 9 };
        let pool = Evasion { sources: pool, ..Evasion::default() };
        let no_mss = Evasion { syn: crate::evasion::SynShape::NoMss, ..Evasion::default() };
        let asked = plan(Technique::TcpSyn, "22", false);
        for scanner in foreign_scanners() {
            for (plan, what) in [
                (ScanPlan { pace: jitter, ..asked.clone() }, "jitter"),
                (ScanPlan { pace: burst, ..asked.clone() }, "bursts"),
                (ScanPlan { evasion: pool.clone(), ..asked.clone() }, "a pool of sources"),
                (ScanPlan { evasion: no_mss.clone(), ..asked.clone() }, "another scanner's SYN"),
            ] {
                let refused = ScanError::CannotDo { scanner: scanner.name(), what: what.to_owned() };
                assert_eq!(scanner.check(&plan), Err(refused));
            }
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_no_report(bytes in prop::collection::vec(any::<u8>(), 1..99)) {
            let plan = plan(Technique::TcpSyn, "22", false);
            for scanner in foreign_scanners() {
                prop_assert!(scanner.parse(std::slice::from_ref(&bytes), &plan).is_err(), "{}", scanner.name());
            }
        }
    }
}
