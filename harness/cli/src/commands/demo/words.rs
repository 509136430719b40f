//! Long lines of the kernel's and of its tools in the few columns of a panel.

/// What layers put before the names of their chains and sets.
const OURS: &str = "scandrill-";

/// A rule with what it does first: `DROP tcp dport 23 ...`; what leads to another chain has an arrow.
pub fn rule(text: &str) -> String {
    match text.split_once("-j ") {
        Some((tests, verdict)) => saved_rule(tests, verdict),
        None => nft_rule(text),
    }
    .replace(OURS, "")
}

/// The name of a set, without what all of them have.
pub fn name(name: &str) -> &str {
    name.strip_prefix(OURS).unwrap_or(name)
}

/// Words of iptables that say nothing in a picture, each with how many words follow it.
const SAID_OTHERWISE: [(&str, usize); 5] =
    [("-m", 1), ("-p", 0), ("--comment", 1), ("--mask", 1), ("--rsource", 0)];

fn saved_rule(tests: &str, verdict: &str) -> String {
    let (mut kept, mut words) = (Vec::new(), tests.split_whitespace());
    while let Some(word) = words.next() {
        match SAID_OTHERWISE.iter().find(|(known, _)| *known == word) {
            Some((_, behind)) => drop(words.by_ref().take(*behind).count()),
            None => kept.push(word.trim_start_matches('-')),
        }
    }
    let arrow = if verdict.starts_with(|letter: char| letter.is_ascii_uppercase()) { "" } else { "-> " };
    let verdict = verdict.replace(" --log-prefix", "").replace(" --add-set", " +");
    format!("{arrow}{verdict} {}", kept.join(" ")).trim_end().to_owned()
}

/// What ends a rule of nftables.
const VERDICTS: [&str; 8] = ["accept", "drop", "reject", "return", "continue", "jump", "goto", "log"];

fn nft_rule(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let verdict = words.iter().rposition(|word| VERDICTS.contains(word));
    let Some(at) = verdict.filter(|at| *at > 0) else { return text.to_owned() };
    format!("{} {}", words[at..].join(" "), words[..at].join(" "))
}

/// A line of the kernel's log: who asked, for which port, and what the rule calls it.
pub fn log_line(line: &str) -> String {
    let told = line.split_once("] ").or_else(|| line.split_once("kernel: ")).map_or(line, |(_, told)| told);
    let prefix = told.split_once("IN=").map_or("", |(prefix, _)| prefix.trim());
    let value = |key: &str| told.split_whitespace().find_map(|word| word.strip_prefix(key));
    match (value("SRC="), value("DPT=")) {
        (Some(source), Some(port)) => format!("{source} -> {port} {prefix}").trim_end().to_owned(),
        (Some(source), None) => format!("{source} {prefix}").trim_end().to_owned(),
        (None, _) => told.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_begins_with_what_it_does() {
        let saved = "-p tcp -m conntrack --ctstate NEW -m recent --update --seconds 3 --name DEFAULT -j DROP";
        assert_eq!(rule(saved), "DROP tcp ctstate NEW update seconds 3 name DEFAULT");
        let jump = "! -i lo -j scandrill-trap";
        assert_eq!(rule(jump), "-> trap ! i lo");
        assert_eq!(rule("-p tcp -j LOG --log-prefix \"scan: \""), "LOG \"scan: \" tcp");
        assert_eq!(rule("tcp dport { 22, 80 } accept"), "accept tcp dport { 22, 80 }");
        assert_eq!(rule("drop"), "drop");
        assert_eq!(rule("meta mark set 1"), "meta mark set 1");
    }

    #[test]
    fn a_line_of_the_log_tells_who_asked_for_what() {
        let line = "Nov 26 17:20:00 target kernel: [  12.345678] scan: IN=eth0 OUT= SRC=198.18.1.2 DST=198.18.0.1 DPT=23";
        assert_eq!(log_line(line), "198.18.1.2 -> 23 scan:");
        assert_eq!(log_line("anything else"), "anything else");
    }
}
