//! A glimpse of a host's defense, as a live view shows it: each rule with its count, each set with its size, the end of
//! the kernel log. Reading it changes nothing. It takes no part in a verdict.

use std::collections::BTreeMap;

use scandrill_model::{CommandLine, CountedRule, FORWARDING_TABLE, Family, Glimpse, SetFill};

use crate::error::LabError;
use crate::host::Host;
use crate::snapshot::past_stand_ins;
use crate::standin::{listed_line, saved_line};

/// Longer than any of the programs takes.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);
/// Where a line of the kernel's is found.
const KERNEL_LOG: &str = "/var/log/kern.log";
/// So many elements of a set, and lines of a log, are told.
const FEW: usize = 8;
/// Tables of the lab's own begin like this, and are no defense.
const OF_THE_LAB: [&str; 3] = [FORWARDING_TABLE, "scandrill-loss-", "scandrill-trace"];

/// Lists everything that counts, each part under a heading. `$1` is the family as iptables names it: nothing or 6. The
/// programs of iptables are asked only where there are tables of theirs, which they would make.
const LIST: &str = r#"echo '== nft'
ruleset=$(nft list ruleset 2> /dev/null)
echo "$ruleset"
case $ruleset in *"table ip$1 "*) echo '== iptables'; ip$1tables-nft-save -c 2> /dev/null ;; esac
if grep -qs . /proc/net/ip$1_tables_names; then echo '== iptables'; ip$1tables-legacy-save -c; fi
if command -v ipset > /dev/null; then echo '== ipset'; ipset save; fi
for list in /proc/net/xt_recent/*; do
    if test -e "$list"; then echo "== recent ${list##*/}"; cat "$list"; fi
done
"#;

/// Looks at a host, as packets of one family meet its defense.
pub async fn glimpse(host: &Host, family: Family) -> Result<Glimpse, LabError> {
    let digit = if family == Family::V4 { "" } else { "6" };
    let args = vec!["-c".to_owned(), past_stand_ins(LIST), "glimpse".to_owned(), digit.to_owned()];
    let command = CommandLine { program: "bash".to_owned(), args };
    let listed = host.output(&command, None, LIMIT).await?;
    let mut glimpse = parse(&String::from_utf8_lossy(&listed.stdout), family);
    let log = std::fs::read_to_string(KERNEL_LOG).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    glimpse.log_lines = lines.len() as u64;
    glimpse.log = lines[lines.len().saturating_sub(FEW)..].iter().map(|line| (*line).to_owned()).collect();
    Ok(glimpse)
}

fn parse(listed: &str, family: Family) -> Glimpse {
    let mut reader = Reader { own: if family == Family::V4 { "ip" } else { "ip6" }, ..Reader::default() };
    let mut part = "nft";
    for line in listed.lines() {
        match line.strip_prefix("== ") {
            Some(heading) => part = heading,
            None if part == "nft" => reader.nft(line),
            None if part == "iptables" => reader.saved(line),
            None if part == "ipset" => reader.ipset(line),
            None => reader.recent(part.trim_start_matches("recent "), line),
        }
    }
    reader.glimpse()
}

/// Where a reader is, and what it has found.
#[derive(Default)]
struct Reader {
    /// The family's tables.
    own: &'static str,
    /// The table's family and name.
    table: (String, String),
    block: Block,
    /// A line of a listing that goes on in the next one.
    begun: String,
    /// Rules of nftables by the table they are in.
    nft_rules: Vec<((String, String), CountedRule)>,
    /// Rules of iptables, and their tables.
    saved_rules: Vec<(String, CountedRule)>,
    sets: BTreeMap<String, Vec<String>>,
}

/// What of a table is being read.
#[derive(Default, PartialEq)]
enum Block {
    #[default]
    None,
    Chain(String),
    Set(String),
}

impl Reader {
    fn nft(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (words.as_slice(), line.starts_with("\t\t")) {
            (["table", family, table, "{"], false) => {
                self.table = ((*family).to_owned(), (*table).to_owned());
            }
            (["chain", name, "{"], false) => self.block = Block::Chain((*name).to_owned()),
            (["set" | "map", name, "{"], false) => {
                self.block = Block::Set((*name).to_owned());
                if self.is_shown() {
                    self.sets.entry((*name).to_owned()).or_default();
                }
            }
            (["}"], false) => self.block = Block::None,
            (["type", _, "hook", ..], true) => {}
            (_, true) if self.is_shown() => self.nft_line(line.trim()),
            (_, _) => {}
        }
    }

    /// Whether the table is one of the defense's, and of the family.
    fn is_shown(&self) -> bool {
        let (family, table) = &self.table;
        let other = if self.own == "ip" { "ip6" } else { "ip" };
        family != other && !OF_THE_LAB.iter().any(|start| table.starts_with(start))
    }

    fn nft_line(&mut self, line: &str) {
        self.begun.push_str(line);
        let braces = |brace| self.begun.matches(brace).count();
        if braces('{') > braces('}') {
            self.begun.push(' ');
            return;
        }
        let line = std::mem::take(&mut self.begun);
        match &self.block {
            Block::Chain(chain) if !line.starts_with('#') => {
                let (rule, packets) = without_counter(&listed_line(&line).unwrap_or(line));
                let rule = CountedRule { chain: chain.clone(), rule, packets };
                self.nft_rules.push((self.table.clone(), rule));
            }
            Block::Set(name) => {
                if let Some(elements) = line.strip_prefix("elements = {") {
                    let elements = elements.trim_end_matches('}').split(',').map(|one| one.trim().to_owned());
                    self.sets.entry(name.clone()).or_default().extend(elements);
                }
            }
            Block::Chain(_) | Block::None => {}
        }
    }

    /// A line of iptables-save with counts: `[12:720] -A INPUT -j DROP`.
    fn saved(&mut self, line: &str) {
        if let Some(table) = line.strip_prefix('*') {
            self.table = (self.own.to_owned(), table.to_owned());
            return;
        }
        let counted = line.strip_prefix('[').and_then(|rest| rest.split_once("] -A "));
        let Some((counts, rule)) = counted else { return };
        let rule = saved_line(rule).unwrap_or_else(|| rule.to_owned());
        let (chain, rule) = rule.split_once(' ').unwrap_or((&rule, ""));
        let packets = counts.split(':').next().and_then(|packets| packets.parse().ok());
        let rule = CountedRule { chain: chain.to_owned(), rule: rule.to_owned(), packets };
        self.saved_rules.push((self.table.1.clone(), rule));
    }

    fn ipset(&mut self, line: &str) {
        let mut words = line.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("create"), Some(name), _) => drop(self.sets.entry(name.to_owned()).or_default()),
            (Some("add"), Some(name), Some(element)) => {
                self.sets.entry(name.to_owned()).or_default().push(element.to_owned());
            }
            _ => {}
        }
    }

    /// A line of a list of xt_recent's: `src=198.18.1.2 ttl: 64 last_seen: ...`.
    fn recent(&mut self, list: &str, line: &str) {
        let source = line.strip_prefix("src=").and_then(|rest| rest.split(' ').next());
        let list = self.sets.entry(list.to_owned()).or_default();
        list.extend(source.map(str::to_owned));
    }

    /// A table that both nft and an iptables program list is told in the words of the latter.
    fn glimpse(self) -> Glimpse {
        let Self { own, nft_rules, saved_rules, sets, .. } = self;
        let is_saved = |(family, table): &(String, String)| {
            family == own && saved_rules.iter().any(|(other, _)| other == table)
        };
        let nft: Vec<CountedRule> =
            nft_rules.into_iter().filter(|(table, _)| !is_saved(table)).map(|(_, rule)| rule).collect();
        let saved = saved_rules.into_iter().map(|(_, rule)| rule);
        let fill = |(name, elements): (String, Vec<String>)| SetFill {
            name,
            elements: elements.len() as u64,
            first: elements.into_iter().take(FEW).collect(),
        };
        Glimpse {
            rules: nft.into_iter().chain(saved).collect(),
            sets: sets.into_iter().map(fill).collect(),
            ..Glimpse::default()
        }
    }
}

/// A rule without its counter's numbers, and its packets.
fn without_counter(rule: &str) -> (String, Option<u64>) {
    let Some((before, after)) = rule.split_once("counter packets ") else { return (rule.to_owned(), None) };
    let mut words = after.splitn(4, ' ');
    let packets = words.next().and_then(|packets| packets.parse().ok());
    let rest = words.nth(2).unwrap_or_default();
    (format!("{before}{rest}").trim_end().to_owned(), packets)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "== nft\ntable ip filter {\n\tchain INPUT {\n\t\ttype filter hook input priority 0; policy accept;\n\
        \t\tip protocol tcp counter packets 9 bytes 396 drop\n\t}\n}\n\
        table inet trap {\n\tset banned4 {\n\t\ttypeof ip saddr\n\t\telements = { 198.18.1.1 expires 1s,\n\t\t\t     198.18.1.2 }\n\t}\n\n\
        \tchain input {\n\t\ttype filter hook input priority filter; policy accept;\n\
        \t\ttcp dport { 22, 80 } counter packets 3 bytes 180 accept\n\t\tip saddr @banned4 drop\n\t}\n}\n\
        table ip6 other {\n\tchain input {\n\t\tdrop\n\t}\n}\n\
        table inet scandrill-trace {\n\tchain first {\n\t\tmeta nftrace set 1\n\t}\n}\n\
        == iptables\n*filter\n:INPUT ACCEPT [1:60]\n[9:396] -A INPUT -p tcp -j DROP\nCOMMIT\n\
        == ipset\ncreate bad hash:ip family inet\nadd bad 198.18.1.3 timeout 5\n\
        == recent DEFAULT\nsrc=198.18.1.4 ttl: 64 last_seen: 1 oldest_pkt: 2 1, 2\n";

    #[test]
    fn rules_are_told_once_with_their_counts_and_without_the_lab_s_own() {
        let glimpse = parse(LISTED, Family::V4);
        let rules: Vec<_> = glimpse
            .rules
            .iter()
            .map(|rule| (rule.chain.as_str(), rule.rule.as_str(), rule.packets))
            .collect();
        let expected = [
            ("input", "tcp dport { 22, 80 } accept", Some(3)),
            ("input", "ip saddr @banned4 drop", None),
            ("INPUT", "-p tcp -j DROP", Some(9)),
        ];
        assert_eq!(rules, expected);
    }

    #[test]
    fn sets_of_all_kinds_are_told_with_their_size() {
        let glimpse = parse(LISTED, Family::V4);
        let sets: Vec<_> = glimpse.sets.iter().map(|set| (set.name.as_str(), set.elements)).collect();
        assert_eq!(sets, [("DEFAULT", 1), ("bad", 1), ("banned4", 2)]);
        assert_eq!(glimpse.sets[2].first, ["198.18.1.1 expires 1s", "198.18.1.2"]);
    }
}
