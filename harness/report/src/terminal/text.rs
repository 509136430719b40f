//! Words on a page: made safe, wrapped, padded and painted.

use anstyle::{AnsiColor, Style as Paint};
use scandrill_model::{Millis, Outcome, Verdict};
use textwrap::{Options, WordSeparator, WordSplitter};

use super::Colour;

pub(crate) const HEADING: Paint = Paint::new().bold();
pub(crate) const QUIET: Paint = Paint::new().dimmed();
const GOOD: Paint = AnsiColor::Green.on_default();
const BAD: Paint = AnsiColor::Red.on_default().bold();
const UNSURE: Paint = AnsiColor::Yellow.on_default();

/// A word and its paint.
pub(super) type Painted = (&'static str, Paint);

/// What a verdict is called on the page; what needs attention is in capitals, so that it shows without colour.
pub(super) fn verdict(verdict: Verdict) -> Painted {
    match verdict {
        Verdict::Pass => ("pass", GOOD),
        Verdict::Skip => ("skip", UNSURE),
        Verdict::Fail => ("FAIL", BAD),
        Verdict::Error => ("ERROR", BAD),
    }
}

/// What became of a claim.
pub(super) fn outcome(outcome: Outcome) -> Painted {
    match outcome {
        Outcome::Held => ("HELD", GOOD.bold()),
        Outcome::Refuted => ("REFUTED", BAD),
        Outcome::Undecided => ("UNDECIDED", UNSURE.bold()),
    }
}

/// `text` in its paint, where colours are wanted.
pub(crate) fn paint(text: &str, paint: Paint, colour: Colour) -> String {
    match colour {
        Colour::On if !text.is_empty() => format!("{paint}{text}{paint:#}"),
        Colour::On | Colour::Off => text.to_owned(),
    }
}

/// `text` on one line, without a character that could steer a terminal.
pub fn clean(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for part in text.split_whitespace() {
        if !safe.is_empty() {
            safe.push(' ');
        }
        for c in part.chars() {
            if c.is_control() { safe.extend(c.escape_default()) } else { safe.push(c) }
        }
    }
    safe
}

/// `text`, cleaned, in lines of at most `width` columns; words are broken only when longer than a line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let options = Options::new(width.max(1))
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    textwrap::wrap(&clean(text), options).into_iter().map(std::borrow::Cow::into_owned).collect()
}

/// How many columns `text` takes.
pub(super) fn width(text: &str) -> usize {
    textwrap::core::display_width(text)
}

/// The spaces that fill `text` up to `columns`.
pub(super) fn fill(text: &str, columns: usize) -> String {
    " ".repeat(columns.saturating_sub(width(text)))
}

/// `text` on the left of `columns`.
pub(super) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", fill(text, columns))
}

/// `text` on the right of `columns`.
pub(super) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", fill(text, columns))
}

/// `1 case`, `2 cases`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A length of time as people read it.
pub fn seconds(length: Millis) -> String {
    let (minutes, rest) = (length.0 / 60_000, length.0 % 60_000);
    match minutes {
        0 if rest < 10_000 => format!("{}.{:02} s", rest / 1000, rest % 1000 / 10),
        0 => format!("{}.{} s", rest / 1000, rest % 1000 / 100),
        _ => format!("{minutes} min {} s", rest / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_they_are_short() {
        let cases = [
            (0, "0.00 s"),
            (314, "0.31 s"),
            (9_999, "9.99 s"),
            (10_000, "10.0 s"),
            (59_999, "59.9 s"),
            (61_000, "1 min 1 s"),
        ];
        for (millis, text) in cases {
            assert_eq!(seconds(Millis(millis)), text);
        }
    }

    #[test]
    fn technique_names_stay_whole_and_long_words_still_fit() {
        assert_eq!(wrap("reads tcp-xmas closed", 9), ["reads", "tcp-xmas", "closed"]);
        assert_eq!(wrap("1,2,3,4,5,6", 5), ["1,2,3", ",4,5,", "6"]);
    }
}
