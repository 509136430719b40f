//! What is said about a file that is wrong: where, what, and the nearest right thing.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A text with the name that messages give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path as the user wrote it, or the built-in scenario's name.
    pub name: String,
    /// Whole content.
    pub text: Arc<str>,
}

impl SourceFile {
    /// A file of that name and content.
    pub fn new(name: impl Into<String>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into() }
    }
}

/// One mistake in a file. Nothing is built from a file that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFile {
    /// The file.
    pub file: SourceFile,
    /// Byte range of the mistake.
    pub span: Range<usize>,
    /// What is wrong, as a lower-case fragment.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl BadFile {
    /// Line and column of the mistake, counted from 1; columns count characters.
    pub fn position(&self) -> (usize, usize) {
        let before = self.file.text.get(..self.span.start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }
}

impl fmt::Display for BadFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.position();
        write!(f, "{}:{line}:{column}: {}", self.file.name, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for BadFile {}

/// The entry of `known` that is nearest to `word`, when one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate: &str| strsim::damerau_levenshtein(word, candidate);
    let (best, far) =
        known.into_iter().map(|candidate| (candidate, distance(candidate))).min_by_key(|pair| pair.1)?;
    (far <= word.len().max(best.len()) / 2).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let file = SourceFile::new("a.toml", "one\nzwei ü x\n");
        let at = file.text.find('x').unwrap();
        let bad = BadFile { file, span: at..at + 1, message: "no".into(), help: Some("yes".into()) };
        assert_eq!(bad.to_string(), "a.toml:2:8: no; yes");
    }

    #[test]
    fn only_a_near_word_is_offered() {
        assert_eq!(nearest("prots", ["ports", "expect"]), Some("ports"));
        assert_eq!(nearest("zzz", ["ports", "expect"]), None);
    }
}
