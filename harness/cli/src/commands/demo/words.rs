//! Long lines of the kernel's and of its tools in the few columns of a panel.

/// A rule with what it does first: `DROP tcp dpt 23 ...`.
pub fn rule(text: &str) -> String {
    match text.split_once("-j ") {
        Some((tests, verdict)) => saved_rule(tests, verdict),
        None => nft_rule(text),
    }
}

/// Words of iptables that say nothing in a picture, each with how many words follow it.
const SAID_OTHERWISE: [(&str, usize); 5] = [("-m", 1), ("-p", 0), ("--comment", 1), ("--mask", 1), ("--rsource", 0)];

fn saved_rule(tests: &str, verdict: &str) -> String {
    let (mut kept, mut words) = (Vec::new(), tests.split_whitespace());
    while let Some(word) = words.next() {
        match SAID_OTHERWISE.iter().find(|(known, _)| *known == word) {
            Some((_, behind)) => drop(words.by_ref().take(*behind).count()),
            None => kept.push(word.trim_start_matches('-')),
        }
    }
    format!("{verdict} {}", kept.join(" ")).trim_end().to_owned()
}

/// What ends a rule of nftables.
const VERDICTS: [&str; 8] = ["accept", "drop", "reject", "return", "continue", "jump", "goto", "log"];

fn nft_rule(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let verdict = words.iter().rposition(|word| VERDICTS.contains(word));
    let Some(at) = verdict.filter(|at| *at > 0) else { return text.to_owned() };
    format!("{} {}", words[at..].join(" "), words[..at].join(" "))
}

/// A line of the kernel's log: its prefix, who, and to which port.
pub fn log_line(line: &str) -> String {
    let told = line.split_once("] ").or_else(|| line.split_once("kernel: ")).map_or(line, |(_, told)| told);
    let prefix = told.split_once("IN=").map_or("", |(prefix, _)| prefix.trim());
    let value = |key: &str| told.split_whitespace().find_map(|word| word.strip_prefix(key));
    match (value("SRC="), value("DPT=")) {
        (Some(source), Some(port)) => format!("{prefix} {source} -> {port}").trim_start().to_owned(),
        (Some(source), None) => format!("{prefix} {source}").trim_start().to_owned(),
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
        assert_eq!(rule("tcp dport { 22, 80 } accept"), "accept tcp dport { 22, 80 }");
        assert_eq!(rule("drop"), "drop");
        assert_eq!(rule("meta mark set 1"), "meta mark set 1");
    }

    #[test]
    fn a_line_of_the_log_tells_who_asked_for_what() {
        let line = "Nov 26 17:20:00 target kernel: [  12.345678] scan: IN=eth0 OUT= SRC=198.18.1.2 DST=198.18.0.1 DPT=23";
        assert_eq!(log_line(line), "scan: 198.18.1.2 -> 23");
        assert_eq!(log_line("anything else"), "anything else");
    }
}
