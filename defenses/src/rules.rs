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
    if text.trim().is_empty() {
        return Err(DefenseError::Empty { file: file_name.to_owned() });
    }
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
    let sections = sections(origin, text);
    let mut found: Vec<Part> = Vec::new();
    for (part, line) in sections.iter().zip(text.lines()) {
        if !line.trim().is_empty() && !line.starts_with('#') && !found.contains(part) {
            found.push(*part);
        }
    }
    found.sort();
    if found.is_empty() {
        found.push(Part::Rules(by_file_name(origin).unwrap_or(Family::V4)));
    }
    found.into_iter().map(|part| (part, only(part, &sections, text))).collect()
}

fn only(part: Part, sections: &[Part], text: &str) -> String {
    let kept = |(line, of): (&str, &Part)| format!("{}\n", if *of == part { line } else { "" });
    text.lines().zip(sections).map(kept).collect()
}

/// The part of each line: sets are known by their words, rules belong to the family of what was saved together.
fn sections(origin: &str, text: &str) -> Vec<Part> {
    let (of_line, saved) = saved_together(text);
    let families = families(origin, &saved);
    let part = |(line, number): (&str, usize)| {
        if is_set_line(line) { Part::Sets } else { Part::Rules(families[number]) }
    };
    text.lines().zip(of_line).map(part).collect()
}

/// Tables that one program saved at one time, as far as the text tells.
#[derive(Default)]
struct Saved<'a> {
    /// What the header says.
    header: Option<Family>,
    /// What only one family's rules hold.
    content: Option<Family>,
    tables: Vec<&'a str>,
    /// Whether a later line is another's.
    is_over: bool,
}

/// Cuts a text where another program's or another call's output begins: at a header, after what ends it, where a table
/// comes a second time, and where a table holds what only the other family's can. Tells for each line which it is of.
fn saved_together(text: &str) -> (Vec<usize>, Vec<Saved<'_>>) {
    let lines: Vec<&str> = text.lines().collect();
    let mut saved = vec![Saved::default()];
    let mut of_line = Vec::with_capacity(lines.len());
    for (at, line) in lines.iter().enumerate() {
        let begins = begun_by(line, &lines[at..]);
        if let Some(next) = begins {
            let last = saved.len() - 1;
            let current = &mut saved[last];
            if current.is_followed_by(&next) {
                saved.push(next);
            } else {
                current.header = current.header.or(next.header);
                current.content = current.content.or(next.content);
                current.tables.extend(next.tables);
            }
        } else if line.starts_with("# Completed") {
            for saved in &mut saved {
                saved.is_over = true;
            }
        }
        of_line.push(saved.len() - 1);
    }
    (of_line, saved)
}

/// What a line that is a header or opens a table says of what follows.
fn begun_by<'a>(line: &'a str, from: &[&'a str]) -> Option<Saved<'a>> {
    if saved_by(line).is_some() {
        return Some(Saved { header: header_family(line), ..Saved::default() });
    }
    let table = line.strip_prefix('*')?;
    let rules = from.iter().skip(1).take_while(|line| !line.starts_with('*') && saved_by(line).is_none());
    let content = rules.clone().find_map(|line| family_told_by(line));
    Some(Saved { content, tables: vec![table.trim()], ..Saved::default() })
}

impl Saved<'_> {
    fn is_followed_by(&self, next: &Self) -> bool {
        let differs =
            |one: Option<Family>, other: Option<Family>| one.is_some() && other.is_some() && one != other;
        if next.tables.is_empty() {
            return !self.tables.is_empty();
        }
        let again = self.tables.iter().any(|table| next.tables.contains(table));
        self.is_over || again || (self.header.is_none() && differs(self.content, next.content))
    }
}

/// The family of each: by its header, else by its rules, else by the file's name; of two that are not told, the second
/// is IPv6's, as people write them. A file by itself is first believed its name.
fn families(origin: &str, saved: &[Saved]) -> Vec<Family> {
    let name = by_file_name(origin);
    let alone = saved.iter().filter(|saved| !saved.tables.is_empty()).count() < 2;
    let mut seen_v4: Vec<&str> = Vec::new();
    let told = saved.iter().map(|saved| {
        let by_content = if alone { name.or(saved.content) } else { saved.content.or(name) };
        let again = saved.tables.iter().any(|table| seen_v4.contains(table));
        let otherwise = if again { Family::V6 } else { Family::V4 };
        let family = saved.header.or(by_content).unwrap_or(otherwise);
        if family == Family::V4 {
            seen_v4.extend(&saved.tables);
        }
        family
    });
    told.collect()
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

/// The family that a file's name tells.
fn by_file_name(origin: &str) -> Option<Family> {
    let name = origin.rsplit('/').next().unwrap_or(origin).to_ascii_lowercase();
    let has = |hints: &[&str]| hints.iter().any(|hint| name.contains(hint));
    if has(&["v6", "ip6", "rules6", "user6", "before6", "after6"]) {
        Some(Family::V6)
    } else {
        has(&["v4", "ip4"]).then_some(Family::V4)
    }
}

/// The family that a rule or a chain can only be of.
fn family_told_by(line: &str) -> Option<Family> {
    if line.starts_with(":ufw6-") {
        return Some(Family::V6);
    }
    let rule = line.starts_with("-A") || line.starts_with("-I") || line.starts_with('[');
    line.split_whitespace().filter(|_| rule).find_map(|word| {
        let address = word.split(['/', ',', '-']).next().unwrap_or(word);
        if ["ipv6-icmp", "icmpv6", "icmp6", "--icmpv6-type"].contains(&word)
            || word.starts_with("icmp6-")
            || address.parse::<std::net::Ipv6Addr>().is_ok()
        {
            Some(Family::V6)
        } else {
            let only_v4 = word == "icmp"
                || word == "--icmp-type"
                || word.starts_with("icmp-")
                || address.parse::<std::net::Ipv4Addr>().is_ok();
            only_v4.then_some(Family::V4)
        }
    })
}

#[cfg(test)]
mod tests {
    use scandrill_model::{Backend, Tool};

    use super::*;

    fn load(origin: &str, text: &str) -> Vec<(Loader, String)> {
        let site = Site {
            backend: Backend::Nft,
            tool: Tool::Iptables,
            services: Vec::new(),
            interface: "eth0".to_owned(),
        };
        let format = detect(origin, text).unwrap();
        let loads = steps(origin, text, format, &site).into_iter().filter_map(|step| match step {
            Step::Load { loader, text, .. } => Some((loader, text)),
            Step::Sysctl { .. } | Step::Offload { .. } | Step::WriteFile { .. } | Step::Daemon(_) => None,
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
    fn files_of_both_families_may_follow_each_other_with_or_without_headers() {
        let v6 = "*filter\n:INPUT DROP [0:0]\n-A INPUT -p ipv6-icmp -j ACCEPT\nCOMMIT\n";
        let bare = "*filter\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n";
        let ufw6 = "*filter\n:ufw6-input - [0:0]\nCOMMIT\n";
        let nat =
            "*nat\n-A PREROUTING -d 192.0.2.1/32 -j ACCEPT\nCOMMIT\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n";
        let reject6 = "*filter\n-A INPUT -j REJECT --reject-with icmp6-port-unreachable\nCOMMIT\n";
        for (one, other) in [
            (V4, v6),
            (bare, v6),
            (bare, bare),
            (V4, ufw6),
            (nat, v6),
            (nat, bare),
            (nat, "*mangle\n-A INPUT -s ::1/128\nCOMMIT\n"),
            (bare, reject6),
        ] {
            let loads = load("-", &format!("{one}{other}"));
            let loaders: Vec<Loader> = loads.iter().map(|(loader, _)| *loader).collect();
            assert_eq!(loaders, [restore(Family::V4), restore(Family::V6)], "{one}{other}");
            assert_eq!((loads[0].1.trim(), loads[1].1.trim()), (one.trim(), other.trim()));
        }
        let loads = load("-", &format!("{v6}{nat}"));
        assert_eq!((loads[0].1.trim(), loads[1].1.trim()), (nat.trim(), v6.trim()));
        assert_eq!(load("-", nat).len(), 1);
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
        assert!(detect("-", "# x\n").unwrap_err().to_string().ends_with("it holds nothing but comments"));
        for name in ["-", "empty.v4", "empty.nft", "empty.sh"] {
            assert!(
                detect(name, " \n").unwrap_err().to_string().ends_with("is empty: there are no rules in it")
            );
        }
        assert_eq!(detect("empty.nft", "# nothing yet\n").unwrap(), Format::Nft);
    }
}
