//! What is printed without running anything: lists, plans, schemas.

use serde_json::Value;

use crate::workbench::{PASSES, Workbench, scandrill_alone};

#[test]
fn list_names_scenarios_with_what_they_show_and_their_cases() {
    let came = scandrill_alone("list baseline/tcp-syn");
    assert_eq!(came.code, 0);
    assert_eq!(
        came.out,
        "baseline/tcp-syn\n    Without a defense, tcp-syn reads services open and everything else closed\n    \
         cases: [builtin,v4] [builtin,v6] [nmap,v4] [nmap,v6]\n\n1 scenarios, 4 cases\n"
    );
}

#[test]
fn list_without_a_path_has_what_the_default_run_leaves_out_but_not_what_must_fail() {
    let out = scandrill_alone("list").out;
    assert!(out.contains("(slow)") && out.contains("manual/"), "{out}");
    assert!(!out.contains("must-fail/"), "{out}");
}

#[test]
fn list_layers_tells_parameters_and_their_defaults() {
    let out = scandrill_alone("list --layers").out;
    assert!(out.contains("recent\n"), "{out}");
    assert!(out.contains("hitcount") && out.contains("(10 by default)"), "{out}");
}

#[test]
fn show_tells_the_plan_in_words_with_the_very_commands() {
    let out = scandrill_alone("show manual/recent").out;
    for part in [
        "Claim\n  a source that goes on opening ports",
        "target: eth0 198.18.0.1/24 fd00:198:18::1/64",
        "iptables -A INPUT -p tcp --dport 1:65535 -m state --state NEW -m recent --set",
        "red: tcp-syn of ports 1-100 by builtin from 198.18.2.10 on red",
        "expected: exactly 9 ports give an answer",
    ] {
        assert!(out.contains(part), "{part}:\n{out}");
    }
}

#[test]
fn show_tells_how_an_edge_forwards_and_whose_each_defense_is() {
    let out = scandrill_alone("show edge/translated-port").out;
    for part in [
        "edge: eth0 198.18.0.1/24 fd00:198:18::1/64, eth1 198.18.1.254/24 fd00:198:18:1::fe/64",
        "target: eth0 198.18.1.1/24 fd00:198:18:1::1/64",
        "  route 198.18.0.0/24 via 198.18.1.254",
        "Edge\n  translates what comes to its address; the target sees the source\n  asked: 198.18.0.1",
        "tcp/1001 leads to tcp/2001",
        "ip daddr 198.18.0.1 tcp dport 1001 dnat ip to 198.18.1.1:2001",
        "Defense of the edge\n  ipset restore",
        "Defense\n  none",
    ] {
        assert!(out.contains(part), "{part}:\n{out}");
    }
}

#[test]
fn show_wants_one_scenario() {
    let came = scandrill_alone("show baseline");
    assert_eq!(came.code, 2);
    assert!(came.err.contains("scenarios") && came.err.contains("name one of them"), "{}", came.err);
}

/// The mistakes that a schema finds in a document.
fn mistakes(schema: &str, document: &Value) -> Vec<String> {
    let came = scandrill_alone(&format!("schema {schema}"));
    assert_eq!(came.code, 0);
    let schema: Value = serde_json::from_str(&came.out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[test]
fn the_schema_of_scenarios_accepts_all_that_are_shipped_and_refuses_a_misspelled_key() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let mut seen = 0;
    for name in ["baseline", "manual", "hardened"] {
        for entry in std::fs::read_dir(folder.join(name)).unwrap() {
            let path = entry.unwrap().path();
            let is_scenario =
                path.extension().is_some_and(|ending| ending == "toml") && !path.ends_with("claims.toml");
            if !is_scenario {
                continue;
            }
            let document: Value = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(mistakes("scenario", &document), Vec::<String>::new(), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 30, "{seen}");
    let wrong: Value = toml::from_str("target.servces = []").unwrap();
    assert_eq!(mistakes("scenario", &wrong).len(), 1);
}

#[test]
fn the_schema_of_the_report_refuses_what_is_none() {
    assert!(!mistakes("report", &serde_json::json!({ "version": 1 })).is_empty());
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let bench = Workbench::with(&[("a.toml", PASSES)]);
    let mut child = crate::binary::scandrill()
        .arg("list")
        .current_dir(bench.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "");
    assert!(ended.status.success());
}
