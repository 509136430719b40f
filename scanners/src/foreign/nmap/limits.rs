//! What nmap cannot do. Most of it nmap would not refuse itself: it warns, or leaves it out without a word.

use scandrill_model::{Asks, Technique};

use super::NAME;
use crate::error::ScanError;
use crate::evasion::{Evasion, Sources, SynShape};
use crate::foreign::{check_addresses, refuse};
use crate::plan::{Detect, ScanPlan};

/// Refuses what a plan asks and nmap does not have.
///
/// # Errors
/// [`ScanError::CannotDo`], and what no scanner may do.
pub fn check(plan: &ScanPlan) -> Result<(), ScanError> {
    check_addresses(plan)?;
    refuse(NAME, &of_any_scan(plan))?;
    if plan.technique == Technique::Idle {
        refuse(NAME, &of_an_idle_scan(plan))
    } else if plan.technique == Technique::TcpConnect {
        refuse(NAME, &of_a_connecting_socket(plan))
    } else {
        refuse(NAME, &of_raw_packets(plan))
    }
}

fn of_any_scan(plan: &ScanPlan) -> [(&'static str, bool); 7] {
    let technique = plan.technique;
    let shapes = [(Technique::TcpSyn, SynShape::Nmap), (Technique::TcpConnect, SynShape::Linux)];
    let own_shape = plan.evasion.syn == SynShape::Own || shapes.contains(&(technique, plan.evasion.syn));
    let no_ports =
        technique.asks() != Asks::Ports || matches!(technique, Technique::Idle | Technique::SctpInit);
    let protocols = technique.asks() == Asks::Protocols;
    [
        ("protocols above 255", protocols && plan.ports.iter().any(|protocol| protocol > 255)),
        ("jitter", plan.pace.jitter_percent > 0),
        ("bursts", plan.pace.burst.is_some()),
        ("a pool of sources", matches!(plan.evasion.sources, Sources::Pool { .. })),
        ("another scanner's SYN", !own_shape),
        ("detection without TCP or UDP ports", plan.detect != Detect::default() && no_ports),
        ("a zombie without an idle scan", plan.zombie.is_some() && technique != Technique::Idle),
    ]
}

/// Its packets are made of other addresses already.
fn of_an_idle_scan(plan: &ScanPlan) -> [(&'static str, bool); 2] {
    [
        ("an idle scan without a zombie", plan.zombie.is_none()),
        ("evasions in an idle scan", plan.evasion != Evasion::default()),
    ]
}

/// The kernel makes these packets; nmap can set the time to live, and over IPv4 alone.
fn of_a_connecting_socket(plan: &ScanPlan) -> [(&'static str, bool); 3] {
    let evasion = &plan.evasion;
    [
        ("a source port of connecting sockets", evasion.source_port.is_some()),
        ("fragments of connecting sockets", evasion.fragment.is_some()),
        ("a hop limit of connecting sockets", evasion.ttl.is_some() && plan.target.is_ipv6()),
    ]
}

fn of_raw_packets(plan: &ScanPlan) -> [(&'static str, bool); 2] {
    let (evasion, is_tcp) = (&plan.evasion, plan.technique.probe_flags().is_some());
    let (port, data) = (evasion.source_port.is_some(), evasion.data_length > 0);
    [
        // It then knows a reply by its numbers, and forgets that data counts: a reset is nobody's, a closed port filtered.
        ("extra data behind a source port of TCP's", port && data && is_tcp),
        // It quits with anything else.
        (
            "fragments of anything but TCP over IPv4",
            evasion.fragment.is_some() && !(is_tcp && plan.target.is_ipv4()),
        ),
    ]
}
