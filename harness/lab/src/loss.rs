//! Loss on a link: each end loses a share of the IP packets that it sends, at random. It is switched on and off while
//! the lab runs, because a control and the installing of a defense must not suffer it.
//!
//! It sits on the egress hook of the sending interface, before captures: what is lost is in no capture, as if a wire had
//! lost it. A lost packet is sent to the loopback interface, which discards it as somebody else's, rather than dropped:
//! a drop on this hook is told to the sender (ENOBUFS on an AF_PACKET socket, a congestion signal to TCP), and no wire
//! does that. A packet socket that bypasses the queueing layer (PACKET_QDISC_BYPASS) passes the hook by.
//!
//! Only unicast packets are lost, and no neighbour discovery (RFC 4861, ICMPv6 types 133 to 137) nor ARP: a lab must
//! not fall silent because of a neighbour that was not found.

use std::time::Duration;

use scandrill_model::{CommandLine, InterfacePlan, LabPlan, PerMille};
use serde_json::Value;

use crate::error::{During, LabError, LabErrors};
use crate::host::Host;
use crate::lab::Lab;

/// Longer than nft takes.
const LIMIT: Duration = Duration::from_secs(60);
/// How the names of the tables begin; the interface's index follows.
const TABLE: &str = "scandrill-loss-";

/// A loss that is on. Dropping it leaves it on until the lab goes.
#[must_use = "a loss is switched off with `stop`"]
#[derive(Debug)]
pub struct Loss {
    host: Host,
    interface: String,
    table: String,
}

/// What became of the packets that one end sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Whose end of the link.
    pub host: String,
    /// The interface's name.
    pub interface: String,
    /// How many packets could have been lost.
    pub offered: u64,
    /// How many of them were.
    pub lost: u64,
}

impl Loss {
    /// Loses from now on a `share` of what `host` sends on `interface`.
    pub async fn start(host: &Host, interface: &str, share: PerMille) -> Result<Self, LabError> {
        let name = interface.to_owned();
        let index = host.blocking(move || nix::net::if_::if_nametoindex(name.as_str())).await?;
        let index = index.during(|| format!("find interface {interface} of {}", host.name()))?;
        let table = format!("{TABLE}{index}");
        nft(host, &["-f", "-"], Some(rules(&table, interface, share))).await?;
        Ok(Self { host: host.clone(), interface: interface.to_owned(), table })
    }

    /// Loses every share that the plan's interfaces have.
    pub async fn start_all(lab: &Lab, plan: &LabPlan) -> Result<Vec<Self>, LabError> {
        let mut losses = Vec::new();
        for InterfacePlan { host, name, loss, .. } in plan.interfaces().filter(|it| it.loss > PerMille::NONE)
        {
            losses.push(Self::start(lab.host(host)?, name, *loss).await?);
        }
        Ok(losses)
    }

    /// What has become of the packets so far.
    pub async fn so_far(&self) -> Result<Lost, LabError> {
        let listed = self.nft(&["-j", "list", "counters", "table", "netdev", &self.table]).await?;
        let (Some(offered), Some(lost)) = (packets(&listed, "offered"), packets(&listed, "lost")) else {
            return Err(self.gone("it has no counters"));
        };
        Ok(Lost { host: self.host.name().to_owned(), interface: self.interface.clone(), offered, lost })
    }

    /// Ends the loss and says how much there was of it. When something else has taken it off meanwhile, such as rules
    /// that begin with `flush ruleset`, that is an error.
    pub async fn stop(self) -> Result<Lost, LabError> {
        // First the rules, so that the counters stand still when they are read.
        self.nft(&["flush", "chain", "netdev", &self.table, "egress"]).await?;
        let lost = self.so_far().await?;
        self.nft(&["delete", "table", "netdev", &self.table]).await?;
        Ok(lost)
    }

    /// Ends all of `losses`; every error is kept.
    pub async fn stop_all(losses: Vec<Self>) -> Result<Vec<Lost>, LabErrors> {
        let (mut ended, mut errors) = (Vec::new(), Vec::new());
        for loss in losses {
            match loss.stop().await {
                Ok(lost) => ended.push(lost),
                Err(error) => errors.push(error),
            }
        }
        LabErrors::check(errors).map(|()| ended)
    }
}

impl Loss {
    async fn nft(&self, args: &[&str]) -> Result<Vec<u8>, LabError> {
        nft(&self.host, args, None).await.map_err(|error| self.gone(&error.to_string()))
    }

    fn gone(&self, why: &str) -> LabError {
        let operation = format!("stop the loss on {} {}", self.host.name(), self.interface);
        LabError::NotAsBefore { operation, difference: format!("it was taken off meanwhile: {why}") }
    }
}

/// Whether an nftables object, as `nft -j` lists it, belongs to a loss and not to a defense.
pub(crate) fn is_of_loss(kind: &str, body: &Value) -> bool {
    let table = if kind == "table" { "name" } else { "table" };
    let named = body.get(table).and_then(Value::as_str).is_some_and(|name| name.starts_with(TABLE));
    named && body.get("family").and_then(Value::as_str) == Some("netdev")
}

fn rules(table: &str, interface: &str, share: PerMille) -> String {
    let chance = match u16::from(share) {
        // nft refuses to compare with what the number never is.
        1000 => String::new(),
        parts => format!("numgen random mod 1000 < {parts}"),
    };
    format!(
        "table netdev {table} {{
            counter offered {{ }}
            counter lost {{ }}
            chain egress {{
                type filter hook egress device \"{interface}\" priority filter
                ether daddr & 01:00:00:00:00:00 != 00:00:00:00:00:00 accept
                icmpv6 type 133-137 accept
                meta protocol {{ ip, ip6 }} counter name offered {chance} \
                    counter name lost fwd to \"lo\"
            }}
        }}
        "
    )
}

async fn nft(host: &Host, args: &[&str], input: Option<String>) -> Result<Vec<u8>, LabError> {
    let args = args.iter().map(ToString::to_string).collect();
    let command = CommandLine { program: "nft".to_owned(), args };
    let finished = host.output(&command, input.map(String::into_bytes), LIMIT).await?;
    Ok(finished.success(&command)?.stdout)
}

/// The packets that the counter `name` has counted, out of `nft -j list counters`.
fn packets(listed: &[u8], name: &str) -> Option<u64> {
    let listed: Value = serde_json::from_slice(listed).ok()?;
    let mut counters = listed.get("nftables")?.as_array()?.iter().filter_map(|object| object.get("counter"));
    counters.find(|counter| counter["name"] == name)?["packets"].as_u64()
}
