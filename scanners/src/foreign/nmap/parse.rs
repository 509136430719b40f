//! Reads nmap's XML report (nmap.dtd). Each port must be in it once, in full or in a summary that lists its ports, and
//! none that was not asked.

use std::collections::BTreeMap;

use roxmltree::Node;
use scandrill_model::{
    Asks, CellRead, Detected, PortSet, PortState, Protocol, Reason, ScanResult, ServiceGuess, SystemGuess,
};

use crate::error::ScanError;
use crate::foreign::insert;
use crate::foreign::xml::{attribute, child, children, document, has_address, number, text, ttl};
use crate::plan::ScanPlan;

type Cells = BTreeMap<u16, CellRead>;

/// What nmap read, as its report `xml` says.
///
/// # Errors
/// A report that is no XML, is not of a finished run, says nothing about a port of the plan, or something about another.
pub fn parse(xml: &[u8], plan: &ScanPlan) -> Result<ScanResult, ScanError> {
    let document = document(text(xml)?)?;
    check_finished(document.root_element())?;
    let host = host(document.root_element(), plan)?;
    let cells = match plan.technique.asks() {
        Asks::Host => Cells::from([(0, ping(host)?)]),
        Asks::Ports | Asks::Protocols => ports(host, plan)?,
    };
    let missing: PortSet = plan.cells().iter().filter(|port| !cells.contains_key(port)).collect();
    if !missing.is_empty() {
        return Err(ScanError::Uncovered(missing));
    }
    Ok(ScanResult { detected: detected(host, plan)?, ..ScanResult::from_cells(cells.into_values()) })
}

fn check_finished(run: Node<'_, '_>) -> Result<(), ScanError> {
    let finished = run.descendants().find(|node| node.has_tag_name("finished"));
    match finished.map(|node| (node.attribute("exit"), node.attribute("errormsg"))) {
        Some((Some("success"), _)) => Ok(()),
        Some((_, message)) => Err(ScanError::Unfinished(message.unwrap_or("it does not say why").to_owned())),
        None => Err(ScanError::Unfinished("the report has no end".to_owned())),
    }
}

fn host<'a, 'i>(run: Node<'a, 'i>, plan: &ScanPlan) -> Result<Node<'a, 'i>, ScanError> {
    let found = children(run, "host").find(|host| has_address(*host, plan.target));
    found.ok_or_else(|| ScanError::Report(format!("it says nothing about host {}", plan.target)))
}

/// Up is an answer to the ping, down is none, in nmap's words.
fn ping(host: Node<'_, '_>) -> Result<CellRead, ScanError> {
    let status = child(host, "status")?;
    let state = match attribute(status, "state")? {
        "up" => PortState::Open,
        "down" => PortState::Filtered,
        other => return Err(ScanError::Report(format!("unknown host state `{other}`"))),
    };
    Ok(CellRead { ttl: ttl(status)?, ..CellRead::new(0, state, reason(status)?) })
}

fn ports(host: Node<'_, '_>, plan: &ScanPlan) -> Result<Cells, ScanError> {
    let list = child(host, "ports")?;
    let mut cells = Cells::new();
    for summary in children(list, "extraports") {
        let state = state(summary)?;
        for reasons in children(summary, "extrareasons").filter(|node| is_about(*node, "proto", plan)) {
            summarised(reasons, state, plan, &mut cells)?;
        }
    }
    for port in children(list, "port").filter(|node| is_about(*node, "protocol", plan)) {
        let node = child(port, "state")?;
        let cell = CellRead::new(number(port, "portid")?, state(node)?, reason(node)?);
        insert(&mut cells, CellRead { ttl: ttl(node)?, ..cell }, plan)?;
    }
    Ok(cells)
}

/// Ports that share state and reason; nmap does not say each reply's time to live then.
fn summarised(
    reasons: Node<'_, '_>,
    state: PortState,
    plan: &ScanPlan,
    cells: &mut Cells,
) -> Result<(), ScanError> {
    let ports: PortSet = match attribute(reasons, "ports")?.to_owned().try_into() {
        Ok(ports) => ports,
        Err(error) => return Err(ScanError::Report(format!("{error}"))),
    };
    let reason = reason(reasons)?;
    ports.iter().try_for_each(|port| insert(cells, CellRead::new(port, state, reason.clone()), plan))
}

/// Whether a node is of the plan's protocol. In summaries nmap has no name for IP itself.
fn is_about(node: Node<'_, '_>, name: &str, plan: &ScanPlan) -> bool {
    let protocol = plan.technique.protocol();
    match node.attribute(name) {
        Some("n/a") => protocol == Protocol::Ip,
        Some(name) => name == protocol.to_string(),
        None => false,
    }
}

fn reason(node: Node<'_, '_>) -> Result<Reason, ScanError> {
    Ok(Reason(attribute(node, "reason")?.to_owned()))
}

fn state(node: Node<'_, '_>) -> Result<PortState, ScanError> {
    let word = attribute(node, "state")?;
    word.parse().map_err(|_| ScanError::Report(format!("unknown port state `{word}`")))
}

/// What nmap guessed where it was asked to. Of a service that it did not probe it knows only what the port is
/// usually for.
fn detected(host: Node<'_, '_>, plan: &ScanPlan) -> Result<Detected, ScanError> {
    let mut detected = Detected::default();
    if plan.detect.system {
        for guess in children(host, "os").flat_map(|os| children(os, "osmatch")) {
            let name = attribute(guess, "name")?.to_owned();
            detected.systems.push(SystemGuess { name, accuracy: number(guess, "accuracy")? });
        }
    }
    if plan.detect.services {
        for port in children(host, "ports").flat_map(|ports| children(ports, "port")) {
            let probed = |node: &Node<'_, '_>| node.attribute("method") == Some("probed");
            if let Some(service) = children(port, "service").find(probed) {
                let (port, name) = (number(port, "portid")?, service_words(service));
                detected.services.push(ServiceGuess { port, name });
            }
        }
    }
    Ok(detected)
}

/// `http SimpleHTTPServer 0.6`.
fn service_words(service: Node<'_, '_>) -> String {
    let words = ["name", "product", "version"].into_iter().filter_map(|name| service.attribute(name));
    words.collect::<Vec<_>>().join(" ")
}

/// The reports in `testdata` were written by nmap 7.93 in a lab: services tcp/22, tcp/80 and udp/7; "mixed" drops
/// tcp/100-120 and udp/20-40, rejects tcp/121-140 as prohibited, 141-145 as port unreachable, 146-150 by reset.
#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scandrill_model::{Reply, TcpFlags, Technique, Unreachable, state_of};

    use super::*;
    use crate::foreign::tests::plan;
    use crate::plan::Detect;

    macro_rules! report {
        ($name:literal) => {
            include_bytes!(concat!("../../../testdata/", $name, ".xml"))
        };
    }

    /// Each state and reason as one line, with its ports.
    fn read(xml: &[u8], plan: &ScanPlan) -> Vec<String> {
        let result = parse(xml, plan).unwrap();
        assert_eq!((result.probes_sent, result.late_replies), (None, 0));
        let mut lines: BTreeMap<_, PortSet> = BTreeMap::new();
        for group in result.groups {
            let ports = lines.entry((group.state, group.reason.0)).or_default();
            *ports = ports.union(&group.ports);
        }
        lines.into_iter().map(|((state, reason), ports)| format!("{state} {reason} {ports}")).collect()
    }

    #[test]
    fn summaries_and_single_ports_make_one_result() {
        assert_eq!(
            read(report!("syn-v4-mixed"), &plan(Technique::TcpSyn, "1-200", false)),
            [
                "open syn-ack 22,80",
                "closed reset 1-21,23-79,81-99,146-200",
                "filtered host-prohibited 121-140",
                "filtered no-response 100-120",
                "filtered port-unreach 141-145",
            ]
        );
        assert_eq!(
            read(report!("syn-v6-mixed"), &plan(Technique::TcpSyn, "1-200", true)),
            [
                "open syn-ack 22,80",
                "closed reset 1-21,23-79,81-99,146-200",
                "filtered admin-prohibited 121-140",
                "filtered no-response 100-120",
                "filtered port-unreach 141-145",
            ]
        );
        let dropped = read(report!("syn-v4-dropped"), &plan(Technique::TcpSyn, "1-1000", false));
        assert_eq!(dropped, ["filtered no-response 1-1000"]);
    }

    #[test]
    fn a_connect_scan_takes_a_port_unreachable_for_a_refusal() {
        assert_eq!(
            read(report!("connect-v4-mixed"), &plan(Technique::TcpConnect, "1-200", false)),
            [
                "open syn-ack 22,80",
                "closed conn-refused 1-21,23-79,81-99,141-200",
                "filtered host-unreach 121-140",
                "filtered no-response 100-120",
            ]
        );
    }

    #[test]
    fn techniques_without_a_handshake_have_their_own_states() {
        assert_eq!(
            read(report!("xmas-v4-undefended"), &plan(Technique::TcpXmas, "7,20-30,78-82", false)),
            ["closed reset 7,20-21,23-30,78-79,81-82", "open|filtered no-response 22,80"]
        );
        assert_eq!(
            read(report!("null-v4-mixed"), &plan(Technique::TcpNull, "95-150", false)),
            [
                "closed reset 95-99,146-150",
                "filtered host-prohibited 121-140",
                "filtered port-unreach 141-145",
                "open|filtered no-response 100-120",
            ]
        );
        assert_eq!(
            read(report!("fin-v6-undefended"), &plan(Technique::TcpFin, "20-80", true)),
            ["closed reset 20-21,23-79", "open|filtered no-response 22,80"]
        );
        assert_eq!(
            read(report!("ack-v4-undefended"), &plan(Technique::TcpAck, "1-100", false)),
            ["unfiltered reset 1-100"]
        );
        assert_eq!(
            read(report!("window-v6-undefended"), &plan(Technique::TcpWindow, "1-100", true)),
            ["closed reset 1-100"]
        );
        assert_eq!(
            read(report!("maimon-v4-undefended"), &plan(Technique::TcpMaimon, "20-80", false)),
            ["closed reset 20-80"]
        );
    }

    #[test]
    fn datagrams_are_read_by_their_own_protocol() {
        assert_eq!(
            read(report!("udp-v4-undefended"), &plan(Technique::Udp, "7,20-60", false)),
            ["open udp-response 7", "closed port-unreach 20-60"]
        );
        assert_eq!(
            read(report!("udp-v4-mixed"), &plan(Technique::Udp, "7,20-60", false)),
            ["open udp-response 7", "closed port-unreach 41-60", "open|filtered no-response 20-40"]
        );
        assert_eq!(
            read(report!("udp-v6-undefended"), &plan(Technique::Udp, "7-12", true)),
            ["open udp-response 7", "closed port-unreach 8-12"]
        );
    }

    #[test]
    fn a_ping_reads_the_host_as_port_0() {
        for (report, v6, expected) in [
            (&report!("ping-v4-up")[..], false, "open echo-reply 0"),
            (report!("ping-v6-up"), true, "open echo-reply 0"),
            (report!("ping-v4-silent"), false, "filtered no-response 0"),
        ] {
            assert_eq!(read(report, &plan(Technique::IcmpEcho, "", v6)), [expected]);
        }
        for (report, technique, v6, expected) in [
            (&report!("timestamp-v4-up")[..], Technique::IcmpTimestamp, false, "open timestamp-reply 0"),
            (report!("netmask-v4-silent"), Technique::IcmpNetmask, false, "filtered no-response 0"),
            (report!("arp-v4-up"), Technique::Arp, false, "open arp-response 0"),
            (report!("arp-v6-up"), Technique::Arp, true, "open nd-response 0"),
        ] {
            assert_eq!(read(report, &plan(technique, "", v6)), [expected]);
        }
        let nobody = ScanPlan { target: "198.18.0.9".parse().unwrap(), ..plan(Technique::Arp, "", false) };
        assert_eq!(read(report!("arp-v4-silent"), &nobody), ["filtered no-response 0"]);
    }

    #[test]
    fn protocols_are_read_as_ports_are() {
        assert_eq!(
            read(report!("proto-v4-undefended"), &plan(Technique::IpProtocol, "0-255", false)),
            [
                "open port-unreach 17",
                "open proto-response 6",
                // Whichever ICMP message came first: with others, nmap's reason for protocol 1 is a matter of chance.
                "open proto-unreach 1",
                "closed proto-unreach 0,3-5,7-16,18-102,104-135,137-255",
                "open|filtered no-response 2,103,136",
            ]
        );
        assert_eq!(
            read(report!("proto-v6-undefended"), &plan(Technique::IpProtocol, "0-255", true)),
            [
                "open param-problem 44",
                "open port-unreach 17",
                "open proto-response 6,58",
                "closed param-problem 1-5,7-16,18-42,45-57,61-102,104-135,137-255",
                "open|filtered no-response 0,43,59-60,103,136",
            ]
        );
    }

    #[test]
    fn the_rarer_techniques_have_their_words() {
        for (report, technique, ports, v6, expected) in [
            (
                &report!("sctp-v4-answering")[..],
                Technique::SctpInit,
                "22-24",
                false,
                &["open init-ack 22", "closed abort 23", "filtered no-response 24"][..],
            ),
            // This kernel has no SCTP.
            (
                report!("sctp-v4-undefended"),
                Technique::SctpInit,
                "20-25",
                false,
                &["filtered proto-unreach 20-25"],
            ),
            (
                report!("sctp-v6-undefended"),
                Technique::SctpInit,
                "20-25",
                true,
                &["filtered param-problem 20-25"],
            ),
            (
                report!("flags-v4-undefended"),
                Technique::TcpFlags(TcpFlags::FIN),
                "20-30",
                false,
                &["closed reset 20-21,23-30", "filtered no-response 22"],
            ),
            (
                report!("idle-v4"),
                Technique::Idle,
                "20-31,80,443",
                false,
                &["open ipid-change 22,80,443", "closed|filtered no-ipid-change 20-21,23-31"],
            ),
        ] {
            assert_eq!(read(report, &plan(technique, ports, v6)), expected, "{technique}");
        }
    }

    #[test]
    fn a_reply_s_time_to_live_is_kept_where_nmap_says_it() {
        let result = parse(report!("sctp-v4-answering"), &plan(Technique::SctpInit, "22-24", false)).unwrap();
        let ttls: Vec<Option<u8>> = result.groups.iter().map(|group| group.ttl).collect();
        assert_eq!(ttls, [Some(64), Some(64), None]);
        let ping = parse(report!("timestamp-v4-up"), &plan(Technique::IcmpTimestamp, "", false)).unwrap();
        assert_eq!(ping.groups[0].ttl, Some(64));
    }

    #[test]
    fn guesses_are_read_only_where_they_were_asked_for() {
        let asked = plan(Technique::TcpSyn, "1-100", false);
        assert!(parse(report!("detect-v4"), &asked).unwrap().detected.is_empty());
        let asked = ScanPlan { detect: Detect { system: true, services: true }, ..asked };
        let detected = parse(report!("detect-v4"), &asked).unwrap().detected;
        let best = SystemGuess { name: "Linux 5.3 - 5.4".to_owned(), accuracy: 96 };
        assert_eq!(detected.systems.first(), Some(&best));
        let services = [(22, "tcpwrapped"), (80, "http SimpleHTTPServer 0.6")];
        assert_eq!(
            detected.services,
            services.map(|(port, name)| ServiceGuess { port, name: name.to_owned() })
        );
        let by_table =
            String::from_utf8_lossy(report!("detect-v4")).replace("method=\"probed\"", "method=\"table\"");
        assert!(parse(by_table.as_bytes(), &asked).unwrap().detected.services.is_empty());
    }

    /// The ICMP error that the target of the "icmp" reports answers port (or protocol) 100 with, and 101, and so on;
    /// `None` is silence, or a message that nmap takes no notice of.
    fn error(port: u16, v6: bool) -> Option<Unreachable> {
        let [port, ..] = port.to_le_bytes();
        match (v6, port) {
            (false, 100..=116) => Unreachable::from_icmp(3, port - 100),
            (false, 120..=121) => Unreachable::from_icmp(11, port - 120),
            (false, 122) => Unreachable::from_icmp(12, 0),
            (false, 123) => Unreachable::from_icmp(4, 0),
            (true, 100..=107) => Unreachable::from_icmpv6(1, port - 100),
            (true, 120..=121) => Unreachable::from_icmpv6(3, port - 120),
            (true, 122..=125) => Unreachable::from_icmpv6(4, port - 122),
            _ => None,
        }
    }

    /// State and reason of each cell must be those of the model.
    fn compare(xml: &[u8], technique: Technique, v6: bool, error: impl Fn(u16) -> Option<Unreachable>) {
        let ports = match (technique.asks(), v6) {
            (Asks::Host, _) => "",
            (_, false) => "100-123",
            (_, true) => "100-107,120-125",
        };
        for group in parse(xml, &plan(technique, ports, v6)).unwrap().groups {
            for port in group.ports.iter() {
                let reply = error(port).map(Reply::Unreachable);
                // A connecting socket's kernel hears of more messages than nmap's raw scans, but of no fragments.
                if technique == Technique::TcpConnect && (reply.is_none() || (port, v6) == (121, false)) {
                    continue;
                }
                let ours = (state_of(technique, reply), Reason::of(technique, reply));
                assert_eq!((group.state, group.reason.clone()), ours, "{technique} {port} {reply:?}");
            }
        }
    }

    #[test]
    fn every_icmp_error_reads_as_the_model_says() {
        for (technique, v4, v6) in [
            (Technique::TcpSyn, &report!("icmp-syn-v4")[..], &report!("icmp-syn-v6")[..]),
            (Technique::TcpConnect, report!("icmp-connect-v4"), report!("icmp-connect-v6")),
            (Technique::TcpNull, report!("icmp-null-v4"), report!("icmp-null-v6")),
            (Technique::TcpAck, report!("icmp-ack-v4"), report!("icmp-ack-v6")),
            (Technique::Udp, report!("icmp-udp-v4"), report!("icmp-udp-v6")),
            (Technique::SctpInit, report!("icmp-sctp-v4"), report!("icmp-sctp-v6")),
            (Technique::IpProtocol, report!("icmp-proto-v4"), report!("icmp-proto-v6")),
        ] {
            compare(v4, technique, false, |port| error(port, false));
            compare(v6, technique, true, |port| error(port, true));
        }
    }

    #[test]
    fn a_refused_ping_reads_as_the_model_says() {
        for (xml, kind, code) in [
            (&report!("icmp-echo-v4-3-1")[..], 3, 1),
            (report!("icmp-echo-v4-3-2"), 3, 2),
            (report!("icmp-echo-v4-3-3"), 3, 3),
            (report!("icmp-echo-v4-3-13"), 3, 13),
            (report!("icmp-echo-v4-11-0"), 11, 0),
        ] {
            compare(xml, Technique::IcmpEcho, false, |_| Unreachable::from_icmp(kind, code));
        }
        for (xml, kind, code) in [
            (&report!("icmp-echo-v6-1-1")[..], 1, 1),
            (report!("icmp-echo-v6-1-4"), 1, 4),
            (report!("icmp-echo-v6-3-0"), 3, 0),
            (report!("icmp-echo-v6-4-0"), 4, 0),
        ] {
            compare(xml, Technique::IcmpEcho, true, |_| Unreachable::from_icmpv6(kind, code));
        }
    }

    #[test]
    fn a_report_that_leaves_something_out_is_an_error() {
        let uncovered = parse(report!("syn-v4-mixed"), &plan(Technique::TcpSyn, "1-210", false));
        assert_eq!(uncovered, Err(ScanError::Uncovered("201-210".parse().unwrap())));
        let other_protocol = parse(report!("syn-v4-mixed"), &plan(Technique::Udp, "22", false));
        assert_eq!(other_protocol, Err(ScanError::Uncovered("22".parse().unwrap())));
        let other_host = parse(report!("syn-v4-mixed"), &plan(Technique::TcpSyn, "22", true));
        let told = other_host.unwrap_err().to_string();
        assert_eq!(told, "reading the report: it says nothing about host fd00:198:18::1");
        let broken_off = parse(report!("failed"), &plan(Technique::TcpSyn, "22", false));
        assert!(matches!(broken_off, Err(ScanError::Xml(_))), "{broken_off:?}");
        let cut =
            String::from_utf8_lossy(report!("syn-v4-mixed")).replace("exit=\"success\"", "exit=\"error\"");
        let unfinished = parse(cut.as_bytes(), &plan(Technique::TcpSyn, "22", false));
        assert!(matches!(unfinished, Err(ScanError::Unfinished(_))), "{unfinished:?}");
    }

    #[test]
    fn a_report_that_says_too_much_is_an_error() {
        let narrow = parse(report!("syn-v4-mixed"), &plan(Technique::TcpSyn, "2-200", false));
        let told = narrow.unwrap_err().to_string();
        assert_eq!(told, "reading the report: it speaks of port 1, which was not asked");
        let twice =
            String::from_utf8_lossy(report!("syn-v4-mixed")).replace("portid=\"80\"", "portid=\"22\"");
        let twice = parse(twice.as_bytes(), &plan(Technique::TcpSyn, "1-200", false));
        assert_eq!(twice.unwrap_err().to_string(), "reading the report: it speaks of port 22 twice");
    }

    proptest! {
        /// nmap was killed, or the disk was full.
        #[test]
        fn a_cut_report_is_an_error(kept: prop::sample::Index) {
            let report = report!("proto-v4-undefended");
            let kept = kept.index(report.len() * 99 / 100);
            prop_assert!(parse(&report[..kept], &plan(Technique::IpProtocol, "0-255", false)).is_err());
        }

        /// Whatever is changed in it, the reader returns, and each port of a result is one of the plan's.
        #[test]
        fn a_spoilt_report_is_survived(at: prop::sample::Index, byte: u8) {
            let mut report = report!("icmp-proto-v4").to_vec();
            let at = at.index(report.len());
            report[at] = byte;
            let plan = plan(Technique::IpProtocol, "100-123", false);
            if let Ok(result) = parse(&report, &plan) {
                prop_assert_eq!(result.states().len(), plan.ports.len());
            }
        }
    }
}
