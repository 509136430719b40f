//! What the two witnesses of a scan hand over: the scanner its states, the captures their facts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::port::PortSet;
use crate::state::{PortState, Reason, Reply, state_of};
use crate::technique::Technique;
use crate::time::Stamp;

/// What a scanner concluded about every port it was asked about; whoever scans gives the same type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanResult {
    /// Ports by state and evidence; each scanned port is in exactly one group. What has no ports is port 0.
    pub groups: Vec<StateGroup>,
    /// Probes put on the wire, retransmissions included and decoys not; `None` when the scanner does not say.
    pub probes_sent: Option<u64>,
    /// Replies that came after their port had been given up.
    pub late_replies: u64,
    /// Replies to a port that was answered before, such as a retransmitted SYN-ACK.
    pub duplicate_replies: u64,
    /// What the scanner guesses of the host's system and services, where it was asked to.
    #[serde(default, skip_serializing_if = "Detected::is_empty")]
    pub detected: Detected,
}

/// What a scanner guesses beyond port states (nmap -O, -sV).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Detected {
    /// Operating systems, the best guess first.
    pub systems: Vec<SystemGuess>,
    /// Services, ascending by port.
    pub services: Vec<ServiceGuess>,
}

/// One guess at a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServiceGuess {
    /// Where it listens.
    pub port: u16,
    /// Name, product and version, as far as they are known.
    pub name: String,
}

impl Detected {
    /// Whether nothing was asked, or nothing found.
    pub fn is_empty(&self) -> bool {
        self.systems.is_empty() && self.services.is_empty()
    }
}

/// One guess at an operating system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SystemGuess {
    /// The scanner's name for it, e.g. `Linux 2.6.32`.
    pub name: String,
    /// How well it fits, in percent.
    pub accuracy: u8,
}

/// The ports that share a state and the evidence for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct StateGroup {
    /// Their state.
    pub state: PortState,
    /// nmap's word for why.
    pub reason: Reason,
    /// The reply's time to live or hop limit; `None` where there was no reply or the scanner does not say.
    pub ttl: Option<u8>,
    /// On how many probes the state rests: those sent to each port; `None` when the scanner does not say.
    pub probes: Option<u8>,
    /// The ports.
    pub ports: PortSet,
}

/// What a scanner concluded about one port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellRead {
    /// The port.
    pub port: u16,
    /// Its state.
    pub state: PortState,
    /// nmap's word for why.
    pub reason: Reason,
    /// As in [`StateGroup`].
    pub ttl: Option<u8>,
    /// As in [`StateGroup`].
    pub probes: Option<u8>,
}

impl CellRead {
    /// A state and its reason, with nothing else known.
    pub fn new(port: u16, state: PortState, reason: Reason) -> Self {
        Self { port, state, reason, ttl: None, probes: None }
    }
}

impl ScanResult {
    /// Builds the groups from single cells.
    pub fn from_cells(cells: impl IntoIterator<Item = CellRead>) -> Self {
        let mut groups: BTreeMap<_, Vec<u16>> = BTreeMap::new();
        for CellRead { port, state, reason, ttl, probes } in cells {
            groups.entry((state, reason, ttl, probes)).or_default().push(port);
        }
        let group = |((state, reason, ttl, probes), ports): (_, Vec<u16>)| StateGroup {
            state,
            reason,
            ttl,
            probes,
            ports: ports.into_iter().collect(),
        };
        Self { groups: groups.into_iter().map(group).collect(), ..Self::default() }
    }

    /// Puts groups together; those that share all but their ports become one.
    pub fn from_groups(groups: impl IntoIterator<Item = StateGroup>) -> Self {
        let mut by_evidence: BTreeMap<_, PortSet> = BTreeMap::new();
        for StateGroup { state, reason, ttl, probes, ports } in groups {
            let known = by_evidence.entry((state, reason, ttl, probes)).or_default();
            *known = known.union(&ports);
        }
        let group = |((state, reason, ttl, probes), ports)| StateGroup { state, reason, ttl, probes, ports };
        Self { groups: by_evidence.into_iter().map(group).collect(), ..Self::default() }
    }

    /// The result of several scans that shared the work, each port asked by one of them.
    pub fn merge(parts: Vec<Self>) -> Self {
        let probes_sent = parts.iter().map(|part| part.probes_sent).sum();
        let late_replies = parts.iter().map(|part| part.late_replies).sum();
        let duplicate_replies = parts.iter().map(|part| part.duplicate_replies).sum();
        let (groups, detected): (Vec<_>, Vec<_>) =
            parts.into_iter().map(|part| (part.groups, part.detected)).unzip();
        let detected = detected.into_iter().reduce(|mut all, more| {
            all.systems.extend(more.systems);
            all.services.extend(more.services);
            all
        });
        let detected = detected.unwrap_or_default();
        let groups = groups.into_iter().flatten();
        Self { probes_sent, late_replies, duplicate_replies, detected, ..Self::from_groups(groups) }
    }

    /// Every port with its state.
    pub fn states(&self) -> BTreeMap<u16, PortState> {
        self.groups.iter().flat_map(|group| group.ports.iter().map(|port| (port, group.state))).collect()
    }

    /// The ports in `state`, whatever the reason.
    pub fn ports_in(&self, state: PortState) -> PortSet {
        self.groups.iter().filter(|group| group.state == state).flat_map(|group| group.ports.iter()).collect()
    }

    /// The ports for which some reply came, positive or not.
    pub fn answered(&self) -> PortSet {
        self.groups
            .iter()
            .filter(|group| !group.reason.is_silence())
            .flat_map(|group| group.ports.iter())
            .collect()
    }
}

/// What the captures saw of one cell: facts, never a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellFacts {
    /// The port, or protocol; 0 where a technique asks the host.
    pub port: u16,
    /// When each probe passed the target's end, in order.
    pub probes: Vec<Stamp>,
    /// The reply that tells most, and when it passed the target's end; `None` is silence.
    pub reply: Option<(Stamp, Reply)>,
    /// That reply's time to live or hop limit; ARP has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
    /// How many more replies followed it, such as retransmitted SYN-ACKs.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub duplicates: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl CellFacts {
    /// A cell of which nothing has been seen yet.
    pub fn new(port: u16) -> Self {
        Self { port, probes: Vec::new(), reply: None, ttl: None, duplicates: 0 }
    }

    /// The state that the one table gives these facts.
    pub fn state(&self, technique: Technique) -> PortState {
        state_of(technique, self.reply.map(|(_, reply)| reply))
    }
}
