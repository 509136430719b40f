//! Ports that nobody has any business with: who touches one is banned from everything for a while. The bans are a set
//! whose elements time out, ipset's or nftables'.

use minijinja::{Value, context};
use scandrill_model::{Family, Loader, Protocol, ServicePlan, Step, Tool};

use super::address::{self, PREFIX4, PREFIX6};
use super::{CHAIN, TOOL};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, load, ranges, rules_file, twins};
use crate::settings::Settings;

/// Trap ports and a ban set.
pub struct Trap;

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "ports",
        kind: Kind::Ports,
        // Telnet, SMB and remote desktops: what worms ask for, and what the services of a lab are not.
        default: Preset::Word("23,445,3389"),
        doc: "the TCP ports that nobody asks for in good faith",
    },
    Parameter {
        name: "timeout",
        // ipset's greatest timeout.
        kind: Kind::Number { min: 1, max: 2_147_483 },
        default: Preset::Number(600),
        doc: "how long a ban lasts, in seconds",
    },
    Parameter {
        name: "refresh",
        kind: Kind::OneOf(&["never", "touch", "always"]),
        default: Preset::Word("never"),
        doc: "what makes a ban last from now on again: nothing, another touch of a trap, or any packet of the source",
    },
    Parameter {
        name: "key",
        kind: Kind::OneOf(&["source", "source-port"]),
        default: Preset::Word("source"),
        doc: "what is banned: the source, or the source at the port that it touched",
    },
    Parameter {
        name: "proof",
        kind: Kind::OneOf(&["none", "handshake"]),
        default: Preset::Word("none"),
        doc: "what a touch takes: any first packet, which can be forged, or a whole handshake, for which something must \
              listen on the traps",
    },
    CHAIN,
    PREFIX4,
    PREFIX6,
    Parameter {
        name: "size",
        kind: Kind::Number { min: 1, max: 1_000_000 },
        default: Preset::Number(65_536),
        doc: "how many bans of a family there is room for; when they are that many, a new source is not banned",
    },
    TOOL,
];

impl Layer for Trap {
    fn name(&self) -> &'static str {
        "trap"
    }

    fn summary(&self) -> &'static str {
        "bans a source that touches a trap port, from services and within open sessions, too; one forged packet bans \
         whom it names, unless a handshake is asked for"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        self.check(settings)?;
        let both = || address::both(|family| values(settings, family));
        let rules = install(self.name(), settings, twins!("trap"), |family| {
            family.map_or_else(both, |family| values(settings, family))
        })?;
        match settings.tool() {
            Tool::Nftables => Ok(vec![rules]),
            Tool::Iptables => {
                let sets = load(self.name(), Loader::IpsetRestore, rules_file!("trap.ipset"), &both())?;
                Ok(vec![sets, rules])
            }
        }
    }
}

impl Trap {
    /// A handshake takes two.
    fn check(&self, settings: &Settings) -> Result<(), DefenseError> {
        let traps = settings.ports("ports");
        let listens =
            |service: &ServicePlan| service.protocol == Protocol::Tcp && traps.contains(service.port);
        if settings.word("proof") == "none" || settings.site().services.iter().any(listens) {
            return Ok(());
        }
        let why = format!("nothing listens on {traps}, so that nobody completes a handshake there");
        Err(DefenseError::Contradiction { layer: self.name().to_owned(), why })
    }
}

fn values(settings: &Settings, family: Family) -> Value {
    let prefix = address::prefix(settings, family);
    let whole = address::mask(settings, family).is_none();
    context! {
        prefix => if whole { None } else { Some(prefix) },
        ports => ranges(&settings.ports("ports")),
        timeout => settings.number("timeout"),
        size => settings.number("size"),
        refresh => settings.word("refresh"),
        by_port => settings.word("key") == "source-port",
        chain => settings.word("chain"),
        handshake => settings.word("proof") == "handshake",
        digit => address::digit(family),
        kind => format!("{} saddr", address::header(family)),
        source => address::nft(settings, family, "saddr"),
    }
}
