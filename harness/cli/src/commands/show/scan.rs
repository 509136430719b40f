//! A scan in words: who asks what from where, at which pace, and how it hides.

use std::net::IpAddr;
use std::time::Duration;

use scandrill_engine::RedPlan;
use scandrill_model::Asks;
use scandrill_scanners::{Evasion, Pace, ScanPlan, Sources, SynShape};

/// `tcp-syn of ports 1-30 by builtin from 198.18.2.10 on red, a probe every 100ms`.
pub fn in_words(red: &RedPlan) -> String {
    let scan = &red.scan;
    let cells = match scan.technique.asks() {
        Asks::Host => String::new(),
        Asks::Ports => format!(" of ports {}", scan.ports),
        Asks::Protocols => format!(" of protocols {}", scan.ports),
    };
    let pace = pace(&scan.pace);
    format!("{}{cells} by {} {} on {}{pace}", scan.technique, red.scanner, source(scan), red.from.host)
}

fn source(scan: &ScanPlan) -> String {
    match &scan.evasion.sources {
        Sources::Own => format!("from {}", scan.source),
        Sources::Spoofed => format!("in the name of {}, which hears the answers,", scan.source),
        Sources::Pool { prefix, count } => {
            format!("from {count} addresses of {prefix}, port by port the next,")
        }
    }
}

fn pace(pace: &Pace) -> String {
    let every = pace.interval.map(|interval| format!(", a probe every {}", time(interval)));
    let jitter =
        (pace.jitter_percent > 0).then(|| format!(", {} % more or less at random", pace.jitter_percent));
    let burst = pace
        .burst
        .map(|burst| format!(", after {} probes nothing for {}", burst.probes, time(burst.pause.into())));
    [every, jitter, burst].into_iter().flatten().collect()
}

fn time(length: Duration) -> String {
    format!("{length:?}")
}

/// What it does to look otherwise, a line each.
pub fn hiding(scan: &ScanPlan) -> Vec<String> {
    let Evasion { source_port, decoys, sources: _, fragment, ttl, bad_checksum, data_length, syn } =
        &scan.evasion;
    let decoys: Vec<String> = decoys.iter().map(IpAddr::to_string).collect();
    let lines = [
        source_port.map(|port| format!("all probes come from port {port}")),
        (!decoys.is_empty()).then(|| format!("each probe is sent in the name of {}, too", decoys.join(", "))),
        fragment.map(|size| format!("each probe is sent in IP fragments of {size} bytes")),
        ttl.map(|ttl| format!("probes have a time to live of {ttl}")),
        bad_checksum.then(|| "probes have a wrong checksum".to_owned()),
        (*data_length > 0).then(|| format!("each probe carries {data_length} random bytes more")),
        (*syn != SynShape::Own).then(|| format!("its SYN looks like that of {syn}")),
        scan.zombie.map(|zombie| {
            format!("it looks through {}, of which it asks port {}", zombie.address, zombie.port)
        }),
        scan.detect.system.then(|| "it guesses the target's system".to_owned()),
        scan.detect.services.then(|| "it asks open ports for their services".to_owned()),
    ];
    lines.into_iter().flatten().collect()
}
