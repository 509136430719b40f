//! Reading a host's defense back from the kernel: both iptables back ends, nftables, sets, kernel parameters, files;
//! without what changes by itself (counters, contents of sets).

use std::collections::BTreeMap;
use std::time::Duration;

use scandrill_model::{CommandLine, Step};
use serde_json::Value;

use crate::error::LabError;
use crate::host::Host;
use crate::sysctl;

/// Longer than any of the programs takes.
const LIMIT: Duration = Duration::from_secs(60);
/// More rules than this are not asked for one by one; the dumps are compared all the same.
const ASKED_FOR: usize = 200;

/// Everything that rules can put into the kernel, each part under a heading.
const DUMP: &str = r#"# read the firewall back
set -e
echo '== nft'
ruleset=$(nft -j -s list ruleset)
echo "$ruleset"
case $ruleset in *'"table"'*)
    echo '== iptables nft'; iptables-nft-save 2> /dev/null
    echo '== ip6tables nft'; ip6tables-nft-save 2> /dev/null ;;
esac
if grep -qs . /proc/net/ip_tables_names; then echo '== iptables legacy'; iptables-legacy-save; fi
if grep -qs . /proc/net/ip6_tables_names; then echo '== ip6tables legacy'; ip6tables-legacy-save; fi
if command -v ipset > /dev/null; then echo '== ipset'; ipset save; fi
"#;

/// What was read back: lines by where they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    parts: BTreeMap<String, Vec<String>>,
}

/// Reads the host's rules and sets, and the parameters and files of `steps`.
pub async fn snapshot(host: &Host, steps: &[Step]) -> Result<Snapshot, LabError> {
    let command = CommandLine { program: "bash".into(), args: vec!["-c".into(), DUMP.into()] };
    let dumped = host.output(&command, None, LIMIT).await?.success(&command)?;
    let mut snapshot = Snapshot::parse(&String::from_utf8_lossy(&dumped.stdout));
    for step in steps {
        match step {
            Step::Sysctl { key, .. } => {
                let name = key.clone();
                let value = host.blocking(move || sysctl::get(&name)).await??;
                snapshot.part("sysctl").push(format!("{key} = {value}"));
            }
            Step::WriteFile { path, .. } => {
                let content = std::fs::read_to_string(path).unwrap_or_else(|error| error.to_string());
                snapshot.part("file").push(format!("{path}: {content}"));
            }
            Step::Load { .. } => {}
        }
    }
    Ok(snapshot)
}

impl Snapshot {
    /// How many rules, chains, sets, parameters and files there are.
    pub fn items(&self) -> usize {
        self.parts.values().map(Vec::len).sum()
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.items() == 0
    }

    /// Each line in which this one differs from `reference`, in words.
    pub fn differences(&self, reference: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        let names: std::collections::BTreeSet<&String> =
            self.parts.keys().chain(reference.parts.keys()).collect();
        let none = Vec::new();
        for name in names {
            let (own, other) =
                (self.parts.get(name).unwrap_or(&none), reference.parts.get(name).unwrap_or(&none));
            differences.extend(beyond(other, own).map(|line| format!("{name}: missing: {line}")));
            differences.extend(beyond(own, other).map(|line| format!("{name}: not asked for: {line}")));
            if own != other && differences.is_empty() {
                differences.push(format!("{name}: the same lines in another order"));
            }
        }
        differences
    }

    fn part(&mut self, name: &str) -> &mut Vec<String> {
        self.parts.entry(name.to_owned()).or_default()
    }

    fn parse(dump: &str) -> Self {
        let mut snapshot = Self::default();
        let mut name = "";
        for line in dump.lines() {
            if let Some(heading) = line.strip_prefix("== ") {
                name = heading;
            } else if name == "nft" {
                snapshot.part(name).extend(nft_objects(line));
            } else if name == "ipset" {
                snapshot.part(name).extend(set_created(line));
            } else {
                snapshot.iptables_line(name, line);
            }
        }
        snapshot.parts.retain(|_, lines| !lines.is_empty());
        snapshot
    }

    /// Rules, chains of the user's and policies other than ACCEPT; the table goes before each.
    fn iptables_line(&mut self, name: &str, line: &str) {
        let table = format!("{name} table");
        if let Some(begun) = line.strip_prefix('*') {
            self.parts.insert(table.clone(), vec![begun.to_owned()]);
        }
        let current = self.parts.get(&table).and_then(|lines| lines.first().cloned()).unwrap_or_default();
        let chain = line.strip_prefix(':').map(|chain| chain.split(" [").next().unwrap_or(chain));
        if let Some(chain) = chain.filter(|chain| !chain.ends_with(" ACCEPT")) {
            self.part(name).push(format!("-t {current} :{chain}"));
        } else if line.starts_with("-A ") {
            self.part(name).push(format!("-t {current} {line}"));
        } else if line == "COMMIT" {
            self.parts.remove(&table);
        }
    }
}

/// A set without the number that its hash starts with; its contents are left aside.
fn set_created(line: &str) -> Option<String> {
    let created = line.strip_prefix("create ")?;
    Some(created.split(" initval ").next().unwrap_or(created).to_owned())
}

/// The lines of `lines` that `other` has not, as often as they are more.
fn beyond<'a>(other: &'a [String], lines: &'a [String]) -> impl Iterator<Item = &'a String> {
    let mut left: BTreeMap<&String, usize> = BTreeMap::new();
    for line in lines {
        *left.entry(line).or_default() += 1;
    }
    other.iter().filter(move |line| match left.get_mut(line) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    })
}

/// nftables objects, one a line, without handles, counters and the contents of sets. What iptables-nft keeps empty
/// (base chains with the policy ACCEPT, and their tables) says nothing.
fn nft_objects(json: &str) -> Vec<String> {
    let Ok(mut ruleset) = serde_json::from_str::<Value>(json) else { return vec![json.to_owned()] };
    let Some(objects) = ruleset.get_mut("nftables").and_then(Value::as_array_mut) else { return Vec::new() };
    let mut lines = Vec::new();
    for object in objects {
        let Some((kind, body)) = object.as_object_mut().and_then(|object| object.iter_mut().next()) else {
            continue;
        };
        if kind != "metainfo" {
            let kind = kind.clone();
            tidy(body, &kind);
            lines.push(format!("{kind} {body}"));
        }
    }
    lines
}

fn tidy(body: &mut Value, kind: &str) {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("handle");
        if kind == "set" || kind == "map" {
            fields.remove("elem");
        }
    }
    without_counters(body);
}

fn without_counters(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Object(counter)) = fields.get_mut("counter") {
                counter.remove("packets");
                counter.remove("bytes");
            }
            fields.values_mut().for_each(without_counters);
        }
        Value::Array(values) => values.iter_mut().for_each(without_counters),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Asks the host's kernel for each iptables rule of `reference` by itself (`iptables -C`); gives those it has not.
pub async fn check_rules(host: &Host, reference: &Snapshot) -> Result<Vec<String>, LabError> {
    let mut script = String::from("# ask for each rule\n");
    for program in ["iptables", "ip6tables"]
        .into_iter()
        .flat_map(|stem| ["nft", "legacy"].map(|backend| (stem, backend)))
    {
        let lines = reference.parts.get(&format!("{} {}", program.0, program.1)).into_iter().flatten();
        script.extend(
            lines.filter(|line| line.contains(" -A ")).take(ASKED_FOR).map(|line| question(program, line)),
        );
    }
    let command = CommandLine { program: "bash".into(), args: vec!["-c".into(), script] };
    let asked = host.output(&command, None, LIMIT).await?.success(&command)?;
    Ok(String::from_utf8_lossy(&asked.stdout).lines().map(str::to_owned).collect())
}

/// The masks that iptables-save prints for `recent` where a rule has none; asked for in so many words, such a rule is
/// not found (iptables 1.8.9).
const DEFAULT_MASKS: [&str; 2] =
    [" --mask 255.255.255.255", " --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"];

/// A line of bash that prints a rule which is not there.
fn question((stem, backend): (&str, &str), line: &str) -> String {
    let asked = line.replacen(" -A ", " -C ", 1);
    let without_mask = DEFAULT_MASKS.iter().fold(asked.clone(), |asked, mask| asked.replace(mask, ""));
    let quoted = line.replace('\'', "'\\''");
    let program = format!("{stem}-{backend}");
    let again = if without_mask == asked {
        String::new()
    } else {
        format!("|| {program} {without_mask} 2> /dev/null ")
    };
    format!("{program} {asked} 2> /dev/null {again}|| echo '{program} has not: {quoted}'\n")
}
