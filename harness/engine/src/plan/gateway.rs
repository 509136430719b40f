//! A gateway that an attacker shares with a neighbour: the attacker's own host, which translates the neighbour's address to
//! the attacker's, so that whoever is asked sees one source.

use ipnet::IpNet;
use scandrill_model::{
    FORWARDING_TABLE, Family, HostPlan, InterfacePlan, Loader, RoutePlan, Segment, Step, Wire,
};

use super::address::{AddressPlan, HostAddresses, InnerEnd, InsideEnd};
use super::green::Gateway;
use super::lab::{forward, sysctls};
use crate::scenario::{Forwards, Scenario};

const BOTH: [Family; 2] = [Family::V4, Family::V6];

/// Adds the neighbours with their links, and makes their gateways translate.
pub fn add(
    scenario: &Scenario,
    addresses: &AddressPlan,
    gateways: &[Gateway<'_>],
    hosts: &mut Vec<HostPlan>,
    segments: &mut Vec<Segment>,
) {
    for neighbour in addresses.neighbours() {
        let Some(gateway) = gateways.iter().find(|gateway| gateway.neighbour == neighbour.name) else {
            continue;
        };
        let before = segments.iter().flat_map(|segment| &segment.interfaces);
        let before = before.filter(|interface| interface.host == gateway.host).count();
        segments.push(link(neighbour, gateway.host, format!("eth{before}")));
        hosts.push(host(scenario, addresses, neighbour));
    }
    for host in hosts {
        let rules: String =
            gateways.iter().filter(|gateway| gateway.host == host.name).map(translation).collect();
        if !rules.is_empty() {
            forward(&mut host.sysctls, "the gateway forwards what its neighbours send");
            host.programs.push(translate(&rules, addresses.interface(&host.name)));
        }
    }
}

/// The link between a neighbour and its gateway.
fn link(neighbour: &HostAddresses, gateway: &str, name: String) -> Segment {
    let end = |host: &str, name: String, mac, end| InterfacePlan {
        host: host.to_owned(),
        name,
        mac,
        addresses: BOTH.map(|family| neighbour.inside(family, end)).into(),
        ..InterfacePlan::default()
    };
    let interfaces = vec![
        end(gateway, name, neighbour.gateway_mac(), InsideEnd::Gateway),
        end(&neighbour.name, neighbour.interface.clone(), neighbour.mac(), InsideEnd::Neighbour),
    ];
    Segment { wire: Wire::Veth, interfaces }
}

/// A neighbour, who reaches everybody by way of its gateway.
fn host(scenario: &Scenario, addresses: &AddressPlan, neighbour: &HostAddresses) -> HostPlan {
    let link = BOTH.map(|family| addresses.face().link(family).trunc());
    let routed = addresses.forwards() == Some(Forwards::Route);
    let target = BOTH.map(|family| addresses.within_edge(family, InnerEnd::Target).trunc());
    let target = target.into_iter().filter(|_| routed);
    let via = |to: &IpNet| neighbour.inside(Family::of(to.network()), InsideEnd::Gateway).addr();
    HostPlan {
        name: neighbour.name.clone(),
        sysctls: sysctls(scenario, addresses, &neighbour.name),
        routes: link.into_iter().chain(target).map(|to| RoutePlan { to, via: via(&to) }).collect(),
        ..HostPlan::default()
    }
}

/// What gives a neighbour the address that it shares.
fn translation(gateway: &Gateway<'_>) -> String {
    let Gateway { inside, shared, .. } = gateway;
    let ip = if inside.is_ipv4() { "ip" } else { "ip6" };
    format!("\t\t{ip} saddr {inside} snat {ip} to {shared}\n")
}

/// Replies to the attacker's own packets, which its scanner makes past conntrack, and to those of the lab's witnesses, are
/// for addresses that no kernel owns. A host that forwards would say so to whoever answered; one that does not is silent.
fn translate(rules: &str, interface: &str) -> Step {
    let text = format!(
        "table inet {FORWARDING_TABLE} {{\n\tchain before {{\n\t\ttype filter hook prerouting priority filter\n\
         \t\tiifname {interface} fib daddr type unicast ct state != {{ established, related }} drop\n\t}}\n\
         \tchain after {{\n\t\ttype nat hook postrouting priority srcnat\n{rules}\t}}\n}}\n"
    );
    Step::Load { loader: Loader::Nft, text, origin: "the gateway's translation".to_owned() }
}
