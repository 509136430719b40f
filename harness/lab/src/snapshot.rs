//! Reading a host's defense back from the kernel: both iptables back ends, nftables, sets, kernel parameters, files;
//! without what changes by itself (counters, contents of sets).

use std::collections::BTreeMap;
use std::time::Duration;

use scandrill_model::{CommandLine, Step};
use serde_json::Value;

use crate::error::LabError;
use crate::forwarding::is_of_forwarding;
use crate::host::Host;
use crate::owned::Owned;
use crate::standin::{REAL, words};
use crate::{loss, offload, sysctl, trace};

/// Longer than any of the programs takes.
const LIMIT: Duration = Duration::from_secs(60);
/// More rules than this are not asked for one by one; the dumps are compared all the same.
const ASKED_FOR: usize = 200;

/// Everything that rules can put into the kernel, each part under a heading. The iptables programs of the nft back end
/// are asked only when there are tables of the names that they use.
const DUMP: &str = r#"# read the firewall back
set -e
echo '== nft'
ruleset=$(nft -j -s list ruleset)
echo "$ruleset"
for table in filter nat mangle raw security; do
    case $ruleset in *'"family": "ip", "name": "'$table'"'*) four=yes ;; esac
    case $ruleset in *'"family": "ip6", "name": "'$table'"'*) six=yes ;; esac
done
if test "$four"; then echo '== iptables nft'; iptables-nft-save 2> /dev/null; fi
if test "$six"; then echo '== ip6tables nft'; ip6tables-nft-save 2> /dev/null; fi
if grep -qs . /proc/net/ip_tables_names; then echo '== iptables legacy'; iptables-legacy-save; fi
if grep -qs . /proc/net/ip6_tables_names; then echo '== ip6tables legacy'; ip6tables-legacy-save; fi
if command -v ipset > /dev/null; then echo '== ipset'; ipset save; fi
"#;

/// What was read back: lines by where they come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    parts: BTreeMap<String, Vec<String>>,
}

/// Reads the host's rules and sets, and the parameters and files of `steps`; without what daemons among them change by
/// themselves.
pub async fn snapshot(host: &Host, steps: &[Step]) -> Result<Snapshot, LabError> {
    let command = CommandLine { program: "bash".into(), args: vec!["-c".into(), past_stand_ins(DUMP)] };
    let dumped = host.output(&command, None, LIMIT).await?.success(&command)?;
    let owned = Owned::by(steps)?;
    let mut snapshot = Snapshot::parse(&String::from_utf8_lossy(&dumped.stdout), &owned);
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
            Step::Offload { interface, feature, .. } => {
                let on = offload::word(offload::get(host, interface, feature).await?);
                snapshot.part("offload").push(format!("{feature} of {interface}: {on}"));
            }
            Step::Load { .. } | Step::Daemon(_) => {}
        }
    }
    Ok(snapshot)
}

/// A script of bash that runs the real tools: what is in the kernel, and not what an administrator would be shown.
pub(crate) fn past_stand_ins(script: &str) -> String {
    format!("PATH={REAL}:$PATH\n{script}")
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
            let before = differences.len();
            differences.extend(beyond(other, own).map(|line| format!("{name}: missing: {line}")));
            differences.extend(beyond(own, other).map(|line| format!("{name}: not asked for: {line}")));
            if own != other && differences.len() == before {
                differences.push(format!("{name}: the same lines in another order"));
            }
        }
        differences
    }

    fn part(&mut self, name: &str) -> &mut Vec<String> {
        self.parts.entry(name.to_owned()).or_default()
    }

    fn parse(dump: &str, owned: &Owned) -> Self {
        let mut snapshot = Self::default();
        let mut name = "";
        for line in dump.lines() {
            if let Some(heading) = line.strip_prefix("== ") {
                name = heading;
            } else if name == "nft" {
                snapshot.part(name).extend(nft_objects(line, owned));
            } else if name == "ipset" {
                snapshot.part(name).extend(set_created(line).filter(|line| !owned.has_set(line)));
            } else if !owned.has_line(line) {
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

/// A set without the number that its hash starts with, and without the size of its hash, which grows; its contents are
/// left aside.
fn set_created(line: &str) -> Option<String> {
    let words = without_option(line.strip_prefix("create ")?.split(' ').collect(), "initval", None);
    Some(without_option(words, "hashsize", None).join(" "))
}

/// `words` without `option` and the word behind it, which must be `value` where one is given.
fn without_option<'a>(mut words: Vec<&'a str>, option: &str, value: Option<&str>) -> Vec<&'a str> {
    let is_it = |two: &[&str]| two[0] == option && value.is_none_or(|value| two[1] == value);
    if let Some(at) = words.windows(2).position(is_it) {
        words.drain(at..at + 2);
    }
    words
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

/// nftables objects, one a line, without handles, counts and the contents of sets, and without what is no part
/// of a defense: a loss on a link, and the lab's own translation; nor what a daemon owns.
fn nft_objects(json: &str, owned: &Owned) -> Vec<String> {
    let Ok(mut ruleset) = serde_json::from_str::<Value>(json) else { return vec![json.to_owned()] };
    let Some(objects) = ruleset.get_mut("nftables").and_then(Value::as_array_mut) else { return Vec::new() };
    let mut lines = Vec::new();
    for object in objects {
        let Some((kind, body)) = object.as_object_mut().and_then(|object| object.iter_mut().next()) else {
            continue;
        };
        if kind != "metainfo"
            && !loss::is_of_loss(kind, body)
            && !is_of_forwarding(kind, body)
            && !trace::is_of_trace(kind, body)
            && !owned.has_object(kind, body)
        {
            let kind = kind.clone();
            tidy(body, &kind);
            lines.push(format!("{kind} {body}"));
        }
    }
    lines
}

/// What an object of each kind has that changes by itself.
const CHANGING: &[(&str, &[&str])] =
    &[("set", &["elem"]), ("map", &["elem"]), ("counter", &["packets", "bytes"]), ("quota", &["used"])];

fn tidy(body: &mut Value, kind: &str) {
    if let Some(fields) = body.as_object_mut() {
        fields.remove("handle");
        let changing = CHANGING.iter().find(|(known, _)| *known == kind);
        changing.into_iter().flat_map(|(_, names)| *names).for_each(|name| drop(fields.remove(*name)));
    }
    without_counts(body);
}

/// Counters and quotas inside of rules.
fn without_counts(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (kind, names) in CHANGING.iter().filter(|(kind, _)| ["counter", "quota"].contains(kind)) {
                if let Some(Value::Object(inner)) = fields.get_mut(*kind) {
                    names.iter().for_each(|name| drop(inner.remove(*name)));
                }
            }
            fields.values_mut().for_each(without_counts);
        }
        Value::Array(values) => values.iter_mut().for_each(without_counts),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Asks the host's kernel for each iptables rule of `reference` by itself (`iptables -C`); gives those it has not.
/// A rule that cannot be asked for in the words of its dump is left to the comparison of dumps.
pub async fn check_rules(host: &Host, reference: &Snapshot) -> Result<Vec<String>, LabError> {
    let rules = PROGRAMS.iter().flat_map(|program| {
        let lines = reference.parts.get(&program.join(" ")).into_iter().flatten();
        lines.filter(|line| line.contains(" -A ")).map(|line| question(&program.join("-"), line))
    });
    let questions: String = rules.take(ASKED_FOR).collect();
    if questions.is_empty() {
        return Ok(Vec::new());
    }
    let command = CommandLine { program: "bash".into(), args: vec!["-s".into()] };
    let script = past_stand_ins(&format!("{ASK}{questions}exit 0\n")).into_bytes();
    let asked = host.output(&command, Some(script), LIMIT).await?.success(&command)?;
    Ok(String::from_utf8_lossy(&asked.stdout).lines().map(str::to_owned).collect())
}

/// The iptables programs and their back ends, as the parts of a snapshot are called.
const PROGRAMS: [[&str; 2]; 4] =
    [["iptables", "nft"], ["iptables", "legacy"], ["ip6tables", "nft"], ["ip6tables", "legacy"]];

/// Exit code 1 says that there is no such rule; others, that it was not understood.
const ASK: &str = "lacks() { \"$@\" > /dev/null 2>&1 < /dev/null; test $? = 1; }\n";

/// Values that iptables-save prints where a rule has none; asked for in so many words, such a rule is not found
/// (iptables 1.8.9), and one that was typed so is not found without them.
const DEFAULTS: [(&str, &str); 4] = [
    ("--mask", "255.255.255.255"),
    ("--mask", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("--connlimit-mask", "32"),
    ("--connlimit-mask", "128"),
];

/// A line of bash that prints a rule which is not there.
fn question(program: &str, line: &str) -> String {
    let owned = words(&line.replacen(" -A ", " -C ", 1));
    let asked: Vec<&str> = owned.iter().map(String::as_str).collect();
    let defaults = |words, (option, value): &(&str, &str)| without_option(words, option, Some(value));
    let short = DEFAULTS.iter().fold(asked.clone(), defaults);
    let variants = if short == asked { vec![asked] } else { vec![asked, short] };
    let lacks = variants.iter().fold(String::new(), |lacks, words| {
        let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        lacks + "lacks " + program + " " + &quoted.join(" ") + " && "
    });
    format!("{lacks}echo {}\n", quoted(&format!("{program} has not: {line}")))
}

/// A word as bash takes it for just that.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dumped(dump: &str) -> Snapshot {
        Snapshot::parse(dump, &Owned::default())
    }

    const LEGACY: &str = "== iptables legacy\n# Generated by iptables-save\n*filter\n:INPUT DROP [7:420]\n\
                          :OUTPUT ACCEPT [0:0]\n:OWN - [0:0]\n-A INPUT -i lo -j ACCEPT\n-A INPUT -j OWN\nCOMMIT\n";

    #[test]
    fn a_dump_is_read_without_what_says_nothing() {
        let snapshot = dumped(LEGACY);
        let expected = ["-t filter :INPUT DROP", "-t filter :OWN -", "-t filter -A INPUT -i lo -j ACCEPT"];
        assert_eq!(snapshot.parts["iptables legacy"][..3], expected);
        assert_eq!((snapshot.items(), snapshot.parts.len()), (4, 1));
        assert_eq!(snapshot.differences(&dumped(&LEGACY.replace("[7:420]", "[9:999]"))), [""; 0]);
        assert!(dumped("== iptables legacy\n*filter\n:INPUT ACCEPT [5:5]\nCOMMIT\n").is_empty());
    }

    #[test]
    fn every_part_tells_its_own_differences() {
        let swapped = "-A INPUT -j OWN\n-A INPUT -i lo -j ACCEPT";
        let other = LEGACY.replace("-A INPUT -i lo -j ACCEPT\n-A INPUT -j OWN", swapped);
        let with_set = format!(
            "{other}== ipset\ncreate extra hash:ip hashsize 64 maxelem 9 initval 0x1\nadd extra 1.1.1.1\n"
        );
        let expected = [
            "ipset: not asked for: extra hash:ip maxelem 9",
            "iptables legacy: the same lines in another order",
        ];
        assert_eq!(dumped(&with_set).differences(&dumped(LEGACY)), expected);
        let without = LEGACY.replace("-A INPUT -j OWN\n", "");
        let expected = ["iptables legacy: missing: -t filter -A INPUT -j OWN"];
        assert_eq!(dumped(&without).differences(&dumped(LEGACY)), expected);
    }

    #[test]
    fn a_rule_is_asked_for_in_its_own_words_and_no_others() {
        let line = r#"-t raw -A INPUT -m comment --comment "it\'s $(x) \"y\"" -j LOG"#;
        assert_eq!(words(line)[7..], [r#"it's $(x) "y""#, "-j", "LOG"]);
        let asked = question("iptables-nft", line);
        assert!(asked.starts_with("lacks iptables-nft '-t' 'raw' '-C' 'INPUT' "), "{asked}");
        assert!(asked.contains(r#"'it'\''s $(x) "y"'"#), "{asked}");
        let twice = question("iptables-nft", "-t filter -A INPUT -m recent --set --mask 255.255.255.255");
        assert_eq!(twice.matches("lacks iptables-nft").count(), 2, "{twice}");
    }
}
