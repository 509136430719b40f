//! The lab of one case: its hosts with every kernel parameter that a result depends on, and one link.

use std::net::IpAddr;

use ipnet::IpNet;
use scandrill_model::{
    Family, HostPlan, InterfacePlan, LabPlan, PerMille, RoutePlan, Segment, Step, SysctlPlan, Wire,
};

use super::address::{AddressPlan, HostAddresses, REFERENCE, TARGET};
use crate::scenario::Scenario;

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

/// Kernel parameters of the target before its defense is in.
const TARGET_ONLY: [(&str, &str, &str); 7] = [
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

/// Lays out the lab: the target and the actors' hosts on one link, and the reference beside it. `owned` are further
/// addresses that a host's kernel answers for, because a client or nmap sends from them.
pub fn plan(scenario: &Scenario, addresses: &AddressPlan, owned: &[(&str, IpAddr)]) -> LabPlan {
    let mut hosts: Vec<HostPlan> =
        addresses.hosts().iter().map(|host| host_plan(scenario, addresses, host)).collect();
    let reference = HostPlan { name: REFERENCE.to_owned(), ..hosts[0].clone() };
    hosts.push(HostPlan { services: Vec::new(), programs: Vec::new(), routes: Vec::new(), ..reference });
    let interfaces: Vec<InterfacePlan> =
        addresses.hosts().iter().map(|host| interface(host, owned, scenario.loss)).collect();
    let wire = if interfaces.len() == 2 { Wire::Veth } else { Wire::Bridge };
    let alone = InterfacePlan {
        host: REFERENCE.to_owned(),
        name: scenario.target.interface.clone(),
        mac: addresses.target_mac(),
        ..InterfacePlan::default()
    };
    let segments =
        vec![Segment { wire, interfaces }, Segment { wire: Wire::Bridge, interfaces: vec![alone] }];
    LabPlan { hosts, segments }
}

fn interface(host: &HostAddresses, owned: &[(&str, IpAddr)], loss: PerMille) -> InterfacePlan {
    let links = [host.link(Family::V4), host.link(Family::V6)];
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
    let mut sysctls: Vec<SysctlPlan> = EVERYWHERE.into_iter().map(sysctl).collect();
    let is_target = host.name == TARGET;
    let is_zombie = scenario.reds.iter().any(|red| red.zombie.as_ref() == Some(&host.name));
    if is_target {
        sysctls.extend(TARGET_ONLY.into_iter().map(sysctl));
    }
    let from_file = if is_target {
        Some(&scenario.target.sysctls)
    } else {
        scenario.hosts.get(&host.name).map(|settings| &settings.sysctls)
    };
    let why = "the scenario says so".to_owned();
    sysctls.extend(from_file.into_iter().flatten().map(|(key, value)| SysctlPlan {
        key: key.clone(),
        value: value.clone(),
        why: why.clone(),
    }));
    HostPlan {
        name: host.name.clone(),
        sysctls,
        routes: if is_target || is_zombie { routes(addresses, host) } else { Vec::new() },
        answers_for: Vec::new(),
        services: if is_target { scenario.target.services.clone() } else { Vec::new() },
        programs: Vec::new(),
    }
}

fn sysctl((key, value, why): (&str, &str, &str)) -> SysctlPlan {
    SysctlPlan { key: key.to_owned(), value: value.to_owned(), why: why.to_owned() }
}

/// The target, and a zombie, answer each routed prefix by way of its host's link address.
fn routes(addresses: &AddressPlan, of: &HostAddresses) -> Vec<RoutePlan> {
    let via = |host: &HostAddresses, to: &ipnet::IpNet| host.link(Family::of(to.network())).addr();
    let of_host = |host: &HostAddresses| {
        host.routed_prefixes().map(|to| RoutePlan { to, via: via(host, &to) }).collect::<Vec<_>>()
    };
    let others = addresses.hosts().iter().filter(|host| host.name != TARGET && host.name != of.name);
    others.flat_map(of_host).collect()
}
