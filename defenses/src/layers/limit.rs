//! A rate for one protocol, and silence beyond it: one bucket for everyone, which whoever floods empties for all, or a
//! bucket for each source.

use minijinja::{Value, context};
use scandrill_model::{Family, Step};

use super::TOOL;
use super::address::{self, PREFIX4, PREFIX6};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, twins};
use crate::settings::Settings;

/// A token bucket before UDP, TCP's new connections or pings.
pub struct Limit;

impl Layer for Limit {
    fn name(&self) -> &'static str {
        "limit"
    }

    fn summary(&self) -> &'static str {
        "drops what exceeds a rate, of UDP, new TCP connections or pings, services included; a bucket for everyone \
         starves ordinary clients while somebody floods, a bucket for each source is evaded with many addresses"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "protocol",
                kind: Kind::OneOf(&["udp", "tcp", "icmp"]),
                default: Preset::Word("udp"),
                doc: "what is limited: UDP packets, TCP's new connections, or pings of both families",
            },
            Parameter {
                name: "rate",
                // The finest grain of iptables' limit match.
                kind: Kind::Number { min: 1, max: 10_000 },
                default: Preset::Number(5),
                doc: "packets per time that pass",
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
                doc: "packets that pass at once after a silence",
            },
            Parameter {
                name: "key",
                kind: Kind::OneOf(&["all", "source"]),
                default: Preset::Word("all"),
                doc: "who shares a bucket: all sources of a family, or each has its own",
            },
            PREFIX4,
            PREFIX6,
            TOOL,
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let both = || address::both(|family| values(settings, family));
        let step = install(self.name(), settings, twins!("limit"), |family| {
            family.map_or_else(both, |family| values(settings, family))
        })?;
        Ok(vec![step])
    }
}

fn values(settings: &Settings, family: Family) -> Value {
    let protocol = settings.word("protocol");
    let (iptables, nft) = match (protocol, family) {
        ("tcp", _) => ("-p tcp -m conntrack --ctstate NEW", "meta l4proto tcp ct state new"),
        ("icmp", Family::V4) => ("-p icmp --icmp-type echo-request", "icmp type echo-request"),
        ("icmp", Family::V6) => ("-p ipv6-icmp --icmpv6-type echo-request", "icmpv6 type echo-request"),
        _ => ("-p udp", "meta l4proto udp"),
    };
    let (rate, burst) = (settings.number("rate"), settings.number("burst"));
    context! {
        protocol, rate, burst, iptables, nft,
        per => settings.word("per"),
        by_source => settings.word("key") == "source",
        // As long as an empty bucket takes to be full again: a source that is forgotten earlier gets a new one.
        refill => seconds(settings.word("per")) * burst.div_ceil(rate) + 1,
        digit => address::digit(family),
        prefix => address::prefix(settings, family),
        kind => format!("{} saddr", address::header(family)),
        source => address::nft(settings, family, "saddr"),
    }
}

fn seconds(unit: &str) -> u64 {
    match unit {
        "minute" => 60,
        "hour" => 3_600,
        _ => 1,
    }
}
