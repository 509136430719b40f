//! Turns a rules file of this crate and a layer's settings into the text that gets installed. An undefined name in
//! a rules file is an error, never an empty place.

use std::ops::RangeInclusive;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, context};
use scandrill_model::{Family, Loader, PortSet, Step, Tool};

use crate::error::DefenseError;
use crate::settings::{Services, Settings};

/// A rules file of this crate.
#[derive(Clone, Copy, Debug)]
pub struct RulesFile {
    /// Its path under `rules/`; errors and reports name it.
    pub name: &'static str,
    /// Its text before rendering.
    pub text: &'static str,
}

/// Embeds a file of `rules/` under its name.
macro_rules! rules_file {
    ($name:literal) => {
        $crate::render::RulesFile { name: $name, text: include_str!(concat!("../../rules/", $name)) }
    };
}
pub(crate) use rules_file;

/// The same rules for both tools.
#[derive(Clone, Copy, Debug)]
pub struct Twins {
    /// In iptables-save format, rendered once for each family.
    pub iptables: RulesFile,
    /// One table for both families.
    pub nftables: RulesFile,
}

/// Embeds `NAME.rules` and `NAME.nft` of `rules/`.
macro_rules! twins {
    ($name:literal) => {
        $crate::render::Twins {
            iptables: $crate::render::RulesFile {
                name: concat!($name, ".rules"),
                text: include_str!(concat!("../../rules/", $name, ".rules")),
            },
            nftables: $crate::render::RulesFile {
                name: concat!($name, ".nft"),
                text: include_str!(concat!("../../rules/", $name, ".nft")),
            },
        }
    };
}
pub(crate) use twins;

const APPEND: RulesFile = RulesFile { name: "append.sh", text: include_str!("../rules/append.sh") };

/// Renders a rules file with what `context` defines.
pub fn render(layer: &str, file: RulesFile, context: &Value) -> Result<String, DefenseError> {
    let text = engine().and_then(|engine| engine.render_named_str(file.name, file.text, context));
    text.map_err(|error| DefenseError::Render {
        layer: layer.to_owned(),
        file: file.name.to_owned(),
        why: format!("{error:#}"),
    })
}

fn engine() -> Result<Environment<'static>, minijinja::Error> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_syntax(
        SyntaxConfig::builder().keep_trailing_newline(true).trim_blocks(true).lstrip_blocks(true).build()?,
    );
    engine.add_filter("ports", nft_ports);
    Ok(engine)
}

/// A step that gives a rendered file to a loader.
pub fn load(layer: &str, loader: Loader, file: RulesFile, context: &Value) -> Result<Step, DefenseError> {
    Ok(Step::Load { loader, text: render(layer, file, context)?, origin: file.name.to_owned() })
}

/// A step that adds a file in iptables-save format, rendered once for each family by `context`, to the rules that
/// are there already. (Loading such a file by itself replaces what was there, which is right for a whole
/// ruleset and wrong for one layer among others.)
pub fn append(
    layer: &str,
    settings: &Settings,
    file: RulesFile,
    context: impl Fn(Family) -> Value,
) -> Result<Step, DefenseError> {
    let v4 = render(layer, file, &context(Family::V4))?;
    let v6 = render(layer, file, &context(Family::V6))?;
    let text = render(layer, APPEND, &context! { v4, v6 })?;
    let loader = Loader::Script { backend: settings.site().backend };
    Ok(Step::Load { loader, text, origin: file.name.to_owned() })
}

/// A step that gives one of the twins to the tool of the settings. `context` is asked for each family by itself, or for
/// both together by `None`; the rules files know the family as `family`.
pub fn install(
    layer: &str,
    settings: &Settings,
    twins: Twins,
    context: impl Fn(Option<Family>) -> Value,
) -> Result<Step, DefenseError> {
    match settings.tool() {
        Tool::Nftables => load(layer, Loader::Nft, twins.nftables, &context(None)),
        Tool::Iptables => append(layer, settings, twins.iptables, |family| {
            context! { family => family.to_string(), ..context(Some(family)) }
        }),
    }
}

/// Services as rules files walk over them: `allow.tcp` is a list of ranges with `first` and `last`.
pub fn services(services: &Services) -> Value {
    context! { tcp => ranges(&services.tcp), udp => ranges(&services.udp) }
}

/// A port set's ranges as rules files walk over them: each has its text for `nft` and for `iptables`.
pub fn ranges(ports: &PortSet) -> Value {
    let range = |range: RangeInclusive<u16>| {
        let (first, last) = (range.start(), range.end());
        if first == last {
            context! { nft => first, iptables => first }
        } else {
            context! { nft => format!("{first}-{last}"), iptables => format!("{first}:{last}") }
        }
    };
    ports.ranges().map(range).collect()
}

/// The inside of an nft set of ports: `22, 80, 8000-8010`.
fn nft_ports(ranges: &Value) -> Result<String, minijinja::Error> {
    let texts: Result<Vec<_>, _> = ranges.try_iter()?.map(|range| range.get_attr("nft")).collect();
    Ok(texts?.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undefined_name_in_a_rules_file_is_an_error() {
        let file = RulesFile { name: "x.rules", text: "-A INPUT -j {{ verdict }}\n" };
        let error = render("x", file, &context! {}).unwrap_err().to_string();
        assert!(error.starts_with("layer `x`: rendering x.rules: undefined value"), "{error}");
        let text = render("x", file, &context! { verdict => "DROP" }).unwrap();
        assert_eq!(text, "-A INPUT -j DROP\n");
    }

    #[test]
    fn ports_are_written_as_nft_reads_them() {
        let file = RulesFile { name: "x.nft", text: "{ {{ set | ports }} }" };
        let set: PortSet = "80,22,8000-8010".parse().unwrap();
        let text = render("x", file, &context! { set => ranges(&set) }).unwrap();
        assert_eq!(text, "{ 22, 80, 8000-8010 }");
        let file =
            RulesFile { name: "x.rules", text: "{% for ports in set %}{{ ports.iptables }} {% endfor %}" };
        assert_eq!(render("x", file, &context! { set => ranges(&set) }).unwrap(), "22 80 8000:8010 ");
    }
}
