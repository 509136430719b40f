//! nmap's command line for a plan.

use std::net::IpAddr;

use scandrill_model::{CommandLine, Protocol};

use crate::plan::{Order, ScanPlan};
use crate::technique;

/// Options of every call: no name look-ups, raw packets although the caller may not look like root, reasons in the
/// report, the report on standard output, and no ARP or neighbour solicitation in place of the ping that is asked for.
const ALWAYS: [&str; 7] =
    ["--privileged", "-n", "--reason", "-oX", "-", "--no-stylesheet", "--disable-arp-ping"];

/// The command that runs `plan` through `interface`; `None` when nmap has no such scan. The report needs no more
/// verbosity than that: since 7.80 its summaries (`extrareasons`) list their ports.
pub fn command(plan: &ScanPlan, interface: &str) -> Option<CommandLine> {
    let options = technique::find(plan.technique).ok()?.nmap_options();
    if options.is_empty() {
        return None;
    }
    let mut args: Vec<String> = ALWAYS.iter().chain(options).map(|&option| option.to_owned()).collect();
    if matches!(plan.target, IpAddr::V6(_)) {
        args.push("-6".to_owned());
    }
    args.extend(["-e".to_owned(), interface.to_owned(), "-S".to_owned(), plan.source.to_string()]);
    args.push(format!("-{}", plan.timing));
    args.extend(pace(plan));
    args.extend(what(plan));
    args.push(plan.target.to_string());
    Some(CommandLine { program: "nmap".to_owned(), args })
}

/// The same delay always: nmap would lengthen it by itself where probes are lost.
fn pace(plan: &ScanPlan) -> Vec<String> {
    plan.interval.map_or_else(Vec::new, |interval| {
        let delay = format!("{}ms", interval.0);
        vec!["--scan-delay".to_owned(), delay.clone(), "--max-scan-delay".to_owned(), delay]
    })
}

/// A ping tells of a silent host only when it is verbose; a port scan asks for no ping.
fn what(plan: &ScanPlan) -> Vec<String> {
    if plan.technique.protocol() == Protocol::Icmp {
        return vec!["-v".to_owned()];
    }
    let mut args = vec!["-Pn".to_owned(), "-p".to_owned(), plan.ports.to_string()];
    if plan.order == Order::Ascending {
        args.push("-r".to_owned());
    }
    args
}
