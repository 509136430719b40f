//! What the two witnesses of a scan hand over: the scanner its states, the captures their facts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::port::PortSet;
use crate::state::{PortState, Reason, Reply, state_of};
use crate::technique::Technique;
use crate::time::Stamp;

/// What a scanner concluded about every port it was asked about; builtin and nmap give the same type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScanResult {
    /// Ports by state and reason; each scanned port is in exactly one group. ICMP has the one port 0.
    pub groups: Vec<StateGroup>,
    /// Probes put on the wire, retransmissions included; `None` when the scanner does not say (nmap).
    pub probes_sent: Option<u64>,
    /// Replies that came after their port had been given up.
    pub late_replies: u64,
}

/// The ports that share a state and a reason.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct StateGroup {
    /// Their state.
    pub state: PortState,
    /// nmap's word for why.
    pub reason: Reason,
    /// The ports.
    pub ports: PortSet,
}

impl ScanResult {
    /// Builds the groups from single cells.
    pub fn from_cells(cells: impl IntoIterator<Item = (u16, PortState, Reason)>) -> Self {
        let mut groups: BTreeMap<(PortState, Reason), Vec<u16>> = BTreeMap::new();
        for (port, state, reason) in cells {
            groups.entry((state, reason)).or_default().push(port);
        }
        let groups = groups
            .into_iter()
            .map(|((state, reason), ports)| StateGroup { state, reason, ports: ports.into_iter().collect() })
            .collect();
        Self { groups, ..Self::default() }
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
        let silent = |reason: &Reason| reason.0 == "no-response";
        self.groups
            .iter()
            .filter(|group| !silent(&group.reason))
            .flat_map(|group| group.ports.iter())
            .collect()
    }
}

/// What the captures saw of one cell: facts, never a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CellFacts {
    /// The port; 0 for ICMP.
    pub port: u16,
    /// When each probe passed the target's end, in order.
    pub probes: Vec<Stamp>,
    /// The reply that tells most, and when it passed the target's end; `None` is silence.
    pub reply: Option<(Stamp, Reply)>,
}

impl CellFacts {
    /// The state that the one table gives these facts.
    pub fn state(&self, technique: Technique) -> PortState {
        state_of(technique, self.reply.map(|(_, reply)| reply))
    }
}
