//! `scandrill lint`: what a look at rules finds, and how it is told.

use crate::workbench::{Workbench, scandrill_alone};

/// The manual's limit for UDP, which limits nothing.
const ACCEPTS_ONLY: &str = "#!/bin/bash\niptables -A INPUT -p udp -m limit --limit 5/s -j ACCEPT\n";

#[test]
fn a_finding_names_its_line_and_says_why_and_what_would_be_right() {
    let came = Workbench::with(&[("limit.sh", ACCEPTS_ONLY)]).scandrill("lint limit.sh");
    assert_eq!(came.code, 1, "{}", came.out);
    let told: Vec<&str> = came.out.lines().collect();
    let place = told.iter().position(|line| line.starts_with("limit.sh:2: accept-limit-without-drop: "));
    let place = place.unwrap_or_else(|| panic!("{}", came.out));
    assert_eq!(told[place + 1], "    iptables -A INPUT -p udp -m limit --limit 5/s -j ACCEPT");
    assert!(told[place + 2].starts_with("  hint: "), "{}", came.out);
}

#[test]
fn json_has_a_record_for_each_finding() {
    let came = Workbench::with(&[("limit.sh", ACCEPTS_ONLY)]).scandrill("lint --json limit.sh");
    let findings: serde_json::Value = serde_json::from_str(&came.out).unwrap();
    let first = &findings.as_array().unwrap()[0];
    for key in ["file", "line", "check", "text", "why", "hint"] {
        assert!(!first[key].is_null(), "{key}: {first}");
    }
}

#[test]
fn sound_rules_are_left_alone() {
    let rules = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    let twins = [("rules.v4", rules), ("rules.v6", rules)];
    let nft = "table inet f {\n  chain in {\n    type filter hook input priority 0; policy drop;\n    \
               tcp dport 22 accept\n  }\n}\n";
    let came = Workbench::with(&twins).scandrill("lint rules.v4 rules.v6");
    assert!(!came.out.contains("cannot"), "{}", came.out);
    let came = Workbench::with(&[("rules.nft", nft)]).scandrill("lint rules.nft");
    assert_eq!((came.code, came.out.as_str()), (0, "nothing found\n"));
}

#[test]
fn what_cannot_be_read_is_told() {
    let came = scandrill_alone("lint no-such-file.nft");
    assert_eq!(came.code, 2);
    assert!(came.err.starts_with("error: reading no-such-file.nft: "), "{}", came.err);
}

#[test]
fn a_run_of_own_rules_notes_what_was_found_and_judges_nothing_by_it() {
    let scenario = "family = \"v4\"\n[target]\nservices = [\"tcp/22\"]\nrules = \"limit.sh\"\n[[red]]\n\
                    technique = \"tcp-syn\"\nports = \"20-25\"\nexpect.open = \"22\"\nexpect.rest = \"closed\"\n";
    let bench = Workbench::with(&[("limit.sh", ACCEPTS_ONLY), ("own.toml", scenario)]);
    let came = bench.scandrill("run own.toml");
    assert_eq!(came.code, 0, "{}", came.out);
    assert!(came.out.contains("limit.sh:2: accept-limit-without-drop: "), "{}", came.out);
}
