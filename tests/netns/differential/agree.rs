//! Both scanners in one lab, one after the other, with the same question.

use libtest_mimic::{Failed, Trial};
use scandrill_model::{CellRead, PortState, Technique};

use crate::cells::{Cell, Manner};
use crate::drill;

/// Every port must read alike, but for what is named in [`EXCEPTIONS`].
pub fn trial(cell: Cell) -> Trial {
    Trial::test(cell.name(), move || compare(&cell))
}

fn compare(cell: &Cell) -> Result<(), Failed> {
    let text = scenario(cell.technique, cell.behaviour.layer, cell.ports, "");
    let case = drill::run(&drill::planned(&cell.name(), cell.family, &text)?)?;
    let builtin = drill::reads(drill::result(&case, "builtin")?);
    let nmap = drill::reads(drill::result(&case, "nmap")?);
    let excused = |pair: (&CellRead, &CellRead)| EXCEPTIONS.iter().any(|(_, holds)| holds(cell, pair));
    let differing = builtin.values().zip(nmap.values()).filter(|pair| differ(*pair) && !excused(*pair));
    let lines: Vec<String> =
        differing.map(|(builtin, nmap)| format!("builtin {builtin:?}\nnmap    {nmap:?}")).collect();
    // Who answers in the target's name answers for its closed ports, too.
    let is_proxied = cell.behaviour.name.starts_with("synproxy")
        && matches!(cell.technique, Technique::TcpSyn | Technique::TcpConnect);
    if let Some(read) = builtin.values().find(|read| is_proxied && read.state != PortState::Open) {
        return Err(format!("not open behind SYNPROXY: {read:?}").into());
    }
    let complete = builtin.len() == cell.size() && builtin.keys().eq(nmap.keys());
    match (complete, lines.is_empty()) {
        (true, true) => Ok(()),
        (true, false) => Err(lines.join("\n").into()),
        (false, _) => Err(format!("{} ports and {} of {}", builtin.len(), nmap.len(), cell.size()).into()),
    }
}

/// nmap does not say each reply's time to live.
pub fn differ((builtin, nmap): (&CellRead, &CellRead)) -> bool {
    let ttl = nmap.ttl.is_some() && builtin.ttl != nmap.ttl;
    builtin.port != nmap.port || builtin.state != nmap.state || builtin.reason != nmap.reason || ttl
}

/// A target with services of every kind, and both scanners.
pub fn scenario(technique: Technique, layer: &str, ports: &str, evasion: &str) -> String {
    let services = r#"["tcp/22", "tcp/80 http", "udp/7 echo", "udp/9 silent", "udp/53 dns"]"#;
    let target = format!("[target]\nservices = {services}\ndefense = [{layer}]\ncanary = \"none\"\n");
    let red = |scanner: &str| drill::red(scanner, scanner, technique, ports, evasion);
    format!("{target}{}{}", red("builtin"), red("nmap"))
}

/// When two reads may differ.
type Excuse = fn(&Cell, (&CellRead, &CellRead)) -> bool;

/// Where nmap does not agree with itself from one run to the next, and why.
const EXCEPTIONS: [(&str, Excuse); 1] = [(
    "whether nmap -sT hears of an ICMP error from its own kernel before it gives up is a race (see \
         `kept_by_the_kernel` in the engine's oracle)",
    |cell, (_, nmap)| {
        cell.technique == Technique::TcpConnect
            && cell.behaviour.manner == Manner::Refuses
            && (nmap.state, nmap.reason.0.as_str()) == (PortState::Filtered, "no-response")
    },
)];
