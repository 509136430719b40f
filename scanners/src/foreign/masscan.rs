//! masscan: asks each port once, in an order of its own, and names what answered. As measured with Debian's 1.3.2: by
//! default it keeps closed ports to itself, ICMP errors to TCP always, and it loses answers.

use std::collections::BTreeMap;
use std::time::Duration;

use roxmltree::Node;
use scandrill_model::{
    Asks, CellRead, CommandLine, PortState, Reason, Reply, ScanResult, TcpFlags, Technique,
};
use scandrill_model::{Unreachable, state_of};

use super::xml::{attribute, child, children, document, has_address, number, text, ttl};
use super::{Foreign, Habits, Nic, SourceOwner, check_addresses, ethernet, insert, refuse, with_silence};
use crate::error::ScanError;
use crate::evasion::{Evasion, Sources, SynShape};
use crate::plan::{Detect, Order, ScanPlan};

/// See the module.
pub(super) struct Masscan;

impl Foreign for Masscan {
    fn name(&self) -> &'static str {
        NAME
    }

    fn check(&self, plan: &ScanPlan) -> Result<(), ScanError> {
        let Evasion { decoys, sources, fragment, ttl, bad_checksum, data_length, syn, .. } = &plan.evasion;
        let known = [Technique::TcpSyn, Technique::Udp, Technique::IcmpEcho].contains(&plan.technique);
        let packets = fragment.is_some() || *bad_checksum || *data_length > 0;
        let demands = [
            ("any technique but tcp-syn, udp and icmp-echo", !known),
            ("jitter", plan.pace.jitter_percent > 0),
            ("bursts", plan.pace.burst.is_some()),
            ("an order but its own", plan.order != Order::Random),
            ("decoys", !decoys.is_empty()),
            ("a pool of sources", matches!(sources, Sources::Pool { .. })),
            ("fragments, bad checksums or extra data", packets),
            ("a hop limit", ttl.is_some() && plan.target.is_ipv6()),
            ("another scanner's SYN", ![SynShape::Own, SynShape::Masscan].contains(syn)),
            ("detection", plan.detect != Detect::default()),
        ];
        check_addresses(plan)?;
        refuse(NAME, &demands)
    }

    fn commands(&self, plan: &ScanPlan, nic: &Nic) -> Vec<CommandLine> {
        let mut args: Vec<String> = ALWAYS.map(str::to_owned).into();
        let mut option = |name: &str, value: String| args.extend([name.to_owned(), value]);
        option("--interface", nic.interface.clone());
        option("--adapter-ip", plan.source.to_string());
        option("--adapter-mac", ethernet(nic.address));
        option("--router-mac", ethernet(nic.next_hop));
        option("--seed", plan.seed.to_string());
        option("--rate", rate(plan.interval()));
        if let Some(port) = plan.evasion.source_port {
            option("--source-port", port.to_string());
        }
        if let Some(ttl) = plan.evasion.ttl {
            option("--ttl", ttl.to_string());
        }
        if let Some(ports) = ports(plan) {
            option("-p", ports);
        }
        option("--range", plan.target.to_string());
        if plan.technique == Technique::IcmpEcho {
            args.push("--ping".to_owned());
        }
        vec![CommandLine { program: NAME.to_owned(), args }]
    }

    fn parse(&self, outputs: &[Vec<u8>], plan: &ScanPlan) -> Result<ScanResult, ScanError> {
        let [report] = outputs else {
            return Err(ScanError::Report(format!("{} reports of one run", outputs.len())));
        };
        // Where nothing answers it writes nothing.
        if report.is_empty() {
            return Ok(with_silence(&BTreeMap::new(), plan));
        }
        let document = document(text(report)?)?;
        let run = document.root_element();
        if !run.descendants().any(|node| node.has_tag_name("finished")) {
            return Err(ScanError::Unfinished("the report has no end".to_owned()));
        }
        let mut heard = BTreeMap::new();
        for host in children(run, "host") {
            answers(host, plan, &mut heard)?;
        }
        Ok(with_silence(&heard, plan))
    }

    fn habits(&self) -> Habits {
        Habits { source: SourceOwner::Scanner, needs_frames: true }
    }
}

const NAME: &str = "masscan";

/// Closed ports are named, too; one second for late answers (with none, some were lost); the report on standard output.
const ALWAYS: [&str; 6] = ["--show", "closed", "--wait", "1", "-oX", "-"];

/// Packets a second where the plan leaves the pace to the scanner. Faster is no sooner: the limit is masscan's own.
const RATE_DEFAULT: u32 = 100_000;

fn rate(interval: Duration) -> String {
    if interval.is_zero() {
        return RATE_DEFAULT.to_string();
    }
    format!("{:.6}", Duration::from_secs(1).div_duration_f64(interval))
}

/// `22,80-90`, with masscan's mark of UDP before each; nothing where the host itself is asked.
fn ports(plan: &ScanPlan) -> Option<String> {
    let mark = if plan.technique == Technique::Udp { "U:" } else { "" };
    let parts: Vec<String> = plan.ports.to_string().split(',').map(|part| format!("{mark}{part}")).collect();
    (plan.technique.asks() == Asks::Ports).then(|| parts.join(","))
}

/// One host element is one answer.
fn answers(
    host: Node<'_, '_>,
    plan: &ScanPlan,
    heard: &mut BTreeMap<u16, CellRead>,
) -> Result<(), ScanError> {
    if !has_address(host, plan.target) {
        return Err(ScanError::Report("it speaks of another host".to_owned()));
    }
    children(child(host, "ports")?, "port").try_for_each(|port| once(heard, cell(port, plan)?, plan))
}

/// Its states are nmap's. Its reasons are TCP's flags or `none`, so that the state says what the reply must have been.
fn cell(port: Node<'_, '_>, plan: &ScanPlan) -> Result<CellRead, ScanError> {
    let node = child(port, "state")?;
    let protocol = attribute(port, "protocol")?;
    let expected = plan.technique.protocol().to_string();
    if protocol != expected {
        return Err(ScanError::Report(format!("it speaks of {protocol}, and {expected} was asked")));
    }
    let word = attribute(node, "state")?;
    let reply = match (word, plan.technique) {
        ("open", Technique::TcpSyn) => Reply::Tcp { flags: TcpFlags::SYN | TcpFlags::ACK, window: 0 },
        ("closed", Technique::TcpSyn) => Reply::Tcp { flags: TcpFlags::RST, window: 0 },
        ("open", Technique::Udp) => Reply::Udp,
        ("closed", Technique::Udp) => Reply::Unreachable(Unreachable::Port),
        ("open", Technique::IcmpEcho) => Reply::EchoReply,
        _ => return Err(ScanError::Report(format!("unknown port state `{word}` of {}", plan.technique))),
    };
    let (state, reason) = (state_of(plan.technique, Some(reply)), Reason::of(plan.technique, Some(reply)));
    let read = CellRead::new(number(port, "portid")?, state, reason);
    Ok(CellRead { ttl: ttl(node)?, probes: Some(1), ..read })
}

/// A port may be named again when its answer is repeated, or reset after it was open.
fn once(heard: &mut BTreeMap<u16, CellRead>, cell: CellRead, plan: &ScanPlan) -> Result<(), ScanError> {
    match heard.get(&cell.port) {
        Some(before) if before.state == PortState::Open || before.state == cell.state => Ok(()),
        _ => {
            heard.remove(&cell.port);
            insert(heard, cell, plan)
        }
    }
}

/// The reports in `testdata` were written by masscan 1.3.2 in labs without a defense.
#[cfg(test)]
mod tests {
    use scandrill_model::Millis;

    use super::*;
    use crate::foreign::tests::{nic, plan};
    use crate::pace::Pace;

    macro_rules! report {
        ($name:literal) => {
            include_bytes!(concat!("../../testdata/masscan-", $name, ".xml"))
        };
    }

    fn read(report: &[u8], plan: &ScanPlan) -> Result<Vec<String>, ScanError> {
        let result = Masscan.parse(&[report.to_vec()], plan)?;
        let line = |group: scandrill_model::StateGroup| {
            format!("{} {} {} ({})", group.state, group.reason.0, group.ports, group.ports.len())
        };
        Ok(result.groups.into_iter().map(line).collect())
    }

    #[test]
    fn the_command_names_both_ends_of_the_wire() {
        let pace = Pace { interval: Some(Millis(2_000).into()), ..Pace::default() };
        let evasion = Evasion { source_port: Some(53), ttl: Some(33), ..Evasion::default() };
        let plan = ScanPlan { pace, evasion, ..plan(Technique::TcpSyn, "22,80-90", false) };
        assert_eq!(Masscan.check(&plan), Ok(()));
        assert_eq!(
            Masscan.commands(&plan, &nic())[0].args.join(" "),
            "--show closed --wait 1 -oX - --interface eth0 --adapter-ip 198.18.0.2 --adapter-mac 02:00:00:00:00:02 \
             --router-mac 02:00:00:00:00:1f --seed 1 --rate 0.500000 --source-port 53 --ttl 33 -p 22,80-90 \
             --range 198.18.0.1"
        );
    }

    #[test]
    fn udp_and_a_ping_are_asked_in_its_own_way() {
        let args = |technique, ports, v6| {
            let commands = Masscan.commands(&plan(technique, ports, v6), &nic());
            commands[0].args.join(" ")
        };
        let udp = args(Technique::Udp, "7,20-30", false);
        assert!(udp.ends_with(" --rate 100000 -p U:7,U:20-30 --range 198.18.0.1"), "{udp}");
        let ping = args(Technique::IcmpEcho, "", true);
        assert!(ping.ends_with(" --rate 100000 --range fd00:198:18::1 --ping"), "{ping}");
    }

    #[test]
    fn each_technique_has_nmap_s_words() {
        for (report, technique, ports, v6, expected) in [
            (
                &report!("syn")[..],
                Technique::TcpSyn,
                "22,80,100-103",
                false,
                &["open syn-ack 22,80 (2)", "closed reset 100-103 (4)"][..],
            ),
            (
                report!("syn-v6"),
                Technique::TcpSyn,
                "22,80,100-103",
                true,
                &["open syn-ack 22,80 (2)", "closed reset 100-103 (4)"],
            ),
            (
                report!("udp"),
                Technique::Udp,
                "9,53",
                false,
                &["open udp-response 53 (1)", "closed port-unreach 9 (1)"],
            ),
            (report!("echo"), Technique::IcmpEcho, "", false, &["open echo-reply 0 (1)"]),
            // Where nothing answers it writes nothing at all.
            (report!("silent"), Technique::TcpSyn, "1-9", false, &["filtered not-reported 1-9 (9)"]),
        ] {
            assert_eq!(read(report, &plan(technique, ports, v6)).unwrap(), expected);
        }
    }

    #[test]
    fn what_it_loses_is_said_to_be_missing() {
        let lines = read(report!("lossy"), &plan(Technique::TcpSyn, "1-100", false)).unwrap();
        let counts: Vec<&str> = lines.iter().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(counts, ["(2)", "(32)", "(66)"]);
        assert_eq!(lines[0], "open syn-ack 22,80 (2)");
        assert!(lines[1].starts_with("closed reset 1,4,13,"), "{}", lines[1]);
        assert!(lines[2].starts_with("filtered not-reported 2-3,"), "{}", lines[2]);
    }

    #[test]
    fn a_report_that_is_cut_or_of_something_else_is_an_error() {
        let report = report!("udp");
        for wrong in [
            plan(Technique::TcpSyn, "9,53", false),
            plan(Technique::Udp, "9", false),
            plan(Technique::Udp, "9,53", true),
        ] {
            assert!(matches!(read(report, &wrong), Err(ScanError::Report(_))), "{wrong:?}");
        }
        let asked = plan(Technique::Udp, "9,53", false);
        assert!(read(&report[..report.len() - 20], &asked).is_err());
        let unfinished = String::from_utf8_lossy(report).replace("<finished", "<begun");
        assert!(matches!(read(unfinished.as_bytes(), &asked), Err(ScanError::Unfinished(_))));
    }
}
