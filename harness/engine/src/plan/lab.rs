//! The lab of one case: its hosts with every kernel parameter that a result depends on, and one link.

use std::net::IpAddr;

use ipnet::IpNet;
use scandrill_model::{
    Family, HostPlan, InterfacePlan, LabPlan, PerMille, Protocol, RoutePlan, Segment, ServiceKind,
    ServicePlan, Step, SysctlPlan, Wire,
};

use super::address::{AddressPlan, EDGE, EDGE_REFERENCE, HostAddresses, InnerEnd, REFERENCE, TARGET};
use super::green::Gateway;
use super::{edge, gateway, web};
use crate::scenario::{Errand, Forwards, Scenario};

const BOTH: [Family; 2] = [Family::V4, Family::V6];

/// The edge's interface on the link to its target.
const EDGE_INSIDE: &str = "eth1";

/// Kernel parameters of every host. Those below `conf` would otherwise come from the machine.
const EVERYWHERE: [(&str, &str, &str); 14] = [
    ("net.ipv4.ip_forward", "0", "a host drops in silence what arrives for addresses it does not own"),
    ("net.ipv6.conf.all.forwarding", "0", "as for IPv4"),
    ("net.ipv4.conf.all.rp_filter", "0", "the defense decides about sources, not the kernel"),
    ("net.ipv4.conf.default.rp_filter", "0", "the defense decides about sources, not the kernel"),
    ("net.ipv4.conf.all.accept_redirects", "0", "nothing but the plan changes a route"),
    ("net.ipv4.conf.default.accept_redirects", "0", "nothing but the plan changes a route"),
    ("net.ipv4.conf.all.send_redirects", "0", "a witness counts every packet on the link"),
    ("net.ipv4.conf.default.send_redirects", "0", "a witness counts every packet on the link"),
    ("net.ipv4.conf.all.accept_source_route", "0", "set by some defenses; the start is the same everywhere"),
    (
        "net.ipv4.conf.default.accept_source_route",
        "0",
        "set by some defenses; the start is the same everywhere",
    ),
    ("net.ipv6.conf.all.accept_ra", "0", "nothing but the plan makes an address"),
    ("net.ipv6.conf.default.accept_ra", "0", "nothing but the plan makes an address"),
    ("net.ipv6.conf.default.accept_dad", "0", "an address is usable at once"),
    ("net.ipv4.ping_group_range", "0 0", "an ordinary client pings without a raw socket"),
];

/// Those of them that an edge has otherwise.
const FORWARDING: [&str; 2] = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];

/// Kernel parameters of the target, and of an edge before it, before their defenses are in.
const ANSWERING: [(&str, &str, &str); 7] = [
    ("net.ipv4.icmp_ratelimit", "0", "every closed UDP port answers; the kernel's limit would fake silence"),
    ("net.ipv4.icmp_ratemask", "0", "takes the global bucket away as well"),
    ("net.ipv6.icmp.ratelimit", "0", "as for IPv4"),
    ("net.ipv6.icmp.ratemask", "255", "only a type that is never sent counts in the global bucket"),
    ("net.ipv4.tcp_syncookies", "1", "the kernel's default, whatever the machine says"),
    ("net.ipv4.ip_default_ttl", "64", "the kernel's default, whatever the machine says"),
    ("net.ipv4.icmp_echo_ignore_all", "0", "an undefended host answers pings"),
];

/// The kernel's own ICMP limits, as its documentation (`ip-sysctl`) gives their defaults.
pub fn kernel_icmp() -> Vec<Step> {
    [
        ("net.ipv4.icmp_ratelimit", "1000"),
        ("net.ipv4.icmp_ratemask", "6168"),
        ("net.ipv6.icmp.ratelimit", "1000"),
        ("net.ipv6.icmp.ratemask", "0-1,3-127"),
    ]
    .map(|(key, value)| Step::Sysctl { key: key.to_owned(), value: value.to_owned() })
    .into()
}

/// Lays out the lab: the target and the actors' hosts on one link, and the reference beside it. An edge takes the target's
/// place on that link, and has another one to the target, and a reference of its own. `owned` are further addresses that a
/// host's kernel answers for, because a client or nmap sends from them.
pub fn plan(
    scenario: &Scenario,
    addresses: &AddressPlan,
    owned: &[(&str, IpAddr)],
    gateways: &[Gateway<'_>],
) -> LabPlan {
    let mut hosts: Vec<HostPlan> =
        addresses.hosts().map(|host| host_plan(scenario, addresses, host)).collect();
    let interfaces: Vec<InterfacePlan> =
        addresses.hosts().map(|host| interface(host, owned, scenario.loss)).collect();
    let wire = if interfaces.len() == 2 { Wire::Veth } else { Wire::Bridge };
    let mut segments = vec![Segment { wire, interfaces }];
    let mut references = vec![(TARGET, REFERENCE)];
    if addresses.forwards().is_some() {
        hosts.push(behind(scenario, addresses));
        segments.push(inner_link(scenario, addresses));
        references.push((EDGE, EDGE_REFERENCE));
    }
    gateway::add(scenario, addresses, gateways, &mut hosts, &mut segments);
    for (of, name) in references {
        let alike = hosts.iter().find(|host| host.name == of).cloned().unwrap_or_default();
        let (services, programs, routes) = (Vec::new(), Vec::new(), Vec::new());
        hosts.push(HostPlan { name: name.to_owned(), services, programs, routes, ..alike });
        segments.extend(alone(&segments, of, name));
    }
    LabPlan { hosts, segments }
}

/// Interfaces like those of a host, each alone on its link and without addresses.
fn alone(segments: &[Segment], of: &str, host: &str) -> Vec<Segment> {
    let own =
        segments.iter().flat_map(|segment| &segment.interfaces).filter(|interface| interface.host == of);
    let alone = |like: &InterfacePlan| InterfacePlan {
        host: host.to_owned(),
        name: like.name.clone(),
        mac: like.mac,
        ..InterfacePlan::default()
    };
    own.map(|like| Segment { wire: Wire::Bridge, interfaces: vec![alone(like)] }).collect()
}

/// The link between the edge and the target.
fn inner_link(scenario: &Scenario, addresses: &AddressPlan) -> Segment {
    let end = |host: &str, interface: &str, end: InnerEnd| InterfacePlan {
        host: host.to_owned(),
        name: interface.to_owned(),
        mac: end.mac(),
        addresses: BOTH.map(|family| addresses.within_edge(family, end)).into(),
        ..InterfacePlan::default()
    };
    let interfaces = vec![
        end(EDGE, EDGE_INSIDE, InnerEnd::Edge),
        end(TARGET, &scenario.target.interface, InnerEnd::Target),
    ];
    Segment { wire: Wire::Veth, interfaces }
}

fn interface(host: &HostAddresses, owned: &[(&str, IpAddr)], loss: PerMille) -> InterfacePlan {
    let links = BOTH.map(|family| host.link(family));
    let further = owned
        .iter()
        .filter(|(name, address)| *name == host.name && links.iter().all(|link| link.addr() != *address));
    InterfacePlan {
        host: host.name.clone(),
        name: host.interface.clone(),
        mac: host.mac(),
        addresses: links.into_iter().chain(further.map(|(_, address)| IpNet::from(*address))).collect(),
        loss,
    }
}

fn host_plan(scenario: &Scenario, addresses: &AddressPlan, host: &HostAddresses) -> HostPlan {
    let answers = host.name == addresses.face().name;
    let is_zombie = scenario.reds.iter().any(|red| red.zombie.as_ref() == Some(&host.name));
    let mut routes = if answers || is_zombie { routes(addresses, host) } else { Vec::new() };
    if addresses.forwards() == Some(Forwards::Route) && !answers {
        routes.extend(BOTH.map(|family| RoutePlan {
            to: addresses.within_edge(family, InnerEnd::Target).trunc(),
            via: addresses.face().link(family).addr(),
        }));
    }
    HostPlan {
        name: host.name.clone(),
        sysctls: sysctls(scenario, addresses, &host.name),
        routes,
        answers_for: Vec::new(),
        services: services(scenario, &host.name),
        programs: programs(scenario, addresses, &host.name),
    }
}

/// The target's listeners, or those that an outbound client asks.
fn services(scenario: &Scenario, host: &str) -> Vec<ServicePlan> {
    if host == TARGET {
        return scenario.target.services.clone();
    }
    let asked = scenario.greens.iter().filter(|green| green.peer() == Some(host));
    let banner = |errand: &Errand| ServicePlan {
        protocol: Protocol::Tcp,
        port: errand.port,
        kind: ServiceKind::Banner,
    };
    asked.flat_map(|green| green.errands.iter().map(banner)).collect()
}

/// The target behind its edge, by which it answers everybody.
fn behind(scenario: &Scenario, addresses: &AddressPlan) -> HostPlan {
    let links = BOTH.map(|family| addresses.face().link(family).trunc());
    let others = addresses.hosts().skip(1).flat_map(HostAddresses::routed_prefixes);
    let via = |to: &IpNet| addresses.within_edge(Family::of(to.network()), InnerEnd::Edge).addr();
    HostPlan {
        name: TARGET.to_owned(),
        sysctls: sysctls(scenario, addresses, TARGET),
        routes: links.into_iter().chain(others).map(|to| RoutePlan { to, via: via(&to) }).collect(),
        answers_for: Vec::new(),
        services: scenario.target.services.clone(),
        programs: programs(scenario, addresses, TARGET),
    }
}

/// What makes an edge forward, and the target's servers that are programs.
fn programs(scenario: &Scenario, addresses: &AddressPlan, host: &str) -> Vec<Step> {
    match (&scenario.edge, host) {
        (Some(edge), EDGE) => edge::programs(edge, &scenario.target.services, addresses),
        (_, TARGET) => web::programs(&scenario.target.services),
        _ => Vec::new(),
    }
}

/// Makes a host one that forwards.
pub fn forward(sysctls: &mut [SysctlPlan], why: &str) {
    let forwarding = sysctls.iter_mut().filter(|sysctl| FORWARDING.contains(&sysctl.key.as_str()));
    forwarding.for_each(|sysctl| {
        "1".clone_into(&mut sysctl.value);
        why.clone_into(&mut sysctl.why);
    });
}

pub fn sysctls(scenario: &Scenario, addresses: &AddressPlan, host: &str) -> Vec<SysctlPlan> {
    let mut sysctls: Vec<SysctlPlan> = EVERYWHERE.into_iter().map(sysctl).collect();
    let of_packets = matches!(addresses.forwards(), Some(Forwards::Route | Forwards::Nat));
    if host == EDGE && of_packets {
        forward(&mut sysctls, "the edge forwards packets");
    }
    if host == TARGET || host == EDGE {
        sysctls.extend(ANSWERING.into_iter().map(sysctl));
    }
    let of_host = scenario.hosts.get(host).map(|settings| &settings.sysctls);
    let from_file = if host == TARGET { Some(&scenario.target.sysctls) } else { of_host };
    let why = "the scenario says so";
    sysctls.extend(from_file.into_iter().flatten().map(|(key, value)| sysctl((key, value, why))));
    sysctls
}

fn sysctl((key, value, why): (&str, &str, &str)) -> SysctlPlan {
    SysctlPlan { key: key.to_owned(), value: value.to_owned(), why: why.to_owned() }
}

/// The target or its edge, and a zombie, answer each routed prefix by way of its host's link address.
fn routes(addresses: &AddressPlan, of: &HostAddresses) -> Vec<RoutePlan> {
    let via = |host: &HostAddresses, to: &ipnet::IpNet| host.link(Family::of(to.network())).addr();
    let of_host = |host: &HostAddresses| {
        host.routed_prefixes().map(|to| RoutePlan { to, via: via(host, &to) }).collect::<Vec<_>>()
    };
    let others = addresses.hosts().skip(1).filter(|host| host.name != of.name);
    others.flat_map(of_host).collect()
}
