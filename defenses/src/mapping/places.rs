//! Where rules name an interface: after `-i` and `iifname`, in lists, as keys of maps, in concatenations, in sets and in
//! variables. What is matched on but not given by the text is told as unclear, and never guessed.

use std::collections::BTreeMap;

use super::words::BEFORE_TEXT;
use crate::rules::Format;

/// What a text says of interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// Each name with its weight, in the order of the text; weights of one name add up.
    pub names: Vec<(String, usize)>,
    /// Variables and sets on which rules match, whose value the text does not give.
    pub unclear: Vec<String>,
}

/// How much a name weighs by which packets leave masqueraded: no other is as surely the outer one.
pub const MASQUERADES: usize = 1000;

/// The options of iptables that take an interface.
const OPTIONS: [&str; 6] = ["-i", "-o", "--in-interface", "--out-interface", "--physdev-in", "--physdev-out"];

/// The selectors of nft that are compared with an interface, and the words before one (nft(8)).
const SELECTORS: [&str; 8] = ["iif", "oif", "iifname", "oifname", "ibrname", "obrname", "device", "devices"];

/// Programs of which `-i` and `-o` mean something else.
const OTHER_PROGRAMS: [&str; 14] = [
    "set", "sed", "grep", "egrep", "find", "sort", "read", "curl", "wget", "ssh", "shopt", "xargs",
    "install", "ps",
];

/// What starts a rule of iptables.
const RULE: [&str; 8] = ["-A", "-I", "-D", "-C", "-R", "--append", "--insert", "--delete"];

/// What may stand in an interface's place without being one of the user's: `fib saddr oif missing`.
const NOT_NAMES: [&str; 4] = ["lo", "missing", "exists", "type"];

/// A value that only a shell can tell.
const COMMAND: &str = "$(";

/// A word or a sign of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    text: String,
    line: usize,
}

/// Reads a text of any format: scripts hold nft's words as well as iptables'.
pub fn places(text: &str, format: Format) -> Places {
    let tokens = tokens(text, format);
    let reader = Reader { values: values(&tokens), sets: sets(&tokens), tokens: &tokens };
    let mut places = Places::default();
    let mut at = 0;
    while at < tokens.len() {
        at = reader.step(at, &mut places);
    }
    // A set that no rule of this text uses may be meant for another's.
    let unused = reader.sets.values().flatten().filter(|name| is_interface(name)).copied();
    let known: Vec<String> = places.names.iter().map(|(name, _)| name.clone()).collect();
    unused.filter(|name| !known.iter().any(|known| known == name)).for_each(|name| places.add(name, 1));
    places
}

struct Reader<'a> {
    tokens: &'a [Token],
    /// What variables hold.
    values: BTreeMap<&'a str, Vec<&'a str>>,
    /// The interfaces in each set of interfaces.
    sets: BTreeMap<&'a str, Vec<&'a str>>,
}

impl Reader<'_> {
    /// Looks at one token and tells which is next.
    fn step(&self, at: usize, places: &mut Places) -> usize {
        let text = word(self.tokens, at);
        if text == "fib" {
            return self.after_fib(at + 1);
        }
        if text == "typeof" {
            return (at..self.tokens.len())
                .find(|at| [";", "\n"].contains(&word(self.tokens, *at)))
                .unwrap_or(at)
                + 1;
        }
        if OPTIONS.contains(&text) && !self.is_of_another_program(at) {
            let value = (at + 1..=self.tokens.len())
                .find(|at| !["!", "="].contains(&word(self.tokens, *at)))
                .unwrap_or(at);
            self.take(word(self.tokens, value), at, places);
        } else if SELECTORS.contains(&text) {
            self.selected(at, places);
        }
        at + 1
    }

    /// `fib saddr . iif oif missing`: the keys are no selectors, the result is.
    fn after_fib(&self, mut at: usize) -> usize {
        while word(self.tokens, at + 1) == "." {
            at += 2;
        }
        at + 1
    }

    fn is_of_another_program(&self, at: usize) -> bool {
        let before = self.tokens[..at].iter().rev().take_while(|token| token.text != "\n");
        let before: Vec<&str> = before.map(|token| token.text.as_str()).collect();
        let is_rule = before.iter().any(|word| RULE.contains(word));
        !is_rule && before.iter().any(|word| OTHER_PROGRAMS.contains(word))
    }

    /// What a selector is compared with, by itself or at its place in a concatenation.
    fn selected(&self, at: usize, places: &mut Places) {
        let column = self.column(at);
        let mut next = at + 1;
        while word(self.tokens, next) == "." {
            next += 1 + parts_of_key(self.tokens, next + 1);
        }
        while ["!", "=", "vmap", "map"].contains(&word(self.tokens, next)) {
            next += 1;
        }
        match word(self.tokens, next) {
            "{" => {
                for value in column_of(self.tokens, next, column) {
                    self.take(value, at, places);
                }
            }
            set if set.starts_with('@') => self.take_set(set, at, places),
            _ => self.take(word(self.tokens, next + 2 * column), at, places),
        }
    }

    /// How many keys stand before this one: `tcp dport . iifname`.
    fn column(&self, mut at: usize) -> usize {
        let mut column = 0;
        loop {
            let start = if at > 0 && word(self.tokens, at - 1) == "meta" { at - 1 } else { at };
            let dot = start.checked_sub(1).filter(|dot| word(self.tokens, *dot) == ".");
            let Some(dot) = dot else { return column };
            column += 1;
            // A key has at most four words: `ct original ip saddr`.
            let before = (dot.saturating_sub(4)..dot).rev();
            let mut key = before.take_while(|at| !is_sign(word(self.tokens, *at)));
            at = key
                .find(|at| at.checked_sub(1).is_some_and(|dot| word(self.tokens, dot) == "."))
                .unwrap_or(0);
        }
    }

    fn take_set(&self, set: &str, at: usize, places: &mut Places) {
        match self.sets.get(set.trim_start_matches('@')) {
            Some(names) if !names.is_empty() => {
                names
                    .iter()
                    .filter(|name| !name.starts_with('@'))
                    .for_each(|name| self.take(name, at, places));
            }
            _ => places.add_unclear(set),
        }
    }

    /// A name, or a variable with names.
    fn take(&self, value: &str, at: usize, places: &mut Places) {
        if let Some(variable) = value.strip_prefix('$') {
            match self.resolve(variable, 0) {
                Some(names) => names.iter().for_each(|name| self.add(name, at, places)),
                None => places.add_unclear(value),
            }
        } else if value.starts_with('@') {
            self.take_set(value, at, places);
        } else {
            self.add(value, at, places);
        }
    }

    /// All that a variable may hold; `None` when the text does not tell.
    fn resolve(&self, variable: &str, depth: usize) -> Option<Vec<String>> {
        if let Some((variable, default)) = variable.split_once(":-") {
            return self.resolve(variable, depth + 1).or_else(|| Some(vec![default.to_owned()]));
        }
        let held = self.values.get(variable).filter(|held| depth < 8 && !held.is_empty())?;
        let mut names = Vec::new();
        for value in held {
            match value.strip_prefix('$') {
                Some(other) => names.extend(self.resolve(other, depth + 1)?),
                None => names.push((*value).to_owned()),
            }
        }
        Some(names)
    }

    fn add(&self, name: &str, at: usize, places: &mut Places) {
        if is_interface(name) {
            let line = self.tokens[at].line;
            let same = |token: &&Token| token.line == line;
            let around = self.tokens[..at]
                .iter()
                .rev()
                .take_while(same)
                .chain(self.tokens[at..].iter().take_while(same));
            let masquerades = around.into_iter().any(|token| token.text.eq_ignore_ascii_case("masquerade"));
            places.add(name, if masquerades { MASQUERADES } else { 1 });
        }
    }
}

impl Places {
    /// One more mention of a name.
    pub fn add(&mut self, name: &str, weight: usize) {
        match self.names.iter_mut().find(|(known, _)| known == name) {
            Some((_, sum)) => *sum += weight,
            None => self.names.push((name.to_owned(), weight)),
        }
    }

    /// One more thing that is unclear.
    pub fn add_unclear(&mut self, what: &str) {
        if !self.unclear.iter().any(|known| known == what) {
            self.unclear.push(what.to_owned());
        }
    }
}

fn word(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| token.text.as_str())
}

fn is_sign(text: &str) -> bool {
    ["{", "}", ";", ",", "\n", "=", "!", ":"].contains(&text)
}

/// How many words a key of a concatenation has: `iifname`, `tcp dport`.
fn parts_of_key(tokens: &[Token], at: usize) -> usize {
    let single = ["mark", "pkttype", "protocol", "l4proto", "nfproto", "skuid", "skgid"];
    let first = word(tokens, at);
    if SELECTORS.contains(&first) || single.contains(&first) { 1 } else { 2 }
}

/// The words of one column of the list that opens at `open`: of `{ "wan0" . 22 : accept }`, the first is `wan0`.
fn column_of(tokens: &[Token], open: usize, column: usize) -> Vec<&str> {
    let (mut found, mut here, mut in_key, mut first) = (Vec::new(), 0, true, true);
    for token in &tokens[open + 1..] {
        match token.text.as_str() {
            "}" => break,
            "," => (here, in_key, first) = (0, true, true),
            ":" => in_key = false,
            "." => (here, first) = (here + 1, true),
            "\n" => {}
            text => {
                if in_key && here == column && first {
                    found.push(text);
                }
                first = false;
            }
        }
    }
    found
}

/// `define WAN = "wan0"` of nft, `WAN=wan0` and `for WAN in wan0 wan1` of a shell.
fn values(tokens: &[Token]) -> BTreeMap<&str, Vec<&str>> {
    let mut held: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for at in 0..tokens.len() {
        let (name, from) = match (word(tokens, at), word(tokens, at + 1), word(tokens, at + 2)) {
            ("for", name, "in") => (name, at + 3),
            (name, "=", _) if is_variable(name) => (name, at + 2),
            _ => continue,
        };
        let is_list = word(tokens, from) == "{";
        let ends = |text: &str| if is_list { text == "}" } else { ["\n", ";", "&", "|"].contains(&text) };
        let values = tokens[from..].iter().map(|token| token.text.as_str()).take_while(|text| !ends(text));
        held.entry(name).or_default().extend(values.filter(|text| !is_sign(text)));
    }
    held
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Sets and maps of interfaces, by the types that they declare, with what is in them from the start or added later.
fn sets(tokens: &[Token]) -> BTreeMap<&str, Vec<&str>> {
    let mut sets: BTreeMap<&str, (usize, Vec<&str>)> = BTreeMap::new();
    for at in 0..tokens.len() {
        if !["set", "map", "element"].contains(&word(tokens, at)) {
            continue;
        }
        let Some(open) = (at + 2..at + 6).find(|open| word(tokens, *open) == "{") else { continue };
        let name = word(tokens, open - 1);
        if word(tokens, at) == "element" {
            if let Some((column, names)) = sets.get_mut(name) {
                names.extend(column_of(tokens, open, *column));
            }
        } else if let Some(column) = column_of_interfaces(tokens, open) {
            let names = elements(tokens, open).map_or_else(Vec::new, |open| column_of(tokens, open, column));
            sets.insert(name, (column, names));
        }
    }
    sets.into_iter().map(|(name, (_, names))| (name, names)).collect()
}

/// Which part of a set's type is an interface.
fn column_of_interfaces(tokens: &[Token], open: usize) -> Option<usize> {
    let body = || tokens[open..].iter().map(|token| token.text.as_str());
    let until_type =
        body().take_while(|text| *text != "}").position(|text| ["type", "typeof"].contains(&text))?;
    let kinds: Vec<&str> = body().skip(until_type + 1).take_while(|text| !is_sign(text)).collect();
    let is_kind = |text: &&str| ["ifname", "iface_index"].contains(text) || SELECTORS.contains(text);
    let place = kinds.iter().position(is_kind)?;
    Some(kinds[..place].iter().filter(|text| **text == ".").count())
}

/// Where the elements of the set open whose body opens at `open`.
fn elements(tokens: &[Token], open: usize) -> Option<usize> {
    let close = (open + 1..tokens.len()).take_while(|at| word(tokens, *at) != "}");
    let at = close.into_iter().find(|at| word(tokens, *at) == "elements")?;
    Some(at + 2)
}

/// Whether a word in an interface's place can be one of the user's.
fn is_interface(word: &str) -> bool {
    let fits = |char: char| char.is_ascii_alphanumeric() || "-_.+*@".contains(char);
    (1..=15).contains(&word.len())
        && word.chars().all(fits)
        && word.chars().any(|char| char.is_ascii_alphabetic())
        && !word.starts_with('-')
        && !NOT_NAMES.contains(&word)
}

/// Cuts a text into words and signs; comments are left out, and so are nft's texts for people.
fn tokens(text: &str, format: Format) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let is_comment = format == Format::IptablesSave && content.starts_with('#');
        let goes_on = content.ends_with('\\');
        if !is_comment {
            let cut = cut(content.trim_end_matches('\\'), format);
            tokens.extend(cut.into_iter().map(|text| Token { text, line }));
        }
        if !goes_on {
            tokens.push(Token { text: "\n".to_owned(), line });
        }
    }
    tokens
}

fn cut(line: &str, format: Format) -> Vec<String> {
    let mut cutter = Cutter::default();
    let mut rest = line;
    while let Some(char) = rest.chars().next() {
        let inside = |start: usize, end: char| rest[start..].split(end).next().unwrap_or_default();
        let mut used = char.len_utf8();
        match char {
            '#' if cutter.current.is_empty() && format != Format::IptablesSave => break,
            '"' | '\'' if cutter.is_before_text() || (char == '"' && format != Format::Script) => {
                let text = inside(1, char);
                let is_text = cutter.is_before_text() || text.contains(' ');
                cutter.whole(if is_text { "" } else { text });
                used = (text.len() + 2).min(rest.len());
            }
            '"' | '\'' => {}
            '$' if rest.starts_with("${") => {
                let variable = inside(2, '}');
                cutter.whole(&format!("${variable}"));
                used = (variable.len() + 3).min(rest.len());
            }
            '`' => cutter.whole(COMMAND),
            '$' if rest.starts_with(COMMAND) => {
                cutter.whole(COMMAND);
                used = COMMAND.len();
            }
            '{' | '}' | '=' | ';' | ',' | '!' | ':' | '&' | '|' | '(' | ')' => cutter.whole(&rest[..1]),
            _ if char.is_whitespace() => cutter.whole(""),
            _ => cutter.current.push(char),
        }
        rest = &rest[used..];
    }
    cutter.whole("");
    cutter.found
}

#[derive(Default)]
struct Cutter {
    found: Vec<String>,
    current: String,
}

impl Cutter {
    /// Ends the word that was begun, and adds one that is whole.
    fn whole(&mut self, word: &str) {
        let begun = std::mem::take(&mut self.current);
        self.found.extend([begun, word.to_owned()].into_iter().filter(|word| !word.is_empty()));
    }

    fn is_before_text(&self) -> bool {
        self.current.is_empty() && self.found.last().is_some_and(|last| BEFORE_TEXT.contains(&last.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str, format: Format) -> Vec<String> {
        places(text, format).names.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn a_name_is_found_wherever_nft_takes_one() {
        for text in [
            "iifname vmap { \"lo\" : accept, \"wan0\" : jump world }",
            "iifname vmap {\"wan0\":accept}",
            "meta iifname != { \"lo\",\n \"wan0\" } drop",
            "set ifs {\n type ifname\n elements = { \"lo\",\n \"wan0\" }\n}\n iifname @ifs drop",
            "set ifs { type ifname; elements = { \"wan0\" }; }",
            "set ifs { typeof tcp dport . meta iifname; elements = { 22 . \"wan0\" }; }",
            "add set inet t ifs { type ifname; }\nadd element inet t ifs { \"wan0\" }",
            "map m { type ifname : verdict; elements = { \"wan0\" : drop } }\niifname vmap @m",
            "define WAN = wan0\niifname $WAN drop",
            "define WAN = wan0\ndefine BOTH = { $WAN, lo }\niifname $BOTH drop",
            "iifname . tcp dport { \"wan0\" . 22 } accept",
            "tcp dport . iifname vmap { 22 . \"wan0\" : accept }",
            "ip saddr . meta iifname . th dport { 192.0.2.1 . \"wan0\" . 5 } accept",
            "fib saddr . iif oif \"wan0\" accept",
            "flowtable f { hook ingress priority 0; devices = { wan0 } }",
        ] {
            assert_eq!(names(text, Format::Nft), ["wan0"], "{text}");
        }
    }

    #[test]
    fn a_name_is_found_wherever_a_shell_holds_it() {
        for text in [
            "WAN=wan0\niptables -A INPUT -i $WAN -j ACCEPT",
            "export WAN=\"wan0\"\nip6tables -A INPUT ! -i \"${WAN}\" \\\n -j ACCEPT",
            "for t in iptables ip6tables; do $t -A INPUT -i $WAN -j ACCEPT; done\nWAN='wan0'",
            "for i in wan0; do iptables -A INPUT --in-interface=$i; done",
            "iptables -A INPUT -i ${1:-wan0}",
            "nft add rule inet t c 'iifname \"wan0\" drop'",
        ] {
            assert_eq!(names(text, Format::Script), ["wan0"], "{text}");
            assert_eq!(places(text, Format::Script).unclear, Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn what_names_no_interface_is_not_taken_for_one() {
        for text in [
            "fib saddr . mark . iif oif missing drop",
            "fib saddr oif missing drop",
            "fib daddr . iif type != { local, broadcast } drop",
            "iifname \"lo\" accept",
            "iif 1 accept",
            "log prefix \"iifname wan0 \" drop # iifname wan0",
        ] {
            assert_eq!(places(text, Format::Nft), Places::default(), "{text}");
        }
        for text in
            ["set -o pipefail", "sed -i s/a/b/ file", "ip a | grep -o inet", "# iptables -A INPUT -i wan0"]
        {
            assert_eq!(places(text, Format::Script), Places::default(), "{text}");
        }
        let rule = "-A INPUT -m comment --comment \"not -i wan0\" -j LOG --log-prefix \"-i wan0\"";
        assert_eq!(places(rule, Format::IptablesSave), Places::default());
        assert_eq!(places(rule, Format::Script), Places::default());
    }

    #[test]
    fn what_the_text_does_not_tell_is_unclear() {
        for (text, format, unclear) in [
            ("iifname $WAN drop", Format::Nft, "$WAN"),
            ("iifname @ifs drop", Format::Nft, "@ifs"),
            ("set ifs { type ifname; flags dynamic; }\niifname @ifs drop", Format::Nft, "@ifs"),
            ("iifname . tcp dport @ifs drop", Format::Nft, "@ifs"),
            ("define WAN = $OTHER\niifname $WAN drop", Format::Nft, "$WAN"),
            ("define WAN = $WAN\niifname $WAN drop", Format::Nft, "$WAN"),
            ("iptables -A INPUT -i $1 -j ACCEPT", Format::Script, "$1"),
            ("WAN=$(ip route | awk '{print $5}')\niptables -A INPUT -i $WAN", Format::Script, "$WAN"),
            ("WAN=`ip route`\niptables -A INPUT -i $WAN", Format::Script, "$WAN"),
        ] {
            assert_eq!(places(text, format).unclear, [unclear], "{text}");
        }
    }
}
