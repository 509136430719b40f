//! Who may depend on whom, and on what.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::house::{none, read};

/// Each crate's folder, and the crates of the house that its library may name. ARCHITECTURE.md draws it.
const ARROWS: [(&str, &[&str]); 7] = [
    ("harness/model", &[]),
    ("harness/lab", &["scandrill-model"]),
    ("scanners", &["scandrill-model"]),
    ("defenses", &["scandrill-model"]),
    ("harness/report", &["scandrill-model"]),
    ("harness/engine", &["scandrill-defenses", "scandrill-lab", "scandrill-model", "scandrill-scanners"]),
    (
        "harness/cli",
        &[
            "scandrill-defenses",
            "scandrill-engine",
            "scandrill-lab",
            "scandrill-model",
            "scandrill-report",
            "scandrill-scanners",
        ],
    ),
];

/// Doors to the kernel and to a clock, which only the lab (and the engine, which waits on it) may use.
const DOORS: [&str; 11] = [
    "libc",
    "nix",
    "rtnetlink",
    "netlink-packet-route",
    "socket2",
    "tokio",
    "hyper",
    "hyper-util",
    "tempfile",
    "indicatif",
    "anstream",
];

fn manifest(folder: &str) -> toml::Table {
    let path = format!("{folder}/Cargo.toml");
    read(&path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The names below `table`; none where there is no such table.
fn names(manifest: &toml::Table, table: &str) -> BTreeSet<String> {
    let found = manifest.get(table).and_then(toml::Value::as_table);
    found.into_iter().flat_map(|table| table.keys().cloned()).collect()
}

#[test]
fn the_arrows_between_crates_are_those_of_the_architecture() {
    let mut wrong = Vec::new();
    for (folder, allowed) in ARROWS {
        let named = names(&manifest(folder), "dependencies");
        let inside = named.into_iter().filter(|name| name.starts_with("scandrill"));
        wrong.extend(
            inside
                .filter(|name| !allowed.contains(&name.as_str()))
                .map(|name| format!("{folder} depends on {name}")),
        );
    }
    none(&wrong, "take the edge out, or move what both need into harness/model (ARCHITECTURE.md, map):");
}

#[test]
fn red_does_not_know_blue_even_in_its_tests() {
    let mut wrong = Vec::new();
    for (folder, other) in [("scanners", "scandrill-defenses"), ("defenses", "scandrill-scanners")] {
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            if names(&manifest(folder), table).contains(other) {
                wrong.push(format!("{folder} names {other} below {table}"));
            }
        }
    }
    none(&wrong, "scanners and defenses meet in the engine alone; move the test to tests/:");
}

#[test]
fn pure_crates_have_no_door_to_the_kernel() {
    let mut wrong = Vec::new();
    for folder in ["harness/model", "harness/report", "scanners", "defenses"] {
        let named = names(&manifest(folder), "dependencies");
        wrong.extend(
            DOORS
                .iter()
                .filter(|door| named.contains(**door))
                .map(|door| format!("{folder} depends on {door}")),
        );
    }
    none(&wrong, "these crates take data and give data; what touches the kernel belongs into harness/lab:");
}

#[test]
fn every_member_is_in_the_arrows() {
    let root = manifest(".");
    let members = root["workspace"]["members"].as_array().expect("the workspace lists its members");
    let known: BTreeSet<&str> = ARROWS.iter().map(|(folder, _)| *folder).chain(["tests"]).collect();
    let new = members.iter().filter_map(toml::Value::as_str).filter(|member| !known.contains(member));
    none(
        &new.map(str::to_owned).collect::<Vec<_>>(),
        "say in tests/tidy/crates.rs what this crate may depend on:",
    );
}

#[test]
fn versions_stand_in_the_workspace_alone() {
    let mut wrong = Vec::new();
    for (folder, _) in ARROWS.into_iter().chain([("tests", &[] as &[&str])]) {
        let manifest = manifest(folder);
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(table).and_then(toml::Value::as_table) else { continue };
            let own = table.iter().filter(|(_, value)| value.get("workspace").is_none());
            wrong.extend(own.map(|(name, _)| format!("{folder}: {name}")));
        }
    }
    none(&wrong, "write `NAME = { workspace = true }`, and the version into the root's Cargo.toml:");
}

/// A comment stands for the lines below it, up to an empty one.
#[test]
fn every_dependency_says_what_it_is_for() {
    let text = read("Cargo.toml");
    let (_, table) = text.split_once("[workspace.dependencies]\n").expect("the workspace has dependencies");
    let (table, _) = table.split_once("\n[").expect("lints follow");
    let (mut explained, mut wrong) = (false, Vec::new());
    for line in table.lines() {
        explained = line.starts_with('#') || (explained && !line.is_empty());
        if !explained && !line.is_empty() && !line.starts_with("scandrill") {
            wrong.push(line.to_owned());
        }
    }
    none(&wrong, "put a comment above it in Cargo.toml, saying why it is here:");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "cargo is asked about the house itself; no lab is involved")]
fn nothing_of_the_gpl_is_linked() {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let asked = Command::new(cargo)
        .args(["metadata", "--format-version=1", "--offline", "--locked", "--filter-platform", &platform])
        .current_dir(crate::house::root())
        .output()
        .expect("cargo runs this test, so it can be run");
    assert!(asked.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&asked.stderr));
    let metadata: Value = serde_json::from_slice(&asked.stdout).expect("cargo speaks JSON");
    let licences: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .expect("a workspace has packages")
        .iter()
        .filter_map(|package| {
            Some((package["name"].as_str()?, package["license"].as_str().unwrap_or("none named")))
        })
        .collect();
    assert!(licences.len() > ARROWS.len(), "cargo metadata names only {licences:?}");
    let wrong: Vec<String> = licences
        .iter()
        .filter(|(_, licence)| !is_permissive(licence))
        .map(|(name, licence)| format!("{name}: {licence}"))
        .collect();
    none(&wrong, "choose another crate; this one's licence would bind ours, or is not named:");
}

/// Whether each part that binds has a choice that is not the GPL in any of its forms.
fn is_permissive(licence: &str) -> bool {
    let free = |choice: &str| !choice.contains("GPL") && choice != "none named";
    licence.split(" AND ").all(|part| part.split(" OR ").flat_map(|choice| choice.split('/')).any(free))
}

#[test]
fn a_choice_of_licences_is_read_as_one() {
    for good in [
        "MIT OR Apache-2.0",
        "MIT/Apache-2.0",
        "MIT OR LGPL-2.1-or-later",
        "(MIT OR GPL-2.0) AND Unicode-3.0",
    ] {
        assert!(is_permissive(good), "{good}");
    }
    for bad in ["GPL-3.0-only", "LGPL-2.1", "MIT AND GPL-2.0", "AGPL-3.0 OR GPL-2.0", "none named"] {
        assert!(!is_permissive(bad), "{bad}");
    }
}
