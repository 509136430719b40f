//! Cuts a shell script into simple commands. Only what firewall scripts are made of: words, quotes, variables, lists,
//! comments, redirections, here-documents. What a command prints is not known.

use std::iter::Peekable;
use std::str::Chars;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// A variable's value, cut at blanks unless it is quoted; or a default.
    Variable {
        /// Its name.
        name: String,
        /// What stands for it where it is not set.
        default: Option<String>,
        /// Whether it is quoted.
        is_quoted: bool,
    },
    /// What a command prints, or an expression that is not understood.
    Unknown,
}

/// A word before its variables are put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw {
    /// Its parts in order.
    pub parts: Vec<Part>,
    /// Whether a part of it is quoted.
    pub is_quoted: bool,
}

impl Raw {
    /// Its text where it is one plain text.
    pub fn plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Text(text)] if !self.is_quoted => Some(text),
            _ => None,
        }
    }

    fn push(&mut self, char: char) {
        if let Some(Part::Text(text)) = self.parts.last_mut() {
            text.push(char);
        } else {
            self.parts.push(Part::Text(char.to_string()));
        }
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty() && !self.is_quoted
    }
}

/// What ends a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// The next one follows whatever comes of it.
    #[default]
    Next,
    /// `&&` or `||`.
    Depends,
    /// `|`.
    Pipe,
    /// `;;` of a case.
    Case,
    /// `)` behind a case's pattern.
    Pattern,
}

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Here {
    /// Its lines.
    pub text: String,
    /// The number of its first line.
    pub line: usize,
    /// Whether variables in it are put in.
    pub is_expanded: bool,
}

/// A simple command, or a word of the shell's own such as `then`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// Its words.
    pub words: Vec<Raw>,
    /// The line of its first word.
    pub line: usize,
    /// What ends it.
    pub end: End,
    /// What it gets on its standard input.
    pub here: Option<Here>,
    /// Whether it reads a file instead.
    pub reads_file: bool,
}

/// Words after which another command begins.
const KEYWORDS: [&str; 11] = ["if", "then", "elif", "else", "do", "while", "until", "{", "}", "fi", "done"];

/// All commands of a script.
pub fn commands(text: &str) -> Vec<Command> {
    let mut lexer = Lexer { chars: text.chars().peekable(), line: 1, ..Lexer::new() };
    while let Some(char) = lexer.next() {
        lexer.take(char);
    }
    lexer.end(End::Next);
    lexer.done
}

struct Lexer<'a> {
    chars: Peekable<Chars<'a>>,
    line: usize,
    word: Raw,
    command: Command,
    done: Vec<Command>,
    /// Open parentheses of subshells.
    open: usize,
    /// The next word is a redirection's.
    skips_word: bool,
    /// The delimiters of here-documents that begin on the next line, with whether they are expanded.
    heres: Vec<(String, bool)>,
}

impl Lexer<'_> {
    fn new() -> Self {
        Self {
            chars: "".chars().peekable(),
            line: 1,
            word: Raw::default(),
            command: Command::default(),
            done: Vec::new(),
            open: 0,
            skips_word: false,
            heres: Vec::new(),
        }
    }

    fn next(&mut self) -> Option<char> {
        let char = self.chars.next();
        if char == Some('\n') {
            self.line += 1;
        }
        char
    }

    fn follows(&mut self, char: char) -> bool {
        self.chars.next_if_eq(&char).is_some()
    }

    fn take(&mut self, char: char) {
        match char {
            '\\' => match self.next() {
                Some('\n') | None => {}
                Some(char) => self.word.push(char),
            },
            '\'' => self.single_quoted(),
            '"' => self.double_quoted(),
            '$' => self.variable(false),
            '`' => self.backticks(),
            '#' if self.word.is_empty() => self.skip_line(),
            '\n' => self.end_line(),
            ';' => {
                let end = if self.follows(';') { End::Case } else { End::Next };
                self.end(end);
            }
            '&' if self.follows('&') => self.end(End::Depends),
            '&' if self.chars.peek() == Some(&'>') => {}
            '&' => self.end(End::Next),
            '|' if self.follows('|') => self.end(End::Depends),
            '|' => self.end(End::Pipe),
            '(' => self.open(),
            ')' => self.close(),
            '<' | '>' => self.redirection(char),
            _ if char.is_whitespace() => self.end_word(),
            _ => self.word.push(char),
        }
    }

    fn single_quoted(&mut self) {
        self.word.is_quoted = true;
        while let Some(char) = self.next().filter(|char| *char != '\'') {
            self.word.push(char);
        }
    }

    fn double_quoted(&mut self) {
        self.word.is_quoted = true;
        while let Some(char) = self.next().filter(|char| *char != '"') {
            match char {
                '\\' => match self.next() {
                    Some('\n') | None => {}
                    Some(char) if "\"\\$`".contains(char) => self.word.push(char),
                    Some(char) => {
                        self.word.push('\\');
                        self.word.push(char);
                    }
                },
                '$' => self.variable(true),
                '`' => self.backticks(),
                char => self.word.push(char),
            }
        }
    }

    fn backticks(&mut self) {
        while self.next().is_some_and(|char| char != '`') {}
        self.word.parts.push(Part::Unknown);
    }

    fn variable(&mut self, is_quoted: bool) {
        let part = match self.chars.peek() {
            Some('(') => {
                self.skip_balanced();
                Part::Unknown
            }
            Some('{') => {
                let mut inside = String::new();
                while let Some(char) = self.next().filter(|char| *char != '}') {
                    inside.push(char);
                }
                in_braces(inside.trim_start_matches('{'), is_quoted)
            }
            Some(char) if char.is_ascii_digit() || "@*#?$!".contains(*char) => {
                let name = self.next().map(String::from).unwrap_or_default();
                Part::Variable { name, default: None, is_quoted }
            }
            Some(char) if is_name_char(*char) => {
                let mut name = String::new();
                while let Some(char) = self.chars.next_if(|char| is_name_char(*char)) {
                    name.push(char);
                }
                Part::Variable { name, default: None, is_quoted }
            }
            _ => Part::Text("$".to_owned()),
        };
        self.word.parts.push(part);
    }

    fn skip_balanced(&mut self) {
        let mut depth = 0_usize;
        while let Some(char) = self.next() {
            match char {
                '(' => depth += 1,
                ')' if depth <= 1 => return,
                ')' => depth -= 1,
                _ => {}
            }
        }
    }

    fn skip_line(&mut self) {
        while self.chars.next_if(|char| *char != '\n').is_some() {}
    }

    /// `(`: of a function's head, of a list's value, or of a subshell.
    fn open(&mut self) {
        let is_list = self
            .word
            .parts
            .last()
            .is_some_and(|part| matches!(part, Part::Text(text) if text.ends_with('=')));
        if is_list {
            while let Some(char) = self.next().filter(|char| *char != ')') {
                self.word.push(if char == '\n' { ' ' } else { char });
            }
            return;
        }
        self.end_word();
        while self.chars.next_if(|char| *char == ' ').is_some() {}
        let is_head = self.command.words.len() <= 2 && !self.command.words.is_empty() && self.follows(')');
        if is_head {
            if self.command.words.len() == 1 {
                self.command
                    .words
                    .insert(0, Raw { parts: vec![Part::Text("function".to_owned())], is_quoted: false });
            }
            self.end(End::Next);
        } else {
            self.open += 1;
            self.end(End::Next);
        }
    }

    fn close(&mut self) {
        if self.open > 0 {
            self.open -= 1;
            self.end(End::Next);
        } else {
            self.end(End::Pattern);
        }
    }

    fn redirection(&mut self, char: char) {
        // A number before it is a descriptor's.
        if self.word.plain().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
            self.word = Raw::default();
        }
        self.end_word();
        if char == '<' && self.follows('<') {
            if self.follows('<') {
                self.skips_word = true;
                self.command.reads_file = true;
            } else {
                self.here();
            }
            return;
        }
        while self.chars.next_if(|char| ">&|".contains(*char)).is_some() {}
        self.command.reads_file |= char == '<';
        self.skips_word = true;
    }

    fn here(&mut self) {
        self.follows('-');
        while self.chars.next_if(|char| *char == ' ').is_some() {}
        let mut word = String::new();
        while let Some(char) = self.chars.next_if(|char| !char.is_whitespace() && !";|&<>()".contains(*char))
        {
            word.push(char);
        }
        let delimiter: String = word.chars().filter(|char| !"'\"\\".contains(*char)).collect();
        if !delimiter.is_empty() {
            self.heres.push((delimiter.clone(), delimiter == word));
            // The text is not there yet; it is known by being the last one asked for.
            self.command.here = Some(Here { text: String::new(), line: 0, is_expanded: delimiter == word });
        }
    }

    fn end_word(&mut self) {
        let word = std::mem::take(&mut self.word);
        if word.is_empty() {
            return;
        }
        if std::mem::take(&mut self.skips_word) {
            return;
        }
        if self.command.words.is_empty() {
            self.command.line = self.line;
            if word.plain().is_some_and(|word| KEYWORDS.contains(&word)) {
                self.command.words.push(word);
                self.end(End::Next);
                return;
            }
            if word.plain() == Some("!") {
                return;
            }
        }
        self.command.words.push(word);
    }

    fn end(&mut self, end: End) {
        self.end_word();
        self.skips_word = false;
        let mut command = std::mem::take(&mut self.command);
        command.end = end;
        if !command.words.is_empty() || command.here.is_some() || end == End::Case {
            self.done.push(command);
        }
    }

    fn end_line(&mut self) {
        // The line's number has gone on already.
        self.line -= 1;
        self.end(End::Next);
        self.line += 1;
        for (delimiter, is_expanded) in std::mem::take(&mut self.heres) {
            let (text, line) = self.here_text(&delimiter);
            let waiting = |command: &&mut Command| command.here.as_ref().is_some_and(|here| here.line == 0);
            if let Some(command) = self.done.iter_mut().find(waiting) {
                command.here = Some(Here { text, line, is_expanded });
            }
        }
    }

    fn here_text(&mut self, delimiter: &str) -> (String, usize) {
        let first = self.line;
        let mut text = String::new();
        while self.chars.peek().is_some() {
            let mut line = String::new();
            while let Some(char) = self.next().filter(|char| *char != '\n') {
                line.push(char);
            }
            if line.trim_start_matches('\t') == delimiter {
                break;
            }
            text.push_str(&line);
            text.push('\n');
        }
        (text, first)
    }
}

/// What `${...}` stands for: a name, a name with a default, or a list.
fn in_braces(inside: &str, is_quoted: bool) -> Part {
    let (name, rest) = inside.split_at(inside.find(|char| !is_name_char(char)).unwrap_or(inside.len()));
    let name = if name.is_empty() && ["@", "*"].contains(&rest) { rest } else { name };
    let known = match rest {
        "" | "@" | "*" | "[@]" | "[*]" => Some(None),
        _ => [":-", "-", ":=", "="]
            .iter()
            .find_map(|sign| rest.strip_prefix(sign))
            .map(|text| Some(text.to_owned())),
    };
    match known {
        Some(default) if !name.is_empty() => Part::Variable { name: name.to_owned(), default, is_quoted },
        _ => Part::Unknown,
    }
}

/// Whether a variable's name may hold it.
pub fn is_name_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let word = |raw: &Raw| {
            raw.parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Variable { name, .. } => format!("<{name}>"),
                    Part::Unknown => "<?>".to_owned(),
                })
                .collect::<String>()
        };
        let line = |command: &Command| {
            format!("{}: {}", command.line, command.words.iter().map(word).collect::<Vec<_>>().join(" "))
        };
        commands(text).iter().map(line).collect()
    }

    #[test]
    fn a_script_is_cut_into_its_commands() {
        let script = "#!/bin/sh\nA=\"x y\" # why\nif true; then iptables -A \\\n  INPUT 2>/dev/null && b; fi\nf() { c $1 ${2:-d} $(e f); }\n";
        assert_eq!(
            told(script),
            [
                "2: A=x y",
                "3: if",
                "3: true",
                "3: then",
                "3: iptables -A INPUT",
                "4: b",
                "4: fi",
                "5: function f",
                "5: {",
                "5: c <1> <2> <?>",
                "5: }"
            ]
        );
    }

    #[test]
    fn a_here_document_belongs_to_its_command_and_keeps_its_line() {
        let commands = commands("a\nnft -f - <<'EOF'\ntable ip t {\n}\nEOF\nb\n");
        let here = commands[1].here.clone().unwrap();
        assert_eq!((here.text.as_str(), here.line, here.is_expanded), ("table ip t {\n}\n", 3, false));
        assert_eq!(commands[2].line, 6);
    }
}
