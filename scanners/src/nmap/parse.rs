//! Reads nmap's XML report (nmap.dtd). Each port must be in it, in full or in a summary that lists its ports.

use std::collections::BTreeMap;

use roxmltree::{Document, Node, ParsingOptions};
use scandrill_model::{PortSet, PortState, Protocol, Reason, ScanResult};

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
    let cells = match plan.technique.protocol() {
        Protocol::Icmp => BTreeMap::from([(0, ping(host)?)]),
        Protocol::Tcp | Protocol::Udp => ports(host, plan)?,
    };
    let missing: PortSet = plan.cells().iter().filter(|port| !cells.contains_key(port)).collect();
    if !missing.is_empty() {
        return Err(ScanError::Uncovered(missing));
    }
    let asked = cells.into_iter().filter(|(port, _)| plan.cells().contains(*port));
    Ok(ScanResult::from_cells(asked.map(|(port, (state, reason))| (port, state, reason))))
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
