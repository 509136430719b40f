//! What can be wrong with a plan or with another scanner's report.

use std::net::IpAddr;

use scandrill_model::{PortSet, Technique};
use thiserror::Error;

/// Why there is no scan, or no result of one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScanError {
    /// The absolute rule: packets go to and come from the lab's own ranges only.
    #[error(
        "scanning {target} from {from}: {outside} is outside the lab's ranges 198.18.0.0/15 and fd00:198:18::/48"
    )]
    OutsideLab {
        /// Where the probes would come from.
        from: IpAddr,
        /// Where they would go.
        target: IpAddr,
        /// The address that is not the lab's.
        outside: IpAddr,
    },
    /// One address is IPv4, the other IPv6.
    #[error("scanning {target} from {from}: the two addresses are of different IP versions")]
    MixedFamilies {
        /// Where the probes would come from.
        from: IpAddr,
        /// Where they would go.
        target: IpAddr,
    },
    /// A technique that asks ports was given none.
    #[error("scanning with {0}: the plan names no port")]
    NoPorts(Technique),
    /// A technique that does not exist over the target's IP version.
    #[error("scanning {target} with {technique}: it exists over IPv4 alone")]
    NotOverIpv6 {
        /// The technique.
        technique: Technique,
        /// The target.
        target: IpAddr,
    },
    /// Two scans of one run have the same target.
    #[error("scanning {0} twice in one run: name each target once")]
    SameTarget(IpAddr),
    /// The registry has no such technique.
    #[error("scanning with {0}: no such technique is registered")]
    Unregistered(Technique),
    /// An evasion that the technique cannot have, or not so.
    #[error("scanning with {technique} and {evasion}: {why}")]
    Evasion {
        /// The technique.
        technique: Technique,
        /// The evasion, as a scenario names it.
        evasion: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// Decoys and fragments multiply, and all packets of one probe leave together.
    #[error(
        "scanning with {technique}: decoys and fragments make {packets} packets of one probe, of at most {max}"
    )]
    TooManyPackets {
        /// The technique.
        technique: Technique,
        /// How many packets one probe would have.
        packets: usize,
        /// How many it may have.
        max: usize,
    },
    /// ARP and neighbour discovery speak of Ethernet addresses.
    #[error("scanning with {0}: the plan does not say the Ethernet address of the scanner's interface")]
    NoLink(Technique),
    /// An idle scan was given no zombie.
    #[error("scanning with {0}: the plan names no zombie")]
    NoZombie(Technique),
    /// The zombie's IP identification tells nothing.
    #[error("scanning through zombie {address}:{port}: {why}")]
    Zombie {
        /// Its address.
        address: IpAddr,
        /// The port that is asked.
        port: u16,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The plan asks another scanner for what it does not have.
    #[error("scanning with {scanner}: it cannot do {what}")]
    CannotDo {
        /// The scanner.
        scanner: &'static str,
        /// What was asked.
        what: String,
    },
    /// The report is not XML.
    #[error("reading the report: {0}")]
    Xml(String),
    /// The scanner says itself that it failed, or does not say that it finished.
    #[error("reading the report: the scan did not finish: {0}")]
    Unfinished(String),
    /// Something that must be in the report is not, or says what nobody understands.
    #[error("reading the report: {0}")]
    Report(String),
    /// Ports that were asked about are not in the report.
    #[error("reading the report: it says nothing about port {0}")]
    Uncovered(PortSet),
}
