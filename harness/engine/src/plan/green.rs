//! The plan of a client: from which addresses it asks whom, and what a fresh source asks beside it.

use std::net::IpAddr;

use scandrill_model::{Family, GreenExpectation, Millis, Protocol};
use serde::{Deserialize, Serialize};

use super::{Planner, RedPlan};
use crate::bad_file::BadFile;
use crate::scenario::{CRAWLERS, Errand, Forwards, Green, Knock, Prediction, Role, Sender, over};

/// A client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct GreenPlan {
    /// Its name.
    pub name: String,
    /// What it is, in the file's words.
    pub client: String,
    /// Where it works.
    pub host: String,
    /// Its address, as the target sees it; the first of many.
    pub source: IpAddr,
    /// The addresses that its host asks from, in turn.
    pub asks_from: Vec<IpAddr>,
    /// Whom it asks.
    pub target: IpAddr,
    /// What one request is made of, all at once.
    pub errands: Vec<Errand>,
    /// How many requests; in each phase before and after the attack, where it acts throughout.
    pub count: u32,
    /// Whether it acts before, during and after the attack.
    pub throughout: bool,
    /// From the start of one to the next.
    pub interval: Millis,
    /// What it does first.
    pub knock: Knock,
    /// Who must have finished.
    pub after: Vec<String>,
    /// Who acts after its first request and before the others; where it acts throughout, while it goes on.
    pub around: Vec<String>,
    /// The host behind whose address it sits.
    pub gateway: Option<String>,
    /// Who asks beside it in the end, where a ban is asked for.
    pub fresh: Option<FreshPlan>,
    /// What it is expected to get.
    pub expect: GreenExpectation,
}

/// A source that has asked nothing before; to an outbound client, somebody who has been asked nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FreshPlan {
    /// Where it works.
    pub host: String,
    /// Its address.
    pub source: IpAddr,
    /// Whom it asks.
    pub target: IpAddr,
    /// The host to which the address belongs that nobody has met.
    pub owner: String,
}

impl GreenPlan {
    /// Addresses that the kernels of hosts answer for, because it is asked from there; a gateway's neighbour has its own on
    /// another link.
    pub(super) fn owned(&self) -> impl Iterator<Item = (&str, IpAddr)> {
        let own = self.asks_from.iter().filter(|_| self.gateway.is_none());
        let own = own.map(|address| (self.host.as_str(), *address));
        let fresh = self.fresh.iter().map(|fresh| {
            let is_peer_s = fresh.owner != fresh.host;
            (fresh.owner.as_str(), if is_peer_s { fresh.target } else { fresh.source })
        });
        own.chain(fresh)
    }

    /// How many requests it makes by its own count; while attackers act, their time bounds it.
    pub(super) fn asked(&self) -> u64 {
        u64::from(self.count) * if self.throughout { 3 } else { 1 }
    }
}

/// A host that translates for a neighbour.
pub struct Gateway<'a> {
    /// Its name.
    pub host: &'a str,
    /// The neighbour's host.
    pub neighbour: &'a str,
    /// The neighbour's own address.
    pub inside: IpAddr,
    /// The address that both share.
    pub shared: IpAddr,
}

/// The hosts that translate.
pub fn gateways<'a>(greens: &'a [GreenPlan]) -> Vec<Gateway<'a>> {
    let gateway = |green: &'a GreenPlan| {
        let (host, inside) = (green.gateway.as_deref()?, *green.asks_from.first()?);
        Some(Gateway { host, neighbour: &green.host, inside, shared: green.source })
    };
    greens.iter().filter_map(gateway).collect()
}

impl Planner<'_> {
    pub(super) fn greens(&self, reds: &[RedPlan]) -> Result<Vec<GreenPlan>, BadFile> {
        let greens = self.scenario.greens.iter().enumerate();
        greens.map(|(index, green)| self.green(reds.len() + index, green, reds)).collect()
    }

    fn green(&self, index: usize, green: &Green, reds: &[RedPlan]) -> Result<GreenPlan, BadFile> {
        let (addresses, family) = (&self.addresses, self.case.family);
        let beside = green.behind.as_ref().and_then(|red| reds.iter().find(|plan| plan.name == *red));
        let asks_from = self.asks_from(green)?;
        let own = asks_from.first().copied().unwrap_or_else(|| addresses.link(&green.host, family));
        if let Some(red) = beside {
            self.check_neighbour(green, red)?;
        }
        self.check_way_out(green)?;
        let gateway = beside.map(|red| red.from.host.clone());
        let target = match green.peer() {
            Some(peer) => addresses.link(peer, family),
            None => addresses.asked(family),
        };
        Ok(GreenPlan {
            name: green.name.clone(),
            client: green.client.clone(),
            host: green.host.clone(),
            source: beside.map_or(own, |red| red.scan.source),
            fresh: self.is_looked_at(green).then(|| self.fresh(index, green, gateway.as_deref(), target)),
            asks_from,
            target,
            errands: green.errands.clone(),
            count: green.count,
            throughout: green.throughout,
            interval: green.interval,
            knock: green.knock.clone(),
            after: green.after.clone(),
            around: green.around.clone(),
            gateway,
            expect: green.expect,
        })
    }

    /// The addresses that it asks from, in turn: one, or a crawler's.
    fn asks_from(&self, green: &Green) -> Result<Vec<IpAddr>, BadFile> {
        let (addresses, family) = (&self.addresses, self.case.family);
        let given = green.source.filter(|source| Family::of(*source) == family);
        let first = match (given, green.role) {
            (Some(source), _) => source,
            (None, _) if green.behind.is_some() => return Ok(vec![addresses.behind(&green.host, family)]),
            (None, Some(Role::Crawler)) => addresses.crawler(&green.host, family),
            (None, Some(Role::Outbound)) => return Ok(vec![addresses.target(family)]),
            (None, _) => addresses.link(&green.host, family),
        };
        let many = if green.role == Some(Role::Crawler) { CRAWLERS } else { 1 };
        let all = (0..many).map(|step| self.reachable(&green.host, nth_after(first, step), &green.span));
        all.collect()
    }

    /// What the target begins must get past an edge.
    fn check_way_out(&self, green: &Green) -> Result<(), BadFile> {
        let forwards = self.addresses.forwards().filter(|how| *how != Forwards::Route);
        match green.peer().and(forwards) {
            None => Ok(()),
            Some(how) => {
                let message = format!("an edge of `{how}` forwards nothing that the target begins");
                let help = Some("leave the [edge] out, or let it route".to_owned());
                Err(self.bad(green.span.clone(), message, help))
            }
        }
    }

    /// Whether anybody asks if it was banned.
    fn is_looked_at(&self, green: &Green) -> bool {
        let claim = self.scenario.claim.as_ref().filter(|claim| claim.actor == green.name);
        let predicted = claim.is_some_and(
            |claim| matches!(&claim.predicts, Prediction::Green(expect) if expect.banned.is_some()),
        );
        green.throughout || green.expect.banned.is_some() || predicted
    }

    fn fresh(&self, index: usize, green: &Green, gateway: Option<&str>, target: IpAddr) -> FreshPlan {
        let (addresses, family) = (&self.addresses, self.case.family);
        if let Some(peer) = green.peer() {
            return FreshPlan {
                host: green.host.clone(),
                source: addresses.target(family),
                target: addresses.fresh(peer, family, index),
                owner: peer.to_owned(),
            };
        }
        let host = gateway.unwrap_or(&green.host).to_owned();
        let source = addresses.fresh(&host, family, index);
        FreshPlan { owner: host.clone(), host, source, target }
    }

    /// The captures tell a probe by its source and port, so what both ask could be either's.
    fn check_neighbour(&self, green: &Green, red: &RedPlan) -> Result<(), BadFile> {
        let scenario_red = self.scenario.reds.iter().find(|one| one.name == red.name);
        let own = scenario_red.is_some_and(|one| one.sender == Sender::Own);
        let asks = |errand: &Errand| {
            let protocol = over(errand.speaks);
            let port = protocol == Protocol::Icmp || red.scan.ports.contains(errand.port);
            red.scan.technique.protocol() == protocol && port
        };
        let both = green.errands.iter().find(|errand| asks(errand));
        let (message, help) = match both {
            _ if !own => (
                format!("`{}` has no address of its own that `{}` could share", red.name, green.name),
                "let it scan from one address",
            ),
            Some(Errand { port, .. }) => (
                format!(
                    "`{}` and `{}` ask port {port} from one address, and nobody could tell whose packet it is",
                    red.name, green.name
                ),
                "leave the port out of the scan",
            ),
            None => return Ok(()),
        };
        Err(self.bad(green.span.clone(), message, Some(help.to_owned())))
    }
}

/// The address `steps` after `first`.
fn nth_after(first: IpAddr, steps: u16) -> IpAddr {
    match first {
        IpAddr::V4(first) => IpAddr::V4(u32::from(first).saturating_add(steps.into()).into()),
        IpAddr::V6(first) => IpAddr::V6(u128::from(first).saturating_add(steps.into()).into()),
    }
}
