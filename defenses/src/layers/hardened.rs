//! What the manual wants, reached: services answer, nothing else does from the first packet on, over both families,
//! and a source that touches anything else is banned for a while. The rules files say why each rule is there.
//!
//! What it costs: one forged packet bans the address it names. Open sessions and answers to what the host itself
//! began go on even then, and so does neighbour discovery; new requests of the forged address do not.

use minijinja::{Value, context};
use scandrill_model::{Family, Loader, PortSet, Step};

use super::ALLOW;
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{load, ranges, rules_file, services};
use crate::settings::Settings;

/// One nft file.
pub struct Nftables;

/// iptables, ip6tables and ipset.
pub struct Iptables;

const PARAMETERS: &[Parameter] = &[
    ALLOW,
    Parameter {
        name: "ban_seconds",
        // ipset's greatest timeout.
        kind: Kind::Number { min: 1, max: 2_147_483 },
        default: Preset::Number(60),
        doc: "how long a source that touched a closed port goes unanswered, services included, in seconds",
    },
];

impl Layer for Nftables {
    fn name(&self) -> &'static str {
        "hardened/nftables"
    }

    fn summary(&self) -> &'static str {
        "shows services and nothing else, and bans a source at its first touch of a closed port (a forged packet \
         bans whom it names); one nftables file for both families"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let context = values(settings, "inet");
        Ok(vec![load(self.name(), Loader::Nft, rules_file!("hardened/nftables.nft"), &context)?])
    }
}

impl Layer for Iptables {
    fn name(&self) -> &'static str {
        "hardened/iptables"
    }

    fn summary(&self) -> &'static str {
        "shows services and nothing else, and bans a source at its first touch of a closed port (a forged packet \
         bans whom it names); iptables, ip6tables and ipset"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let sets = rules_file!("hardened/banned.ipset");
        let mut steps = vec![load(self.name(), Loader::IpsetRestore, sets, &values(settings, "inet"))?];
        let backend = settings.site().backend;
        for family in [Family::V4, Family::V6] {
            let loader = Loader::IptablesRestore { family, backend };
            let context = values(settings, &family.to_string());
            steps.push(load(self.name(), loader, rules_file!("hardened/iptables.rules"), &context)?);
        }
        Ok(steps)
    }
}

fn values(settings: &Settings, family: &str) -> Value {
    let allow = settings.services("allow");
    let late_tcp = ranges(&allow.tcp.union(&own_ports()));
    context! { family, late_tcp, allow => services(&allow), ban_seconds => settings.number("ban_seconds") }
}

/// The ports that Linux takes for a host's own connections, by default (ip_local_port_range).
fn own_ports() -> PortSet {
    (32_768..=60_999).collect()
}
