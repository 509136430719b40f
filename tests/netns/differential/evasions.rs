//! nmap's own evasions beside ours: sent alike, they must be read alike.

use libtest_mimic::{Failed, Trial};
use scandrill_model::{Family, Technique};

use crate::agree::{differ, scenario};
use crate::drill::{self, may_read_anything};

use Technique::{TcpAck, TcpFin, TcpSyn, Udp};

/// A technique, its evasion as a scenario writes it, and over which IP versions nmap has it.
const EVASIONS: [(&str, Technique, &str, &[Family]); 12] = [
    ("fragments-8", TcpSyn, "fragment = 8", &[Family::V4]),
    ("fragments-24", TcpFin, "fragment = 24", &[Family::V4]),
    ("decoys", TcpSyn, "decoys = 3", BOTH),
    ("decoys", Udp, "decoys = 2", BOTH),
    ("source-port", TcpSyn, "source_port = 53", BOTH),
    ("source-port", Udp, "source_port = 53", BOTH),
    ("ttl", TcpAck, "ttl = 3", BOTH),
    ("ttl", Udp, "ttl = 1", &[Family::V4]),
    ("bad-checksum", TcpSyn, BAD, BOTH),
    ("data", TcpSyn, "data_length = 25", BOTH),
    ("data", Udp, "data_length = 9", BOTH),
    ("data", TcpFin, "data_length = 100", &[Family::V4]),
];

const BAD: &str = "bad_checksum = true";

const BOTH: &[Family] = &[Family::V4, Family::V6];

/// What they are tried on: nothing, and rules that know connections.
const TARGETS: [(&str, &str); 2] = [
    ("undefended", r#"{ layer = "none" }"#),
    ("stateful", r#"{ layer = "reject", with = "icmp-host-prohibited" }"#),
];

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (evasion, technique, keys, families) in EVASIONS {
        for (target, layer) in TARGETS {
            trials.extend(families.iter().map(|&family| {
                let name = format!("evasion/{evasion}/{technique}/{target}/{family}");
                Trial::test(name.clone(), move || agree(&name, technique, layer, family, keys))
            }));
        }
    }
    trials
}

fn agree(name: &str, technique: Technique, layer: &str, family: Family, keys: &str) -> Result<(), Failed> {
    let text = scenario(technique, layer, "7,20-30,53,78-82", &format!("{keys}\n"));
    // Nobody answers these, and nothing else may be expected of them.
    let text = if keys == BAD {
        text.replace(&may_read_anything(technique), "expect.rest = \"silent\"")
    } else {
        text
    };
    let case = drill::run(&drill::planned(name, family, &text)?)?;
    let builtin = drill::reads(drill::result(&case, "builtin")?);
    let nmap = drill::reads(drill::result(&case, "nmap")?);
    let pairs = builtin.values().zip(nmap.values());
    let lines: Vec<String> = pairs
        .filter(|pair| differ(*pair))
        .map(|(builtin, nmap)| format!("builtin {builtin:?}\nnmap    {nmap:?}"))
        .collect();
    if lines.is_empty() && builtin.len() == nmap.len() { Ok(()) } else { Err(lines.join("\n").into()) }
}
