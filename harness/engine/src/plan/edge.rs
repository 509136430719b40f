//! The plan of an edge: what makes it forward, which is there before any defense, and its own defense.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use scandrill_defenses::Site;
use scandrill_defenses::lint::Lines;
use scandrill_model::{
    CommandLine, Daemon, FORWARDING_TABLE, Family, Loader, Need, Protocol, ServicePlan, Step, Technique,
};
use serde::{Deserialize, Serialize};

use super::address::{AddressPlan, EDGE, EDGE_REFERENCE, REFERENCE, TARGET};
use super::web::{self, listens};
use super::{Plan, Planner};
use crate::bad_file::BadFile;
use crate::scenario::{Edge, Forwarded, Forwards, Tells, service_behind};

/// The host between the others and the target.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EdgePlan {
    /// How it forwards.
    pub forwards: Forwards,
    /// What it forwards; nothing in particular where it is a router.
    pub ports: Vec<Forwarded>,
    /// Whether the target sees its address as the source.
    pub masquerade: bool,
    /// How it tells for whom it asks.
    pub tells: Tells,
    /// Its defense, in order.
    pub steps: Vec<Step>,
    /// Whether the file names a defense of it that must change the kernel's state.
    pub defended: bool,
}

/// A host that has a defense, and the scratch namespace into which that is installed a second time.
#[derive(Clone, Copy, Debug)]
pub struct SidePlan<'a> {
    /// The host's name.
    pub host: &'a str,
    /// The scratch namespace's.
    pub reference: &'a str,
    /// The defense, in order.
    pub steps: &'a [Step],
    /// Whether the file names a defense that must change the kernel's state.
    pub defended: bool,
}

impl SidePlan<'_> {
    /// The texts of rules that its steps load, in their order, each with its name.
    pub fn texts(&self) -> Vec<(String, String)> {
        let lines = Lines::of(self.steps);
        lines.texts().map(|(name, text)| (name.to_owned(), text)).collect()
    }
}

impl Plan {
    /// The hosts that have a defense: the target, and an edge before it.
    pub fn sides(&self) -> Vec<SidePlan<'_>> {
        let target =
            SidePlan { host: TARGET, reference: REFERENCE, steps: &self.steps, defended: self.defended };
        let edge = self.edge.as_ref().map(|edge| SidePlan {
            host: EDGE,
            reference: EDGE_REFERENCE,
            steps: &edge.steps,
            defended: edge.defended,
        });
        edge.into_iter().chain([target]).collect()
    }

    /// Every kernel parameter that the lab or a defense sets, by host and name; what a defense sets is set last.
    pub fn sysctls(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let of_lab = self.lab.hosts.iter().flat_map(|host| {
            host.sysctls.iter().map(|set| (host.name.as_str(), set.key.clone(), set.value.clone()))
        });
        let of_defense = self.sides().into_iter().flat_map(|side| {
            side.steps.iter().filter_map(move |step| {
                let Step::Sysctl { key, value } = step else { return None };
                Some((side.host, key.clone(), value.clone()))
            })
        });
        let mut sysctls: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
        for (host, key, value) in of_lab.chain(of_defense) {
            sysctls.entry(host.to_owned()).or_default().insert(key, value);
        }
        sysctls
    }

    /// Whether an administrator changes a host's rules or sets, once the defense is in.
    pub fn changes(&self, host: &str) -> bool {
        self.operators.iter().any(|operator| operator.changes && operator.host == host)
    }

    /// Whether there may be anything to read back: a defense, or what somebody did.
    pub fn is_read_back(&self, side: SidePlan<'_>) -> bool {
        !side.steps.is_empty() || !self.operators.is_empty()
    }
}

impl Planner<'_> {
    /// The edge, and what its defense needs.
    pub(super) fn edge(&self) -> Result<(Option<EdgePlan>, Vec<Need>), BadFile> {
        let Some(edge) = &self.scenario.edge else { return Ok((None, Vec::new())) };
        self.check_neighbours(edge)?;
        let site = Site {
            backend: self.case.backend,
            tool: self.case.tool,
            services: self.guarded(edge),
            interface: self.addresses.face().interface.clone(),
        };
        let (steps, needs) = self.steps_of(&edge.defense, &edge.defense_span, &edge.rules, &site)?;
        let defended = edge.defense.iter().any(|spec| spec.layer != "none") || !edge.rules.is_empty();
        let (forwards, ports, masquerade, tells) =
            (edge.forwards, edge.ports.clone(), edge.masquerade, edge.tells);
        Ok((Some(EdgePlan { forwards, ports, masquerade, tells, steps, defended }), needs))
    }

    /// The services as rules of the edge meet them: addresses are translated before FORWARD, and INPUT sees none of it.
    fn guarded(&self, edge: &Edge) -> Vec<ServicePlan> {
        if edge.forwards != Forwards::Nat {
            return self.scenario.faced();
        }
        let services = &self.scenario.target.services;
        edge.ports.iter().filter_map(|port| service_behind(services, *port).copied()).collect()
    }

    /// Behind a router the target is on no scanner's link.
    fn check_neighbours(&self, edge: &Edge) -> Result<(), BadFile> {
        let of_link = self.scenario.reds.iter().find(|red| red.technique == Technique::Arp);
        match of_link.filter(|_| edge.forwards == Forwards::Route) {
            None => Ok(()),
            Some(red) => {
                let message = "arp asks hosts on the scanner's own link, and the target is behind a router";
                Err(self.bad(red.span.clone(), message, Some("leave it out".to_owned())))
            }
        }
    }
}

/// What makes an edge forward: nothing where it is a router, as its kernel does; rules that translate; or a proxy.
pub fn programs(edge: &Edge, services: &[ServicePlan], addresses: &AddressPlan) -> Vec<Step> {
    let ways = ways(edge, services, addresses);
    match edge.forwards {
        Forwards::Route => Vec::new(),
        Forwards::Nat => vec![translation(&ways, edge.masquerade)],
        Forwards::Haproxy => proxy("haproxy", &["-db", "-f"], haproxy(&ways, edge.tells), &ways),
        Forwards::Nginx => proxy("nginx", &["-c"], nginx(&ways, edge.tells), &ways),
    }
}

/// One way through an edge, over one IP version.
struct Way {
    protocol: Protocol,
    /// Where the edge is asked.
    from: SocketAddr,
    /// Where it asks.
    to: SocketAddr,
    /// Whether the service speaks HTTP.
    http: bool,
}

/// Every way through an edge: a proxy that is asked over one IP version asks over the same.
fn ways(edge: &Edge, services: &[ServicePlan], addresses: &AddressPlan) -> Vec<Way> {
    let way = |forwarded: &Forwarded, family| Way {
        protocol: forwarded.protocol,
        from: (addresses.asked(family), forwarded.port).into(),
        to: (addresses.target(family), forwarded.to).into(),
        http: service_behind(services, *forwarded).is_some_and(|service| service.kind.is_http()),
    };
    let both = |forwarded| [Family::V4, Family::V6].map(|family| way(forwarded, family));
    edge.ports.iter().flat_map(both).collect()
}

/// Rules that translate, in a table that is the lab's: what takes a defense off leaves it, and so does the reading back.
fn translation(ways: &[Way], masquerade: bool) -> Step {
    let each: String = ways.iter().fold(String::new(), |text, Way { protocol, from, to, .. }| {
        let ip = if from.is_ipv4() { "ip" } else { "ip6" };
        text + &format!("\t\t{ip} daddr {} {protocol} dport {} dnat {ip} to {to}\n", from.ip(), from.port())
    });
    let source = if masquerade {
        "\tchain after {\n\t\ttype nat hook postrouting priority srcnat\n\t\tct status dnat masquerade\n\t}\n"
    } else {
        ""
    };
    let text = format!(
        "table inet {FORWARDING_TABLE} {{\n\tchain before {{\n\t\ttype nat hook prerouting priority dstnat\n{each}\t}}\n\
         {source}}}\n"
    );
    Step::Load { loader: Loader::Nft, text, origin: "the edge's translation".to_owned() }
}

/// A proxy with its file, whose name is its last argument; it is ready once it has all its ports.
fn proxy(program: &str, args: &[&str], text: String, ways: &[Way]) -> Vec<Step> {
    let path = format!("/etc/scandrill-edge/{program}.conf");
    let args = args.iter().copied().chain([path.as_str()]).map(str::to_owned).collect();
    let ready: String = ways.iter().map(|way| listens(way.from.port(), way.from.is_ipv6())).collect();
    let daemon = Daemon {
        name: EDGE.to_owned(),
        folders: Vec::new(),
        command: CommandLine { program: program.to_owned(), args },
        ready: CommandLine::bash(&ready),
        owns: Vec::new(),
    };
    vec![Step::WriteFile { path, text }, Step::Daemon(daemon)]
}

/// A section for each way, over HTTP where the service speaks it. Each request or connection is a line on the standard
/// output, with the client's address. A target that refuses is asked once.
fn haproxy(ways: &[Way], tells: Tells) -> String {
    let start = "global\n\tlog stdout format raw daemon\ndefaults\n\tlog global\n\tretries 0\n\ttimeout connect 1s\n\
                 \ttimeout client 10s\n\ttimeout server 10s\n";
    let section = |way: &Way| {
        let mode = if way.http { "\tmode http\n\toption httplog\n" } else { "\tmode tcp\n\toption tcplog\n" };
        let header = if way.http && tells == Tells::XForwardedFor { "\toption forwardfor\n" } else { "" };
        let line = if tells == Tells::ProxyProtocol { " send-proxy" } else { "" };
        let (name, Way { from, to, .. }) = (name(way), way);
        format!("listen {name}\n{mode}\tbind {from}\n{header}\tserver target {to}{line}\n")
    };
    std::iter::once(start.to_owned()).chain(ways.iter().map(section)).collect()
}

/// `tcp-80-v4`.
fn name(way: &Way) -> String {
    format!("{}-{}-{}", way.protocol, way.from.port(), Family::of(way.from.ip()))
}

/// A server for each way.
fn nginx(ways: &[Way], tells: Tells) -> String {
    let header = match tells {
        Tells::XForwardedFor => " proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;",
        Tells::Nothing | Tells::ProxyProtocol => "",
    };
    let servers = ways.iter().map(|Way { from, to, .. }| {
        format!("\tserver {{ listen {from}; location / {{ proxy_pass http://{to};{header} }} }}\n")
    });
    web::nginx(EDGE, "", &servers.collect::<String>())
}
