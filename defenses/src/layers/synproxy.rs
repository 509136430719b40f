//! Handshakes that the firewall completes first, so that a flood of SYNs never meets a listener's queue.
//!
//! With nftables, Linux (6.18, too) drops IPv6 SYNs whose checksum no hardware vouched for: `nft_synproxy_eval` verifies it
//! as IPv4's. ip6tables' target does not have that mistake. `policies/synproxy-checksums-left` shows it.

use minijinja::context;
use scandrill_model::Step;

use super::TOOL;
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, twins};
use crate::settings::Settings;

/// Answers SYNs in the target's place.
pub struct Synproxy;

impl Layer for Synproxy {
    fn name(&self) -> &'static str {
        "synproxy"
    }

    fn summary(&self) -> &'static str {
        "answers every SYN with a cookie before the target sees it, over both families; closed ports then read open"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "mss",
                // RFC 9293, section 3.7.1: the least that every host takes; and what fits into one IPv4 packet.
                kind: Kind::Number { min: 536, max: 65_495 },
                default: Preset::Number(1_460),
                doc: "the largest segment that it offers in the target's name, in bytes",
            },
            TOOL,
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        // Else conntrack takes the packet that completes a handshake for a connection of its own, and it passes.
        let strict =
            Step::Sysctl { key: "net.netfilter.nf_conntrack_tcp_loose".to_owned(), value: "0".to_owned() };
        let mss = settings.number("mss");
        let rules = install(self.name(), settings, twins!("synproxy"), |_| context! { mss })?;
        Ok(vec![strict, rules])
    }
}
