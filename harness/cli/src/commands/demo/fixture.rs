//! A drill of `demo/ban` as it may have been, for tests of what is drawn and of what is recorded.

use std::net::IpAddr;

use scandrill_engine::Plan;
use scandrill_model::{
    BanCheck, CellFacts, CountedRule, Environment, Event, Glimpse, Millis, Moment, PortState, Reading,
    Reason, Reply, RunReport, ScanResult, SetFill, Stamp, TcpFlags, Technique, Verdict, What,
};

use crate::selection::Selection;

/// The plan of the built-in scenario.
pub fn plan() -> Plan {
    let selection = Selection { paths: vec!["demo/ban".to_owned()], seed: 7, ..Selection::default() };
    selection.plan().unwrap().remove(0).plan
}

/// So many seconds after the first event.
pub fn after(seconds: f64) -> Stamp {
    Stamp(1_700_000_000_000_000_000) + std::time::Duration::from_secs_f64(seconds)
}

/// The log: four probes a second from the second second on, a ban from the twelfth on, which lifts.
pub fn events() -> Vec<Event> {
    let mut events = vec![
        (0.0, What::Started { case: "demo/ban[builtin,v4]".to_owned(), seed: 7 }),
        (0.2, What::LabBuilt { hosts: 5 }),
        (0.9, What::Installed { step: "log.rules (9 lines)".to_owned() }),
        (1.1, What::Installed { step: "trap.rules (12 lines)".to_owned() }),
        (1.3, read_back(Moment::Before)),
        (2.0, What::ActorStarted { actor: "red".to_owned(), source: source("198.18.2.10") }),
        (8.9, scan()),
        (9.0, look(PortState::Filtered)),
        (12.0, look(PortState::Open)),
        (13.1, read_back(Moment::After)),
        (13.3, What::Removed),
        (13.5, What::Ended),
    ];
    for probe in 0..24_u16 {
        let at = 2.0 + f64::from(probe) / 4.0;
        if probe < 17 {
            events.push((at, traffic(probe, at)));
        }
        events.push((at + 0.01, request("customer", at, None)));
        if probe % 8 == 0 {
            let failure = (probe > 11).then(|| "no answer within 2 s".to_owned());
            let ended = if failure.is_some() { at + 2.0 } else { at + 0.02 };
            events.push((ended, request("neighbour", at, failure)));
        }
        events.push((at + 0.03, glimpsed(u64::from(probe))));
    }
    events.sort_by(|one, other| one.0.total_cmp(&other.0));
    events.into_iter().map(|(seconds, what)| Event { at: after(seconds), what }).collect()
}

/// What came of it.
pub fn report() -> RunReport {
    RunReport {
        version: RunReport::VERSION,
        scandrill: "0.1.0".to_owned(),
        seed: 7,
        environment: Environment::default(),
        verdict: Verdict::Pass,
        took: Millis(13_500),
        claims: Vec::new(),
        cases: Vec::new(),
        distributions: Vec::new(),
    }
}

fn source(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn read_back(moment: Moment) -> What {
    What::ReadBack { host: "target".to_owned(), moment, items: 14, differences: Vec::new() }
}

/// The probe of that number asks the next port from 12 on; from port 23 on nobody answers.
fn traffic(number: u16, at: f64) -> What {
    let port = 12 + number;
    let reset = Reply::Tcp { flags: TcpFlags::RST | TcpFlags::ACK, window: 0 };
    let accepts = Reply::Tcp { flags: TcpFlags::SYN | TcpFlags::ACK, window: 64_240 };
    let reply = if port == 22 { accepts } else { reset };
    let reply = (number < 11).then(|| (after(at), reply));
    let cell = CellFacts { probes: vec![after(at)], reply, ..CellFacts::new(port) };
    What::Traffic {
        actor: "red".to_owned(),
        technique: Technique::TcpSyn,
        probes_sent: u64::from(number) + 1,
        probes_arrived: u64::from(number) + 1,
        cells: vec![cell],
    }
}

fn scan() -> What {
    let (actor, technique) = ("red".to_owned(), Technique::TcpSyn);
    What::Scan { actor, technique, result: ScanResult::default(), took: Millis(6_900) }
}

fn request(actor: &str, start: f64, failure: Option<String>) -> What {
    let latency_us = if failure.is_some() { 2_000_000 } else { 640 };
    What::Request { actor: actor.to_owned(), failure, latency_us, start: after(start) }
}

fn glimpsed(probes: u64) -> What {
    let rule = |chain: &str, rule: &str, packets| CountedRule {
        chain: chain.to_owned(),
        rule: rule.to_owned(),
        packets: Some(packets),
    };
    let banned = probes > 10;
    let glimpse = Glimpse {
        rules: vec![
            rule("INPUT", "-p tcp -j scandrill-log", probes + 9),
            rule("INPUT", "! -i lo -j scandrill-trap", probes + 9),
            rule("scandrill-log", "-p tcp -m tcp --dport 22 -j RETURN", 1),
            rule("scandrill-log", "-p tcp -m tcp --dport 80 -j RETURN", 8),
            rule("scandrill-log", "-j LOG --log-prefix \"scan: \"", probes),
            rule(
                "scandrill-trap",
                "-m set --match-set scandrill-trap4 src -j DROP",
                probes.saturating_sub(11),
            ),
            rule(
                "scandrill-trap",
                "-p tcp -m tcp --dport 23 -j SET --add-set scandrill-trap4 src",
                u64::from(banned),
            ),
        ],
        sets: vec![SetFill {
            name: "scandrill-trap4".to_owned(),
            elements: u64::from(banned),
            first: banned.then(|| "198.18.2.10 timeout 6".to_owned()).into_iter().collect(),
        }],
        log_lines: probes,
        log: (0..probes.min(4))
            .map(|back| {
                format!(
                    "Nov 26 17:20:00 target kernel: [ 1.0] scan: SRC=198.18.2.10 DPT={}",
                    12 + probes - back
                )
            })
            .collect(),
    };
    What::Glimpsed { host: "target".to_owned(), glimpse }
}

fn look(state: PortState) -> What {
    let word = |state| if state == PortState::Open { "syn-ack" } else { "no-response" };
    let reading = |state| Reading { state, reason: Reason(word(state).to_owned()) };
    let check =
        BanCheck { after: Millis(0), port: 22, source: reading(state), fresh: reading(PortState::Open) };
    What::BanChecked { actor: "red".to_owned(), check }
}
