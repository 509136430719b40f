//! A scenario, understood: parsed once into types that cannot be wrong. Nothing here knows a lab.

mod actor;
mod ban_file;
mod bounds;
mod claim_file;
mod counter;
mod edge;
mod expect;
pub mod file;
mod flood;
mod green;
mod knock;
mod load_file;
mod operator;
mod read;
mod red;
mod words;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use scandrill_defenses::LayerSpec;
use scandrill_model::{
    Backend, Family, PerMille, PortSet, Protocol, RedExpectation, ServicePlan, Technique, Tool,
};
use scandrill_scanners::{Detect, Evasion, Foreign, Order, Pace, SourceOwner, Timing, foreign_scanner};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

pub use actor::{Actor, Kind, Prediction};
pub use counter::Counter;
pub use edge::{Edge, Forwarded, Forwards, Tells, met_by, service as service_behind};
pub use expect::pattern;
pub use flood::{Amount, Flood};
pub use green::{CRAWLERS, Errand, Green, Role, over};
pub use knock::Knock;
pub use operator::{Boot, Operator};
pub use read::{LoadRules, read};

use crate::bad_file::SourceFile;

/// Who runs a technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[derive(Serialize, Deserialize, Display, EnumIter, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Scanner {
    /// scandrill's own.
    Builtin,
    /// The real nmap.
    Nmap,
    /// The real masscan.
    Masscan,
    /// The real zmap.
    Zmap,
}

impl Scanner {
    /// How it is run and read; `None` for the built-in one.
    pub fn foreign(self) -> Option<&'static dyn Foreign> {
        foreign_scanner(&self.to_string())
    }

    /// Whose its source address must be.
    pub fn source_owner(self) -> SourceOwner {
        self.foreign().map_or(SourceOwner::Scanner, |scanner| scanner.habits().source)
    }
}

/// One scenario file.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its path without the ending, below the folder that was asked for: `manual/recent`.
    pub name: String,
    /// The file, for messages about what only planning finds.
    pub file: SourceFile,
    /// What it shows.
    pub about: Option<String>,
    /// The sentence it puts to the test.
    pub claim: Option<Claim>,
    /// IP versions, each a case.
    pub families: Vec<Family>,
    /// What installs the layers that exist for both tools, each a case.
    pub tools: Vec<Tool>,
    /// Back ends, each a case.
    pub backends: Vec<Backend>,
    /// How often each case runs.
    pub repeat: u32,
    /// Left out of the default run.
    pub slow: bool,
    /// Has the machine alone.
    pub exclusive: bool,
    /// The attacked host.
    pub target: Target,
    /// The host between the others and the target.
    pub edge: Option<Edge>,
    /// What each end of the link loses of what it sends, while the actors act.
    pub loss: PerMille,
    /// Settings of other hosts.
    pub hosts: BTreeMap<String, HostSettings>,
    /// Attackers, in the order of the file.
    pub reds: Vec<Red>,
    /// Clients, in the order of the file.
    pub greens: Vec<Green>,
    /// Administrators, in the order of the file.
    pub operators: Vec<Operator>,
    /// Load, in the order of the file.
    pub floods: Vec<Flood>,
    /// What is counted, in the order of the file.
    pub counters: Vec<Counter>,
}

impl Scenario {
    /// The scanners that any red actor names; each is a case.
    pub fn scanners(&self) -> Vec<Scanner> {
        let mut scanners: Vec<Scanner> =
            self.reds.iter().flat_map(|red| red.scanners.iter().copied()).collect();
        scanners.sort_unstable();
        scanners.dedup();
        scanners
    }

    /// The listeners that are met by whoever asks: the target's own, or those that its edge forwards to, by the edge's
    /// ports.
    pub fn faced(&self) -> Vec<ServicePlan> {
        let services = &self.target.services;
        self.edge.as_ref().map_or_else(|| services.clone(), |edge| edge.faced(services))
    }

    /// How an edge forwards, where there is one.
    pub fn forwards(&self) -> Option<Forwards> {
        self.edge.as_ref().map(|edge| edge.forwards)
    }
}

/// A sentence and its author's expectation.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The sentence.
    pub text: String,
    /// Where it is made.
    pub source: String,
    /// The actor it is about.
    pub actor: String,
    /// What would be seen if it held.
    pub predicts: Prediction,
    /// Where the prediction is in the file.
    pub span: Range<usize>,
}

/// Which answers the target's kernel limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(Serialize, Deserialize, Display, EnumIter, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum IcmpLimit {
    /// Every ICMP error that is due is sent.
    #[default]
    Unlimited,
    /// The kernel's defaults.
    Kernel,
}

/// The source that must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// It connects to this TCP port.
    Tcp(u16),
    /// The defense shuts out everyone; that the target lives is shown when it is off again.
    Nobody,
}

/// The attacked host.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its interface's name.
    pub interface: String,
    /// Its listeners.
    pub services: Vec<ServicePlan>,
    /// Layers in order.
    pub defense: Vec<LayerSpec>,
    /// Where the defense is in the file.
    pub defense_span: Range<usize>,
    /// The user's own rules, loaded after the layers.
    pub rules: Vec<SourceFile>,
    /// Its kernel's ICMP limits.
    pub icmp: IcmpLimit,
    /// Who must pass.
    pub canary: Canary,
    /// Kernel parameters before the defense.
    pub sysctls: BTreeMap<String, String>,
}

impl Target {
    /// Whether `port` of `protocol` has a listener.
    pub fn serves(&self, protocol: Protocol, port: u16) -> bool {
        self.service(protocol, port).is_some()
    }

    /// The listener on `port` of `protocol`.
    pub fn service(&self, protocol: Protocol, port: u16) -> Option<&ServicePlan> {
        self.services.iter().find(|service| service.protocol == protocol && service.port == port)
    }
}

/// Settings of a host.
#[derive(Clone, Debug, Default)]
pub struct HostSettings {
    /// Kernel parameters.
    pub sysctls: BTreeMap<String, String>,
    /// Ranges routed to it.
    pub ranges: Vec<IpNet>,
}

/// An attacker.
#[derive(Clone, Debug)]
pub struct Red {
    /// Unique among all actors.
    pub name: String,
    /// Where it works.
    pub host: String,
    /// Its address, when the file fixes it.
    pub source: Option<IpAddr>,
    /// How it probes.
    pub technique: Technique,
    /// What it probes; port 0 where it asks the host itself.
    pub ports: PortSet,
    /// Who runs it.
    pub scanners: Vec<Scanner>,
    /// How patient it is.
    pub timing: Timing,
    /// In which order it probes.
    pub order: Order,
    /// How its probes are spaced.
    pub pace: Pace,
    /// How it hides, but for the addresses.
    pub evasion: Evasion,
    /// Who else seems to send each probe.
    pub decoys: Decoys,
    /// Who seems to send them.
    pub sender: Sender,
    /// What it finds out beside the ports' states.
    pub detect: Detect,
    /// The host through which it looks.
    pub zombie: Option<String>,
    /// What it does before it scans.
    pub knock: Knock,
    /// Who must have finished.
    pub after: Vec<String>,
    /// What it is expected to see.
    pub expect: RedExpectation,
    /// Its place in the file.
    pub span: Range<usize>,
}

impl Red {
    /// Hosts in whose name it sends.
    pub fn named_hosts(&self) -> impl Iterator<Item = &str> {
        self.in_the_name_of().filter_map(|who| match who {
            Who::Host(name) => Some(name.as_str()),
            Who::Address(_) => None,
        })
    }

    /// Why it cannot be run over an IP version: its technique or an address that the file fixes is not there.
    pub fn lacks(&self, family: Family) -> Option<String> {
        if !self.technique.exists_over(family) {
            return Some(format!("{} does not exist there", self.technique));
        }
        let addresses = self.in_the_name_of().filter_map(|who| match who {
            Who::Address(address) => Some(*address),
            Who::Host(_) => None,
        });
        let prefix = if let Sender::Prefix(prefix) = self.sender { Some(prefix.network()) } else { None };
        let strange = addresses.chain(prefix).find(|address| Family::of(*address) != family)?;
        Some(format!("`{}` uses {strange}", self.name))
    }

    fn in_the_name_of(&self) -> impl Iterator<Item = &Who> {
        let decoys = if let Decoys::Named(decoys) = &self.decoys { decoys.as_slice() } else { &[] };
        let victim = if let Sender::Spoofed(victim) = &self.sender { Some(victim) } else { None };
        decoys.iter().chain(victim)
    }
}

/// Somebody in whose name a packet is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The actor on this host.
    Host(String),
    /// Whoever has this address.
    Address(IpAddr),
}

/// Others that seem to send each probe, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decoys {
    /// So many, of addresses that nobody has.
    Chosen(u8),
    /// These.
    Named(Vec<Who>),
}

impl Default for Decoys {
    fn default() -> Self {
        Self::Named(Vec::new())
    }
}

/// Who seems to send a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Sender {
    /// The actor itself.
    #[default]
    Own,
    /// So many sources, in a prefix that the plan chooses.
    Pool(u32),
    /// All hosts of a prefix.
    Prefix(IpNet),
    /// Somebody else.
    Spoofed(Who),
}
