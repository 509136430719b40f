//! nft's comparisons: what is compared, how, and with what (nft(8), "expressions").

use super::Cursor;
use super::tokens::Token;
use crate::lint::read::options::protocol;
use crate::lint::rule::Match;
use crate::lint::values::Values;

/// What is compared: one thing, or several put together by dots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// `dport`, `ct state` and so on; none where it is not understood or several.
    pub key: Option<String>,
    /// Its words.
    pub words: Vec<String>,
    /// What else must hold for the field to be there: `tcp dport` is of TCP's packets alone.
    pub implied: Vec<Match>,
}

impl Selector {
    /// Whether the packet's source is part of it.
    pub fn has_source(&self) -> bool {
        self.words.iter().any(|word| word == "saddr")
    }
}

/// Selectors of one word.
const SINGLE: [&str; 26] = [
    "iif",
    "oif",
    "iifname",
    "oifname",
    "iiftype",
    "oiftype",
    "iifgroup",
    "oifgroup",
    "mark",
    "pkttype",
    "skuid",
    "skgid",
    "rtclassid",
    "l4proto",
    "nfproto",
    "protocol",
    "length",
    "priority",
    "cgroup",
    "cpu",
    "ibrname",
    "obrname",
    "random",
    "day",
    "hour",
    "time",
];

/// Headers, each followed by a field.
const HEADERS: [&str; 25] = [
    "ip", "ip6", "tcp", "udp", "th", "icmp", "icmpv6", "sctp", "dccp", "udplite", "ah", "esp", "comp",
    "ether", "vlan", "arp", "igmp", "meta", "rt", "socket", "osf", "frag", "hbh", "dst", "mh",
];

/// What depends on more than the packet and its connection, or may be changed between two rules.
const CHANGING: [&str; 8] = ["mark", "ct mark", "random", "day", "hour", "time", "cpu", "priority"];

/// Reads a selector, with those that dots put behind it. `None`: no selector begins here.
pub fn selector(cursor: &mut Cursor) -> Option<Selector> {
    let mut selector = one(cursor)?;
    while cursor.word(0) == "." {
        cursor.takes(".");
        let next = one(cursor)?;
        selector.key = None;
        selector.words.extend(next.words);
        selector.implied.extend(next.implied);
    }
    Some(selector)
}

fn one(cursor: &mut Cursor) -> Option<Selector> {
    let head = cursor.word(0);
    let length = match head {
        "ct" => connection_words(cursor),
        "fib" => return Some(fib(cursor)),
        "tcp" if cursor.word(1) == "option" => option_words(cursor),
        _ if SINGLE.contains(&head) => 1,
        _ if HEADERS.contains(&head) => 2,
        _ => return None,
    };
    let words: Vec<String> = (0..length).map(|_| cursor.name().to_owned()).collect();
    Some(named(words))
}

/// `ct state`, `ct original ip saddr`.
fn connection_words(cursor: &Cursor) -> usize {
    let direction = usize::from(["original", "reply"].contains(&cursor.word(1)));
    let family = usize::from(["ip", "ip6"].contains(&cursor.word(1 + direction)));
    2 + direction + family
}

/// `tcp option maxseg size`.
fn option_words(cursor: &Cursor) -> usize {
    let fields = ["size", "length", "left", "right", "count", "tsval", "tsecr", "kind"];
    if fields.contains(&cursor.word(3)) { 4 } else { 3 }
}

/// `fib saddr . iif oif`: keys, then what is asked.
fn fib(cursor: &mut Cursor) -> Selector {
    let mut words = vec![cursor.name().to_owned(), cursor.name().to_owned()];
    while cursor.takes(".") {
        words.push(cursor.name().to_owned());
    }
    words.push(cursor.name().to_owned());
    Selector { key: Some(words.join(" ")), words, implied: Vec::new() }
}

fn named(mut words: Vec<String>) -> Selector {
    if words.first().is_some_and(|word| word == "meta") {
        words.remove(0);
    }
    let texts: Vec<&str> = words.iter().map(String::as_str).collect();
    let is = |key: &str, value: &str| Match::of(key, false, Values::words([value]));
    let v4 = || is("nfproto", "ipv4");
    let v6 = || is("nfproto", "ipv6");
    let (key, implied) = match texts.as_slice() {
        ["iifname" | "iif"] => ("in".to_owned(), vec![]),
        ["oifname" | "oif"] => ("out".to_owned(), vec![]),
        ["l4proto"] => ("proto".to_owned(), vec![]),
        ["ip", "protocol"] => ("proto".to_owned(), vec![v4()]),
        ["ip6", "nexthdr"] => ("ip6 nexthdr".to_owned(), vec![v6()]),
        ["ip", "saddr"] => ("src".to_owned(), vec![v4()]),
        ["ip", "daddr"] => ("dst".to_owned(), vec![v4()]),
        ["ip6", "saddr"] => ("src".to_owned(), vec![v6()]),
        ["ip6", "daddr"] => ("dst".to_owned(), vec![v6()]),
        ["th", field] => ((*field).to_owned(), vec![]),
        ["tcp", "flags"] => ("tcp flags".to_owned(), vec![is("proto", "tcp")]),
        ["tcp" | "udp" | "sctp" | "dccp" | "udplite", field @ ("sport" | "dport")] => {
            ((*field).to_owned(), vec![is("proto", texts[0])])
        }
        ["icmp", ..] => (texts.join(" "), vec![is("proto", "icmp")]),
        ["icmpv6", ..] => (texts.join(" "), vec![is("proto", "ipv6-icmp")]),
        ["tcp" | "udp" | "sctp" | "dccp" | "udplite", ..] => (texts.join(" "), vec![is("proto", texts[0])]),
        ["ip", ..] => (texts.join(" "), vec![v4()]),
        ["ip6", ..] => (texts.join(" "), vec![v6()]),
        _ => (texts.join(" "), vec![]),
    };
    let key = (!CHANGING.contains(&key.as_str())).then_some(key);
    Selector { key, words, implied }
}

/// What a selector is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand<'a> {
    /// Values in braces, each with its tokens.
    List(Vec<Vec<&'a Token>>),
    /// A named set or map.
    Named(&'a str),
    /// One value, or flags separated by commas.
    One(Vec<&'a Token>),
}

/// Reads what stands behind an operator.
pub fn operand<'a>(cursor: &mut Cursor<'a>) -> Operand<'a> {
    if cursor.word(0) == "{" {
        return Operand::List(elements(&mut cursor.braces()));
    }
    if let Some(name) = cursor.word(0).strip_prefix('@') {
        cursor.next();
        return Operand::Named(name);
    }
    Operand::One(one_value(cursor))
}

/// A value: words and signs that hang together.
fn one_value<'a>(cursor: &mut Cursor<'a>) -> Vec<&'a Token> {
    let mut value = Vec::new();
    let mut open = 0_usize;
    while !cursor.is_at_end() {
        let sign = cursor.word(0);
        let joins = ["|", ",", ".", "&", "^", "/", "<<"].contains(&sign);
        let after_word = value.last().is_some_and(|last: &&Token| {
            last.is_quoted || !["|", ",", ".", "&", "^", "/", "<<", "("].contains(&last.text.as_str())
        });
        match sign {
            "(" => open += 1,
            ")" => open = open.saturating_sub(1),
            _ if open == 0 && !joins && after_word => break,
            _ => {}
        }
        value.extend(cursor.next());
    }
    value
}

/// The elements of a list.
pub fn elements<'a>(inside: &mut Cursor<'a>) -> Vec<Vec<&'a Token>> {
    let mut found = vec![Vec::new()];
    while let Some(token) = inside.next() {
        match token.text.as_str() {
            "," if !token.is_quoted => found.push(Vec::new()),
            "\n" => {}
            _ => found.last_mut().into_iter().for_each(|last| last.push(token)),
        }
    }
    found.retain(|element| !element.is_empty());
    found
}

/// The values of a key.
pub fn values(key: &str, elements: &[Vec<&Token>]) -> Option<Values> {
    let texts: Vec<&str> = elements
        .iter()
        .map(|element| match element.as_slice() {
            [one] => Some(one.text.as_str()),
            _ => None,
        })
        .collect::<Option<_>>()?;
    if texts.iter().any(|text| text.starts_with('$')) {
        return None;
    }
    Some(match key {
        "sport" | "dport" => Values::ports(texts),
        "src" | "dst" => Values::addresses(texts),
        "proto" => Values::words(texts.into_iter().map(protocol)),
        _ => Values::words(texts),
    })
}
