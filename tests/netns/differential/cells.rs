//! What is compared: every technique against everything that may stand between it and the ports.

use scandrill_model::{Asks, Family, PortSet, TcpFlags, Technique};
use strum::IntoEnumIterator;

/// One lab: a technique over an IP version, and what the target does.
pub struct Cell {
    pub behaviour: Behaviour,
    pub technique: Technique,
    pub family: Family,
    /// None where the technique asks the host.
    pub ports: &'static str,
}

/// What stands between the scanners and the ports, as a scenario writes it.
#[derive(Clone, Copy)]
pub struct Behaviour {
    pub name: &'static str,
    pub layer: &'static str,
    /// What a closed port gives for an answer.
    pub manner: Manner,
}

/// How a target treats who asks for what is closed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It answers as a host does.
    Answers,
    /// It refuses with an ICMP error.
    Refuses,
    /// It is silent, so that nmap, which waits, is asked about few ports.
    Silent,
}

impl Cell {
    pub fn name(&self) -> String {
        format!("{}/{}/{}", self.behaviour.name, self.technique, self.family)
    }

    /// How many states are compared.
    pub fn size(&self) -> usize {
        let ports: Result<PortSet, _> = self.ports.parse();
        ports.map_or(1, |ports| ports.len().max(1))
    }
}

const fn behaviour(name: &'static str, layer: &'static str, manner: Manner) -> Behaviour {
    Behaviour { name, layer, manner }
}

/// Over both IP versions.
const EVERYWHERE: [Behaviour; 9] = [
    behaviour("undefended", r#"{ layer = "none" }"#, Manner::Answers),
    behaviour("dropped", r#"{ layer = "drop" }"#, Manner::Silent),
    behaviour("tcp-reset", r#"{ layer = "reject", with = "tcp-reset" }"#, Manner::Answers),
    behaviour("net-unreachable", r#"{ layer = "reject", with = "icmp-net-unreachable" }"#, Manner::Refuses),
    behaviour("host-unreachable", r#"{ layer = "reject", with = "icmp-host-unreachable" }"#, Manner::Refuses),
    behaviour("port-unreachable", r#"{ layer = "reject", with = "icmp-port-unreachable" }"#, Manner::Refuses),
    behaviour("admin-prohibited", r#"{ layer = "reject", with = "icmp-admin-prohibited" }"#, Manner::Refuses),
    behaviour("rate-limited", r#"{ layer = "rate-limit", pps = 20 }"#, Manner::Silent),
    behaviour("synproxy", r#"{ layer = "synproxy" }"#, Manner::Silent),
];

/// What IPv4 has, and IPv6 has not.
const OVER_V4: [Behaviour; 4] = [
    // Over IPv6 this one drops every SYN whose checksum nobody vouches for: nft_synproxy.c verifies it as IPv4's.
    behaviour("synproxy-nftables", r#"{ layer = "synproxy", tool = "nftables" }"#, Manner::Silent),
    behaviour(
        "proto-unreachable",
        r#"{ layer = "reject", with = "icmp-proto-unreachable" }"#,
        Manner::Refuses,
    ),
    behaviour("net-prohibited", r#"{ layer = "reject", with = "icmp-net-prohibited" }"#, Manner::Refuses),
    behaviour(
        "host-prohibited",
        r#"{ layer = "reject", with = "icmp-host-prohibited", tool = "nftables" }"#,
        Manner::Refuses,
    ),
];

/// And the other way round.
const OVER_V6: [Behaviour; 2] = [
    behaviour("policy-fail", r#"{ layer = "reject", with = "icmp6-policy-fail" }"#, Manner::Refuses),
    behaviour(
        "reject-route",
        r#"{ layer = "reject", with = "icmp6-reject-route", tool = "nftables" }"#,
        Manner::Refuses,
    ),
];

/// All of them.
pub fn all() -> Vec<Cell> {
    let mut cells = Vec::new();
    for family in Family::iter() {
        let special: &[Behaviour] = if family == Family::V4 { &OVER_V4 } else { &OVER_V6 };
        for &behaviour in EVERYWHERE.iter().chain(special) {
            let there = techniques().filter(|technique| technique.exists_over(family));
            cells.extend(there.map(|technique| Cell {
                behaviour,
                technique,
                family,
                ports: ports(technique, behaviour.manner),
            }));
        }
    }
    cells
}

/// All techniques; of the flags that one can choose those that a listener of Linux's ignores (SYN,FIN and URG), takes
/// for a SYN, and resets.
fn techniques() -> impl Iterator<Item = Technique> {
    let flags = [
        TcpFlags::SYN | TcpFlags::FIN,
        TcpFlags::URG,
        TcpFlags::SYN | TcpFlags::PSH,
        TcpFlags::SYN | TcpFlags::ACK,
    ];
    let plain = Technique::iter().filter(|technique| !matches!(technique, Technique::TcpFlags(_)));
    plain.chain(flags.map(Technique::TcpFlags))
}

/// Those of the services are among them. An idle scan asks one after the other, some through nmap's own waiting.
/// Nobody asks about ICMP itself where it may be refused: nmap takes any message that comes by ICMP, such as an error
/// about another protocol, for an answer in it. Nor about IPv6's fragment header, whose refusal ours cannot open: what
/// is quoted ends with it.
fn ports(technique: Technique, manner: Manner) -> &'static str {
    match (technique.asks(), manner) {
        (Asks::Host, _) => "",
        (Asks::Protocols, Manner::Silent) => "2,6,17,41,132,200",
        (Asks::Protocols, _) => "2-57,130-140,200-210",
        (Asks::Ports, _) if technique == Technique::Idle => "7,20-30,78-82",
        (Asks::Ports, Manner::Silent) => "7,9,20-30,53,78-82",
        (Asks::Ports, Manner::Refuses) => "7,9,20-55,78-82",
        (Asks::Ports, Manner::Answers) => "1-100,2905",
    }
}
