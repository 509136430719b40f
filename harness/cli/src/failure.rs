//! Why a command could not do what it was asked: each reason with its exit code, put into words for a terminal or
//! for a log.

use std::fmt::Write as _;
use std::io;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode};
use scandrill_engine::BadFile;
use thiserror::Error;

use crate::console::Console;

/// Why a command ended early.
#[derive(Debug, Error)]
pub enum Failure {
    /// Files that are wrong; nothing was built.
    #[error("{} bad files", .0.len())]
    BadFiles(Vec<BadFile>),
    /// Arguments that cannot be followed.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What would be right.
        help: Option<String>,
    },
    /// Something that could not be done or judged.
    #[error("{message}")]
    Unable {
        /// What, and why not.
        message: String,
        /// The command that mends it.
        help: Option<String>,
    },
    /// There was nothing to do.
    #[error("{message}")]
    Nothing {
        /// What was looked for in vain.
        message: String,
        /// What would find something.
        help: Option<String>,
    },
    /// The result could not be printed.
    #[error("writing the result: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// Wrong arguments, with what would be right.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), help: Some(help.into()) }
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::BadFiles(_) | Self::Usage { .. } => 2,
            Self::Unable { .. } | Self::Output(_) => 3,
            Self::Nothing { .. } => 4,
        }
    }

    /// The whole message, as this console shows it.
    pub fn text(&self, console: Console) -> String {
        match self {
            Self::BadFiles(files) if console.watched() => {
                files.iter().map(|file| drawn(file, console.colored_err())).collect()
            }
            Self::BadFiles(files) => files.iter().map(plain).collect(),
            Self::Usage { help, .. } | Self::Unable { help, .. } | Self::Nothing { help, .. } => {
                let help = help.as_ref().map(|help| format!("\n  help: {help}")).unwrap_or_default();
                format!("error: {self}{help}")
            }
            Self::Output(_) => format!("error: {self}"),
        }
    }
}

impl From<BadFile> for Failure {
    fn from(bad: BadFile) -> Self {
        Self::BadFiles(vec![bad])
    }
}

impl From<Box<BadFile>> for Failure {
    fn from(bad: Box<BadFile>) -> Self {
        Self::from(*bad)
    }
}

/// A mistake for logs and editors: `file:line:column` first, then the line with the mistake underlined.
pub fn plain(bad: &BadFile) -> String {
    let (line, column) = bad.position();
    let mut text = format!("error: {}:{line}:{column}: {}\n", bad.file.name, bad.message);
    if let Some(source) = bad.file.text.lines().nth(line - 1).filter(|source| !source.trim().is_empty()) {
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let before: String =
            source.chars().take(column - 1).map(|c| if c == '\t' { c } else { ' ' }).collect();
        let marked =
            bad.file.text.get(bad.span.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        let marks = "^".repeat(marked.trim_end().chars().count().max(1));
        // Writing to a string does not fail.
        let _ = writeln!(text, " {number} | {source}\n {margin} | {before}{marks}");
    }
    if let Some(help) = &bad.help {
        let _ = writeln!(text, "  help: {help}");
    }
    text
}

/// A mistake as a terminal shows it best.
fn drawn(bad: &BadFile, colored: bool) -> String {
    let theme = if colored { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let mut text = String::new();
    let diagnostic = Drawn { bad, text: NamedSource::new(&bad.file.name, bad.file.text.to_string()) };
    match GraphicalReportHandler::new_themed(theme).render_report(&mut text, &diagnostic) {
        Ok(()) => text,
        Err(_) => plain(bad),
    }
}

/// A mistake in miette's terms.
#[derive(Debug, Error)]
#[error("{}", .bad.message)]
struct Drawn<'a> {
    bad: &'a BadFile,
    text: NamedSource<String>,
}

impl miette::Diagnostic for Drawn<'_> {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_primary_with_span(None, self.bad.span.clone());
        Some(Box::new(std::iter::once(label)))
    }

    fn help<'h>(&'h self) -> Option<Box<dyn std::fmt::Display + 'h>> {
        self.bad.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use scandrill_engine::SourceFile;

    fn mistake() -> BadFile {
        let file = SourceFile::new("a.toml", "[target]\nservces = [\"tcp/22\"]\n");
        BadFile {
            file,
            span: 9..16,
            message: "unknown key `servces`".into(),
            help: Some("did you mean `services`?".into()),
        }
    }

    #[test]
    fn a_log_gets_the_place_first_and_the_mistake_underlined() {
        let expected = "error: a.toml:2:1: unknown key `servces`\n \
                        2 | servces = [\"tcp/22\"]\n   | ^^^^^^^\n  help: did you mean `services`?\n";
        assert_eq!(plain(&mistake()), expected);
    }

    #[test]
    fn a_terminal_gets_the_place_too() {
        let text = drawn(&mistake(), false);
        assert!(text.contains("a.toml:2:1") && text.contains("did you mean `services`?"), "{text}");
    }
}
