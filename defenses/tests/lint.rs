//! What a look at rules finds in every rules file of this repository. Each finding was looked at before it was pinned.
#![cfg(test)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use scandrill_defenses::lint::lint;
use scandrill_defenses::{Site, rules};
use scandrill_model::{Backend, Tool};

/// Every file below a folder that is a rules file by its name.
fn rules_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let ends = |end: &&str| path.extension().is_some_and(|own| own == *end);
        if path.is_dir() && !path.ends_with("target") {
            rules_below(&path, found);
        } else if ["nft", "sh", "v4", "v6", "rules"].iter().any(ends) {
            found.push(path);
        }
    }
}

/// The findings of one file by itself.
fn told(name: &str, text: &str) -> String {
    let site = Site {
        backend: Backend::Nft,
        tool: Tool::Iptables,
        services: Vec::new(),
        interface: "eth0".to_owned(),
    };
    let format = rules::detect(name, text).unwrap();
    let mut told = String::new();
    for finding in lint(&rules::steps(name, text, format, &site)) {
        writeln!(
            told,
            "{name}:{}: {}\n    {}\n    {}",
            finding.line, finding.check, finding.text, finding.why
        )
        .unwrap();
    }
    told
}

#[test]
fn what_is_found_in_the_rules_files_of_this_repository() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut paths = Vec::new();
    // Templates are no rules yet; what layers make of them is looked at where they are made.
    for folder in ["scenarios", "examples", "defenses/testdata", "defenses/rules/manual"] {
        rules_below(&root.join(folder), &mut paths);
    }
    paths.sort();
    let mut text = String::new();
    for path in paths {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        text += &told(&name, &fs::read_to_string(&path).unwrap());
    }
    insta::assert_snapshot!(text);
}
