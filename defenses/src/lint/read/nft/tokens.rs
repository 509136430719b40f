//! nft's words and signs, with defines put in.

use std::collections::BTreeMap;

/// A word, a text in quotes or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Without its quotes.
    pub text: String,
    /// Its line, counted from 0.
    pub line: usize,
    /// Whether it was quoted.
    pub is_quoted: bool,
}

/// Signs that are tokens by themselves.
const SIGNS: &str = "{}();,=!<>|&^";

/// A text of more tokens gets no more defines put in.
const TOKENS_MAX: usize = 1 << 20;

/// Cuts a text; what `define` says is put in where it is used.
pub fn tokens(text: &str) -> Vec<Token> {
    let plain = cut(text);
    let mut defines: BTreeMap<String, Vec<Token>> = BTreeMap::new();
    let mut tokens = Vec::with_capacity(plain.len());
    let mut at = 0;
    while let Some(token) = plain.get(at) {
        if let Some((name, end)) = definition(&plain, at) {
            let value = put_in(&plain[at + 3..end], &defines);
            defines.insert(name.to_owned(), value);
            at = end;
        } else {
            let room = tokens.len() < TOKENS_MAX;
            let value = token.text.strip_prefix('$').and_then(|name| defines.get(name)).filter(|_| room);
            match value {
                Some(value) => {
                    tokens.extend(value.iter().map(|other| Token { line: token.line, ..other.clone() }));
                }
                None => tokens.push(token.clone()),
            }
            at += 1;
        }
    }
    flat(tokens)
}

/// `define NAME = value`: the name, and where the value ends.
fn definition(tokens: &[Token], at: usize) -> Option<(&str, usize)> {
    let [define, name, equals, ..] = tokens.get(at..)? else { return None };
    if !["define", "redefine"].contains(&define.text.as_str()) || equals.text != "=" {
        return None;
    }
    let mut depth = 0_usize;
    let end = tokens.iter().enumerate().skip(at + 3).find(|(_, token)| {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && ["\n", ";"].contains(&token.text.as_str())
    });
    Some((&name.text, end.map_or(tokens.len(), |(end, _)| end)))
}

fn put_in(tokens: &[Token], defines: &BTreeMap<String, Vec<Token>>) -> Vec<Token> {
    let mut value = Vec::new();
    for token in tokens {
        let known = token.text.strip_prefix('$').and_then(|name| defines.get(name));
        match known.filter(|known| value.len() + known.len() < TOKENS_MAX / 64) {
            Some(known) => value.extend(known.iter().cloned()),
            None => value.push(token.clone()),
        }
    }
    value
}

/// A list in a list is one list: `{ $trusted, 192.0.2.1 }`.
fn flat(tokens: Vec<Token>) -> Vec<Token> {
    let is_sign =
        |token: Option<&Token>, sign: &str| token.is_some_and(|token| !token.is_quoted && token.text == sign);
    let mut flat: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut inner = 0_usize;
    for token in tokens {
        let after_list = is_sign(flat.last(), "{") || is_sign(flat.last(), ",");
        if after_list && is_sign(Some(&token), "{") {
            inner += 1;
        } else if inner > 0 && is_sign(Some(&token), "}") {
            inner -= 1;
        } else {
            flat.push(token);
        }
    }
    flat
}

fn cut(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut chars = text.char_indices().peekable();
    let mut line = 0;
    while let Some((start, char)) = chars.next() {
        let token = |text: &str, is_quoted| Token { text: text.to_owned(), line, is_quoted };
        match char {
            '\n' => {
                tokens.push(token("\n", false));
                line += 1;
            }
            '\\' => {
                if chars.next_if(|(_, char)| *char == '\n').is_some() {
                    line += 1;
                }
            }
            '#' => while chars.next_if(|(_, char)| *char != '\n').is_some() {},
            '"' | '\'' => {
                let rest = &text[start + 1..];
                let length = rest.find([char, '\n']).unwrap_or(rest.len());
                tokens.push(token(&rest[..length], true));
                while chars
                    .next_if(|(at, next)| {
                        *at <= start + length || (*at == start + 1 + length && *next == char)
                    })
                    .is_some()
                {}
            }
            _ if char.is_whitespace() => {}
            _ if SIGNS.contains(char) => tokens.push(token(char.encode_utf8(&mut [0; 4]), false)),
            _ => {
                let rest = &text[start..];
                let ends =
                    |char: char| char.is_whitespace() || SIGNS.contains(char) || "\"'#\\".contains(char);
                let length = rest.find(ends).unwrap_or(rest.len());
                while chars.next_if(|(at, _)| *at < start + length).is_some() {}
                tokens.extend(apart(&rest[..length]).into_iter().map(|word| token(word, false)));
            }
        }
    }
    tokens
}

/// The colon of a map may stand at its key: `22: accept`. `::` is an address's.
fn apart(word: &str) -> Vec<&str> {
    match word.strip_suffix(':').filter(|key| !key.is_empty() && !key.ends_with(':')) {
        Some(key) => vec![key, ":"],
        None => vec![word],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn words_texts_and_signs_are_cut_and_comments_left_out() {
        assert_eq!(
            texts("iifname \"eth 0\" tcp dport{22,80} # no\nip6 saddr ::1 vmap { 22: accept, 5 : drop }"),
            [
                "iifname", "eth 0", "tcp", "dport", "{", "22", ",", "80", "}", "\n", "ip6", "saddr", "::1",
                "vmap", "{", "22", ":", "accept", ",", "5", ":", "drop", "}"
            ]
        );
    }

    #[test]
    fn defines_are_put_in_and_lists_in_lists_are_one() {
        let text = "define A = 1\ndefine L = { $A, 2 }\nip saddr { $L, 3 } $unknown";
        assert_eq!(texts(text), ["\n", "\n", "ip", "saddr", "{", "1", ",", "2", ",", "3", "}", "$unknown"]);
    }
}
