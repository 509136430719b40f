//! A line as iptables-restore and ipset cut it: words between blanks, quoted ones whole.

/// A word of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Without its quotes.
    pub text: String,
    /// Whether it was quoted, so that it is no option.
    pub is_quoted: bool,
    /// Whether a part of it is not known: a variable that the text does not set, or a command's output.
    pub is_unclear: bool,
}

impl Word {
    /// A plain word.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), ..Self::default() }
    }

    /// Whether it is an option rather than a value.
    pub fn is_option(&self) -> bool {
        let starts = self.text.strip_prefix('-').filter(|_| !self.is_quoted);
        starts.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '-'))
    }
}

/// The words of a line.
pub fn words(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let (mut quote, mut escaped) = (None, false);
    for char in line.chars() {
        let here = word.get_or_insert_default();
        if std::mem::take(&mut escaped) {
            here.text.push(char);
        } else if char == '\\' {
            escaped = true;
        } else if quote == Some(char) {
            quote = None;
        } else if quote.is_none() && (char == '"' || char == '\'') {
            quote = Some(char);
            here.is_quoted = true;
        } else if quote.is_none() && char.is_whitespace() {
            words.extend(word.take().filter(|word| word.is_quoted || !word.text.is_empty()));
        } else {
            here.text.push(char);
        }
    }
    words.extend(word.filter(|word| word.is_quoted || !word.text.is_empty()));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_stay_whole_and_are_no_options() {
        let words = words(r#"-A INPUT --log-prefix "-A \"b\" " -j LOG"#);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["-A", "INPUT", "--log-prefix", "-A \"b\" ", "-j", "LOG"]);
        assert!(words[0].is_option() && !words[3].is_option());
    }
}
