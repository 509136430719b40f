//! Cuts a line of rules into the words that may name an interface or an address, and leaves out comments and texts
//! for people.

use std::ops::Range;

use crate::rules::Format;

/// A word and where it is in its line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word<'a> {
    /// The word.
    pub text: &'a str,
    /// Where it is, in bytes.
    pub span: Range<usize>,
}

/// After these comes a text for people or a pattern, which is no name and no address.
pub const BEFORE_TEXT: [&str; 8] = [
    "--comment",
    "comment",
    "--log-prefix",
    "--nflog-prefix",
    "--ulog-prefix",
    "prefix",
    "--string",
    "--hex-string",
];

/// The words of a line that are neither comment nor text.
pub fn words(line: &str, format: Format) -> Vec<Word<'_>> {
    if format == Format::IptablesSave && line.starts_with('#') {
        return Vec::new();
    }
    let mut found: Vec<Word> = Vec::new();
    let mut skip_argument = false;
    for argument in arguments(line, format) {
        if std::mem::take(&mut skip_argument) {
            continue;
        }
        found.extend(split(line, argument));
        skip_argument = announces_text(&found);
    }
    found
}

/// Whether the next argument is a text. `-m comment` only loads iptables' match of that name.
fn announces_text(words: &[Word]) -> bool {
    match words {
        [.., match_, name] if ["-m", "--match"].contains(&match_.text) => {
            name.text.starts_with("--") && BEFORE_TEXT.contains(&name.text)
        }
        [.., last] => BEFORE_TEXT.contains(&last.text),
        [] => false,
    }
}

/// Runs between blanks, quoted ones whole, up to a comment.
fn arguments(line: &str, format: Format) -> Vec<Range<usize>> {
    let mut arguments = Vec::new();
    let (mut start, mut quote) = (None, None);
    let mut escaped = false;
    for (at, char) in line.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        let blank = char.is_whitespace() && quote.is_none();
        match char {
            '\\' => escaped = true,
            '#' if quote.is_none() && start.is_none() && format != Format::IptablesSave => return arguments,
            '"' | '\'' if quote.is_none() => quote = Some(char),
            _ if quote == Some(char) => quote = None,
            _ => {}
        }
        if blank {
            arguments.extend(start.take().map(|start| start..at));
        } else {
            start = start.or(Some(at));
        }
    }
    arguments.extend(start.map(|start| start..line.len()));
    arguments
}

/// The words of one argument: cut where no name and no address goes on.
fn split(line: &str, argument: Range<usize>) -> impl Iterator<Item = Word<'_>> {
    let text = &line[argument.clone()];
    let cuts = |char: char| char.is_whitespace() || "\"'{}()[];,=!<>|&`".contains(char);
    let start = argument.start;
    text.split(cuts).filter(|word| !word.is_empty()).map(move |word| {
        let at = start + (word.as_ptr() as usize - text.as_ptr() as usize);
        Word { text: word, span: at..at + word.len() }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str, format: Format) -> Vec<&str> {
        words(line, format).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn comments_and_texts_for_people_are_left_out() {
        let rule = r#"-A INPUT -s 10.0.0.1/32 -m comment --comment "not 10.0.0.2, \" nor eth0" -j LOG --log-prefix eth0"#;
        let expected =
            ["-A", "INPUT", "-s", "10.0.0.1/32", "-m", "comment", "--comment", "-j", "LOG", "--log-prefix"];
        assert_eq!(texts(rule, Format::IptablesSave), expected);
        assert!(texts("# Generated on eth0", Format::IptablesSave).is_empty());
        assert_eq!(
            texts("ip saddr 10.0.0.1 drop # 10.0.0.2", Format::Nft),
            ["ip", "saddr", "10.0.0.1", "drop"]
        );
    }

    #[test]
    fn lists_and_quotes_are_cut_into_words() {
        assert_eq!(
            texts("iifname { \"eth0\", eth1 } accept", Format::Nft),
            ["iifname", "eth0", "eth1", "accept"]
        );
        assert_eq!(
            texts("ADMINS='10.0.0.1 10.0.0.2'; go", Format::Script),
            ["ADMINS", "10.0.0.1", "10.0.0.2", "go"]
        );
        assert_eq!(
            texts("--to-destination [2001:db8::1]:80", Format::IptablesSave),
            ["--to-destination", "2001:db8::1", ":80"]
        );
    }

    #[test]
    fn the_match_called_comment_hides_nothing_but_its_text() {
        let rule = "-A INPUT -m comment --comment x -s 10.0.0.1 -j DROP";
        assert!(texts(rule, Format::IptablesSave).contains(&"10.0.0.1"));
        assert!(texts("-A INPUT -s 10.0.0.1 -m comment -i eth0", Format::IptablesSave).contains(&"10.0.0.1"));
    }
}
