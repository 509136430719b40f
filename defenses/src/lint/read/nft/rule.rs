//! One rule of nft: comparisons and statements in the order in which they are carried out. A verdict map becomes a rule
//! for each of its elements.

use super::Cursor;
use super::matches::{Operand, Selector, operand, selector, values};
use super::tokens::Token;
use crate::lint::rule::{Limit, Log, Match, Place, Rule, SetUse, Verdict};
use crate::lint::values::Values;

/// Reads the rule that begins here, up to the end of its line.
pub fn rules_of(cursor: &mut Cursor, place: Place, branch: &[usize]) -> Vec<Rule> {
    let start = *cursor;
    let rule = Rule { place, branch: branch.to_vec(), ..Rule::default() };
    let mut reader = Reader { rule, cases: Vec::new(), cursor };
    while !reader.cursor.is_at_end() {
        reader.step();
    }
    let read = reader.cursor.at - start.at;
    let (mut rule, cases) = (reader.rule, reader.cases);
    rule.text = text(start.rest().take(read));
    if cases.is_empty() {
        return vec![rule];
    }
    let case = |(matches, verdict): (Vec<Match>, Verdict)| {
        let mut case = Rule { verdict, ..rule.clone() };
        case.matches.extend(matches);
        case
    };
    cases.into_iter().map(case).collect()
}

/// One line that is the same for rules that are the same: comments and counters' readings are left out.
fn text<'a>(tokens: impl Iterator<Item = &'a Token>) -> String {
    let mut words = Vec::new();
    let mut skips = 0;
    for token in tokens.filter(|token| token.text != "\n") {
        if skips > 0 {
            skips -= 1;
            continue;
        }
        match token.text.as_str() {
            "comment" if !token.is_quoted => skips = 1,
            "packets" | "bytes" if words.last() == Some(&"counter") || words.is_empty() => skips = 1,
            word => words.push(word),
        }
    }
    words.join(" ")
}

struct Reader<'a, 'c> {
    rule: Rule,
    /// The elements of a verdict map.
    cases: Vec<(Vec<Match>, Verdict)>,
    cursor: &'c mut Cursor<'a>,
}

/// Statements that decide nothing and whose words are all that is left of the line, or up to the next statement.
const ENDING: [&str; 6] = ["dnat", "snat", "masquerade", "redirect", "tproxy", "queue"];

impl<'a> Reader<'a, '_> {
    /// One comparison or statement. Something is taken at each step.
    fn step(&mut self) {
        let word = self.cursor.word(0);
        match word {
            "accept" | "drop" | "return" | "continue" | "jump" | "goto" => {
                self.rule.verdict = verdict(self.cursor);
            }
            "reject" => {
                self.rule.verdict = Verdict::Reject;
                self.skip_rest();
            }
            "log" => self.log(),
            "limit" => self.limit(),
            "counter" => self.counter(),
            "comment" => self.skip(2),
            "notrack" | "last" => self.skip(1),
            "synproxy" | "dup" | "fwd" | "flow" | "xt" => {
                self.unclear("statement");
                self.skip_rest();
            }
            "quota" | "numgen" | "jhash" | "symhash" => {
                self.unclear(word);
                self.skip_to_verdict();
            }
            "add" | "update" | "delete" => self.set_statement(word),
            "set" if ["add", "update", "delete"].contains(&self.cursor.word(1)) => self.old_set_statement(),
            "meter" => self.meter(),
            _ if ENDING.contains(&word) => {
                self.rule.verdict = Verdict::Ends;
                self.skip_rest();
            }
            "ct" if ["count", "helper", "timeout", "expectation"].contains(&self.cursor.word(1)) => {
                self.unclear("ct");
                self.skip_to_verdict();
            }
            _ => self.comparison(),
        }
    }

    fn skip(&mut self, tokens: usize) {
        for _ in 0..tokens {
            if !self.cursor.is_at_end() {
                self.cursor.next();
            }
        }
    }

    fn skip_rest(&mut self) {
        while !self.cursor.is_at_end() {
            if self.cursor.word(0) == "{" {
                self.cursor.braces();
            } else {
                self.cursor.next();
            }
        }
    }

    fn skip_to_verdict(&mut self) {
        let verdicts = ["accept", "drop", "return", "jump", "goto", "reject", "continue", "vmap"];
        self.skip(1);
        while !self.cursor.is_at_end() && !verdicts.contains(&self.cursor.word(0)) {
            self.skip(1);
        }
    }

    fn unclear(&mut self, key: &str) {
        self.rule.matches.push(Match::unclear(key));
    }

    fn log(&mut self) {
        self.skip(1);
        self.rule.log = Some(Log::Kernel);
        while ["prefix", "group", "level", "flags", "snaplen", "queue-threshold"]
            .contains(&self.cursor.word(0))
        {
            let option = self.cursor.name();
            let value = self.cursor.name();
            match option {
                "prefix" => self.rule.log_prefix = Some(value.to_owned()),
                "group" => self.rule.log = Some(Log::Group(value.to_owned())),
                "flags" => {
                    // `flags tcp sequence,options`, `flags all`
                    while self.cursor.word(0) == "," || ["sequence", "options"].contains(&self.cursor.word(0))
                    {
                        self.skip(1);
                    }
                }
                _ => {}
            }
        }
    }

    /// `limit rate over 5/second burst 10 packets`.
    fn limit(&mut self) {
        self.skip(1);
        self.unclear("limit");
        if self.cursor.word(0) != "rate" {
            return self.skip(2);
        }
        let (is_over, text) = rate(self.cursor);
        self.rule.limit = Some(Limit { is_over, is_per_source: false, text });
    }

    fn counter(&mut self) {
        self.skip(1);
        match self.cursor.word(0) {
            "packets" => self.skip(4),
            "name" => self.skip(2),
            _ => {}
        }
    }

    /// `add @banned { ip saddr timeout 60s } drop`; a set that is full ends the rule.
    fn set_statement(&mut self, act: &str) {
        self.skip(1);
        let set = self.cursor.name().trim_start_matches('@').to_owned();
        if self.cursor.word(0) == "{" {
            let body = self.cursor.braces();
            self.added(set, act, body);
        }
        self.unclear("set");
    }

    /// `set add ip saddr @banned`, as old nft has it.
    fn old_set_statement(&mut self) {
        self.skip(1);
        let act = self.cursor.name();
        let keys = selector(self.cursor).unwrap_or_default();
        let set = self.cursor.name().trim_start_matches('@').to_owned();
        if act != "delete" {
            self.rule.adds.push(SetUse { set, by_source: keys.has_source(), counts: false });
        }
        self.unclear("set");
    }

    /// `meter flood { ip saddr limit rate over 10/second }`.
    fn meter(&mut self) {
        self.skip(1);
        let set = self.cursor.name().to_owned();
        if self.cursor.takes("size") {
            self.skip(1);
        }
        if self.cursor.word(0) == "{" {
            let body = self.cursor.braces();
            self.added(set, "add", body);
        }
        self.unclear("meter");
    }

    fn added(&mut self, set: String, act: &str, mut body: Cursor<'a>) {
        let keys = selector(&mut body).unwrap_or_default();
        let by_source = keys.has_source();
        let mut counts = false;
        while body.peek().is_some() {
            match body.word(0) {
                "limit" => {
                    body.next();
                    let (is_over, text) = rate(&mut body);
                    self.rule.limit = Some(Limit { is_over, is_per_source: by_source, text });
                    counts = true;
                }
                "ct" | "quota" | "counter" | "last" => {
                    counts = true;
                    body.next();
                }
                _ => drop(body.next()),
            }
        }
        if act != "delete" {
            self.rule.adds.push(SetUse { set, by_source, counts });
        }
        self.rule.matches.extend(keys.implied);
    }

    fn comparison(&mut self) {
        let Some(selector) = selector(self.cursor) else {
            self.unclear("expression");
            if self.cursor.word(0) == "{" {
                self.cursor.braces();
            }
            return self.skip(1);
        };
        if self.cursor.takes("set") {
            // `meta mark set 1` changes the packet.
            operand(self.cursor);
            return;
        }
        self.rule.matches.extend(selector.implied.iter().cloned());
        let mask = if self.cursor.takes("&") { Some(mask(self.cursor)) } else { None };
        if self.cursor.takes("vmap") {
            return self.verdict_map(&selector);
        }
        let operator = operator(self.cursor);
        if self.cursor.word(0) == "map" {
            self.unclear("map");
            return self.skip_to_verdict();
        }
        let operand = operand(self.cursor);
        self.compare(&selector, mask.as_deref(), operator, &operand);
    }

    fn compare(&mut self, selector: &Selector, mask: Option<&str>, operator: Operator, operand: &Operand) {
        let negated = operator == Operator::Not;
        let Some(key) = selector.key.as_deref().filter(|_| operator != Operator::Other) else {
            self.look_up(selector, operand, negated);
            return self.unclear("expression");
        };
        let values = match operand {
            Operand::Named(_) => {
                self.look_up(selector, operand, negated);
                None
            }
            Operand::One(tokens) if key == "tcp flags" => flags(mask, operator, tokens),
            _ if mask.is_some() => None,
            Operand::List(elements) => values(key, elements),
            Operand::One(tokens) if tokens.iter().any(|token| token.text == "," && !token.is_quoted) => {
                let parts: Vec<Vec<&Token>> =
                    tokens.split(|token| token.text == ",").map(<[&Token]>::to_vec).collect();
                values(key, &parts)
            }
            Operand::One(tokens) => values(key, std::slice::from_ref(tokens)),
        };
        self.rule.matches.push(Match { key: key.to_owned(), negated, values });
    }

    fn look_up(&mut self, selector: &Selector, operand: &Operand, negated: bool) {
        if let Operand::Named(set) = operand {
            let by_source = selector.has_source() && !negated;
            self.rule.lookups.push(SetUse { set: (*set).to_owned(), by_source, counts: false });
        }
    }

    fn verdict_map(&mut self, selector: &Selector) {
        let operand = operand(self.cursor);
        self.look_up(selector, &operand, false);
        let Operand::List(list) = operand else {
            self.rule.verdict = Verdict::Unclear;
            return self.unclear("vmap");
        };
        for element in list {
            let Some(colon) = element.iter().position(|token| token.text == ":" && !token.is_quoted) else {
                continue;
            };
            let (key, value) = (&element[..colon], &element[colon + 1..]);
            let tokens: Vec<Token> = value.iter().map(|token| (*token).clone()).collect();
            let verdict = verdict(&mut Cursor { tokens: &tokens, at: 0 });
            let values = selector.key.as_deref().and_then(|name| values(name, &[key.to_vec()]));
            let name = selector.key.clone().unwrap_or_default();
            self.cases.push((vec![Match { key: name, negated: false, values }], verdict));
        }
    }
}

/// How two things are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    /// None is written: one of these; of flags, this one is set.
    Is,
    /// `==`
    Equals,
    Not,
    Other,
}

fn operator(cursor: &mut Cursor) -> Operator {
    if cursor.takes("!") {
        cursor.takes("=");
        return Operator::Not;
    }
    if cursor.takes("=") {
        cursor.takes("=");
        return Operator::Equals;
    }
    if cursor.takes("<") || cursor.takes(">") {
        cursor.takes("=");
        return Operator::Other;
    }
    Operator::Is
}

fn verdict(cursor: &mut Cursor) -> Verdict {
    match cursor.name() {
        "accept" => Verdict::Accept,
        "drop" => Verdict::Drop,
        "return" => Verdict::Return,
        "continue" => Verdict::None,
        act @ ("jump" | "goto") => match cursor.name() {
            chain if chain.is_empty() || chain.contains('$') => Verdict::Unclear,
            chain if act == "goto" => Verdict::Goto(chain.to_owned()),
            chain => Verdict::Jump(chain.to_owned()),
        },
        _ => Verdict::Unclear,
    }
}

/// `rate over 5/second burst 10 packets`, from `rate` on.
fn rate(cursor: &mut Cursor) -> (bool, String) {
    cursor.takes("rate");
    let is_over = cursor.takes("over");
    let mut text = vec![cursor.name()];
    let units = ["/", "second", "minute", "hour", "day", "week", "packets", "bytes", "kbytes", "mbytes"];
    let is_unit = |word: &str| units.contains(&word) || word.contains("bytes/");
    while is_unit(cursor.word(0)) {
        text.push(cursor.name());
    }
    if cursor.takes("burst") {
        cursor.name();
        while is_unit(cursor.word(0)) {
            cursor.name();
        }
    }
    (is_over, text.join(" "))
}

/// The flags of `& (fin | syn)`.
fn mask(cursor: &mut Cursor) -> String {
    let mut words = Vec::new();
    let mut open = 0_usize;
    while !cursor.is_at_end() {
        match cursor.word(0) {
            "(" => open += 1,
            ")" => open = open.saturating_sub(1),
            "=" | "!" | "<" | ">" => break,
            "|" => {}
            word if open == 0 && !words.is_empty() && words.last() != Some(&"|") => {
                let _ = word;
                break;
            }
            _ => {}
        }
        words.push(cursor.name());
    }
    words.join(" ")
}

/// TCP flags: by a mask, as `syn / fin,syn`, just these, or this one among others.
fn flags(mask: Option<&str>, operator: Operator, tokens: &[&Token]) -> Option<Values> {
    let texts: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
    if let Some(mask) = mask {
        return Values::flags(mask, &texts.join(" "));
    }
    let slash = texts.iter().position(|text| *text == "/");
    match slash {
        Some(slash) => Values::flags(&texts[slash + 1..].join(" "), &texts[..slash].join(" ")),
        None => match texts.as_slice() {
            _ if operator != Operator::Is => Values::flags(EVERY_FLAG, &texts.join(" ")),
            [flag] => Values::flags(flag, flag),
            _ => None,
        },
    }
}

/// All bits that nft names.
const EVERY_FLAG: &str = "fin,syn,rst,psh,ack,urg,ecn,cwr";

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn read(text: &str) -> Rule {
        let tokens = tokens(text);
        rules_of(&mut Cursor { tokens: &tokens, at: 0 }, Place::default(), &[]).swap_remove(0)
    }

    #[test]
    fn a_narrower_rule_is_covered_and_a_wider_is_not() {
        for (wide, narrow) in [
            ("tcp dport { 22, 80 } accept", "ip saddr 10.0.0.1 tcp dport 22 drop"),
            ("ip saddr 10.0.0.0/8 drop", "ip saddr { 10.1.0.0/16, 10.2.0.1 } tcp dport 22 accept"),
            ("meta l4proto tcp drop", "tcp flags & (fin | syn | rst | ack) == syn tcp dport 22 accept"),
            ("meta nfproto ipv4 drop", "icmp type echo-request ip saddr 192.0.2.1 accept"),
            ("ct state { established, related } accept", "ct state established ct direction reply accept"),
            (
                "tcp flags & (syn | rst | ack) == 0x0 drop",
                "tcp flags & (fin | syn | rst | psh | ack | urg) == 0x0 drop",
            ),
            ("iifname \"eth*\" drop", "iifname eth0 udp dport 53 accept"),
            ("iifname != \"lo\" drop", "iifname \"eth0\" accept"),
        ] {
            let (wide, narrow) = (read(wide), read(narrow));
            assert!(wide.covers(&narrow), "{wide:#?} {narrow:#?}");
            assert!(!narrow.covers(&wide), "{wide:#?} {narrow:#?}");
        }
    }

    #[test]
    fn statements_are_read() {
        let rule = read(
            "tcp dport 22 limit rate over 5/second burst 10 packets log prefix \"x y\" group 3 drop comment \"a\"",
        );
        assert_eq!(
            rule.limit,
            Some(Limit { is_over: true, is_per_source: false, text: "5/second".to_owned() })
        );
        assert_eq!((rule.log, rule.log_prefix.as_deref()), (Some(Log::Group("3".to_owned())), Some("x y")));
        assert_eq!(rule.verdict, Verdict::Drop);
        let rule = read(
            "meta nfproto ipv4 update @seen { ip saddr timeout 60s limit rate over 10/minute } jump ban",
        );
        assert_eq!(rule.adds, [SetUse { set: "seen".to_owned(), by_source: true, counts: true }]);
        assert_eq!(rule.verdict, Verdict::Jump("ban".to_owned()));
        let rule = read("ip saddr . tcp dport @allowed accept");
        assert_eq!(rule.lookups, [SetUse { set: "allowed".to_owned(), by_source: true, counts: false }]);
    }
}
