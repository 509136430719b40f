//! One scenario becomes cases: scanner × family × tool × back end × repeat, each with a lab, a name and a seed.

use std::sync::Arc;

use scandrill_model::{Backend, Family, Tool};

use crate::scenario::{Scanner, Scenario};

/// One run of a scenario.
#[derive(Clone, Debug)]
pub struct Case {
    /// The scenario it is a case of.
    pub scenario: Arc<Scenario>,
    /// Who runs the techniques of the red actors that allow it; `None` where nobody scans.
    pub scanner: Option<Scanner>,
    /// Over which IP version.
    pub family: Family,
    /// What installs the layers that exist for both tools.
    pub tool: Tool,
    /// With which iptables back end.
    pub backend: Backend,
    /// Counted from 1.
    pub repeat: u32,
}

impl Case {
    /// `manual/recent[nmap,v6]`; the tool, the back end and the repeat are named where there are several.
    pub fn name(&self) -> String {
        let repeat = (self.scenario.repeat > 1).then(|| format!("#{}", self.repeat));
        self.named(repeat)
    }

    /// The name that all repeats of it have in common.
    pub fn name_of_all_repeats(&self) -> String {
        self.named(None)
    }

    fn named(&self, repeat: Option<String>) -> String {
        let mut parts: Vec<String> = self.scanner.iter().map(Scanner::to_string).collect();
        parts.push(self.family.to_string());
        if self.scenario.tools.len() > 1 {
            parts.push(self.tool.to_string());
        }
        if self.scenario.backends.len() > 1 {
            parts.push(self.backend.to_string());
        }
        parts.extend(repeat);
        format!("{}[{}]", self.scenario.name, parts.join(","))
    }

    /// The case's own seed: the same for the same run seed and name, on every machine (FNV-1a, 64 bits).
    pub fn seed(&self, run_seed: u64) -> u64 {
        const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let name = self.name();
        let bytes = run_seed.to_le_bytes().into_iter().chain(name.bytes());
        bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
    }
}

/// All cases of a scenario, in the order of its file; `only` leaves out those of other scanners.
pub fn expand(scenario: &Arc<Scenario>, only: &[Scanner]) -> Vec<Case> {
    let named = scenario.scanners();
    let scanners: Vec<Option<Scanner>> = if named.is_empty() {
        vec![None]
    } else {
        named.into_iter().filter(|scanner| only.is_empty() || only.contains(scanner)).map(Some).collect()
    };
    let mut cases = Vec::new();
    for scanner in scanners {
        for &family in &scenario.families {
            for &tool in &scenario.tools {
                for &backend in &scenario.backends {
                    cases.extend((1..=scenario.repeat).map(|repeat| Case {
                        scenario: Arc::clone(scenario),
                        scanner,
                        family,
                        tool,
                        backend,
                        repeat,
                    }));
                }
            }
        }
    }
    cases
}
