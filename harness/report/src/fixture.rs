//! Reports for the tests: each verdict, each outcome, in the words that the judge really uses.

use std::collections::BTreeMap;

use scandrill_model::{
    CaseReport, CellRead, ClaimReport, Environment, Event, Finding, Millis, Moment, Outcome, PortState,
    Reason, RunReport, ScanResult, Skipped, Stamp, Technique, Verdict, What,
};

/// Every verdict and every outcome at once.
pub fn everything() -> RunReport {
    let cases = vec![
        passed("manual/recent[builtin,v4,nft]", 412),
        failed("manual/recent[nmap,v4,nft]"),
        passed("manual/recent-client[v4,nft]", 12_345),
        noted(passed("manual/stealth-xmas[builtin,v4,nft]", 80), LOGS),
        skipped("manual/stealth-xmas[nmap,v4,nft]"),
        noted(noted(passed("manual/stealth-null[builtin,v4,nft]", 71), LOGS), UNREAD),
        error("must-fail/missing-set[v4,legacy]"),
    ];
    RunReport { verdict: Verdict::Error, claims: claims(), ..run(cases) }
}

/// A run without anything to explain.
pub fn all_passed() -> RunReport {
    let names =
        ["baseline/tcp-syn[builtin,v4]", "baseline/tcp-syn[builtin,v6]", "hardened/nftables[builtin,v4]"];
    run(names.map(|name| passed(name, 250)).into())
}

/// A run that a filter left without a case.
pub fn nothing_ran() -> RunReport {
    run(Vec::new())
}

fn run(cases: Vec<CaseReport>) -> RunReport {
    let tools = [
        ("iptables-nft", "iptables v1.8.9 (nf_tables)"),
        ("iptables-nft-restore", "iptables-nft-restore v1.8.9 (nf_tables)"),
        ("nft", "nftables v1.0.6 (Lester Gooch #5)"),
        ("nmap", "Nmap version 7.93 ( https://nmap.org )"),
    ];
    RunReport {
        version: RunReport::VERSION,
        scandrill: "0.1.0".to_owned(),
        seed: 7,
        environment: Environment {
            kernel: "6.1.0-40-amd64".to_owned(),
            root: false,
            tools: tools.map(|(program, version)| (program.to_owned(), version.to_owned())).into(),
        },
        verdict: Verdict::Pass,
        took: Millis(14_210),
        claims: Vec::new(),
        cases,
        distributions: Vec::new(),
    }
}

fn claims() -> Vec<ClaimReport> {
    let claim = |scenario: &str, text: &str, source: &str, outcome, evidence: &str| ClaimReport {
        scenario: scenario.to_owned(),
        text: text.to_owned(),
        source: source.to_owned(),
        outcome,
        evidence: evidence.to_owned(),
    };
    vec![
        claim(
            "manual/recent",
            "a source that opens more than ten ports within 60 s is dropped, and its scan runs into a timeout",
            "manual step 2",
            Outcome::Refuted,
            "tcp-syn: 9 of 1000 ports answered",
        ),
        claim(
            "manual/stealth-null",
            "packets without a flag are dropped before they tell anything",
            "manual step 3",
            Outcome::Held,
            "tcp-null: 12 of 12 closed ports read open|filtered",
        ),
        claim(
            "manual/stealth-xmas",
            "XMAS packets are dropped before they tell anything",
            "manual step 3",
            Outcome::Refuted,
            "tcp-xmas: 12 of 12 closed ports read closed (ports 1-12)",
        ),
        claim(
            "manual/ttl",
            "another TTL makes the server look like another operating system",
            "manual, the admin desk, on fingerprints",
            Outcome::Undecided,
            "not judged",
        ),
    ]
}

fn case(name: &str, verdict: Verdict, took: u64) -> CaseReport {
    let scenario = name.split('[').next().unwrap_or_default().to_owned();
    CaseReport {
        name: name.to_owned(),
        repeat: format!("scandrill run {scenario} --filter '{name}' --seed 7"),
        scenario,
        seed: 42,
        verdict,
        took: Millis(took),
        findings: Vec::new(),
        problems: Vec::new(),
        notes: Vec::new(),
        skipped: None,
        matrix: Vec::new(),
        time_lines: Vec::new(),
        collateral: Vec::new(),
        causes: Vec::new(),
        rules: Vec::new(),
        sysctls: BTreeMap::new(),
        captures: Vec::new(),
        events: Vec::new(),
    }
}

fn finding(expected: &str, observed: &str, verdict: Verdict) -> Finding {
    Finding {
        actor: "red".to_owned(),
        subject: "tcp-syn, ports that gave no answer".to_owned(),
        expected: expected.to_owned(),
        observed: observed.to_owned(),
        verdict,
        witnesses: vec![
            "scanner: 9 closed, 991 filtered".to_owned(),
            "captures: 1991 probes at the target's end, 9 of 1000 ports answered".to_owned(),
            "control: 1000 of 1000 ports answered without the defense".to_owned(),
        ],
    }
}

fn passed(name: &str, took: u64) -> CaseReport {
    let findings = vec![finding("filtered", "991 of 1000 ports gave no answer", Verdict::Pass)];
    CaseReport { findings, events: events(name), ..case(name, Verdict::Pass, took) }
}

const LOGS: &str = "the kernel log of the target is in /var/log/kern.log: LOG in stealth.rules line 7";
const UNREAD: &str = "stealth.rules line 9 is never reached: line 8 drops everything";

fn noted(case: CaseReport, note: &str) -> CaseReport {
    let notes = case.notes.into_iter().chain([note.to_owned()]).collect();
    CaseReport { notes, ..case }
}

/// Some of a log, so that its shape is held against the schema too.
fn events(name: &str) -> Vec<Event> {
    let cell = |port: u16| CellRead::new(port, PortState::Closed, Reason("reset".into()));
    let events = [
        What::Started { case: name.to_owned(), seed: 42 },
        What::Scan {
            actor: "red".to_owned(),
            technique: Technique::TcpSyn,
            result: ScanResult::from_cells((1..10).map(cell)),
            took: Millis(3),
        },
        What::Note { text: LOGS.to_owned() },
        What::ReadBack {
            host: "target".to_owned(),
            moment: Moment::After,
            items: 2,
            differences: Vec::new(),
        },
        What::Ended,
    ];
    (1_700_000_000_000_000_000..).zip(events).map(|(at, what)| Event { at: Stamp(at), what }).collect()
}

fn failed(name: &str) -> CaseReport {
    let long = "tcp-syn: 3 of 991 closed ports read closed; tcp-syn: 1 of 9 open ports read filtered (ports 17,80,443,8080)";
    let findings = vec![
        finding("filtered or open|filtered", long, Verdict::Fail),
        finding("exactly 9", "tcp-syn: 9 of 1000 ports answered", Verdict::Pass),
    ];
    let captures = vec!["captures/manual_recent_nmap.v4.nft_/capture.pcapng".to_owned()];
    CaseReport { findings, captures, ..case(name, Verdict::Fail, 1_530) }
}

fn error(name: &str) -> CaseReport {
    let problem = "installing must-fail/missing-set.rules line 4: iptables-restore v1.8.9 (legacy): Set trap doesn't exist.";
    CaseReport { problems: vec![problem.to_owned()], ..case(name, Verdict::Error, 95) }
}

fn skipped(name: &str) -> CaseReport {
    let skipped = Skipped { need: "the program `nmap`".to_owned(), mend: "apt-get install nmap".to_owned() };
    CaseReport { skipped: Some(skipped), ..case(name, Verdict::Skip, 0) }
}
