//! The policy DROP with what it lets in: services for everyone, within a number of new connections, and everything for
//! trusted ranges. Which of the two rules comes first decides who is held up.

use minijinja::context;
use scandrill_model::Step;

use super::{ALLOW, TOOL};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, services, twins};
use crate::settings::Settings;

/// Lets in what is named, and nothing else.
pub struct Allowlist;

impl Layer for Allowlist {
    fn name(&self) -> &'static str {
        "allowlist"
    }

    fn summary(&self) -> &'static str {
        "drops everything by policy except services, for a source with few new connections, and trusted ranges, for whom \
         all ports are as they are; an address is believed, so a forged packet of a trusted one is let in"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            ALLOW,
            Parameter {
                name: "trusted",
                kind: Kind::Ranges,
                default: Preset::Nothing,
                doc: "ranges whose packets are all accepted, such as a crawler's or an administrator's",
            },
            Parameter {
                name: "order",
                kind: Kind::OneOf(&["trusted-first", "counted-first"]),
                default: Preset::Word("trusted-first"),
                doc: "whether trusted ranges are let in before new connections are counted, or only after",
            },
            Parameter {
                name: "hits",
                // As many as xt_recent can be told of, less the one that is too many.
                kind: Kind::Number { min: 1, max: 65_534 },
                default: Preset::Number(10),
                doc: "how many new TCP connections of a source are let in within `seconds`",
            },
            Parameter {
                name: "seconds",
                kind: Kind::Number { min: 1, max: 86_400 },
                default: Preset::Number(60),
                doc: "for how long a source must be quiet before it counts as new, in seconds",
            },
            TOOL,
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let allow = services(&settings.services("allow"));
        let step = install(self.name(), settings, twins!("allowlist"), |family| {
            let trusted = settings.ranges("trusted", family);
            let (v6, v4): (Vec<_>, Vec<_>) = trusted.iter().partition(|range| range.addr().is_ipv6());
            let texts =
                |ranges: Vec<ipnet::IpNet>| ranges.iter().map(ToString::to_string).collect::<Vec<_>>();
            context! {
                allow => allow.clone(),
                trusted => texts(trusted),
                trusted4 => texts(v4),
                trusted6 => texts(v6),
                order => settings.word("order"),
                hits => settings.number("hits"),
                seconds => settings.number("seconds"),
            }
        })?;
        Ok(vec![step])
    }
}
