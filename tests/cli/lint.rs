//! `scandrill lint`: what the text of rules alone tells; and the same as notes where they are drilled.

use std::fs;
use std::path::Path;

use crate::binary::scandrill;
use crate::workbench::{Workbench, golden, scandrill_alone};

/// A rules file of this repository.
fn manual(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../defenses/rules/manual");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The manual's whole recipe in one script.
fn recipe() -> String {
    let parts = ["recent.sh", "stealth.sh", "icmp-limit.sh", "udp-limit.sh"];
    parts.map(manual).concat()
}

const SOUND: &str = "\
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iif lo accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        ct state new tcp flags & (fin | syn | rst | ack) == syn tcp dport 22 accept
    }
}
";

#[test]
fn the_manuals_recipe_is_found_fault_with_line_by_line() {
    let bench = Workbench::with(&[("recipe.sh", &recipe())]);
    let came = bench.scandrill("lint recipe.sh");
    assert_eq!((came.code, came.err.as_str()), (1, ""));
    golden("lint-recipe.txt", &came.out);
}

#[test]
fn rules_without_a_fault_are_told_as_such() {
    let bench = Workbench::with(&[("sound.nft", SOUND)]);
    let came = bench.scandrill("lint sound.nft");
    assert_eq!((came.code, came.out.as_str()), (0, "nothing found in 1 file\n"));
}

#[test]
fn files_that_are_named_together_belong_together() {
    let v4 = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
    let bench = Workbench::with(&[("rules.v4", v4), ("rules.v6", v4)]);
    let came = bench.scandrill("lint rules.v4");
    assert!(came.out.contains("rules.v4:3  v6-twin-missing"), "{}", came.out);
    assert_eq!(bench.scandrill("lint rules.v4 rules.v6").code, 0);
}

#[test]
fn rules_are_read_from_standard_input_too() {
    let bench = Workbench::with(&[("recipe.sh", &recipe())]);
    let rules = fs::File::open(bench.path().join("recipe.sh")).unwrap();
    let ran = scandrill().args(["lint", "-"]).stdin(rules).output().unwrap();
    assert_eq!(ran.status.code(), Some(1));
    let out = String::from_utf8(ran.stdout).unwrap();
    assert!(out.contains("standard input:"), "{out}");
}

#[test]
fn json_is_what_its_schema_says() {
    let bench = Workbench::with(&[("recipe.sh", &recipe()), ("sound.nft", SOUND)]);
    let schema = serde_json::from_str(&bench.scandrill("schema lint").out).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (file, findings) in [("recipe.sh", 3), ("sound.nft", 0)] {
        let came = bench.scandrill(&format!("lint {file} --json -"));
        let document: serde_json::Value = serde_json::from_str(&came.out).unwrap();
        let mistakes: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert_eq!(mistakes, Vec::<String>::new());
        assert_eq!(document["findings"].as_array().map(Vec::len), Some(findings), "{document}");
        assert_eq!(came.code, i32::from(findings > 0));
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let bench = Workbench::with(&[("notes.txt", "remember the milk\n"), ("empty.v4", "\n")]);
    for (line, said) in [
        ("lint no.nft", "reading no.nft: No such file or directory"),
        ("lint notes.txt", "`notes.txt` is neither iptables-save format nor an nft file nor a shell script"),
        ("lint empty.v4", "`empty.v4` is empty"),
    ] {
        let came = bench.scandrill(line);
        assert_eq!((came.code, came.out.as_str()), (2, ""), "{}", came.err);
        assert!(came.err.contains(said), "{}", came.err);
    }
    assert_eq!(bench.scandrill("lint").code, 2);
}

#[test]
fn what_is_looked_for_is_listed() {
    let came = scandrill_alone("lint --checks");
    assert_eq!(came.code, 0);
    golden("lint-checks.txt", &came.out);
}

const LIMITED: &str = "\
iptables -A INPUT -p udp -m limit --limit 5/s -j ACCEPT
ip6tables -A INPUT -p udp -m limit --limit 5/s -j ACCEPT
";

const DRILL: &str = r#"
[target]
services = ["tcp/22"]
rules = "limited.sh"
[[red]]
technique = "tcp-syn"
ports = "20-25"
expect.open = "22"
expect.rest = "closed"
"#;

#[test]
fn a_run_of_rules_tells_the_same_as_notes_once_and_passes() {
    let bench = Workbench::with(&[("limited.toml", DRILL), ("limited.sh", LIMITED)]);
    let came = bench.scandrill("run limited.toml --json report.json --quiet");
    assert_eq!(came.code, 0, "{}{}", came.out, came.err);
    assert_eq!(came.out.matches("limited.sh:1: accept-limit-without-drop").count(), 1, "{}", came.out);
    assert_eq!(came.out.matches("limited.sh:2: accept-limit-without-drop").count(), 1, "{}", came.out);
    let report: serde_json::Value = serde_json::from_str(&bench.read("report.json")).unwrap();
    for case in report["cases"].as_array().unwrap() {
        assert_eq!(case["notes"].as_array().map(Vec::len), Some(2), "{case}");
    }
}

#[test]
fn a_check_tells_it_on_its_page() {
    let bench = Workbench::with(&[("limited.sh", LIMITED)]);
    let came = bench.scandrill("check limited.sh --services 22 --ports 20-25 --quiet");
    assert!(came.out.contains("limited.sh:1: accept-limit-without-drop"), "{}{}", came.out, came.err);
}
