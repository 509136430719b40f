//! Why packets met their fate in a run, and which rules were put to no test, in the user's own text.

use serde_json::Value;

use crate::workbench::Workbench;

const RULES: &str = "\
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        tcp dport 22 counter accept
        tcp dport 23 counter reject with tcp reset
        tcp dport 443 counter accept
    }
}
";

const SCENARIO: &str = r#"
family = "v4"
[target]
services = ["tcp/22"]
rules = ["own.nft"]
[[red]]
technique = "tcp-syn"
ports = "20-25"
expect.open = "22"
expect.closed = "23"
expect.rest = "filtered"

[[operator]]
after = ["red"]
run = "nft list ruleset | { grep -c scandrill || true; }"
expect.value = 0
"#;

fn case(scenario: &str) -> Value {
    let bench = Workbench::with(&[("a.toml", scenario), ("own.nft", RULES)]);
    let came = bench.scandrill("run a.toml --seed 7 --quiet --json -");
    let report: Value = serde_json::from_str(&came.out).unwrap_or_else(|error| panic!("{error}: {came:?}"));
    report["cases"][0].clone()
}

/// Of each way its ports, its fate and the line that decided.
fn ways(case: &Value) -> Vec<(String, String, Option<u64>)> {
    let causes = case["causes"].as_array().unwrap().iter();
    let told = |cause: &Value| {
        assert_eq!(cause["actor"], "red", "{cause:#}");
        let word = |key: &str| cause[key].as_str().unwrap().to_owned();
        (word("ports"), word("fate"), cause["decided_by"]["line"].as_u64())
    };
    let mut ways: Vec<_> = causes.map(told).collect();
    ways.sort();
    ways
}

#[test]
fn every_part_of_a_scan_has_its_rule() {
    let case = case(SCENARIO);
    assert_eq!(case["verdict"], "pass", "{case:#}");
    let expected =
        [("20-21,24-25", "dropped", None), ("22", "accepted", Some(5)), ("23", "rejected", Some(6))];
    assert_eq!(ways(&case), expected.map(|(ports, fate, line)| (ports.to_owned(), fate.to_owned(), line)));
    assert!(case["causes"].as_array().unwrap().iter().all(|cause| cause["conntrack"] == "new"));
}

#[test]
fn rules_are_counted_by_line_where_the_kernel_counts_them() {
    let case = case(SCENARIO);
    let text = &case["rules"][0];
    assert_eq!((text["file"].as_str(), text["text"].as_str()), (Some("own.nft"), Some(RULES)));
    let rules = text["rules"].as_array().unwrap().iter();
    let counts: Vec<_> =
        rules.map(|rule| (rule["line"].as_u64().unwrap(), rule["packets"].as_u64())).collect();
    // Of tcp/22 the canary is one, too.
    assert_eq!(counts, [(4, None), (5, Some(2)), (6, Some(1)), (7, Some(0))]);
}

#[test]
fn what_is_not_met_is_told_with_the_rule_first() {
    let bench =
        Workbench::with(&[("a.toml", &SCENARIO.replace("expect.closed = \"23\"\n", "")), ("own.nft", RULES)]);
    let came = bench.scandrill("run a.toml --seed 7 --quiet");
    assert_eq!(came.code, 1, "{came:?}");
    let why = came.out.lines().find(|line| line.trim_start().starts_with("why ")).unwrap();
    assert!(
        why.contains("198.18.0.1:23 syn: rejected, by own.nft:6: tcp dport 23 counter reject"),
        "{}",
        came.out
    );
    assert!(
        came.out.contains("1 of 3 lines of rules never matched\n  own.nft:7: tcp dport 443 counter accept\n"),
        "{}",
        came.out
    );
}

#[test]
fn a_client_that_is_banned_is_told_the_rule() {
    let bench = Workbench::new();
    let came = bench.scandrill("run collateral/spoofer --filter nftables --seed 7 --quiet --json -");
    let report: Value = serde_json::from_str(&came.out).unwrap();
    let rule = &report["cases"][0]["collateral"][0]["banned"]["rule"];
    assert_eq!(
        (rule["file"].as_str(), rule["rule"].as_str()),
        (Some("trap.nft"), Some("ip saddr @banned4 drop"))
    );
}

#[test]
fn the_packet_that_reached_a_limit_is_on_the_time_line() {
    let came =
        Workbench::new().scandrill("run manual/recent --filter builtin,v4,nft --seed 7 --quiet --json -");
    let report: Value = serde_json::from_str(&came.out).unwrap();
    let marks = report["cases"][0]["time_lines"][0]["marks"].as_array().unwrap();
    let mark = |milestone| marks.iter().find(|mark| mark["milestone"] == milestone).unwrap();
    let (reached, dropped) = (mark("threshold"), mark("first-dropped"));
    assert_eq!(reached["witness"]["kernel"], "nftables trace");
    let (packet, rule) = reached["detail"].as_str().unwrap().split_once(" met ").unwrap();
    assert!(rule.ends_with("-m recent --update --seconds 60 --hitcount 10 -j DROP"), "{rule}");
    let port = dropped["detail"].as_str().unwrap().strip_prefix("port ").unwrap();
    assert!(packet.ends_with(&format!("198.18.0.1:{port} syn")), "{packet} {port}");
}
