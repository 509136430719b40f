//! `scandrill list`: scenarios with what they show and their cases; or the layers that defenses are made of.

use std::fmt::Write as _;

use scandrill_defenses::{Layer, Preset};
use scandrill_engine::Scanner;

use super::run::scanner_parser;
use crate::console::Console;
use crate::failure::Failure;
use crate::selection::{Chosen, Selection};

/// What to list.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario files, folders of them, or names of built-in ones; all built-in ones by default
    #[arg(value_name = "PATH")]
    pub paths: Vec<String>,
    /// List only cases whose name contains TEXT; several add up
    #[arg(long, value_name = "TEXT")]
    pub filter: Vec<String>,
    /// List only the cases of these scanners
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = scanner_parser())]
    pub scanner: Vec<Scanner>,
    /// List the layers of defenses with their parameters instead
    #[arg(long, conflicts_with_all = ["paths", "filter", "scanner"])]
    pub layers: bool,
}

/// Prints the list.
pub fn run(args: &Args, console: Console) -> Result<u8, Failure> {
    if args.layers {
        let layers: Vec<String> =
            scandrill_defenses::layers().iter().map(|layer| layer_text(*layer)).collect();
        console.out(&layers.join("\n"))?;
        return Ok(0);
    }
    let selection = Selection {
        paths: args.paths.clone(),
        filters: args.filter.clone(),
        scanners: args.scanner.clone(),
        slow: true,
        seed: 0,
    };
    let chosen = selection.scenarios()?;
    let listed: Vec<(String, usize)> =
        chosen.iter().map(|one| scenario_text(one, &selection)).filter(|(_, cases)| *cases > 0).collect();
    if listed.is_empty() {
        let help = Some("leave the filters out to see what there is".to_owned());
        return Err(Failure::Nothing { message: "no case matches".to_owned(), help });
    }
    let cases: usize = listed.iter().map(|(_, cases)| cases).sum();
    let texts: String = listed.iter().map(|(text, _)| text.as_str()).collect();
    console.out(&format!("{texts}\n{} scenarios, {cases} cases", listed.len()))?;
    Ok(0)
}

/// A scenario, what it shows, and its cases.
fn scenario_text(one: &Chosen, selection: &Selection) -> (String, usize) {
    let scenario = &one.scenario;
    let prefix = format!("{}[", scenario.name);
    let cases: Vec<String> = selection.cases(scenario).iter().map(scandrill_engine::Case::name).collect();
    let short: Vec<&str> = cases
        .iter()
        .map(|name| name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(']')).unwrap_or(name))
        .collect();
    let mut marks = Vec::new();
    if scenario.slow {
        marks.push("slow");
    }
    if scenario.exclusive {
        marks.push("exclusive");
    }
    let marks = if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) };
    let mut text = format!("{}{marks}\n", scenario.name);
    // Writing to a string does not fail.
    if let Some(about) = &scenario.about {
        let _ = writeln!(text, "    {about}");
    }
    if let Some(claim) = &scenario.claim {
        let _ = writeln!(text, "    claim: {} ({})", claim.text, claim.source);
    }
    let _ = writeln!(text, "    cases: [{}]", short.join("] ["));
    (text, cases.len())
}

/// A layer with its parameters.
fn layer_text(layer: &dyn Layer) -> String {
    let mut text = format!("{}\n    {}\n", layer.name(), layer.summary());
    for parameter in layer.parameters() {
        // Writing to a string does not fail.
        let unset = parameter.default == Preset::Nothing;
        let default = if unset { String::new() } else { format!(" ({} by default)", parameter.default) };
        let _ = writeln!(text, "    {}: {}; {}{default}", parameter.name, parameter.doc, parameter.kind);
    }
    text
}
