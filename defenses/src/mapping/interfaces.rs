//! Which of the user's interfaces faces attackers, and its name wherever it is written. Other interfaces keep their
//! names: nothing in the lab arrives by them, as nothing of an attacker's arrives by them outside.

use std::collections::BTreeMap;

use super::places::{MASQUERADES, Places, places};
use super::words::Word;
use super::{Change, Mapping, Onto, Why};
use crate::rules::Format;

/// The user's interfaces.
pub struct Interfaces {
    /// The one that faces attackers; nothing when the rules name none.
    outer: Option<String>,
    /// All that the rules name, and their names in the lab.
    names: BTreeMap<String, String>,
    /// What the rules name, in order.
    pub named: Vec<String>,
    /// What they match on without giving its value.
    pub unclear: Vec<String>,
    /// The one that the user named, where it occurs nowhere.
    pub missing: Option<String>,
}

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

/// Beginnings of names that people give to the interface that faces the Internet.
const CALLED_OUTER: [&str; 5] = ["wan", "ext", "inet", "uplink", "public"];

impl Interfaces {
    /// Finds out which interfaces the rules name.
    pub fn of(files: &[(&str, Format)], lines: &[&Vec<Word>], onto: &Onto) -> Self {
        let mut found = Places::default();
        for (text, format) in files {
            let places = places(text, *format);
            places.names.iter().for_each(|(name, weight)| found.add(name, *weight));
            places.unclear.iter().for_each(|what| found.add_unclear(what));
        }
        // A card's name in a place that is not understood is one all the same.
        let cards = lines.iter().flat_map(|words| words.iter()).filter(|word| is_card(word.text));
        cards.for_each(|word| found.add(word.text, 1));
        let mut mentioned: Vec<String> = found.names.iter().map(|(name, _)| name.clone()).collect();
        let outer = onto.outer.clone().or_else(|| choose(&found.names));
        let occurs = |name: &&String| lines.iter().any(|words| words.iter().any(|word| holds(word, name)));
        let missing = onto
            .outer
            .clone()
            .filter(|outer| !occurs(&outer) && !mentioned.iter().any(|name| is_match(name, outer)));
        let rename = |name: String| {
            let to = in_the_lab(&name, outer.as_deref(), &onto.interface);
            (name, to)
        };
        let names = mentioned.iter().cloned().chain(outer.clone()).map(rename).collect();
        mentioned.sort();
        Self { outer, names, named: mentioned, unclear: found.unclear, missing }
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
        self.in_a_part(word).or_else(|| self.in_a_kernel_parameter(word))
    }

    /// `wan0:accept` of a map, `WAN:-wan0` of a shell's default.
    fn in_a_part(&self, word: &Word) -> Option<Change> {
        let (outer, to) = self.names.get_key_value(self.outer.as_ref()?)?;
        let (head, tail) = word.text.split_once(':').filter(|_| outer != to)?;
        let tail_start = word.span.end - tail.trim_start_matches('-').len();
        let start = if head == outer { word.span.start } else { tail_start };
        let told = Mapping { from: outer.clone(), to: to.clone(), why: Why::Interface };
        let found = head == outer || tail.trim_start_matches('-') == outer;
        found.then(|| Change { span: start..start + outer.len(), to: to.clone(), told: Some(told) })
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
        let is_map = after.first().is_some_and(|word| ["vmap", "map"].contains(&word.text));
        let named = after.iter().map(|word| word.text).skip(usize::from(is_map));
        let mut named = named.take_while(|word| is_map || self.names.contains_key(*word) || *word == "lo");
        let missing = named.any(|name| self.names.contains_key(name) && !self.is_outer(name));
        missing.then(|| Change { span: word.span.clone(), to: by_name.to_owned(), told: None })
    }

    /// Whether a name or pattern is the interface that faces attackers.
    fn is_outer(&self, name: &str) -> bool {
        self.outer.as_ref().is_some_and(|outer| outer == name || is_match(name, outer))
    }
}

/// What goes out masqueraded before the rest, then what is called so, then a network card before what is not known to be
/// inside, then what is named most, then what is named first.
fn choose(mentions: &[(String, usize)]) -> Option<String> {
    let rank = |(name, weight): &(String, usize)| {
        let is_called = CALLED_OUTER.iter().any(|start| name.starts_with(start));
        (*weight >= MASQUERADES, is_called, is_card(name), *weight)
    };
    let outside = mentions.iter().filter(|(name, _)| !INNER.iter().any(|start| name.starts_with(start)));
    let best = outside.rev().max_by_key(|mention| rank(mention));
    best.map(|(name, _)| name.clone())
}

/// Whether a word holds a name, by itself or in a kernel parameter, a map or a default.
fn holds(word: &Word, name: &str) -> bool {
    word.text == name
        || word.text.split(':').any(|part| part.trim_start_matches('-') == name)
        || (word.text.contains("net") && word.text.split(['.', '/']).any(|part| part == name))
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
        let onto = Onto { interface: "eth0".to_owned(), target, outer: None };
        Interfaces::of(&[(text, Format::IptablesSave)], &lines.iter().collect::<Vec<_>>(), &onto).outer
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
