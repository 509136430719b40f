//! What steps need from the machine: the programs that load them and the programs that a script calls.

use scandrill_model::{Backend, Family, Loader, Need, Step};

/// The programs that these steps need, each once.
pub fn needs(steps: &[Step]) -> Vec<Need> {
    let mut programs: Vec<String> = steps.iter().flat_map(programs).collect();
    programs.sort();
    programs.dedup();
    programs.into_iter().map(Need::Program).collect()
}

fn programs(step: &Step) -> Vec<String> {
    match step {
        Step::Load { loader, text, .. } => loads(*loader, text),
        Step::Offload { .. } => vec!["ethtool".to_owned()],
        Step::Daemon(daemon) => vec![daemon.command.program.clone(), daemon.ready.program.clone()],
        Step::Sysctl { .. } | Step::WriteFile { .. } => Vec::new(),
    }
}

fn loads(loader: Loader, text: &str) -> Vec<String> {
    match loader {
        Loader::IptablesRestore { family: Family::V4, backend } => {
            vec![of_backend("iptables-restore", backend)]
        }
        Loader::IptablesRestore { family: Family::V6, backend } => {
            vec![of_backend("ip6tables-restore", backend)]
        }
        Loader::Nft => vec!["nft".to_owned()],
        Loader::IpsetRestore => vec!["ipset".to_owned()],
        Loader::Script { backend } => {
            let called = called(text).map(|name| of_backend(name, backend));
            std::iter::once("bash".to_owned()).chain(called).collect()
        }
    }
}

/// What administrators' firewall scripts call and a machine may lack.
const CALLED: [&str; 12] = [
    "iptables",
    "iptables-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-save",
    "ip6tables-restore",
    "ipset",
    "nft",
    "sysctl",
    "ip",
    "tc",
    "ufw",
];

/// The known programs that a script calls: words in a command's place, or all of a variable's value.
fn called(text: &str) -> impl Iterator<Item = &'static str> {
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or(line).trim());
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with('#')).collect();
    CALLED.into_iter().filter(move |name| lines.iter().any(|line| calls(line, name)))
}

/// Whether a line of a text calls one of the known programs.
pub(crate) fn names_a_program(line: &str) -> bool {
    called(line).next().is_some()
}

fn calls(line: &str, name: &str) -> bool {
    let mut in_place = true;
    line.split_whitespace().any(|word| {
        let here = in_place;
        in_place = opens_a_command(word);
        let value = word.split_once('=').map(|(_, value)| value);
        value.is_some_and(|value| is(value, name)) || (here && is(word, name))
    })
}

/// Whether the next word is a command's name.
fn opens_a_command(word: &str) -> bool {
    matches!(word, "&&" | "||" | "|" | "{" | "(" | "then" | "do" | "else" | "if" | "!" | "sudo" | "exec")
        || word.ends_with(';')
}

/// Whether the word names the program, by path and in quotes too.
fn is(word: &str, name: &str) -> bool {
    let word = word.trim_matches(['"', '\'', '(', ')', '$', ';', '`']);
    word.rsplit('/').next() == Some(name)
}

/// `iptables-restore` of the legacy back end is `iptables-legacy-restore`.
fn of_backend(name: &str, backend: Backend) -> String {
    let (stem, action) = name.split_once('-').map_or((name, None), |(stem, action)| (stem, Some(action)));
    match (stem, action) {
        ("iptables" | "ip6tables", Some(action)) => format!("{stem}-{backend}-{action}"),
        ("iptables" | "ip6tables", None) => format!("{stem}-{backend}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_script(text: &str) -> Vec<String> {
        loads(Loader::Script { backend: Backend::Nft }, text)
    }

    #[test]
    fn a_script_needs_what_it_calls() {
        let script = "#!/bin/bash\n# ipset is not needed here\nIPT=/sbin/iptables\n$IPT -P INPUT DROP # nft\n\
                      if true; then ip6tables -P INPUT DROP; fi\nsysctl -w net.ipv4.ip_forward=0\n";
        assert_eq!(of_script(script), ["bash", "iptables-nft", "ip6tables-nft", "sysctl"]);
    }

    #[test]
    fn a_word_that_is_no_command_is_not_needed() {
        assert_eq!(of_script("iptables -A INPUT -j DROP -m comment --comment ip"), ["bash", "iptables-nft"]);
    }

    #[test]
    fn a_loader_needs_its_program_of_its_back_end() {
        let loader = Loader::IptablesRestore { family: Family::V6, backend: Backend::Legacy };
        assert_eq!(loads(loader, ""), ["ip6tables-legacy-restore"]);
        assert_eq!(needs(&[Step::Sysctl { key: "a".into(), value: "b".into() }]), []);
    }
}
