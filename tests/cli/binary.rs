//! The binary under test, and what is taken out of its words before they are compared.

use std::process::Command;

/// The binary, in an environment that changes nothing about its words.
#[expect(clippy::disallowed_methods, reason = "the binary is tested from outside, as people start it")]
pub fn scandrill() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scandrill"));
    command.env("NO_COLOR", "1").env_remove("COLUMNS");
    command
}

/// Words without what differs from one run or machine to the next: times, captures' places, the kernel.
pub fn steady(words: &str) -> String {
    let lines: Vec<String> = words.lines().map(line).collect();
    lines.join("\n") + "\n"
}

fn line(line: &str) -> String {
    if let Some((label, _)) = line.split_once("/scandrill-").filter(|(_, path)| path.contains(".pcapng")) {
        return format!("{}<capture>", label.trim_end_matches(|c: char| !c.is_whitespace()));
    }
    let mut words: Vec<String> = Vec::new();
    let mut gaps = line.split(' ').peekable();
    while let Some(word) = gaps.next() {
        let unit = gaps.peek().copied().unwrap_or_default();
        let bare = word.trim_start_matches('(');
        let unit_bare = unit.trim_end_matches([',', '.', ')', ';', ':']);
        if is_number(bare) && ["s", "ms", "ns"].contains(&unit_bare) {
            words.push(word.replace(bare, "<time>"));
        } else {
            words.push(word.to_owned());
        }
    }
    words.join(" ")
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && word.chars().all(|c| c.is_ascii_digit() || c == '.')
}
