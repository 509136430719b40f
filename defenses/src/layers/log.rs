//! A line in the kernel log for each packet that comes in, or for as many as a rate lets through.

use minijinja::{Value, context};
use scandrill_model::{Family, Step};

use super::TOOL;
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, services, twins};
use crate::settings::Settings;

/// Logs, and decides nothing.
pub struct Log;

impl Layer for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn summary(&self) -> &'static str {
        "writes packets that come in to the kernel log and lets them pass; put it before what drops them. A rate that \
         keeps the log short hides most of a scan from who reads it"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "protocol",
                kind: Kind::OneOf(&["all", "tcp", "udp", "icmp"]),
                default: Preset::Word("all"),
                doc: "what is logged: every packet, or those of one protocol; `icmp` is that of both families",
            },
            Parameter {
                name: "except",
                kind: Kind::Services,
                default: Preset::Nothing,
                doc: "what is not: \"services\", or a list like [\"tcp/22\", \"udp/53\"]",
            },
            Parameter {
                name: "prefix",
                kind: Kind::Name,
                default: Preset::Word("IPTables-Dropped"),
                doc: "how its lines begin, before a colon and a blank; iptables cuts the whole at 29 letters",
            },
            Parameter {
                name: "rate",
                kind: Kind::Number { min: 0, max: 10_000 },
                default: Preset::Number(0),
                doc: "lines per time, all sources together; 0 logs every packet",
            },
            Parameter {
                name: "per",
                kind: Kind::OneOf(&["second", "minute", "hour"]),
                default: Preset::Word("second"),
                doc: "the time of the rate",
            },
            Parameter {
                name: "burst",
                kind: Kind::Number { min: 1, max: 10_000 },
                default: Preset::Number(5),
                doc: "lines that are written at once after a silence, where there is a rate",
            },
            TOOL,
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let step = install(self.name(), settings, twins!("log"), |family| values(settings, family))?;
        Ok(vec![step])
    }
}

fn values(settings: &Settings, family: Option<Family>) -> Value {
    let protocol = settings.word("protocol");
    let (iptables, nft) = match (protocol, family) {
        ("all", _) => ("", ""),
        ("icmp", Some(Family::V6)) => ("-p ipv6-icmp ", ""),
        ("icmp", _) => ("-p icmp ", "meta l4proto { icmp, ipv6-icmp } "),
        ("tcp", _) => ("-p tcp ", "meta l4proto tcp "),
        _ => ("-p udp ", "meta l4proto udp "),
    };
    context! {
        protocol, iptables, nft,
        except => services(&settings.services("except")),
        prefix => settings.word("prefix"),
        rate => settings.number("rate"),
        per => settings.word("per"),
        burst => settings.number("burst"),
    }
}
