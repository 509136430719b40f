//! nft files and commands: tables, chains, sets and maps with what is in them. Rules are read in `rule`.

mod matches;
mod rule;
mod tokens;

use self::rule::rules_of;
use self::tokens::{Token, tokens};
use super::below;
use crate::lint::rule::{Place, Verdict};
use crate::lint::ruleset::{Chain, Ruleset, Table};

/// Reads a file, or commands in one line.
pub fn read(rules: &mut Ruleset, text: &str, start: Place, branch: &[usize]) {
    let tokens = tokens(text);
    let mut reader = Reader { cursor: Cursor { tokens: &tokens, at: 0 }, start, branch, rules };
    while reader.cursor.peek().is_some() {
        reader.command();
    }
}

/// Where the reader is.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// The next token.
    pub fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    /// The text of the token `further` ahead; quoted texts are no words and no signs.
    pub fn word(&self, further: usize) -> &'a str {
        self.tokens.get(self.at + further).filter(|token| !token.is_quoted).map_or("", |token| &token.text)
    }

    /// Takes the next token.
    pub fn next(&mut self) -> Option<&'a Token> {
        let token = self.tokens.get(self.at);
        self.at += 1;
        token
    }

    /// Takes the next token where it is this word.
    pub fn takes(&mut self, word: &str) -> bool {
        let is_next = self.word(0) == word;
        self.at += usize::from(is_next);
        is_next
    }

    /// Takes a word whatever it is; empty at the end of a line.
    pub fn name(&mut self) -> &'a str {
        match self.peek() {
            Some(token) if !self.is_at_end() => {
                self.at += 1;
                &token.text
            }
            _ => "",
        }
    }

    /// Whether the line or the command ends here.
    pub fn is_at_end(&self) -> bool {
        self.peek().is_none_or(|token| !token.is_quoted && ["\n", ";", "}"].contains(&token.text.as_str()))
    }

    /// Takes everything up to where the braces close that are open here, and gives what is inside. `{` is next.
    pub fn braces(&mut self) -> Cursor<'a> {
        let start = self.at + 1;
        let mut depth = 0_usize;
        while let Some(token) = self.next() {
            match token.text.as_str() {
                "{" if !token.is_quoted => depth += 1,
                "}" if !token.is_quoted => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        let end = self.at.saturating_sub(1).clamp(start.min(self.tokens.len()), self.tokens.len());
        Cursor { tokens: &self.tokens[..end], at: start.min(end) }
    }

    fn skip_line(&mut self) {
        while !self.is_at_end() {
            if self.word(0) == "{" {
                self.braces();
            } else {
                self.at += 1;
            }
        }
    }

    /// What is left, in one line.
    pub fn rest(&self) -> impl Iterator<Item = &'a Token> + use<'a> {
        self.tokens.get(self.at..).unwrap_or_default().iter()
    }
}

/// The families that a table may name.
const FAMILIES: [&str; 6] = ["ip", "ip6", "inet", "arp", "bridge", "netdev"];

struct Reader<'a, 'r> {
    cursor: Cursor<'a>,
    start: Place,
    branch: &'a [usize],
    rules: &'r mut Ruleset,
}

impl Reader<'_, '_> {
    fn place(&self) -> Place {
        below(self.start, self.cursor.peek().map_or(0, |token| token.line))
    }

    fn command(&mut self) {
        let place = self.place();
        let word = self.cursor.next().map_or("", |token| token.text.as_str());
        match word {
            "table" => self.table(place),
            "add" | "create" | "insert" | "replace" => self.add(word, place),
            "delete" | "destroy" | "flush" => self.delete(word),
            "include" => {
                self.rules.is_partial = true;
                self.cursor.skip_line();
            }
            "\n" | ";" | "}" => {}
            _ => self.cursor.skip_line(),
        }
    }

    /// A table's family and name.
    fn table_name(&mut self) -> Table {
        let family = if FAMILIES.contains(&self.cursor.word(0)) { self.cursor.name() } else { "ip" };
        Table::Nft(family.to_owned(), self.cursor.name().to_owned())
    }

    fn table(&mut self, place: Place) {
        let table = self.table_name();
        if self.cursor.word(0) == "{" {
            let body = self.cursor.braces();
            let mut inner =
                Reader { cursor: body, start: self.start, branch: self.branch, rules: self.rules };
            while inner.cursor.peek().is_some() {
                inner.in_table(&table);
            }
        } else {
            // `add table` and the like make it without a word more.
            let _ = place;
            self.cursor.skip_line();
        }
    }

    /// One thing in a table's body.
    fn in_table(&mut self, table: &Table) {
        let place = self.place();
        let kind = self.cursor.next().map_or("", |token| token.text.as_str());
        match kind {
            "chain" | "set" | "map" => {
                let name = self.cursor.name();
                self.object(table, kind, name, place);
            }
            "\n" | ";" | "}" => {}
            _ => self.cursor.skip_line(),
        }
    }

    /// A chain, a set or a map with its body, if it has one here.
    fn object(&mut self, table: &Table, kind: &str, name: &str, place: Place) {
        if name.is_empty() {
            return;
        }
        let body = (self.cursor.word(0) == "{").then(|| self.cursor.braces());
        if kind == "chain" {
            self.rules.chain(table, name, place);
            if let Some(body) = body {
                self.chain(table, name, body);
            }
            return;
        }
        let is_verdict_map = kind == "map"
            && body.is_some_and(|body| {
                body.rest().any(|token| ["verdict", ":verdict"].contains(&token.text.as_str()))
            });
        let words = || body.into_iter().flat_map(|body| body.rest()).map(|token| token.text.as_str());
        let is_filled = words().any(|word| word == "elements");
        let times_out = words().any(|word| word == "timeout");
        let set = self.rules.set(Some(table), name, place);
        set.is_filled |= is_filled;
        set.times_out |= times_out;
        if is_verdict_map && !is_filled {
            self.rules.has_unclear_jumps = true;
        }
        if let Some(body) = body.filter(|_| is_verdict_map) {
            self.jumps_of_map(table, name, body);
        }
    }

    /// Chains that a map's elements lead to: a rule of a chain that is nobody's stands for them.
    fn jumps_of_map(&mut self, table: &Table, name: &str, body: Cursor) {
        let texts: Vec<&str> = body.rest().map(|token| token.text.as_str()).collect();
        for pair in texts.windows(2).filter(|pair| ["jump", "goto"].contains(&pair[0])) {
            self.rules.map_jumps.insert((table.clone(), pair[1].to_owned()), name.to_owned());
        }
    }

    fn chain(&mut self, table: &Table, name: &str, body: Cursor) {
        let mut cursor = body;
        while cursor.peek().is_some() {
            let place = below(self.start, cursor.peek().map_or(0, |token| token.line));
            match cursor.word(0) {
                "\n" | ";" | "}" => cursor.at += 1,
                "type" if is_base(&cursor) => self.base(table, name, &mut cursor, place),
                "policy" => {
                    cursor.at += 1;
                    let policy = cursor.name();
                    self.rules.chain(table, name, place).policy = Some(policy_of(policy));
                }
                "comment" | "devices" | "flags" => cursor.skip_line(),
                _ => {
                    let rules = rules_of(&mut cursor, place, self.branch);
                    self.rules.has_unclear_jumps |= rules.iter().any(|rule| rule.verdict == Verdict::Unclear);
                    self.rules.chain(table, name, place).rules.extend(rules);
                }
            }
        }
    }

    /// `type filter hook input priority 0;`
    fn base(&mut self, table: &Table, name: &str, cursor: &mut Cursor, place: Place) {
        cursor.at += 1;
        let kind = cursor.name().to_owned();
        cursor.takes("hook");
        let hook = cursor.name().to_owned();
        cursor.skip_line();
        let chain: &mut Chain = self.rules.chain(table, name, place);
        (chain.kind, chain.hook) = (kind, Some(hook));
    }

    /// `add rule inet filter input tcp dport 22 accept` and its like.
    fn add(&mut self, act: &str, place: Place) {
        let kind = self.cursor.name();
        match kind {
            "table" => self.table(place),
            "chain" | "set" | "map" => {
                let table = self.table_name();
                let name = self.cursor.name();
                self.object(&table, kind, name, place);
            }
            "element" => {
                let table = self.table_name();
                let name = self.cursor.name();
                self.rules.set(Some(&table), name, place).is_filled = true;
                self.cursor.skip_line();
            }
            "rule" => self.add_rule(act, place),
            _ => self.cursor.skip_line(),
        }
    }

    fn add_rule(&mut self, act: &str, place: Place) {
        let table = self.table_name();
        let chain = self.cursor.name();
        let is_placed = ["position", "handle", "index"].contains(&self.cursor.word(0));
        if is_placed {
            self.cursor.at += 2;
        }
        if chain.is_empty() || chain.contains('$') {
            self.rules.is_partial = true;
            return self.cursor.skip_line();
        }
        let added = rules_of(&mut self.cursor, place, self.branch);
        self.rules.has_unclear_jumps |= added.iter().any(|rule| rule.verdict == Verdict::Unclear);
        let rules = &mut self.rules.chain(&table, chain, place).rules;
        let at = if act == "insert" && !is_placed { 0 } else { rules.len() };
        rules.splice(at..at, added);
    }

    fn delete(&mut self, act: &str) {
        match self.cursor.name() {
            "ruleset" => self.rules.forget(|_| true),
            "table" => {
                let table = self.table_name();
                if act == "flush" {
                    let own = self.rules.chains.iter_mut().filter(|((other, _), _)| *other == table);
                    own.for_each(|(_, chain)| chain.rules.clear());
                } else {
                    self.rules.forget(|other| *other == table);
                }
            }
            "chain" => {
                let key = (self.table_name(), self.cursor.name().to_owned());
                if let Some(chain) = self.rules.chains.get_mut(&key) {
                    chain.rules.clear();
                }
            }
            _ => {}
        }
        self.cursor.skip_line();
    }
}

/// `type filter hook ...`; `type` alone may begin no rule.
fn is_base(cursor: &Cursor) -> bool {
    cursor.word(2) == "hook"
}

fn policy_of(text: &str) -> Verdict {
    match text {
        "drop" => Verdict::Drop,
        "accept" => Verdict::Accept,
        _ => Verdict::Unclear,
    }
}
