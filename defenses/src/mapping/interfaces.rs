//! Which of the user's interfaces faces attackers, and its name wherever it is written. Other interfaces keep their
//! names: nothing in the lab arrives by them, as nothing of an attacker's arrives by them outside.

use std::collections::BTreeMap;

use super::words::Word;
use super::{Change, Mapping, Onto, Why};
use crate::rules::Format;

/// The user's interfaces.
pub struct Interfaces {
    /// The one that faces attackers; nothing when the rules name none.
    outer: Option<String>,
    /// All that the rules name, and their names in the lab.
    names: BTreeMap<String, String>,
}

/// After these comes an interface's name.
const BEFORE_NAME: [&str; 15] = [
    "-i",
    "-o",
    "--in-interface",
    "--out-interface",
    "--physdev-in",
    "--physdev-out",
    "iif",
    "oif",
    "iifname",
    "oifname",
    "ibrname",
    "obrname",
    "device",
    "devices",
    "dev",
];

/// What may stand after `iif` and the like without being one of the user's interfaces: `fib saddr . iif oif missing`.
const NOT_NAMES: [&str; 8] = ["lo", "vmap", "map", "iif", "oif", "missing", "exists", "type"];

/// Beginnings of names of interfaces that only the host itself or its guests use.
const INNER: [&str; 17] = [
    "lo",
    "docker",
    "br-",
    "veth",
    "virbr",
    "vnet",
    "tun",
    "tap",
    "wg",
    "tailscale",
    "zt",
    "cni",
    "flannel",
    "cali",
    "lxc",
    "podman",
    "dummy",
];

/// Beginnings of names of network cards, as the kernel and systemd give them; a digit follows.
const CARDS: [&str; 16] = [
    "eth", "eno", "ens", "enp", "enP", "enx", "en", "em", "wlan", "wlp", "wlx", "wwan", "bond", "team",
    "venet", "ppp",
];

impl Interfaces {
    /// Finds out which interfaces the rules name.
    pub fn of<'a>(lines: impl Iterator<Item = &'a Vec<Word<'a>>>, onto: &Onto) -> Self {
        let lines: Vec<&Vec<Word>> = lines.collect();
        let variables = Variables::of(&lines);
        let mut mentions: Vec<(String, usize)> = members(&lines)
            .into_iter()
            .chain(onto.outer.as_deref())
            .map(|name| (name.to_owned(), 1))
            .collect();
        for words in &lines {
            let weight =
                if words.iter().any(|word| word.text.eq_ignore_ascii_case("masquerade")) { 1000 } else { 1 };
            for name in named(words, &variables) {
                match mentions.iter_mut().find(|(known, _)| known == name) {
                    Some((_, count)) => *count += weight,
                    None => mentions.push((name.to_owned(), weight)),
                }
            }
        }
        let outer = onto.outer.clone().or_else(|| choose(&mentions));
        let rename = |name: String| {
            let to = in_the_lab(&name, outer.as_deref(), &onto.interface);
            (name, to)
        };
        let names = mentions.into_iter().map(|(name, _)| rename(name)).collect();
        Self { outer, names }
    }

    /// What changes in a line.
    pub fn changes(&self, words: &[Word], format: Format) -> Vec<Change> {
        let mut changes: Vec<Change> = words.iter().filter_map(|word| self.change(word)).collect();
        if format == Format::Nft {
            changes.extend(
                words.iter().enumerate().filter_map(|(at, word)| self.by_name(word, &words[at + 1..])),
            );
        }
        changes
    }

    fn change(&self, word: &Word) -> Option<Change> {
        if let Some(to) = self.names.get(word.text) {
            let why = if self.is_outer(word.text) { Why::Interface } else { Why::OtherInterface };
            if why == Why::Interface && to == word.text {
                return None;
            }
            let told = Mapping { from: word.text.to_owned(), to: to.clone(), why };
            return Some(Change { span: word.span.clone(), to: to.clone(), told: Some(told) });
        }
        self.in_a_kernel_parameter(word)
    }

    /// `net.ipv4.conf.eth0.rp_filter`, with dots or slashes.
    fn in_a_kernel_parameter(&self, word: &Word) -> Option<Change> {
        let (outer, to) = self.names.get_key_value(self.outer.as_ref()?)?;
        let segments: Vec<&str> = word.text.split(['.', '/']).collect();
        let place = segments.iter().position(|segment| segment == outer)?;
        if outer == to || !segments[..place].contains(&"net") {
            return None;
        }
        let start =
            word.span.start + segments[..place].iter().map(|segment| segment.len() + 1).sum::<usize>();
        let told = Mapping { from: outer.clone(), to: to.clone(), why: Why::Interface };
        Some(Change { span: start..start + outer.len(), to: to.clone(), told: Some(told) })
    }

    /// nft looks `iif` up when it loads, and fails where there is no such interface; `iifname` asks each packet.
    fn by_name(&self, word: &Word, after: &[Word]) -> Option<Change> {
        let by_name = match word.text {
            "iif" => "iifname",
            "oif" => "oifname",
            _ => return None,
        };
        let named = after
            .iter()
            .map(|word| word.text)
            .take_while(|word| self.names.contains_key(*word) || *word == "lo");
        let missing = named.into_iter().any(|name| name != "lo" && !self.is_outer(name));
        missing.then(|| Change { span: word.span.clone(), to: by_name.to_owned(), told: None })
    }

    /// Whether a name or pattern is the interface that faces attackers.
    fn is_outer(&self, name: &str) -> bool {
        self.outer.as_ref().is_some_and(|outer| outer == name || is_match(name, outer))
    }
}

/// What ends a list of names: the keywords of nft by which a rule goes on (nft(8)).
const AFTER_NAMES: [&str; 101] = [
    "accept",
    "drop",
    "reject",
    "jump",
    "goto",
    "return",
    "queue",
    "continue",
    "counter",
    "log",
    "limit",
    "quota",
    "masquerade",
    "snat",
    "dnat",
    "redirect",
    "tproxy",
    "synproxy",
    "notrack",
    "dup",
    "fwd",
    "flow",
    "set",
    "add",
    "update",
    "delete",
    "comment",
    "tcp",
    "udp",
    "udplite",
    "sctp",
    "dccp",
    "ip",
    "ip6",
    "icmp",
    "icmpv6",
    "igmp",
    "esp",
    "ah",
    "comp",
    "ether",
    "vlan",
    "arp",
    "th",
    "meta",
    "ct",
    "fib",
    "rt",
    "socket",
    "osf",
    "ipsec",
    "exthdr",
    "frag",
    "hbh",
    "mh",
    "dst",
    "srh",
    "numgen",
    "jhash",
    "symhash",
    "xt",
    "last",
    "mark",
    "l4proto",
    "nfproto",
    "protocol",
    "pkttype",
    "iiftype",
    "oiftype",
    "iifgroup",
    "oifgroup",
    "skuid",
    "skgid",
    "cgroup",
    "cpu",
    "length",
    "priority",
    "random",
    "day",
    "hour",
    "time",
    "nftrace",
    "sdif",
    "sdifname",
    "iifkind",
    "oifkind",
    "iif",
    "oif",
    "iifname",
    "oifname",
    "ibrname",
    "obrname",
    "vmap",
    "map",
    "or",
    "and",
    "xor",
    "eq",
    "ne",
    "lshift",
    "rshift",
];

/// The names in a line: what stands in an interface's place, by itself, in a list, as the key of a map or by a variable;
/// and what looks like a network card's anywhere.
fn named<'a>(words: &[Word<'a>], variables: &Variables<'a>) -> Vec<&'a str> {
    let mut found: Vec<&str> = words.iter().map(|word| word.text).filter(|text| is_card(text)).collect();
    for (at, _) in words.iter().enumerate().filter(|(_, word)| BEFORE_NAME.contains(&word.text)) {
        found.extend(in_place(&words[at + 1..], variables));
    }
    found.retain(|name| !NOT_NAMES.contains(name) && is_name(name));
    found
}

/// The names that follow `iifname`, `-i` and the like.
fn in_place<'a>(after: &[Word<'a>], variables: &Variables<'a>) -> Vec<&'a str> {
    let text = |at: usize| after.get(at).map_or("", |word| word.text);
    if ["vmap", "map"].contains(&text(0)) {
        let keys = after.windows(2).filter(|pair| pair[1].text == ":");
        return keys.map(|pair| pair[0].text).collect();
    }
    if let Some(variable) = text(0).strip_prefix('$') {
        let variable = if variable.is_empty() { text(1) } else { variable };
        return variables.0.get(variable).cloned().unwrap_or_default();
    }
    let list =
        after.iter().map(|word| word.text).take_while(|text| !AFTER_NAMES.contains(text) && is_name(text));
    list.collect()
}

/// What variables hold: `define WAN = "wan0"` in nft, `WAN=wan0` in a shell.
struct Variables<'a>(BTreeMap<&'a str, Vec<&'a str>>);

impl<'a> Variables<'a> {
    fn of(lines: &[&'a Vec<Word<'a>>]) -> Self {
        const BEFORE: [&str; 5] = ["define", "export", "local", "readonly", "declare"];
        let mut held = BTreeMap::new();
        for words in lines {
            let texts: Vec<&str> = words.iter().map(|word| word.text).collect();
            let texts =
                if texts.first().is_some_and(|first| BEFORE.contains(first)) { &texts[1..] } else { &texts };
            if let [name, values @ ..] = texts {
                held.entry(*name).or_insert_with(|| values.to_vec());
            }
        }
        Self(held)
    }
}

/// The members of sets of interface names: `type ifname`, then `elements`.
fn members<'a>(lines: &[&'a Vec<Word<'a>>]) -> Vec<&'a str> {
    let (mut of_names, mut found) = (false, Vec::new());
    for words in lines {
        let place = |wanted: &str| words.iter().position(|word| word.text == wanted);
        if place("type").is_some() {
            of_names = place("ifname").is_some();
        }
        if let Some(at) = place("elements").filter(|_| of_names) {
            found.extend(words[at + 1..].iter().map(|word| word.text).filter(|text| is_name(text)));
        }
    }
    found.retain(|name| !NOT_NAMES.contains(name) && !AFTER_NAMES.contains(name));
    found
}

/// A network card before anything else, then what is not known to be inside; what goes out masqueraded before the
/// rest, then what is named most, then what is named first.
fn choose(mentions: &[(String, usize)]) -> Option<String> {
    let rank = |(name, count): &(String, usize)| (is_card(name), *count);
    let outside = mentions.iter().filter(|(name, _)| !INNER.iter().any(|start| name.starts_with(start)));
    let best = outside.rev().max_by_key(|mention| rank(mention));
    best.map(|(name, _)| name.clone())
}

fn in_the_lab(name: &str, outer: Option<&str>, interface: &str) -> String {
    let is_outer = outer.is_some_and(|outer| outer == name || is_match(name, outer));
    if is_outer && !is_match(name, interface) {
        interface.to_owned()
    } else if !is_outer && (name == interface || is_match(name, interface)) {
        // Another interface that happens to have the lab's name must not meet what arrives by the lab's.
        format!("x-{name}")
    } else {
        name.to_owned()
    }
}

/// Whether a pattern of iptables (`eth+`) or nft (`eth*`) matches a name.
fn is_match(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix(['+', '*']).is_some_and(|stem| name.trim_end_matches(['+', '*']).starts_with(stem))
}

fn is_name(word: &str) -> bool {
    let fits = |char: char| char.is_ascii_alphanumeric() || "-_.+*".contains(char);
    (2..=15).contains(&word.len())
        && word.starts_with(|char: char| char.is_ascii_alphabetic())
        && word.chars().all(fits)
}

fn is_card(word: &str) -> bool {
    let numbered = |start: &&str| {
        let rest = word.strip_prefix(*start);
        rest.is_some_and(|rest| rest.starts_with(|char: char| char.is_ascii_digit() || "+*".contains(char)))
    };
    is_name(word) && CARDS.iter().any(numbered)
}

#[cfg(test)]
mod tests {
    use super::super::words::words;
    use super::*;

    fn outer(text: &str) -> Option<String> {
        let lines: Vec<_> = text.lines().map(|line| words(line, Format::IptablesSave)).collect();
        let target = ("198.18.0.1".parse().unwrap(), "fd00:198:18::1".parse().unwrap());
        Interfaces::of(lines.iter(), &Onto { interface: "eth0".to_owned(), target, outer: None }).outer
    }

    #[test]
    fn the_interface_that_faces_attackers_is_a_card_and_masquerades() {
        assert_eq!(
            outer("-A INPUT -i docker0 -j ACCEPT\n-A INPUT -i ens18 -j DROP").as_deref(),
            Some("ens18")
        );
        assert_eq!(
            outer("-A INPUT -i enp1s0 -j ACCEPT\n-A INPUT -i enp1s0 -j LOG\n-A POSTROUTING -o ppp0 -j MASQUERADE").as_deref(),
            Some("ppp0")
        );
        assert_eq!(outer("-A INPUT -i vmbr0 -j DROP\n-A INPUT -i wg0 -j ACCEPT").as_deref(), Some("vmbr0"));
        assert_eq!(outer("-A INPUT -i lo -j ACCEPT\n-A INPUT -i wg0 -j ACCEPT"), None);
    }

    #[test]
    fn words_that_are_no_cards_are_not_taken_for_one() {
        for word in ["established", "ether", "enable", "en", "tcp", "ppp", "bond", "element"] {
            assert!(!is_card(word), "{word}");
        }
        for word in
            ["eth0", "enp3s0", "ens18", "eno1", "enx001122334455", "wlan0", "bond0.100", "en+", "eth*"]
        {
            assert!(is_card(word), "{word}");
        }
    }
}
