//! Reads nmap's XML report (nmap.dtd). Each port must be in it, in full or in a summary that lists its ports.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};
use scandrill_model::{Asks, CellRead, PortSet, PortState, Reason, ScanResult};

use crate::error::ScanError;
use crate::plan::ScanPlan;

type Cells = BTreeMap<u16, (PortState, Reason)>;

/// What nmap read, as its report `xml` says.
///
/// # Errors
/// A report that is no XML, is not of a finished run, or says nothing about a port of the plan.
pub fn parse(xml: &[u8], plan: &ScanPlan) -> Result<ScanResult, ScanError> {
    let text = std::str::from_utf8(xml).map_err(|error| ScanError::Xml(error.to_string()))?;
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|error| ScanError::Xml(error.to_string()))?;
    check_finished(document.root_element())?;
    let host = host(document.root_element(), plan)?;
    let cells = match plan.technique.asks() {
        Asks::Host => BTreeMap::from([(0, ping(host)?)]),
        Asks::Ports | Asks::Protocols => ports(host, plan)?,
    };
    let missing: PortSet = plan.cells().iter().filter(|port| !cells.contains_key(port)).collect();
    if !missing.is_empty() {
        return Err(ScanError::Uncovered(missing));
    }
    let asked = cells.into_iter().filter(|(port, _)| plan.cells().contains(*port));
    Ok(ScanResult::from_cells(asked.map(|(port, (state, reason))| CellRead::new(port, state, reason))))
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
    let target = plan.target.to_string();
    let is_target = |node: &Node<'_, '_>| {
        children(*node, "address").any(|address| address.attribute("addr") == Some(target.as_str()))
    };
    let found = children(run, "host").find(is_target);
    found.ok_or_else(|| ScanError::Report(format!("it says nothing about host {target}")))
}

/// Up is an answer to the ping, down is none, in nmap's words.
fn ping(host: Node<'_, '_>) -> Result<(PortState, Reason), ScanError> {
    let status = child(host, "status")?;
    let reason = Reason(attribute(status, "reason")?.to_owned());
    match attribute(status, "state")? {
        "up" => Ok((PortState::Open, reason)),
        "down" => Ok((PortState::Filtered, reason)),
        other => Err(ScanError::Report(format!("unknown host state `{other}`"))),
    }
}

fn ports(host: Node<'_, '_>, plan: &ScanPlan) -> Result<Cells, ScanError> {
    let protocol = plan.technique.protocol().to_string();
    let list = child(host, "ports")?;
    let mut cells = Cells::new();
    for summary in children(list, "extraports") {
        let state = state(attribute(summary, "state")?)?;
        for reasons in
            children(summary, "extrareasons").filter(|node| node.attribute("proto") == Some(&protocol))
        {
            let reason = Reason(attribute(reasons, "reason")?.to_owned());
            let ports = attribute(reasons, "ports")?.parse::<PortSet>();
            let ports = ports.map_err(|error| ScanError::Report(error.to_string()))?;
            cells.extend(ports.iter().map(|port| (port, (state, reason.clone()))));
        }
    }
    for port in children(list, "port").filter(|node| node.attribute("protocol") == Some(&protocol)) {
        let number = attribute(port, "portid")?;
        let number = number.parse().map_err(|_| ScanError::Report(format!("`{number}` is not a port")))?;
        let node = child(port, "state")?;
        let reason = Reason(attribute(node, "reason")?.to_owned());
        cells.insert(number, (state(attribute(node, "state")?)?, reason));
    }
    Ok(cells)
}

fn state(word: &str) -> Result<PortState, ScanError> {
    word.parse().map_err(|_| ScanError::Report(format!("unknown port state `{word}`")))
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name(name))
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> Result<Node<'a, 'i>, ScanError> {
    let missing = || ScanError::Report(format!("<{}> has no <{name}>", node.tag_name().name()));
    children(node, name).next().ok_or_else(missing)
}

fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Result<&'a str, ScanError> {
    let missing = || ScanError::Report(format!("<{}> has no `{name}`", node.tag_name().name()));
    node.attribute(name).ok_or_else(missing)
}

/// The reports in `testdata` were written by nmap 7.93 in a lab: services tcp/22, tcp/80 and udp/7; "mixed" drops
/// tcp/100-120 and udp/20-40, rejects tcp/121-140 as prohibited, 141-145 as port unreachable, 146-150 by reset.
#[cfg(test)]
mod tests {
    use scandrill_model::Technique;

    use super::*;

    macro_rules! report {
        ($name:literal) => {
            include_bytes!(concat!("../../testdata/", $name, ".xml"))
        };
    }

    fn plan(technique: Technique, ports: &str, v6: bool) -> ScanPlan {
        let address = |v4: &str, v6_text: &str| if v6 { v6_text.parse() } else { v4.parse() }.unwrap();
        let (source, target) =
            (address("198.18.0.2", "fd00:198:18::2"), address("198.18.0.1", "fd00:198:18::1"));
        ScanPlan::new(technique, source, target, ports.parse().unwrap_or_default(), 1)
    }

    /// Each group as one line: state, reason, ports.
    fn read(xml: &[u8], plan: &ScanPlan) -> Vec<String> {
        let result = parse(xml, plan).unwrap();
        assert_eq!((result.probes_sent, result.late_replies), (None, 0));
        result
            .groups
            .iter()
            .map(|group| format!("{} {} {}", group.state, group.reason.0, group.ports))
            .collect()
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
    }

    #[test]
    fn a_report_that_leaves_something_out_is_an_error() {
        let uncovered = parse(report!("syn-v4-mixed"), &plan(Technique::TcpSyn, "190-210", false));
        assert_eq!(uncovered, Err(ScanError::Uncovered("201-210".parse().unwrap())));
        let other_protocol = parse(report!("syn-v4-mixed"), &plan(Technique::Udp, "22", false));
        assert_eq!(other_protocol, Err(ScanError::Uncovered("22".parse().unwrap())));
        let other_host = parse(report!("syn-v4-mixed"), &plan(Technique::TcpSyn, "22", true));
        let told = other_host.unwrap_err().to_string();
        assert_eq!(told, "reading nmap's report: it says nothing about host fd00:198:18::1");
        let broken_off = parse(report!("failed"), &plan(Technique::TcpSyn, "22", false));
        assert!(matches!(broken_off, Err(ScanError::Xml(_))), "{broken_off:?}");
        let cut =
            String::from_utf8_lossy(report!("syn-v4-mixed")).replace("exit=\"success\"", "exit=\"error\"");
        let unfinished = parse(cut.as_bytes(), &plan(Technique::TcpSyn, "22", false));
        assert!(matches!(unfinished, Err(ScanError::Unfinished(_))), "{unfinished:?}");
    }
}
