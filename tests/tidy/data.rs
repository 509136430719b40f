//! Scenarios and the list of claims: each names what exists, and nothing is left out.

use std::collections::{BTreeMap, BTreeSet};

use scandrill_defenses::{Layer, Preset, layers};
use serde::Deserialize;

use crate::house::{File, ends_in, exists, files, none, read};

const CLAIMS: &str = "scenarios/manual/claims.toml";

/// `scenarios/manual/claims.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    claim: Vec<Claim>,
}

/// A sentence of the manual.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    id: String,
    section: String,
    says: String,
    scenario: Option<String>,
    benchmark: Option<String>,
    pending: Option<String>,
}

fn claims() -> Vec<Claim> {
    toml::from_str::<Claims>(&read(CLAIMS)).unwrap_or_else(|error| panic!("{CLAIMS}: {error}")).claim
}

/// The scenario files, each with its name: `manual/recent`.
fn scenarios() -> Vec<(String, File)> {
    let named = files().into_iter().filter_map(|file| {
        let name = file.path.strip_prefix("scenarios/")?.strip_suffix(".toml")?.to_owned();
        (file.path != CLAIMS).then_some((name, file))
    });
    named.collect()
}

#[test]
fn every_scenario_says_what_it_shows() {
    let mut wrong = Vec::new();
    for (name, file) in scenarios().iter().filter(|(name, _)| !name.starts_with("must-fail/")) {
        match file.text.parse::<toml::Table>() {
            Err(error) => wrong.push(format!("{name}: {}", error.message())),
            Ok(table) if table.contains_key("about") || table.contains_key("claim") => {}
            Ok(_) => wrong.push(format!("{name}: neither `about` nor `claim`")),
        }
    }
    none(&wrong, "give each scenario one line of `about`, or the claim that it puts to the test:");
}

#[test]
fn the_house_has_the_scenarios_it_promises() {
    for (folder, at_least) in [
        ("baseline/", 10),
        ("manual/", 12),
        ("hardened/", 2),
        ("evasion/", 10),
        ("operation/", 12),
        ("recent/", 20),
        ("limits/", 6),
        ("bans/", 12),
        ("policies/", 10),
        ("stealth/", 8),
        ("allowlist/", 4),
        ("must-fail/", 8),
    ] {
        let found = scenarios().iter().filter(|(name, _)| name.starts_with(folder)).count();
        assert!(
            found >= at_least,
            "scenarios/{folder} has {found} scenarios; the README promises {at_least}"
        );
    }
}

#[test]
fn every_scenario_of_the_manual_puts_a_claim_to_the_test() {
    let without = scenarios().into_iter().filter(|(name, file)| {
        let claim = file.text.parse::<toml::Table>().ok().and_then(|table| table.get("claim").cloned());
        name.starts_with("manual/") && claim.is_none()
    });
    let without: Vec<String> = without.map(|(name, _)| name).collect();
    none(&without, "add claim.text, claim.source and claim.predicts, or move it out of scenarios/manual/:");
}

#[test]
fn every_wrong_scenario_has_the_text_it_must_be_refused_with() {
    let wrong = scenarios().into_iter().filter(|(name, _)| name.starts_with("must-fail/"));
    let without = wrong.filter(|(name, _)| !exists(&format!("scenarios/{name}.expected")));
    let without: Vec<String> = without.map(|(name, _)| name).collect();
    none(
        &without,
        "write NAME.expected with SCANDRILL_BLESS=1 (CONTRIBUTING.md), and read it before you commit it:",
    );
}

#[test]
fn no_expected_text_is_left_behind() {
    let left = files().into_iter().filter(|file| {
        let name = file.path.strip_suffix(".expected");
        name.is_some_and(|name| !exists(&format!("{name}.toml")))
    });
    none(&left.map(|file| file.path).collect::<Vec<_>>(), "its scenario is gone; take it away:");
}

#[test]
fn every_file_beside_a_scenario_is_used_by_one() {
    let all = scenarios();
    let unused = files().into_iter().filter(|file| {
        let other = !ends_in(&file.path, "toml") && !ends_in(&file.path, "expected");
        let name = file.path.rsplit('/').next().unwrap_or_default();
        file.path.starts_with("scenarios/")
            && other
            && !all.iter().any(|(_, scenario)| scenario.text.contains(name))
    });
    none(
        &unused.map(|file| file.path).collect::<Vec<_>>(),
        "name it in a scenario's `rules`, or take it away:",
    );
}

#[test]
fn what_says_exclusive_has_the_machine_alone_under_nextest_too() {
    let config = read(".config/nextest.toml");
    let alone = config.lines().find(|line| line.contains("binary(netns)") && line.contains("conntrack.full"));
    let alone = alone.expect("a line of .config/nextest.toml names what runs alone");
    // What cannot be read is there to be refused.
    let says = |file: &File| file.text.parse::<toml::Table>().ok()?.get("exclusive")?.as_bool();
    let exclusive = scenarios().into_iter().filter(|(_, file)| says(file) == Some(true));
    let missing = exclusive.map(|(name, _)| name.replace('/', ".")).filter(|name| !alone.contains(name));
    none(&missing.collect::<Vec<_>>(), "name it in .config/nextest.toml among those that run alone:");
}

#[test]
fn every_layer_that_two_tools_install_meets_one_expectation_with_both() {
    let both: Vec<toml::Table> = scenarios()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("must-fail/"))
        .filter_map(|(_, file)| file.text.parse().ok())
        .filter(is_for_both_tools)
        .collect();
    let twins = layers()
        .iter()
        .filter(|layer| layer.parameters().iter().any(|parameter| parameter.default == Preset::Tool));
    let lacking = twins.filter(|layer| !both.iter().any(|table| has_as_the_case_says(table, **layer)));
    none(
        &lacking.map(|layer| layer.name().to_owned()).collect::<Vec<_>>(),
        "write a scenario with tool = [\"iptables\", \"nftables\"] for each of these layers:",
    );
}

fn is_for_both_tools(scenario: &toml::Table) -> bool {
    let tools = scenario.get("tool").and_then(toml::Value::as_array);
    tools.is_some_and(|tools| ["iptables", "nftables"].iter().all(|tool| tools.contains(&(*tool).into())))
}

/// Whether a scenario's defense has `layer`, installed by the case's tool.
fn has_as_the_case_says(scenario: &toml::Table, layer: &dyn Layer) -> bool {
    let defense =
        scenario.get("target").and_then(|target| target.get("defense")).and_then(toml::Value::as_array);
    let is_it = |table: &toml::Value| {
        table.get("layer").and_then(toml::Value::as_str) == Some(layer.name()) && table.get("tool").is_none()
    };
    defense.is_some_and(|defense| defense.iter().any(is_it))
}

#[test]
fn every_sentence_of_the_manual_has_a_scenario_a_benchmark_or_a_reason() {
    let mut wrong = Vec::new();
    for claim in claims() {
        let told = [&claim.id, &claim.section, &claim.says].iter().all(|text| !text.trim().is_empty());
        match (&claim.scenario, &claim.benchmark, &claim.pending) {
            _ if !told => wrong.push(format!("{}: id, section and says must be filled in", claim.id)),
            (Some(scenario), None, None) if exists(&format!("scenarios/{scenario}.toml")) => {}
            (Some(scenario), None, None) => {
                wrong.push(format!("{}: there is no scenarios/{scenario}.toml", claim.id));
            }
            (None, Some(benchmark), None) if is_written_down(benchmark) => {}
            (None, Some(benchmark), None) => {
                let lack = format!("{}: there is no benchmark `{benchmark}` with a section", claim.id);
                wrong.push(format!("{lack} in BENCHMARKS.md that names its command"));
            }
            (None, None, Some(reason)) if !reason.trim().is_empty() => {}
            (None, None, _) => {
                let lack = "neither a scenario, nor a benchmark, nor a reason why it is pending";
                wrong.push(format!("{}: {lack}", claim.id));
            }
            _ => wrong.push(format!("{}: more than one of scenario, benchmark and pending", claim.id)),
        }
    }
    none(&wrong, &format!("mend {CLAIMS}, or write the scenario:"));
}

/// Whether there is a benchmark of that name, and BENCHMARKS.md says what it showed.
fn is_written_down(benchmark: &str) -> bool {
    let manifest: toml::Table = read("tests/Cargo.toml").parse().expect("cargo has read it too");
    let benches = manifest.get("bench").and_then(toml::Value::as_array).into_iter().flatten();
    let is_there = benches.filter_map(|bench| bench.get("name")?.as_str()).any(|name| name == benchmark);
    let command = format!("--bench {benchmark} ");
    is_there && read("BENCHMARKS.md").contains(&command)
}

#[test]
fn every_scenario_of_the_manual_is_in_the_list_of_claims() {
    let listed: BTreeSet<String> = claims().into_iter().filter_map(|claim| claim.scenario).collect();
    let all = scenarios().into_iter().map(|(name, _)| name).filter(|name| name.starts_with("manual/"));
    let missing: Vec<String> = all.filter(|name| !listed.contains(name)).collect();
    none(&missing, &format!("say in {CLAIMS} which sentence each of these is about:"));
}

#[test]
fn a_claims_id_names_one_sentence() {
    let mut sentences: BTreeMap<String, usize> = BTreeMap::new();
    for claim in claims() {
        *sentences.entry(claim.id).or_default() += 1;
    }
    let kebab =
        |id: &str| id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c));
    let wrong = sentences.iter().filter(|(id, number)| **number > 1 || !kebab(id));
    none(&wrong.map(|(id, _)| id.clone()).collect::<Vec<_>>(), "ids are unique, in lower case with dashes:");
}
