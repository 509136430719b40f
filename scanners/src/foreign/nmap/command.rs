//! nmap's command line for a plan.

use std::net::IpAddr;

use scandrill_model::{Asks, CommandLine};

use crate::plan::{Order, ScanPlan};
use crate::technique;

/// Options of every call: no name look-ups, raw packets although the caller may not look like root, reasons in the
/// report, the report on standard output.
const ALWAYS: [&str; 6] = ["--privileged", "-n", "--reason", "-oX", "-", "--no-stylesheet"];

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
    plan.pace.interval.map_or_else(Vec::new, |interval| {
        let delay = format!("{}ms", interval.as_secs_f64() * 1_000.0);
        vec!["--scan-delay".to_owned(), delay.clone(), "--max-scan-delay".to_owned(), delay]
    })
}

/// A ping must be the ICMP one that was asked for, not ARP's or neighbour discovery's, and tells of a silent host only
/// when it is verbose. A port scan asks for no ping, but keeps the ARP one: from it nmap learns the round trip time,
/// without which 1,000 silent ports took 101 s instead of 21.
fn what(plan: &ScanPlan) -> Vec<String> {
    if plan.technique.asks() == Asks::Host {
        return ["-v", "--disable-arp-ping"].map(str::to_owned).into();
    }
    let mut args = vec!["-Pn".to_owned(), "-p".to_owned(), plan.ports.to_string()];
    if plan.order == Order::Ascending {
        args.push("-r".to_owned());
    }
    args
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use scandrill_model::{PortSet, Technique};

    use super::*;
    use crate::pace::Pace;
    use crate::timing::Timing;

    fn plan(technique: Technique) -> ScanPlan {
        let (source, target) = ("198.18.0.2".parse().unwrap(), "198.18.0.1".parse().unwrap());
        let ports = "22,80-90".parse().unwrap();
        ScanPlan { order: Order::Ascending, ..ScanPlan::new(technique, source, target, ports, 1) }
    }

    fn text(plan: &ScanPlan) -> String {
        command(plan, "eth0").unwrap().args.join(" ")
    }

    #[test]
    fn a_port_scan_asks_for_the_plan_s_ports_order_and_pace() {
        let pace = Pace { interval: Some(Duration::from_millis(300)), ..Pace::default() };
        let plan = ScanPlan { pace, ..plan(Technique::TcpXmas) };
        assert_eq!(
            text(&plan),
            "--privileged -n --reason -oX - --no-stylesheet -sX -e eth0 -S 198.18.0.2 -T4 --scan-delay 300ms \
             --max-scan-delay 300ms -Pn -p 22,80-90 -r 198.18.0.1"
        );
    }

    #[test]
    fn a_ping_over_ipv6_is_an_echo_request() {
        let plan = ScanPlan {
            source: "fd00:198:18::2".parse().unwrap(),
            target: "fd00:198:18::1".parse().unwrap(),
            ports: PortSet::default(),
            timing: Timing::T1,
            ..plan(Technique::IcmpEcho)
        };
        assert_eq!(
            text(&plan),
            "--privileged -n --reason -oX - --no-stylesheet -sn -PE -6 -e eth0 -S fd00:198:18::2 -T1 -v \
             --disable-arp-ping fd00:198:18::1"
        );
    }
}
