//! The binary under test, and what is taken out of its words before they are compared.

use std::process::Command;

/// The binary, in an environment that changes nothing about its words and breaks no line of a report.
#[expect(clippy::disallowed_methods, reason = "the binary is tested from outside, as people start it")]
pub fn scandrill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scandrill"));
    command.env("NO_COLOR", "1").env("COLUMNS", "10000");
    command
}

/// A report without what differs from one run or machine to the next: times, captures' places, the machine and its
/// programs, and which packets were followed; spaces that only align are few. Other words stay as they are.
pub fn steady(words: &str) -> String {
    let is_report = words.lines().any(|line| line.starts_with(ENVIRONMENT));
    if !is_report {
        return words.to_owned();
    }
    without_coverage(&without_causes(words)).lines().map(|text| line(text) + "\n").collect()
}

/// Without the lines `why` and those that go on with them: which ways are seen first is a matter of time.
fn without_causes(words: &str) -> String {
    let mut is_inside = false;
    let mut kept = String::new();
    for line in words.lines() {
        let label = line.split_whitespace().next();
        is_inside = label == Some("why") || (is_inside && line.starts_with("      "));
        if !is_inside {
            kept.extend([line, "\n"]);
        }
    }
    kept
}

/// Without the section of rules that never matched: what a connection's end meets is a matter of time, too.
fn without_coverage(words: &str) -> String {
    let sections = words.split("\n\n").filter(|section| {
        !section.lines().next().is_some_and(|title| title.ends_with("rules never matched"))
    });
    sections.collect::<Vec<_>>().join("\n\n")
}

/// The line of a report that tells the machine.
const ENVIRONMENT: &str = "scandrill 0.";

fn line(line: &str) -> String {
    if line.starts_with(ENVIRONMENT) {
        return "<environment>".to_owned();
    }
    let indent: String = line.chars().take_while(|c| *c == ' ').collect();
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.first() == Some(&"hurt") {
        return hurt(line);
    }
    if words.first() == Some(&"probes") {
        return format!("{indent}probes  <strip>");
    }
    if let Some(capture) = words.iter().find(|word| word.ends_with(".pcapng")) {
        return format!("{indent}{} <captures>/{}", words[0], after_folder(capture));
    }
    let mut steady: Vec<String> = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let bare = word.trim_start_matches('(');
        let unit = words.get(index + 1).map_or("", |unit| unit.trim_end_matches([',', '.', ')', ';', ':']));
        let is_time = is_number(bare) && ["s", "ms", "us", "ns"].contains(&unit);
        steady.push(match () {
            // How long a ban took may be told in any unit.
            () if is_time && words[0] == "ban" => "<time>".to_owned(),
            () if words[0] == "ban" && follows_time(&words, index) => after_unit(word),
            () if is_time => word.replace(bare, "<time>"),
            () if word.strip_prefix('v').is_some_and(is_number) => "<version>".to_owned(),
            () => (*word).to_owned(),
        });
    }
    format!("{indent}{}", gaps(line, &steady))
}

/// Whether the word before is a number, of which this is the unit.
fn follows_time(words: &[&str], index: usize) -> bool {
    let number = index.checked_sub(1).and_then(|before| words.get(before));
    let unit = words[index].trim_end_matches([',', '.', ')', ';', ':']);
    number.is_some_and(|number| is_number(number)) && ["s", "ms", "us", "ns"].contains(&unit)
}

/// What is left of a unit's word: the mark behind it.
fn after_unit(word: &str) -> String {
    word.trim_start_matches(|c: char| c.is_ascii_alphabetic()).to_owned()
}

/// A client's line without how many requests fell into which phase: a race of its clock with the attacker's.
fn hurt(text: &str) -> String {
    let (who, rest) = text.split_once(": ").unwrap_or((text, ""));
    let banned = rest.split_once(": banned").map(|(_, by)| format!(": banned{}", line(by)));
    format!("{who}: <service>{}", banned.unwrap_or_default())
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
