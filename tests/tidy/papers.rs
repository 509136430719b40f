//! README and its companions: they exist, and what they name exists too.

use std::collections::BTreeSet;

use crate::house::{ends_in, exists, files, none, read};

/// The papers of the house.
const PAPERS: [&str; 5] =
    ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "BENCHMARKS.md"];

/// What else a stranger looks for.
const PARTS: [&str; 6] = ["LICENSE-MIT", "LICENSE-APACHE", "Makefile", "setup.sh", ".ci/run", "Cargo.lock"];

#[test]
fn the_papers_are_there() {
    let missing = PAPERS.iter().chain(&PARTS).filter(|path| !exists(path)).map(|path| (*path).to_owned());
    none(&missing.collect::<Vec<_>>(), "write it:");
}

/// The targets of Markdown links, `[text](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("](").filter_map(|(place, mark)| text[place + mark.len()..].split(')').next())
}

#[test]
fn every_relative_link_leads_somewhere() {
    let mut dead = Vec::new();
    for file in files().iter().filter(|file| ends_in(&file.path, "md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for link in links(&file.text) {
            let target = link.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || target.is_empty();
            if !outside && !exists(&format!("{folder}/{target}")) && !exists(target) {
                dead.push(format!("{}: {link}", file.path));
            }
        }
    }
    none(&dead, "mend the link, or write what it leads to:");
}

/// The words between single backticks, outside of blocks of code.
fn quoted(text: &str) -> Vec<&str> {
    let outside = text.split("```").step_by(2);
    outside.flat_map(|part| part.split('`').skip(1).step_by(2)).collect()
}

#[test]
fn every_path_that_the_papers_name_exists() {
    let folders = ["harness/", "scanners/", "defenses/", "scenarios/", "tests/", ".ci/", "examples/"];
    let mut gone = Vec::new();
    for paper in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "BENCHMARKS.md"] {
        let text = read(paper);
        let paths =
            quoted(&text).into_iter().filter(|word| folders.iter().any(|folder| word.starts_with(folder)));
        let named = paths.filter(|path| !path.contains([' ', '*', '<']) && !exists(path));
        gone.extend(named.map(|path| format!("{paper}: {path}")));
    }
    none(&gone, "the paper names what is not there; mend one or the other:");
}

/// The rows of ARCHITECTURE.md's map: what the first column names, and what the second puts below it.
#[test]
fn the_map_shows_the_house() {
    let text = read("ARCHITECTURE.md");
    let rows: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | ")).collect();
    let mut gone = Vec::new();
    for (folder, about) in &rows {
        let below = quoted(about).into_iter().filter(|word| word.ends_with('/'));
        let below = below.map(|word| if exists(word) { word.to_owned() } else { format!("{folder}/{word}") });
        gone.extend([(*folder).to_owned()].into_iter().chain(below).filter(|path| !exists(path)));
    }
    none(&gone, "ARCHITECTURE.md's map names a folder that is not there:");
    let mapped: BTreeSet<&str> = rows.iter().map(|(folder, _)| *folder).collect();
    let workspace: toml::Table = read("Cargo.toml").parse().expect("cargo has read it too");
    let members = workspace["workspace"]["members"].as_array().expect("the workspace lists its members");
    let unmapped = members.iter().filter_map(toml::Value::as_str).filter(|member| !mapped.contains(member));
    none(&unmapped.map(str::to_owned).collect::<Vec<_>>(), "ARCHITECTURE.md's map lacks a crate:");
}

/// The subcommands, as the command line declares them.
fn subcommands() -> BTreeSet<String> {
    let source = read("harness/cli/src/args.rs");
    let (_, variants) = source.split_once("pub enum Command {").expect("args.rs declares the subcommands");
    let (variants, _) = variants.split_once("\n}").expect("an enum ends");
    let names = variants.lines().map(str::trim).filter(|line| line.starts_with(char::is_uppercase));
    names
        .map(|line| line.chars().take_while(|c| c.is_alphanumeric()).collect::<String>().to_lowercase())
        .collect()
}

#[test]
fn every_command_that_the_papers_show_exists() {
    let known = subcommands();
    assert!(known.contains("run"), "the subcommands are read from args.rs: {known:?}");
    let mut wrong = Vec::new();
    for paper in PAPERS {
        let text = read(paper);
        let in_blocks =
            text.split("```").skip(1).step_by(2).flat_map(str::lines).filter(|line| is_command(line));
        for line in in_blocks.chain(quoted(&text).into_iter().filter(|word| word.starts_with("scandrill "))) {
            let after = line.split("scandrill ").skip(1);
            let named = after.filter_map(|rest| rest.split_whitespace().next()).filter(|word| is_name(word));
            wrong.extend(
                named.filter(|word| !known.contains(*word)).map(|word| format!("{paper}: scandrill {word}")),
            );
        }
    }
    none(&wrong, "the paper shows a subcommand that harness/cli/src/args.rs does not have:");
}

/// A line in a block of code that somebody is to type.
fn is_command(line: &str) -> bool {
    let typed = line.trim_start_matches("$ ").trim_start();
    typed.starts_with("scandrill ") || typed.contains("| scandrill ") || typed.starts_with("sudo ")
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
}
