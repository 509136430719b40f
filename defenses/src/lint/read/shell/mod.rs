//! Firewall scripts: their commands, with variables put in, loops unrolled and functions where they are called. What a
//! condition decides is not known: what it guards is there perhaps.

mod lexer;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use scandrill_model::Family;

use self::lexer::{Command, End, Here, Part, Raw, commands, is_name_char};
use super::iptables::{Before, Reader};
use super::words::Word;
use super::{below, ipset, nft};
use crate::lint::rule::Place;
use crate::lint::ruleset::Ruleset;

/// So many commands are followed; loops in loops have no end.
const STEPS_MAX: usize = 20_000;
/// Functions in functions, loops in loops.
const DEPTH_MAX: usize = 12;
/// Words of more bytes are not followed.
const WORD_MAX: usize = 4096;
/// Here-documents get no more variables put in once they are this long, in bytes.
const HERE_MAX: usize = 1 << 20;

/// Reads a script.
pub fn read(rules: &mut Ruleset, text: &str, start: Place) {
    let commands = commands(text);
    let functions = functions(&commands);
    let mut shell = Shell {
        rules,
        start,
        commands: &commands,
        functions,
        called: BTreeSet::new(),
        values: BTreeMap::new(),
        branches: 0,
        steps: STEPS_MAX,
        depth: 0,
    };
    shell.run(0..commands.len(), &Scope::default());
    let names: Vec<String> = shell.functions.keys().cloned().collect();
    for name in names {
        shell.call_if_new(&name);
    }
}

/// The functions and where their bodies are.
fn functions(commands: &[Command]) -> BTreeMap<String, Range<usize>> {
    let head = |(at, command): (usize, &Command)| match command.words.as_slice() {
        [first, name, ..] if first.plain() == Some("function") => {
            Some((name.plain()?.to_owned(), at + 1..closing(commands, at + 1, &["{"], "}")))
        }
        _ => None,
    };
    commands.iter().enumerate().filter_map(head).collect()
}

/// Where what opens at or after `from` closes; the end where it does not.
fn closing(commands: &[Command], from: usize, opens: &[&str], closes: &str) -> usize {
    let mut depth = 0_usize;
    for (at, command) in commands.iter().enumerate().skip(from) {
        let first = command.words.first().and_then(Raw::plain).unwrap_or_default();
        if opens.contains(&first) {
            depth += 1;
        } else if first == closes {
            if depth <= 1 {
                return at;
            }
            depth -= 1;
        }
    }
    commands.len()
}

/// What holds where a command stands.
#[derive(Clone, Debug, Default)]
struct Scope {
    /// Under which conditions.
    branch: Vec<usize>,
    /// What the function was called with; `None` where that is not known.
    arguments: Option<Vec<Word>>,
    /// The line of the call.
    called_at: Option<usize>,
}

struct Shell<'a> {
    rules: &'a mut Ruleset,
    start: Place,
    commands: &'a [Command],
    functions: BTreeMap<String, Range<usize>>,
    called: BTreeSet<String>,
    /// What variables hold; `None` where that is not known.
    values: BTreeMap<String, Option<String>>,
    branches: usize,
    steps: usize,
    depth: usize,
}

impl Shell<'_> {
    fn run(&mut self, range: Range<usize>, scope: &Scope) {
        if self.depth >= DEPTH_MAX {
            return;
        }
        self.depth += 1;
        self.follow(range, scope.clone());
        self.depth -= 1;
    }

    fn follow(&mut self, range: Range<usize>, mut scope: Scope) {
        let commands = self.commands;
        let outer = scope.branch.len();
        let (mut at, mut depends) = (range.start, false);
        let mut piped: Option<&Here> = None;
        while let Some(command) = commands.get(at).filter(|_| at < range.end) {
            let Some(left) = self.steps.checked_sub(1) else { return };
            self.steps = left;
            at += 1;
            match command.words.first().and_then(Raw::plain).unwrap_or_default() {
                "if" | "while" | "until" | "case" => scope.branch.push(self.new_branch()),
                "elif" | "else" => self.other_branch(&mut scope, outer),
                "fi" | "done" | "esac" if scope.branch.len() > outer => drop(scope.branch.pop()),
                "for" => at = self.repeat(at - 1, &scope).min(range.end),
                "function" => at = (closing(commands, at, &["{"], "}") + 1).min(range.end),
                "then" | "do" | "{" | "}" | "fi" | "done" | "esac" => {}
                _ if command.end == End::Pattern => {}
                _ => {
                    let here = command.here.as_ref().or(piped);
                    let mut own = scope.clone();
                    if depends {
                        own.branch.push(self.new_branch());
                    }
                    let is_ours = self.simple(command, here, &own);
                    depends = command.end == End::Depends && !is_ours;
                    piped = here.filter(|_| command.end == End::Pipe);
                }
            }
            if command.end == End::Case {
                self.other_branch(&mut scope, outer);
            }
        }
    }

    fn new_branch(&mut self) -> usize {
        self.branches += 1;
        self.branches
    }

    fn other_branch(&mut self, scope: &mut Scope, outer: usize) {
        if scope.branch.len() > outer {
            scope.branch.pop();
            scope.branch.push(self.new_branch());
        }
    }

    /// `for NAME in WORDS; do ...; done`, once for each word; gives where it ends.
    fn repeat(&mut self, at: usize, scope: &Scope) -> usize {
        let end = closing(self.commands, at, &["for", "while", "until"], "done");
        let head = &self.commands[at];
        let name = head.words.get(1).and_then(Raw::plain).unwrap_or_default().to_owned();
        let words: Vec<Word> = head.words.iter().skip(3).flat_map(|word| self.expand(word, scope)).collect();
        if words.is_empty() || words.iter().any(|word| word.is_unclear) {
            self.values.insert(name, None);
            let branch = self.new_branch();
            let mut scope = scope.clone();
            scope.branch.push(branch);
            self.run(at + 1..end, &scope);
        } else {
            for word in words {
                self.values.insert(name.clone(), Some(word.text));
                self.run(at + 1..end, scope);
            }
        }
        end + 1
    }

    /// A simple command; tells whether it is a firewall's.
    fn simple(&mut self, command: &Command, here: Option<&Here>, scope: &Scope) -> bool {
        let assigned = command.words.iter().take_while(|word| assignment(word).is_some()).count();
        if assigned == command.words.len() {
            for word in &command.words {
                self.assign(word, scope);
            }
            return false;
        }
        let words = command.words.iter().skip(assigned).flat_map(|word| self.expand(word, scope));
        let words: Vec<Word> = words.skip_while(|word| PREFIXES.contains(&word.text.as_str())).collect();
        let Some((program, words)) = words.split_first() else { return false };
        // What a wrapper passes on stands where the wrapper is called.
        let line = scope.called_at.filter(|_| command.words.iter().any(passes_on)).unwrap_or(command.line);
        let place = below(self.start, line.saturating_sub(1));
        let name = program.text.rsplit('/').next().unwrap_or_default();
        match name {
            "export" | "readonly" | "local" | "declare" | "typeset" => {
                let raw: Vec<Raw> =
                    command.words.iter().skip(1).filter(|word| assignment(word).is_some()).cloned().collect();
                raw.iter().for_each(|word| self.assign(word, scope));
            }
            "read" => words.iter().for_each(|word| drop(self.values.insert(word.text.clone(), None))),
            "source" | "." => self.rules.is_partial = true,
            "modprobe" | "insmod" => self.module(words, place),
            "ipset" => {
                ipset::command(self.rules, words, place);
                if let Some(here) = here {
                    self.rules.is_partial = false;
                    ipset::restore(
                        self.rules,
                        &self.text_of(here, scope),
                        below(self.start, here.line.saturating_sub(1)),
                    );
                }
                return true;
            }
            "nft" => {
                self.nft(words, here, place, scope);
                return true;
            }
            _ if self.functions.contains_key(name) => self.call(name, words, line, scope),
            _ => return self.iptables(program, name, words, (command, here), place, scope),
        }
        false
    }

    fn nft(&mut self, words: &[Word], here: Option<&Here>, place: Place, scope: &Scope) {
        if words.iter().any(|word| ["-f", "--file"].contains(&word.text.as_str())) {
            match here {
                Some(here) => {
                    nft::read(
                        self.rules,
                        &self.text_of(here, scope),
                        below(self.start, here.line.saturating_sub(1)),
                        &scope.branch,
                    );
                }
                None => self.rules.is_partial = true,
            }
            return;
        }
        let text: Vec<&str> =
            words.iter().filter(|word| !word.is_option()).map(|word| word.text.as_str()).collect();
        nft::read(self.rules, &text.join(" "), place, &scope.branch);
    }

    fn iptables(
        &mut self,
        program: &Word,
        name: &str,
        words: &[Word],
        (command, here): (&Command, Option<&Here>),
        place: Place,
        scope: &Scope,
    ) -> bool {
        let is_called = name.starts_with("iptables") || name.starts_with("ip6tables");
        let is_rule = |word: &Word| ["-A", "-I", "-N", "-P", "-F"].contains(&word.text.as_str());
        let is_by_variable = program.is_unclear && words.iter().any(is_rule);
        if !is_called && !is_by_variable {
            return false;
        }
        let family = if name.contains('6') { Family::V6 } else { Family::V4 };
        let reader = Reader::new(family, &scope.branch);
        if name.contains("-restore") {
            let keeps = words.iter().any(|word| ["-n", "--noflush"].contains(&word.text.as_str()));
            let before = if keeps { Before::Kept } else { Before::Replaced };
            match here {
                Some(here) => {
                    let text = self.text_of(here, scope);
                    reader.restore(self.rules, &text, below(self.start, here.line.saturating_sub(1)), before);
                }
                None => self.rules.is_partial = true,
            }
        } else if !name.contains("-save") && !command.reads_file {
            reader.command(self.rules, words, place);
        }
        true
    }

    /// `modprobe xt_recent ip_pkt_list_tot=50`.
    fn module(&mut self, words: &[Word], place: Place) {
        let told = words.iter().filter_map(|word| word.text.strip_prefix("ip_pkt_list_tot=")?.parse().ok());
        if let Some(packets) = told.last() {
            self.rules.packets_kept = Some((packets, place));
        }
    }

    fn call(&mut self, name: &str, words: &[Word], line: usize, scope: &Scope) {
        self.called.insert(name.to_owned());
        if let Some(body) = self.functions.get(name).cloned() {
            let branch = scope.branch.clone();
            self.run(body, &Scope { branch, arguments: Some(words.to_vec()), called_at: Some(line) });
        }
    }

    /// A function that nothing here calls may be called from outside.
    fn call_if_new(&mut self, name: &str) {
        if self.called.insert(name.to_owned()) {
            let branch = vec![self.new_branch()];
            if let Some(body) = self.functions.get(name).cloned() {
                self.run(body, &Scope { branch, arguments: None, called_at: None });
            }
        }
    }

    fn assign(&mut self, word: &Raw, scope: &Scope) {
        let Some((name, rest)) = assignment(word) else { return };
        let quoted = Raw { is_quoted: true, ..rest };
        let words = self.expand(&quoted, scope);
        let is_known = words.iter().all(|word| !word.is_unclear && word.text.len() < WORD_MAX);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let value = is_known.then(|| texts.join(" "));
        self.values.insert(name, value);
    }

    /// The words that a word becomes once variables are put in.
    fn expand(&self, raw: &Raw, scope: &Scope) -> Vec<Word> {
        let mut words = vec![Word { is_quoted: raw.is_quoted, ..Word::default() }];
        for part in &raw.parts {
            match part {
                Part::Text(text) => last(&mut words).text.push_str(text),
                Part::Unknown => unclear(&mut words, "$()"),
                Part::Variable { name, .. } if ["@", "*"].contains(&name.as_str()) => {
                    match &scope.arguments {
                        Some(arguments) => words.extend(arguments.iter().cloned()),
                        None => unclear(&mut words, "$@"),
                    }
                }
                Part::Variable { name, default, is_quoted } => {
                    match self.value(name, default.as_deref(), scope) {
                        Some(value) if *is_quoted || raw.is_quoted => last(&mut words).text.push_str(&value),
                        Some(value) => split_in(&mut words, &value),
                        None => unclear(&mut words, &format!("${name}")),
                    }
                }
            }
        }
        words.retain(|word| word.is_quoted && raw.parts.is_empty() || !word.text.is_empty());
        words.iter_mut().filter(|word| word.text.len() > WORD_MAX).for_each(|word| word.is_unclear = true);
        words
    }

    fn value(&self, name: &str, default: Option<&str>, scope: &Scope) -> Option<String> {
        if let Ok(number) = name.parse::<usize>() {
            let argument = scope.arguments.as_ref()?.get(number.checked_sub(1)?);
            return argument.filter(|word| !word.is_unclear).map(|word| word.text.clone());
        }
        match self.values.get(name) {
            Some(value) => value.clone(),
            None => default.filter(|text| !text.contains(['$', '`'])).map(str::to_owned),
        }
    }

    /// A here-document with the variables put in that are known.
    fn text_of(&self, here: &Here, scope: &Scope) -> String {
        if !here.is_expanded {
            return here.text.clone();
        }
        let mut text = String::with_capacity(here.text.len());
        let mut rest = here.text.as_str();
        while let Some(at) = rest.find('$').filter(|_| text.len() < HERE_MAX) {
            let (before, after) = rest.split_at(at);
            text.push_str(before);
            let (name, length) = named(after);
            match self.value(name, None, scope) {
                Some(value) => text.push_str(&value),
                None => text.push_str(&after[..length]),
            }
            rest = &after[length..];
        }
        text + rest
    }
}

/// The variable that a text begins with, and how much of the text it is.
fn named(text: &str) -> (&str, usize) {
    let bare = text.trim_start_matches('$');
    let (inside, around) = match bare.strip_prefix('{') {
        Some(inside) => (inside, 2),
        None => (bare, 0),
    };
    let end = inside.find(|char| !is_name_char(char)).unwrap_or(inside.len());
    let is_closed = around == 0 || inside[end..].starts_with('}');
    let signs = text.len() - bare.len();
    if is_closed { (&inside[..end], signs + end + around) } else { ("", signs) }
}

/// Programs that run another.
const PREFIXES: [&str; 6] = ["sudo", "exec", "command", "env", "nice", "builtin"];

/// Whether a word is all that the function was called with.
fn passes_on(word: &Raw) -> bool {
    word.parts.iter().any(|part| matches!(part, Part::Variable { name, .. } if name == "@" || name == "*"))
}

fn last(words: &mut Vec<Word>) -> &mut Word {
    if words.is_empty() {
        words.push(Word::default());
    }
    let at = words.len() - 1;
    &mut words[at]
}

fn unclear(words: &mut Vec<Word>, text: &str) {
    let word = last(words);
    word.text.push_str(text);
    word.is_unclear = true;
}

/// Adds a value that blanks cut into words.
fn split_in(words: &mut Vec<Word>, value: &str) {
    let mut parts = value.split_whitespace();
    if let Some(first) = parts.next().filter(|_| !value.starts_with(char::is_whitespace)) {
        last(words).text.push_str(first);
    }
    words.extend(parts.map(Word::plain));
}

/// `NAME=value`, cut in two.
fn assignment(word: &Raw) -> Option<(String, Raw)> {
    let Part::Text(first) = word.parts.first()? else { return None };
    let (name, start) = first.split_once('=')?;
    let is_name =
        !name.is_empty() && name.chars().all(is_name_char) && !name.starts_with(|c: char| c.is_ascii_digit());
    if !is_name {
        return None;
    }
    let mut parts = vec![Part::Text(start.to_owned())];
    parts.extend(word.parts[1..].iter().cloned());
    Some((name.to_owned(), Raw { parts, is_quoted: word.is_quoted }))
}
