//! The binary under test, and what is taken out of its words before they are compared.

use std::process::Command;

/// The binary, in an environment that changes nothing about its words.
#[expect(clippy::disallowed_methods, reason = "the binary is tested from outside, as people start it")]
pub fn scandrill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scandrill"));
    command.env("NO_COLOR", "1").env_remove("COLUMNS");
    command
}

/// Words without what differs from one run or machine to the next: times, captures' places, the machine and its
/// programs. Spaces that only align are one, and the last paragraph, which times make longer or shorter, is one line.
pub fn steady(words: &str) -> String {
    let mut paragraphs: Vec<String> = words.trim_end().split("\n\n").map(paragraph).collect();
    if let Some(last) = paragraphs.last_mut() {
        *last = without_environment(&last.replace('\n', " "));
    }
    paragraphs.join("\n\n") + "\n"
}

fn paragraph(paragraph: &str) -> String {
    paragraph.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// `scandrill 0.1.0 on kernel ...` up to the verdict.
fn without_environment(paragraph: &str) -> String {
    let verdicts = ["pass  ", "skip  ", "FAIL  ", "ERROR  "];
    let starts = verdicts.iter().filter_map(|verdict| paragraph.find(verdict)).min();
    match starts.filter(|_| paragraph.starts_with("scandrill ")) {
        Some(start) => format!("<environment>\n{}", &paragraph[start..]),
        None => paragraph.to_owned(),
    }
}

fn line(line: &str) -> String {
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    if let Some(capture) = words.iter().find(|word| word.ends_with(".pcapng")) {
        return format!("{indent}{} <captures>/{}", words[0], after_folder(capture));
    }
    let mut steady: Vec<String> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let bare = word.trim_start_matches('(');
        let unit = words.get(index + 1).map_or("", |unit| unit.trim_end_matches([',', '.', ')', ';', ':']));
        let is_time = is_number(bare) && ["s", "ms", "ns"].contains(&unit);
        steady.push(if is_time { word.replace(bare, "<time>") } else { (*word).to_owned() });
    }
    format!("{indent}{}", gaps(line, &steady))
}

/// The last folder and the file of a path.
fn after_folder(path: &str) -> String {
    let parts: Vec<&str> = path.rsplitn(3, '/').take(2).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join("/")
}

/// The words again, with two spaces where there were two or more.
fn gaps(line: &str, words: &[String]) -> String {
    let mut rest = line.trim_start();
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        let end = rest.find(' ').unwrap_or(rest.len());
        let after = rest[end..].trim_start();
        let gap = rest.len() - end - after.len();
        text.push_str(word);
        if index + 1 < words.len() {
            text.push_str(if gap > 1 { "  " } else { " " });
        }
        rest = after;
    }
    text
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.chars().all(|c| c.is_ascii_digit() || c == '.')
}
