//! A user's own rules file: which format it is in, and the steps that load it. The text is given to the loaders as
//! it is, line by line, so that a loader's error names the line of the user's file.

use scandrill_model::{Family, Loader, Step};

use crate::error::DefenseError;
use crate::needs::names_a_program;
use crate::stack::Site;

/// What a rules file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// What iptables-save and ip6tables-save print, ipset save's lines before it or among it included.
    IptablesSave,
    /// What `nft -f` reads and `nft list ruleset` prints.
    Nft,
    /// Commands, run by bash.
    Script,
}

/// Finds out the format by the text; where that leaves a doubt, by the file's name.
pub fn detect(file_name: &str, text: &str) -> Result<Format, DefenseError> {
    let first = text.lines().next().unwrap_or_default();
    if first.starts_with("#!") {
        return Ok(if first.contains("nft") { Format::Nft } else { Format::Script });
    }
    let told = text.lines().find_map(told_by).or_else(|| by_name(file_name));
    told.ok_or_else(|| DefenseError::UnknownFormat { file: file_name.to_owned(), why: why(text) })
}

/// The steps that load `text`, in order. A text of several parts, as in
/// `(ipset save; iptables-save; ip6tables-save)`, gives one step for each.
pub fn steps(origin: &str, text: &str, format: Format, site: &Site) -> Vec<Step> {
    let backend = site.backend;
    let loads = match format {
        Format::Nft => vec![(Loader::Nft, text.to_owned())],
        Format::Script => vec![(Loader::Script { backend }, text.to_owned())],
        Format::IptablesSave => parts(origin, text)
            .into_iter()
            .map(|(part, text)| match part {
                Part::Sets => (Loader::IpsetRestore, text),
                Part::Rules(family) => (Loader::IptablesRestore { family, backend }, text),
            })
            .collect(),
    };
    let step = |(loader, text)| Step::Load { loader, text, origin: origin.to_owned() };
    loads.into_iter().map(step).collect()
}

/// The format that a line gives away by itself.
fn told_by(line: &str) -> Option<Format> {
    let line = line.trim();
    let word = line.split_whitespace().next()?;
    if is_set_line(line) || line.starts_with('*') || saved_by(line).is_some() {
        return Some(Format::IptablesSave);
    }
    if line.starts_with('#') {
        return None;
    }
    let nft = ["table", "define", "include", "add table", "flush ruleset", "delete table", "destroy table"];
    if nft.iter().any(|start| {
        line.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', ';']))
    }) {
        return Some(Format::Nft);
    }
    (names_a_program(line) || is_shell(word)).then_some(Format::Script)
}

fn is_shell(word: &str) -> bool {
    let assigned = word.split_once('=').map(|(name, _)| name);
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    matches!(word, "set" | "for" | "if" | "export" | "function" | "source" | ".")
        || assigned.is_some_and(is_name)
}

fn by_name(file_name: &str) -> Option<Format> {
    match file_name.rsplit_once('.')?.1 {
        "v4" | "v6" | "rules" => Some(Format::IptablesSave),
        "nft" => Some(Format::Nft),
        "sh" | "bash" => Some(Format::Script),
        _ => None,
    }
}

fn why(text: &str) -> String {
    let says = |line: &&str| !line.trim().is_empty() && !line.trim().starts_with('#');
    match text.lines().enumerate().find(|(_, line)| says(line)) {
        Some((index, line)) => {
            format!("line {} is `{}`", index + 1, line.trim().chars().take(60).collect::<String>())
        }
        None => "it holds nothing but comments".to_owned(),
    }
}

/// What a section of an iptables-save text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Lines of `ipset save`: sets must be there before the rules that name them.
    Sets,
    /// Tables of one family.
    Rules(Family),
}

/// Sorts the lines into parts. Each part keeps the line numbers of the whole: other parts' lines are empty in it.
fn parts(origin: &str, text: &str) -> Vec<(Part, String)> {
    let whole = family_of(origin, text);
    let sections = sections(text, whole);
    let mut found: Vec<Part> = Vec::new();
    for (part, line) in sections.iter().zip(text.lines()) {
        if !line.trim().is_empty() && !line.starts_with('#') && !found.contains(part) {
            found.push(*part);
        }
    }
    found.sort();
    if found.is_empty() {
        found.push(Part::Rules(whole));
    }
    found.into_iter().map(|part| (part, only(part, &sections, text))).collect()
}

fn only(part: Part, sections: &[Part], text: &str) -> String {
    let kept = |(line, of): (&str, &Part)| format!("{}\n", if *of == part { line } else { "" });
    text.lines().zip(sections).map(kept).collect()
}

/// The part of each line: rules belong to the family of the last header, sets are known by their words.
fn sections(text: &str, whole: Family) -> Vec<Part> {
    let mut family = whole;
    let part = |line: &str| {
        if is_set_line(line) {
            return Part::Sets;
        }
        family = header_family(line).unwrap_or(family);
        Part::Rules(family)
    };
    text.lines().map(part).collect()
}

/// A line of `ipset save`; rules lines begin with `-`, `:`, `*` or `#`, or are COMMIT.
fn is_set_line(line: &str) -> bool {
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next()) {
        (Some("create"), Some(_), Some(kind)) => {
            ["hash:", "bitmap:", "list:"].iter().any(|start| kind.starts_with(start))
        }
        (Some("add"), Some(set), Some(_)) => {
            !["table", "chain", "rule", "set", "map", "element"].contains(&set)
        }
        _ => false,
    }
}

/// `iptables` of `# Generated by iptables-save v1.8.9`, the comment that opens what iptables-save prints.
fn saved_by(line: &str) -> Option<&str> {
    let program = line.strip_prefix("# Generated by ")?.split_whitespace().next()?;
    program.strip_suffix("-save")?.split('-').next()
}

/// The family that a header tells; old versions print `xtables-save` for both.
fn header_family(line: &str) -> Option<Family> {
    match saved_by(line)? {
        "iptables" => Some(Family::V4),
        "ip6tables" => Some(Family::V6),
        _ => None,
    }
}

/// The family of a text without headers: by its name, else by what only IPv6 rules hold.
fn family_of(origin: &str, text: &str) -> Family {
    let name = origin.rsplit('/').next().unwrap_or(origin).to_ascii_lowercase();
    let has = |hints: &[&str]| hints.iter().any(|hint| name.contains(hint));
    if has(&["v6", "ip6", "rules6", "user6", "before6", "after6"]) {
        Family::V6
    } else if has(&["v4", "ip4"]) {
        Family::V4
    } else if text.lines().any(only_in_v6) {
        Family::V6
    } else {
        Family::V4
    }
}

fn only_in_v6(line: &str) -> bool {
    let rule = line.starts_with("-A") || line.starts_with("-I") || line.starts_with('[');
    let mut words = line.split_whitespace();
    rule && words.any(|word| {
        let address = word.split(['/', ',', '-']).next().unwrap_or(word);
        ["ipv6-icmp", "icmpv6", "icmp6", "--icmpv6-type"].contains(&word)
            || word.starts_with("icmp6-")
            || address.parse::<std::net::Ipv6Addr>().is_ok()
    })
}

#[cfg(test)]
mod tests {
    use scandrill_model::Backend;

    use super::*;

    fn load(origin: &str, text: &str) -> Vec<(Loader, String)> {
        let site = Site { backend: Backend::Nft, services: Vec::new(), interface: "eth0".to_owned() };
        let format = detect(origin, text).unwrap();
        let loads = steps(origin, text, format, &site).into_iter().filter_map(|step| match step {
            Step::Load { loader, text, .. } => Some((loader, text)),
            Step::Sysctl { .. } | Step::WriteFile { .. } => None,
        });
        loads.collect()
    }

    fn restore(family: Family) -> Loader {
        Loader::IptablesRestore { family, backend: Backend::Nft }
    }

    const V4: &str = "# Generated by iptables-save v1.8.9 (nf_tables) on Mon Nov 24 10:00:00 2025\n*filter\n\
                      :INPUT DROP [0:0]\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n# Completed\n";

    #[test]
    fn the_header_of_iptables_save_tells_the_family() {
        assert_eq!(load("-", V4)[0].0, restore(Family::V4));
        let v6 = V4.replace("iptables-save", "ip6tables-save");
        assert_eq!(load("-", &v6)[0].0, restore(Family::V6));
        assert_eq!(load("rules.v4", &v6)[0].0, restore(Family::V6), "the header knows better than the name");
    }

    #[test]
    fn without_a_header_the_name_or_the_rules_tell_the_family() {
        let bare = "*filter\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
        assert_eq!(load("/etc/iptables/rules.v6", bare)[0].0, restore(Family::V6));
        assert_eq!(load("/etc/iptables/rules.v4", bare)[0].0, restore(Family::V4));
        assert_eq!(load("-", bare)[0].0, restore(Family::V4));
        for rule in [
            "-s 2001:db8::/32 -j ACCEPT",
            "-p ipv6-icmp -j ACCEPT",
            "-j REJECT --reject-with icmp6-adm-prohibited",
        ] {
            let text = format!("*filter\n-A INPUT {rule}\nCOMMIT\n");
            assert_eq!(load("-", &text)[0].0, restore(Family::V6), "{rule}");
        }
        let time =
            "*filter\n:INPUT DROP [12:3456]\n-A INPUT -m time --timestart 10:00:00 -j ACCEPT\nCOMMIT\n";
        assert_eq!(load("-", time)[0].0, restore(Family::V4));
    }

    #[test]
    fn both_families_and_their_sets_may_come_in_one_text_and_keep_their_line_numbers() {
        let sets = "create bad hash:ip family inet hashsize 1024 maxelem 65536\nadd bad 203.0.113.7\n";
        let text = format!("{V4}{sets}{}", V4.replace("iptables-save", "ip6tables-save"));
        let loads = load("-", &text);
        let loaders: Vec<Loader> = loads.iter().map(|(loader, _)| *loader).collect();
        assert_eq!(loaders, [Loader::IpsetRestore, restore(Family::V4), restore(Family::V6)]);
        assert_eq!(loads[0].1.lines().position(|line| line.starts_with("add bad")), Some(7));
        assert_eq!(loads[2].1.lines().position(|line| line == "*filter"), Some(9));
        assert!(loads[1].1.lines().skip(6).all(str::is_empty));
    }

    #[test]
    fn an_nft_file_is_known_by_its_words() {
        for text in [
            "#!/usr/sbin/nft -f\nflush ruleset\n",
            "# mine\n\ntable inet filter {\n}\n",
            "flush ruleset\ntable ip x { }\n",
            "define wan = eth0\ntable inet x { }\n",
            "add table inet x\nadd chain inet x y\n",
        ] {
            assert_eq!(detect("-", text).unwrap(), Format::Nft, "{text}");
        }
    }

    #[test]
    fn a_script_is_known_by_its_first_line_or_its_commands() {
        for text in [
            "#!/bin/sh\necho hello\n",
            "iptables -P INPUT DROP\n",
            "# mine\nsudo ip6tables -P INPUT DROP\n",
            "IPT=/sbin/iptables\n$IPT -F\n",
            "set -e\nnft -f - <<EOF\ntable inet x { }\nEOF\n",
            "sysctl -w net.ipv4.tcp_syncookies=1\n",
        ] {
            assert_eq!(detect("-", text).unwrap(), Format::Script, "{text}");
        }
    }

    #[test]
    fn what_no_loader_takes_is_refused_with_the_line_that_was_looked_at() {
        let error = detect("x.json", "{\"nftables\": []}\n").unwrap_err().to_string();
        assert!(error.ends_with("line 1 is `{\"nftables\": []}`"), "{error}");
        assert!(detect("-", "").unwrap_err().to_string().ends_with("it holds nothing but comments"));
        assert_eq!(detect("empty.nft", "# nothing yet\n").unwrap(), Format::Nft);
    }
}
