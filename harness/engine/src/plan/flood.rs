//! The plan of load: whose addresses it comes from, which are nobody else's, and what is counted meanwhile.

use std::net::IpAddr;

use ipnet::IpNet;
use scandrill_model::{Bound, Family, FloodPackets, Protocol, Sends, ServiceKind};
use scandrill_scanners::Sources;
use serde::{Deserialize, Serialize};

use super::red::hosts_of;
use super::{CanaryPlan, ControlPlan, GreenPlan, Plan, Planner, RedPlan, Vantage};
use crate::bad_file::BadFile;
use crate::scenario::{Amount, Counter, Flood, Sender};

/// Load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FloodPlan {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub from: Vantage,
    /// What is sent; as many as `amount` says.
    pub packets: FloodPackets,
    /// How much of it.
    pub amount: Amount,
    /// Around whom it lasts.
    pub around: Vec<String>,
    /// Who must have finished.
    pub after: Vec<String>,
}

impl FloodPlan {
    /// How many packets are sent before those begin around whom it lasts.
    pub fn lead(&self) -> u64 {
        /// Fills any queue that a scenario makes small, and is over at once at any pace worth the name.
        const LEAD: u64 = 1000;
        match self.amount {
            Amount::Packets(count) => count.min(LEAD),
            Amount::OfConntrackMax(_) => LEAD,
        }
    }
}

/// As many files as a process may have open, by default, and the lab needs some of them.
const OPEN_MAX: u64 = 500;

/// A counter of a host's kernel.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CounterPlan {
    /// Its name.
    pub name: String,
    /// Whose kernel's.
    pub host: String,
    /// What is counted.
    pub counts: String,
    /// By how much it grows.
    pub expect: Bound,
}

impl From<&Counter> for CounterPlan {
    fn from(counter: &Counter) -> Self {
        let Counter { name, host, counts, expect, .. } = counter.clone();
        Self { name, host, counts, expect }
    }
}

/// Milliseconds that a flood takes by its own pace.
pub fn paced(flood: &FloodPlan) -> u64 {
    let interval = flood.packets.interval.unwrap_or_default().as_nanos();
    let count = u128::from(flood.packets.count);
    u64::try_from(count.saturating_mul(interval) / 1_000_000).unwrap_or(u64::MAX)
}

impl Planner<'_> {
    pub(super) fn flood(&self, index: usize, flood: &Flood) -> Result<FloodPlan, BadFile> {
        let (prefix, first_source, sources) = self.flood_sources(index, flood)?;
        let packets = FloodPackets {
            sends: flood.sends,
            prefix,
            first_source,
            sources,
            target: self.addresses.asked(self.case.family),
            port: flood.port,
            count: if let Amount::Packets(count) = flood.amount { count } else { 0 },
            interval: flood.interval,
            seed: self.seed.wrapping_add(index as u64),
        };
        self.check_handshakes(flood, &packets)?;
        Ok(FloodPlan {
            name: flood.name.clone(),
            from: self.vantage(&flood.host),
            packets,
            amount: flood.amount,
            around: flood.around.clone(),
            after: flood.after.clone(),
        })
    }

    /// Each handshake is another flow, and a server that accepts each has a file open for it.
    fn check_handshakes(&self, flood: &Flood, packets: &FloodPackets) -> Result<(), BadFile> {
        let bad = |message: String, help: String| Err(self.bad(flood.span.clone(), message, Some(help)));
        if flood.sends != Sends::Handshakes {
            return Ok(());
        }
        if packets.count > packets.flows() {
            let (flows, sources) = (packets.flows(), packets.sources);
            let message = format!("there are {flows} handshakes from {sources} sources, and no more");
            return bad(message, "add `sources`".to_owned());
        }
        let faced = self.scenario.faced();
        let mut of_tcp = faced.iter().filter(|service| service.protocol == Protocol::Tcp);
        let service = of_tcp.find(|service| service.port == flood.port);
        let accepts = service.is_some_and(|service| service.kind != ServiceKind::Deferred);
        if accepts && !matches!(flood.amount, Amount::Packets(0..=OPEN_MAX)) {
            let message = format!("the server on tcp/{} would accept each of these connections", flood.port);
            let help = format!(
                "send at most {OPEN_MAX}, or let \"tcp/{} deferred\" serve, which waits for a request",
                flood.port
            );
            return bad(message, help);
        }
        Ok(())
    }

    fn flood_sources(&self, index: usize, flood: &Flood) -> Result<(IpNet, IpAddr, u32), BadFile> {
        let alone = |address: IpAddr| (IpNet::from(address), address, 1);
        let many = |prefix: IpNet, most: u32| {
            let (first, count) = hosts_of(prefix, most);
            (prefix, first, count)
        };
        Ok(match &flood.sender {
            Sender::Own => alone(self.addresses.flood(&flood.host, self.case.family, index)),
            Sender::Spoofed(who) => alone(self.address_of(who)),
            Sender::Prefix(prefix) => many(*prefix, u32::MAX),
            Sender::Pool(count) => many(self.pool_of(&flood.name, *count, &flood.span)?, *count),
        })
    }

    /// Captures leave out what a flood sends and what answers it, by its addresses. So no scanner and no witness may have
    /// one of them; nor may a client, unless the flood is in its name.
    pub(super) fn check_floods(&self, plan: &Plan) -> Result<(), BadFile> {
        for (index, (flood, asked)) in plan.floods.iter().zip(&self.scenario.floods).enumerate() {
            let prefix = flood.packets.prefix;
            let bad = |message, help: &str| Err(self.bad(asked.span.clone(), message, Some(help.to_owned())));
            let in_anothers_name = matches!(asked.sender, Sender::Spoofed(_));
            let greens = plan.greens.iter().filter(|_| !in_anothers_name);
            let greens = greens.map(|GreenPlan { name, source, .. }| (name.as_str(), IpNet::from(*source)));
            let floods = plan.floods[..index].iter().map(|other| (other.name.as_str(), other.packets.prefix));
            let mut others =
                greens.chain(floods).chain(plan.reds.iter().flat_map(of_red)).chain(witnesses(plan));
            let same = others.find(|(_, other)| other.contains(&prefix) || prefix.contains(other));
            if let Some((name, other)) = same {
                let message = format!("`{}` comes from {prefix}, where {name} has {other}", flood.name);
                return bad(message, "captures could not tell the two: give it sources of its own");
            }
            let family = self.case.family;
            if Family::of(prefix.addr()) != family {
                let message = format!("`{}` comes from {prefix}, and the case is over {family}", flood.name);
                return bad(message, "say which `family`");
            }
        }
        Ok(())
    }
}

/// The addresses of a scanner, and of its looks at a ban.
fn of_red(red: &RedPlan) -> impl Iterator<Item = (&str, IpNet)> {
    let own = match red.scan.evasion.sources {
        Sources::Pool { prefix, .. } => prefix,
        Sources::Own | Sources::Spoofed => IpNet::from(red.scan.source),
    };
    let fresh = red.look.iter().map(|look| IpNet::from(look.fresh.source));
    let zombie = red.scan.zombie.iter().map(|zombie| IpNet::from(zombie.address));
    [own].into_iter().chain(fresh).chain(zombie).map(|net| (red.name.as_str(), net))
}

fn witnesses(plan: &Plan) -> impl Iterator<Item = (&str, IpNet)> {
    let control = |control: &ControlPlan| ("a control", IpNet::from(control.probe.scan.source));
    let canary = |canary: &CanaryPlan| ("the canary", IpNet::from(canary.probe.scan.source));
    plan.controls.iter().map(control).chain(plan.canary.iter().map(canary))
}
