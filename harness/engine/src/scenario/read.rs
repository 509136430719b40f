//! From a scenario file to a [`Scenario`]: the one place where text becomes types, and where every mistake in
//! it is found and placed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::Range;

use ipnet::IpNet;
use scandrill_defenses::{LayerSpec, is_of_the_machine};
use scandrill_model::{Backend, Family, PerMille, Protocol, ServicePlan, Tool, is_lab_address};

use super::bounds::check_bounds;
use super::expect::{self, Located, at};
use super::file::{At, ClaimTable, HostTable, LayerTable, OneOrMany, ScenarioFile, TargetTable};
use super::words::{self, Wrong, word};
use super::{Actor, Canary, Claim, Counter, Edge, HostSettings, IcmpLimit, Kind, Red, Scenario, Target};
use super::{counter, edge, flood, green, operator, red};
use crate::bad_file::{BadFile, SourceFile, nearest};

/// Hosts that a lab has by itself, and no actor but an administrator works on.
const RESERVED_HOSTS: [&str; 4] = [TARGET, EDGE, "reference", "edge-reference"];
pub(super) const TARGET: &str = "target";
const EDGE: &str = "edge";

/// Finds a rules file that a scenario names, by its path from the scenario's folder; the error says why not.
pub type LoadRules<'a> = &'a dyn Fn(&str) -> Result<SourceFile, String>;

/// Understands one scenario file.
///
/// # Errors
/// The first mistake, with its place and what would be right.
pub fn read(name: &str, file: &SourceFile, load: LoadRules<'_>) -> Result<Scenario, Box<BadFile>> {
    let raw: ScenarioFile = toml::from_str(&file.text).map_err(|error| Box::new(from_toml(file, &error)))?;
    understand(name, file, raw, load).map_err(|(span, wrong)| Box::new(bad(file, span, wrong)))
}

fn bad(file: &SourceFile, span: Range<usize>, wrong: Wrong) -> BadFile {
    BadFile { file: file.clone(), span, message: wrong.message, help: wrong.help }
}

/// TOML's own errors; those about unknown keys get the nearest known one.
fn from_toml(file: &SourceFile, error: &toml::de::Error) -> BadFile {
    let span = error.span().unwrap_or(0..0);
    let mut quoted = error.message().split('`').skip(1).step_by(2);
    let wrong = match (error.message().starts_with("unknown field"), quoted.next()) {
        (true, Some(unknown)) => {
            let known: Vec<&str> = quoted.collect();
            let help = match nearest(unknown, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            Wrong::new(format!("unknown key `{unknown}`"), help)
        }
        _ => Wrong { message: error.message().trim().replace('\n', ", "), help: None },
    };
    bad(file, span, wrong)
}

fn understand(name: &str, file: &SourceFile, raw: ScenarioFile, load: LoadRules<'_>) -> Located<Scenario> {
    let reds = red::reds(&raw.red)?;
    let floods = flood::floods(&raw.flood)?;
    let greens = green::greens(&raw.green, &reds, &floods)?;
    let operators = operator::operators(&raw.operator)?;
    let services = services(&raw.target.services)?;
    let edge = raw.edge.as_ref().map(|table| edge::edge(table, &services, load)).transpose()?;
    let target = target(&raw.target, services, edge.as_ref(), load)?;
    let defenses = || target.defense.iter().chain(edge.iter().flat_map(|edge| &edge.defense));
    let mut scenario = Scenario {
        name: name.to_owned(),
        file: file.clone(),
        about: raw.about,
        claim: None,
        families: families(raw.family.as_ref(), &reds)?,
        tools: tools(raw.tool.as_ref(), defenses())?,
        backends: words_or(raw.backend.as_ref(), "back end", &[Backend::Nft])?,
        repeat: raw
            .repeat
            .as_ref()
            .map(|count| at(count, |&count| at_least_one(count)))
            .transpose()?
            .unwrap_or(1),
        slow: raw.slow,
        exclusive: raw.exclusive,
        target,
        edge,
        loss: match &raw.link.loss {
            Some(loss) => at(loss, |text| words::share(text))?,
            None => PerMille::NONE,
        },
        hosts: raw
            .hosts
            .iter()
            .map(|(name, table)| Ok((name.clone(), host(table)?)))
            .collect::<Located<_>>()?,
        reds,
        greens,
        operators,
        floods,
        counters: counter::counters(&raw.counter)?,
    };
    scenario.claim = raw.claim.as_ref().map(|table| claim(table, &scenario.named())).transpose()?;
    check_actors(&scenario)?;
    check_bounds(&scenario)?;
    Ok(scenario)
}

/// Both unless the file says otherwise; those that a technique or an address of it does not have are left out, or an
/// error where the file asks for them.
fn families(asked: Option<&At<OneOrMany<String>>>, reds: &[Red]) -> Located<Vec<Family>> {
    let families = words_or(asked, "family", &[Family::V4, Family::V6])?;
    let amiss = |family: &Family| reds.iter().find_map(|red| red.lacks(*family));
    if let Some((asked, (family, why))) =
        asked.zip(families.iter().find_map(|family| Some((*family, amiss(family)?))))
    {
        let help = "leave `family` out, or name what there is";
        return Err((
            asked.span.clone(),
            Wrong::new(format!("no case can be run over {family}: {why}"), help),
        ));
    }
    let (there, lacking): (Vec<Family>, Vec<Family>) =
        families.into_iter().partition(|family| amiss(family).is_none());
    match (there.is_empty(), lacking.first().and_then(amiss)) {
        (true, Some(why)) => {
            let span = reds.first().map(|red| red.span.clone()).unwrap_or_default();
            Err((span, Wrong::new(format!("no case can be run: {why}"), "name addresses of one IP version")))
        }
        _ => Ok(there),
    }
}

/// iptables unless the file says otherwise; to name one where no layer asks for it would change nothing.
fn tools<'a>(
    asked: Option<&At<OneOrMany<String>>>,
    mut layers: impl Iterator<Item = &'a LayerSpec>,
) -> Located<Vec<Tool>> {
    let tools = words_or(asked, "tool", &[Tool::Iptables])?;
    match asked {
        Some(asked) if !layers.any(LayerSpec::takes_the_cases_tool) => {
            let help = "leave `tool` out, or use a layer that has that parameter: scandrill list --layers";
            Err((
                asked.span.clone(),
                Wrong::new("no layer of the defense is installed by the case's tool", help),
            ))
        }
        _ => Ok(tools),
    }
}

pub(super) fn at_least_one(count: u32) -> Result<u32, Wrong> {
    if count == 0 { Err(Wrong::new("nothing would run", "write 1 or more")) } else { Ok(count) }
}

/// A list of words, or what stands for leaving it out.
pub(super) fn words_or<T>(
    values: Option<&At<OneOrMany<String>>>,
    what: &str,
    default: &[T],
) -> Located<Vec<T>>
where
    T: Clone + std::str::FromStr + strum::IntoEnumIterator + ToString,
{
    let Some(values) = values else { return Ok(default.to_vec()) };
    at(values, |values| {
        let values = values.clone().into_vec();
        if values.is_empty() {
            return Err(Wrong::new(format!("no {what} is named"), "leave the key out for the default"));
        }
        values.iter().map(|text| word(what, text)).collect()
    })
}

fn claim(table: &ClaimTable, actors: &[Actor<'_>]) -> Located<Claim> {
    let named = table.predicts.value.actor.as_ref().map(|name| known_actor(name, actors)).transpose()?;
    let predicts = expect::prediction(&table.predicts, named.map(|actor| actor.kind))?;
    let first = || actors.iter().find(|actor| actor.kind == predicts.kind());
    let Some(actor) = named.or_else(first) else {
        let help = format!("add a [[{}]]", predicts.kind());
        let wrong = Wrong::new("the claim is about an actor that is not there", help);
        return Err((table.predicts.span.clone(), wrong));
    };
    Ok(Claim {
        text: table.text.clone(),
        source: table.source.clone(),
        actor: actor.name.to_owned(),
        predicts,
        span: table.predicts.span.clone(),
    })
}

fn known_actor<'a>(name: &At<String>, actors: &'a [Actor<'a>]) -> Located<&'a Actor<'a>> {
    at(name, |name| {
        actors.iter().find(|actor| actor.name == name).ok_or_else(|| {
            let known: Vec<&str> = actors.iter().map(|actor| actor.name).collect();
            let help = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known: {}", known.join(", ")),
            };
            Wrong::new(format!("no actor is named `{name}`"), help)
        })
    })
}

fn target(
    table: &TargetTable,
    services: Vec<ServicePlan>,
    edge: Option<&Edge>,
    load: LoadRules<'_>,
) -> Located<Target> {
    let faced = edge.map_or_else(|| services.clone(), |edge| edge.faced(&services));
    let span = |at: &At<LayerTable>| at.span.clone();
    let interface = table.interface.as_ref().map(|name| at(name, |name| interface_name(name))).transpose()?;
    Ok(Target {
        interface: interface.unwrap_or_else(|| "eth0".to_owned()),
        canary: canary(table.canary.as_ref(), &faced, edge)?,
        services,
        defense: layers(&table.defense)?,
        defense_span: table.defense.first().map(span).unwrap_or_default(),
        rules: rules(table.rules.as_ref(), load)?,
        icmp: table
            .icmp
            .as_ref()
            .map(|text| at(text, |text| word("ICMP limit", text)))
            .transpose()?
            .unwrap_or(IcmpLimit::Unlimited),
        sysctls: sysctls(&table.sysctls)?,
    })
}

/// What the kernel takes for a name (`dev_valid_name` in net/core/dev.c).
fn interface_name(name: &str) -> Result<String, Wrong> {
    let strange = |c: char| c == '/' || c == ':' || c.is_whitespace();
    if (1..=15).contains(&name.len()) && !name.contains(strange) && ![".", "..", "lo"].contains(&name) {
        return Ok(name.to_owned());
    }
    let help = "use 1 to 15 characters, none of them a slash, a colon or a space, such as `eth0`";
    Err(Wrong::new(format!("`{name}` is not a name for an interface"), help))
}

/// Kernel parameters of a host are those of its network namespace.
fn sysctls(table: &BTreeMap<String, At<String>>) -> Located<BTreeMap<String, String>> {
    let of_a_host = |key: &str, value: &String| {
        if is_of_the_machine(key) {
            let message = format!("`{key}` belongs to the whole machine and cannot be set in a lab");
            let help = "fill the table that there is: a [[flood]] with count = \"110% of nf_conntrack_max\"";
            return Err(Wrong::new(message, help));
        }
        if key.starts_with("net.") {
            return Ok(value.clone());
        }
        Err(Wrong::new(format!("`{key}` belongs to no host"), "a lab sets keys that begin with `net.`"))
    };
    let read =
        |(key, value): (&String, &At<String>)| Ok((key.clone(), at(value, |value| of_a_host(key, value))?));
    table.iter().map(read).collect()
}

fn services(texts: &[At<String>]) -> Located<Vec<ServicePlan>> {
    let mut services: Vec<ServicePlan> = Vec::new();
    for text in texts {
        let service = at(text, |text| words::service(text))?;
        if services.iter().any(|other| (other.protocol, other.port) == (service.protocol, service.port)) {
            let message = format!("{}/{} is served twice", service.protocol, service.port);
            return Err((text.span.clone(), Wrong::new(message, "keep one of them")));
        }
        services.push(service);
    }
    Ok(services)
}

/// The user's own rules.
pub(super) fn rules(paths: Option<&At<OneOrMany<String>>>, load: LoadRules<'_>) -> Located<Vec<SourceFile>> {
    paths.map_or_else(|| Ok(Vec::new()), |paths| at(paths, |paths| load_all(paths, load)))
}

fn load_all(paths: &OneOrMany<String>, load: LoadRules<'_>) -> Result<Vec<SourceFile>, Wrong> {
    let read = |path: &String| {
        load(path).map_err(|why| {
            Wrong::new(
                format!("cannot read the rules `{path}`: {why}"),
                "name a file by its path from this one",
            )
        })
    };
    paths.clone().into_vec().iter().map(read).collect()
}

/// A defense's layers in their order.
pub(super) fn layers(tables: &[At<LayerTable>]) -> Located<Vec<LayerSpec>> {
    tables.iter().map(|layer| at(layer, layer_spec)).collect()
}

fn layer_spec(table: &LayerTable) -> Result<LayerSpec, Wrong> {
    let mut layer = None;
    let mut parameters = BTreeMap::new();
    for (key, value) in table {
        if key.value == "layer" {
            layer = value.as_str().map(str::to_owned);
        } else {
            let value = serde_json::to_value(value)
                .map_err(|error| Wrong { message: format!("`{}`: {error}", key.value), help: None })?;
            parameters.insert(key.value.clone(), value);
        }
    }
    let layer =
        layer.ok_or_else(|| Wrong::new("a layer has no name", "write { layer = \"recent\", ... }"))?;
    Ok(LayerSpec { layer, parameters })
}

fn canary(text: Option<&At<String>>, services: &[ServicePlan], edge: Option<&Edge>) -> Located<Canary> {
    let first = services.iter().find(|service| service.protocol == Protocol::Tcp);
    let Some(text) = text else {
        return Ok(first.map_or(Canary::Nobody, |service| Canary::Tcp(service.port)));
    };
    at(text, |text| {
        if text == "none" {
            return Ok(Canary::Nobody);
        }
        let (protocol, port) = words::address(text)?;
        let served = services.iter().any(|service| (service.protocol, service.port) == (protocol, port));
        match (protocol, served) {
            (Protocol::Tcp, true) => Ok(Canary::Tcp(port)),
            (Protocol::Tcp, false) => Err(match edge {
                None => Wrong::new(format!("nothing listens on {text}"), "add it to `services`"),
                Some(_) => Wrong::new(
                    format!("the edge leads nobody from {text} to a listener"),
                    "name a port of the edge that does",
                ),
            }),
            _ => Err(Wrong::new("a canary connects over TCP", "name a TCP service, or \"none\"")),
        }
    })
}

fn host(table: &HostTable) -> Located<HostSettings> {
    let range = |text: &At<String>| at(text, |text| lab_range(text));
    let ranges = table.ranges.iter().map(range).collect::<Located<_>>()?;
    Ok(HostSettings { sysctls: sysctls(&table.sysctls)?, ranges })
}

pub(super) fn lab_range(text: &str) -> Result<IpNet, Wrong> {
    let help = "labs use 198.18.0.0/15 and fd00:198:18::/48";
    let net: IpNet = text.parse().map_err(|_| Wrong::new(format!("`{text}` is not a range"), help))?;
    if is_lab_address(net.network()) && is_lab_address(net.broadcast()) {
        Ok(net)
    } else {
        Err(Wrong::new(format!("{net} is outside the lab's ranges"), help))
    }
}

pub(super) fn lab_address(text: &str) -> Result<IpAddr, Wrong> {
    let help = "labs use 198.18.0.0/15 and fd00:198:18::/48";
    let address: IpAddr =
        text.parse().map_err(|_| Wrong::new(format!("`{text}` is not an address"), help))?;
    if is_lab_address(address) {
        Ok(address)
    } else {
        Err(Wrong::new(format!("{address} is outside the lab's ranges"), help))
    }
}

/// `red`, `red-2`, ... unless the file says otherwise.
pub(super) fn name_of(name: Option<&At<String>>, kind: &str, index: usize) -> String {
    match (name, index) {
        (Some(name), _) => name.value.clone(),
        (None, 0) => kind.to_owned(),
        (None, _) => format!("{kind}-{}", index + 1),
    }
}

pub(super) fn optional_word<T>(text: Option<&At<String>>, what: &str, default: T) -> Located<T>
where
    T: std::str::FromStr + strum::IntoEnumIterator + ToString,
{
    text.map_or(Ok(default), |text| at(text, |text| word(what, text)))
}

pub(super) fn names<'a>(names: impl IntoIterator<Item = &'a At<String>>) -> Vec<String> {
    names.into_iter().map(|name| name.value.clone()).collect()
}

/// Names are unique, `after` names an actor, and nobody waits for himself.
fn check_actors(scenario: &Scenario) -> Located<()> {
    let actors = scenario.actors();
    if actors.is_empty() {
        return Err((0..0, Wrong::new("nobody acts", "add a [[red]] or a [[green]]")));
    }
    let mut seen = BTreeSet::new();
    for actor in &scenario.named() {
        if !seen.insert(actor.name) {
            let wrong = Wrong::new(format!("two actors are named `{}`", actor.name), "rename one");
            return Err((actor.span.clone(), wrong));
        }
        if let Some(missing) = actor
            .after
            .iter()
            .chain(actor.around)
            .find(|other| !actors.iter().any(|actor| actor.name == *other))
        {
            let known: Vec<&str> = actors.iter().map(|actor| actor.name).collect();
            let help = format!("known: {}", known.join(", "));
            return Err((actor.span.clone(), Wrong::new(format!("no actor is named `{missing}`"), help)));
        }
    }
    check_hosts(scenario)?;
    check_order(&actors)
}

/// Nobody but an administrator acts on the target and its edge, and nobody in a scratch namespace; settings are those of
/// hosts that exist.
fn check_hosts(scenario: &Scenario) -> Located<()> {
    let actors = scenario.actors();
    let is_defended = |host: &str| host == TARGET || host == EDGE && scenario.edge.is_some();
    let is_outbound = |name: &str| scenario.greens.iter().any(|green| green.peer() == Some(name));
    let at_home = |actor: &&Actor<'_>| {
        actor.kind == Kind::Operator && is_defended(actor.host) || is_outbound(actor.name)
    };
    let hosts: Vec<_> =
        actors.iter().filter(|actor| !at_home(actor)).map(|actor| (actor.host, actor.span)).collect();
    if let Some((host, span)) = hosts.iter().find(|(host, _)| RESERVED_HOSTS.contains(host)) {
        let help = if *host == EDGE && scenario.edge.is_none() {
            "add an [edge], or name another"
        } else {
            "leave `host` out, or name another"
        };
        return Err(((*span).clone(), Wrong::new(format!("`{host}` is not a host for actors"), help)));
    }
    check_named_hosts(scenario, &hosts)?;
    let is_edge = |name: &str| name == EDGE && scenario.edge.is_some();
    let known = |name: &str| {
        hosts.iter().any(|(host, _)| *host == name) || is_zombie(scenario, name) || is_edge(name)
    };
    let elsewhere = |counter: &&Counter| counter.host != TARGET && !known(&counter.host);
    if let Some(Counter { host, span, .. }) = scenario.counters.iter().find(elsewhere) {
        let known: Vec<&str> = hosts.iter().map(|(host, _)| *host).chain([TARGET]).collect();
        let help = format!("known: {}", known.join(", "));
        return Err((span.clone(), Wrong::new(format!("nobody's host is named `{host}`"), help)));
    }
    match scenario.hosts.keys().find(|name| !known(name)) {
        None => Ok(()),
        Some(name) => {
            let known: Vec<&str> = hosts.iter().map(|(host, _)| *host).collect();
            let help = match nearest(name, known.iter().copied()) {
                Some(near) => format!("did you mean [hosts.{near}]?"),
                None => format!("known: {}", known.join(", ")),
            };
            Err((
                place_of(&scenario.file.text, name),
                Wrong::new(format!("no actor works on host `{name}`"), help),
            ))
        }
    }
}

fn is_zombie(scenario: &Scenario, name: &str) -> bool {
    scenario.reds.iter().any(|red| red.zombie.as_deref() == Some(name))
}

/// A scan in a host's name needs that host, and it must be another one than the scanner's; so does a zombie.
fn check_named_hosts(scenario: &Scenario, hosts: &[(&str, &Range<usize>)]) -> Located<()> {
    for red in &scenario.reds {
        if let Some(missing) = red.named_hosts().find(|name| !hosts.iter().any(|(host, _)| host == name)) {
            let known: Vec<&str> =
                hosts.iter().map(|(host, _)| *host).filter(|host| *host != red.host).collect();
            let help = match nearest(missing, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => {
                    "name the host of another actor, such as that of a [[green]], or an address".to_owned()
                }
            };
            return Err((red.span.clone(), Wrong::new(format!("no actor works on host `{missing}`"), help)));
        }
        let others = red.named_hosts().chain(red.zombie.as_deref());
        if let Some(own) = others.into_iter().find(|name| *name == red.host) {
            let wrong = Wrong::new(format!("`{own}` is the scanner's own host"), "name another one");
            return Err((red.span.clone(), wrong));
        }
        if let Some(zombie) = red.zombie.as_deref().filter(|name| RESERVED_HOSTS.contains(name)) {
            let wrong = Wrong::new(format!("`{zombie}` cannot be a zombie"), "leave `zombie` out");
            return Err((red.span.clone(), wrong));
        }
    }
    Ok(())
}

fn place_of(text: &str, word: &str) -> Range<usize> {
    text.find(word).map_or(0..0, |start| start..start + word.len())
}

/// Nobody waits for himself, by whatever way round. Who acts while another does starts after it, and ends before.
fn check_order(actors: &[Actor<'_>]) -> Located<()> {
    let (mut started, mut finished) = (BTreeSet::new(), BTreeSet::new());
    while finished.len() < actors.len() {
        let before = (started.len(), finished.len());
        for actor in actors {
            let all = |names: &[String]| names.iter().all(|name| finished.contains(name.as_str()));
            let mut others = actors.iter().filter(|other| other.around.iter().any(|name| name == actor.name));
            if all(actor.after) && others.all(|other| started.contains(other.name)) {
                started.insert(actor.name);
            }
            if started.contains(actor.name) && all(actor.around) {
                finished.insert(actor.name);
            }
        }
        if before == (started.len(), finished.len()) {
            let stuck = actors.iter().find(|actor| !finished.contains(actor.name));
            let span = stuck.map(|actor| actor.span.clone()).unwrap_or_default();
            let help = "break the circle of `after` and `around`";
            return Err((span, Wrong::new("actors wait for each other", help)));
        }
    }
    Ok(())
}
