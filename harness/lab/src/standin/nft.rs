//! nft's `log` without a group as `log group N`, and back again where rules are listed. `log` is a keyword, so as a bare
//! word it is nothing else. What nft would refuse, or what is not understood, is left as it is.

use std::iter::Peekable;
use std::ops::Range;

use serde_json::{Value, json};

use super::Rewritten;
use super::options::{FLAGS, Flag, LEVELS, LogOptions};

/// What the options of a command line say, as far as rules are concerned (nft(8)).
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    /// Files of rules: the argument's place, what is before the name in it, and the name.
    pub(super) files: Vec<(usize, String, String)>,
    /// Folders of included files.
    pub(super) folders: Vec<String>,
    /// Whether commands are typed by a person.
    pub(super) interactive: bool,
    /// Whether lists are JSON.
    pub(super) json: bool,
    /// The place of the first word of a command.
    pub(super) command: usize,
}

impl Options {
    pub(super) fn of(words: &[String]) -> Self {
        let mut options = Self::default();
        while let Some(given) = words.get(options.command).and_then(|word| Given::read(word)) {
            options.interactive |= given.letters.contains('i');
            options.json |= given.letters.contains('j');
            let mut place = options.command;
            let (mut before, mut value) = (given.before, given.value);
            let last = given.letters.chars().last().filter(|letter| WITH_VALUE.contains(letter));
            if last.is_some() && value.is_none() {
                place += 1;
                (before, value) = ("", words.get(place).map(String::as_str));
            }
            options.command = (place + 1).min(words.len());
            match (last, value) {
                (Some('f'), Some(file)) => options.files.push((place, before.to_owned(), file.to_owned())),
                (Some('I'), Some(folder)) => options.folders.push(folder.to_owned()),
                _ => {}
            }
        }
        options
    }
}

/// The letters of options that take a value.
const WITH_VALUE: [char; 4] = ['f', 'D', 'I', 'd'];
/// Long options that matter here, by their letters.
const LONG: [(&str, &str); 6] = [
    ("file", "f"),
    ("define", "D"),
    ("includepath", "I"),
    ("debug", "d"),
    ("interactive", "i"),
    ("json", "j"),
];

/// A word of options.
struct Given<'a> {
    /// Their letters, of which the last may take a value.
    letters: &'a str,
    /// The value, where it is in the same word.
    value: Option<&'a str>,
    /// What is before it there.
    before: &'a str,
}

impl<'a> Given<'a> {
    /// `None` where a command begins.
    fn read(word: &'a str) -> Option<Self> {
        if let Some(long) = word.strip_prefix("--") {
            let (name, value) =
                long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
            let letters = LONG.iter().find(|(known, _)| *known == name).map_or("", |(_, letter)| letter);
            return Some(Self { letters, value, before: &word[..word.len() - value.map_or(0, str::len)] });
        }
        let cluster = word.strip_prefix('-').filter(|cluster| !cluster.is_empty())?;
        let end = cluster.find(WITH_VALUE).map_or(cluster.len(), |at| at + 1);
        let value = Some(&cluster[end..]).filter(|value| !value.is_empty());
        Some(Self { letters: &cluster[..end], value, before: &word[..=end] })
    }
}

/// A piece of a ruleset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A keyword, a name, a number.
    Word(&'a str),
    /// A text between double quotes; nft knows no escapes in it.
    Quoted(&'a str),
    /// Any other letter; the end of a line is one, unless a backslash is before it.
    Mark(char),
}

/// The tokens of a ruleset with their places; comments and blanks are none.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (Token<'a>, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = &self.text[self.at..];
            let first = rest.chars().next()?;
            let length = match first {
                ' ' | '\t' | '\r' => first.len_utf8(),
                '#' => rest.find('\n').unwrap_or(rest.len()),
                '\\' if rest.starts_with("\\\n") => 2,
                _ => break,
            };
            self.at += length;
        }
        let rest = &self.text[self.at..];
        let (token, length) = token(rest)?;
        let place = self.at..self.at + length;
        self.at = place.end;
        Some((token, place))
    }
}

/// The token at the beginning of `rest`, and how long it is.
fn token(rest: &str) -> Option<(Token<'_>, usize)> {
    let first = rest.chars().next()?;
    if let Some(quoted) = rest.strip_prefix('"') {
        let end = quoted.find('"').unwrap_or(quoted.len());
        return Some((Token::Quoted(&quoted[..end]), rest.len().min(end + 2)));
    }
    let of_word = |letter: char| letter.is_ascii_alphanumeric() || "_./-".contains(letter);
    match rest.find(|letter| !of_word(letter)).unwrap_or(rest.len()) {
        0 => Some((Token::Mark(first), first.len_utf8())),
        length => Some((Token::Word(&rest[..length]), length)),
    }
}

/// A ruleset in which what logs does so to a group, with the lines that log; `None` when nothing does.
pub(super) fn rewritten(text: &str) -> Option<Rewritten> {
    if text.trim_start().starts_with('{') {
        return rewritten_json(text);
    }
    let (mut done, mut copied, mut logging) = (String::with_capacity(text.len()), 0, Vec::new());
    let mut tokens = Tokens { text, at: 0 }.peekable();
    let mut before = None;
    while let Some((token, place)) = tokens.next() {
        let is_name = matches!(before, Some(Token::Mark('$' | '@')));
        before = Some(token);
        if token != Token::Word("log") || is_name {
            continue;
        }
        let Some(statement) = Statement::read(&mut tokens) else { continue };
        done.extend([&text[copied..place.end], " group ", &statement.options.group().to_string()]);
        copied = place.end;
        for cut in statement.cut {
            done += &text[copied..cut.start];
            // Lines stay where they are.
            done += &"\\\n".repeat(text[cut.clone()].matches("\\\n").count());
            copied = cut.end;
        }
        logging.push(line_at(text, place.start));
    }
    done += &text[copied..];
    (!logging.is_empty()).then_some(Rewritten { text: done, logging })
}

/// The number and the text of the line that holds a place.
fn line_at(text: &str, place: usize) -> (usize, String) {
    let number = text[..place].matches('\n').count();
    (number + 1, text.lines().nth(number).unwrap_or_default().trim().to_owned())
}

/// The options of a `log`, and where those that a group takes the place of are written.
#[derive(Default)]
struct Statement {
    options: LogOptions,
    cut: Vec<Range<usize>>,
}

impl Statement {
    /// Reads what follows the word; `None` where it logs to a group already, or to the audit subsystem.
    fn read(tokens: &mut Peekable<Tokens<'_>>) -> Option<Self> {
        let mut statement = Self::default();
        while let Some((Token::Word(word), place)) = tokens.peek().cloned() {
            match word {
                "prefix" => {
                    tokens.next();
                    tokens.next_if(|(token, _)| *token == Token::Mark('$'));
                    tokens.next();
                }
                "level" => {
                    tokens.next();
                    let (name, end) = any_word(tokens)?;
                    let level = LEVELS.iter().position(|level| *level == name)?;
                    statement.options = statement.options.with_level(u8::try_from(level).ok()?)?;
                    statement.cut.push(place.start..end);
                }
                "flags" => {
                    tokens.next();
                    let end = statement.flags(tokens)?;
                    statement.cut.push(place.start..end);
                }
                "group" | "snaplen" | "queue-threshold" => return None,
                _ => break,
            }
        }
        Some(statement)
    }

    /// `all`, `ether`, `skuid`, `ip options`, `tcp sequence,options`; gives where they end.
    fn flags(&mut self, tokens: &mut Peekable<Tokens<'_>>) -> Option<usize> {
        let (kind, mut end) = any_word(tokens)?;
        match kind {
            "all" => {
                self.options = FLAGS.iter().fold(self.options, |options, (flag, ..)| options.with(*flag));
            }
            "ether" => self.options = self.options.with(Flag::MacDecode),
            "skuid" => self.options = self.options.with(Flag::Owner),
            "ip" | "tcp" => loop {
                let (what, until) = any_word(tokens)?;
                let named = FLAGS.iter().find(|(_, _, name)| name.split_once(' ') == Some((kind, what)))?;
                self.options = self.options.with(named.0);
                end = until;
                if tokens.next_if(|(token, _)| *token == Token::Mark(',')).is_none() {
                    break;
                }
            },
            _ => return None,
        }
        Some(end)
    }
}

/// The next token where it is a word, and where it ends.
fn any_word<'a>(tokens: &mut Peekable<Tokens<'a>>) -> Option<(&'a str, usize)> {
    match tokens.next_if(|(token, _)| matches!(token, Token::Word(_)))? {
        (Token::Word(word), place) => Some((word, place.end)),
        _ => None,
    }
}

/// The files that a ruleset includes, as they are written in it.
pub(super) fn includes(text: &str) -> Vec<&str> {
    let tokens: Vec<Token<'_>> = Tokens { text, at: 0 }.map(|(token, _)| token).collect();
    let files = tokens.windows(2).filter_map(|two| match two {
        [Token::Word("include"), Token::Quoted(file)] => Some(*file),
        _ => None,
    });
    files.collect()
}

/// The same for nft's JSON (libnftables-json(5)). It has no lines that a person wrote.
fn rewritten_json(text: &str) -> Option<Rewritten> {
    let mut document: Value = serde_json::from_str(text).ok()?;
    let mut logging = Vec::new();
    rewrite_statements(&mut document, &mut logging);
    let text = document.to_string();
    (!logging.is_empty()).then_some(Rewritten { text, logging })
}

fn rewrite_statements(value: &mut Value, logging: &mut Vec<(usize, String)>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if name == "expr" {
                    value
                        .as_array_mut()
                        .into_iter()
                        .flatten()
                        .for_each(|one| rewrite_statement(one, logging));
                }
                rewrite_statements(value, logging);
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| rewrite_statements(value, logging)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn rewrite_statement(statement: &mut Value, logging: &mut Vec<(usize, String)>) {
    let told = statement.to_string();
    let Some(log) = statement.get_mut("log") else { return };
    if log.is_null() {
        *log = json!({});
    }
    let Some(fields) = log.as_object_mut() else { return };
    let Some(options) = options_of(fields) else { return };
    fields.remove("level");
    fields.remove("flags");
    fields.insert("group".to_owned(), options.group().into());
    logging.push((1, told));
}

fn options_of(fields: &serde_json::Map<String, Value>) -> Option<LogOptions> {
    if ["group", "snaplen", "queue-threshold"].iter().any(|field| fields.contains_key(*field)) {
        return None;
    }
    let mut options = LogOptions::default();
    if let Some(level) = fields.get("level") {
        let level = LEVELS.iter().position(|name| level == name)?;
        options = options.with_level(u8::try_from(level).ok()?)?;
    }
    let flags = match fields.get("flags") {
        Some(Value::Array(flags)) => flags.as_slice(),
        Some(flag) => std::slice::from_ref(flag),
        None => &[],
    };
    for flag in flags {
        let asked = FLAGS.iter().filter(|(_, _, name)| flag == name || flag == "all");
        let before = options;
        options = asked.fold(options, |options, (flag, ..)| options.with(*flag));
        if options == before {
            return None;
        }
    }
    Some(options)
}

/// A line of `nft list` with its `log` as it was typed.
pub(crate) fn listed_line(line: &str) -> Option<String> {
    let (mut told, mut rest) = (String::new(), line);
    while let Some((before, group, after)) = group_of_ours(rest) {
        told.extend([before, &options_in_words(group)]);
        rest = after;
    }
    (rest.len() < line.len()).then(|| told + rest)
}

/// The first group of a rewritten rule: what is before ` group N`, its options, and what is after it.
fn group_of_ours(line: &str) -> Option<(&str, LogOptions, &str)> {
    line.match_indices(" group ").find_map(|(at, group)| {
        let (before, after) = (&line[..at], &line[at + group.len()..]);
        let end = after.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(after.len());
        let options = LogOptions::of_group(after[..end].parse().ok()?)?;
        let logs = before.ends_with(" log") || before.ends_with("\tlog") || before == "log";
        let prefixed = before.ends_with('"') && before.contains("log prefix \"");
        (logs || prefixed).then_some((before, options, &after[end..]))
    })
}

/// ` level info flags tcp sequence,options flags skuid`, as nft lists it.
fn options_in_words(options: LogOptions) -> String {
    let mut told = options.named_level().map_or_else(String::new, |level| format!(" level {level}"));
    if FLAGS.iter().all(|(flag, ..)| options.has(*flag)) {
        return told + " flags all";
    }
    for (flag, _, name) in FLAGS.iter().filter(|(flag, ..)| options.has(*flag)) {
        let both = *flag == Flag::TcpOptions && options.has(Flag::TcpSequence);
        told.extend(if both { [",", "options"] } else { [" flags ", name] });
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_logs_logs_to_a_group_and_all_else_stays() {
        for (rule, expected) in [
            ("add rule ip t c log", "add rule ip t c log group 65284"),
            (
                "tcp dport 22 log prefix \"a log: \" level info counter drop",
                "tcp dport 22 log group 65286 prefix \"a log: \"  counter drop",
            ),
            ("log flags tcp sequence , options flags skuid drop", "log group 65372   drop"),
            ("log level debug \\\n flags all \\\n accept", "log group 65535  \\\n  \\\n accept"),
            ("log level \\\n debug accept", "log group 65287 \\\n accept"),
            ("log prefix $p level warn;log\n", "log group 65284 prefix $p ;log group 65284\n"),
            (
                "{\"nftables\":[{\"add\":{\"rule\":{\"expr\":[{\"log\":{\"level\":\"info\",\"flags\":[\"skuid\"]}}]}}}]}",
                "{\"nftables\":[{\"add\":{\"rule\":{\"expr\":[{\"log\":{\"group\":65350}}]}}}]}",
            ),
        ] {
            assert_eq!(rewritten(rule).map(|it| it.text).as_deref(), Some(expected), "{rule}");
        }
    }

    #[test]
    fn nothing_else_is_touched() {
        for rule in [
            "log group 5",
            "log prefix \"x\" group 5",
            "log snaplen 5",
            "log level audit",
            "log level loud",
            "log flags some",
            "add rule ip t c counter comment \"log\" # log",
            "jump log-it",
            "tcp dport $log",
            "{\"nftables\":[{\"rule\":{\"expr\":[{\"log\":{\"group\":1}}]}}]}",
            "{\"log\": }",
        ] {
            assert_eq!(rewritten(rule).map(|it| it.text), None, "{rule}");
        }
    }

    #[test]
    fn the_lines_that_log_are_named() {
        let text =
            "table ip t {\n  chain c {\n    tcp dport 1 log \\\n      level info drop\n    log\n  }\n}\n";
        let rewritten = rewritten(text).unwrap();
        let lines = [(3, "tcp dport 1 log \\".to_owned()), (5, "log".to_owned())];
        assert_eq!(rewritten.logging, lines);
        assert_eq!(rewritten.text.lines().count(), text.lines().count());
    }

    #[test]
    fn the_command_line_is_read_as_nft_reads_it() {
        let options = |line: &str| Options::of(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let files = |place, before: &str, name: &str| vec![(place, before.to_owned(), name.to_owned())];
        let cases = [
            ("-f x.nft", files(1, "", "x.nft"), 2),
            ("-cnf -", files(1, "", "-"), 2),
            ("-c -fx.nft", files(1, "-f", "x.nft"), 2),
            ("--file=x.nft", files(0, "--file=", "x.nft"), 1),
            ("-I /a --file x.nft", files(3, "", "x.nft"), 4),
            ("-a list ruleset", Vec::new(), 1),
            ("-f", Vec::new(), 1),
        ];
        for (line, files, command) in cases {
            let options = options(line);
            assert_eq!((&options.files, options.command), (&files, command), "{line}");
        }
        assert!(options("-ij").interactive && options("-ja list").json && !options("-Dj=i").json);
        assert_eq!(options("-I /a --includepath=/b").folders, ["/a", "/b"]);
    }

    #[test]
    fn included_files_are_found() {
        let text = "include \"/etc/a.nft\"\n# include \"b\"\ninclude \"./c/*.nft\"; add table ip x";
        assert_eq!(includes(text), ["/etc/a.nft", "./c/*.nft"]);
    }

    #[test]
    fn listed_rules_read_as_they_were_typed() {
        for (listed, typed) in [
            ("\t\tlog group 65284", "\t\tlog"),
            ("\t\tlog group 65532", "\t\tlog flags all"),
            (
                "\t\ttcp dport 22 log prefix \"q \" ' \\ x\" group 65343 counter",
                "\t\ttcp dport 22 log prefix \"q \" ' \\ x\" level debug flags tcp sequence,options flags ip options counter",
            ),
            (
                "\t\tlog prefix \"a\" group 65284 log group 65476 drop comment \"x group 65290\"",
                "\t\tlog prefix \"a\" log flags skuid flags ether drop comment \"x group 65290\"",
            ),
        ] {
            assert_eq!(listed_line(listed).as_deref(), Some(typed));
        }
        assert_eq!(listed_line("\t\tlog prefix \"x\" group 7"), None);
    }
}
