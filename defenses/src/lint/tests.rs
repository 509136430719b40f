//! Properties of every check, once for all; what is found in every layer and in what other programs made; and that no
//! bytes bring a reader down.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use proptest::prelude::*;
use scandrill_model::{Backend, Family, Loader, Step, Tool};
use strum::IntoEnumIterator;

use super::*;
use crate::rules;
use crate::stack::Site;

fn site(tool: Tool) -> Site {
    Site { backend: Backend::Nft, tool, services: Vec::new(), interface: "eth0".to_owned() }
}

/// What a layer installs by itself.
fn layer_steps(layer: &dyn crate::Layer, tool: Tool) -> Vec<Step> {
    layer.steps(&crate::Settings::read(layer, &BTreeMap::new(), &site(tool)).unwrap()).unwrap()
}

/// What is found in files that are loaded one after the other.
fn found(files: &[(&str, &str)]) -> Vec<Finding> {
    let steps = files.iter().flat_map(|(name, text)| {
        let format = rules::detect(name, text).unwrap();
        rules::steps(name, text, format, &site(Tool::Iptables))
    });
    lint(&steps.collect::<Vec<_>>())
}

/// The names of the checks that find something in a text, with the lines.
fn named(text: &str) -> Vec<(String, usize)> {
    found(&[("rules", text)]).into_iter().map(|finding| (finding.check, finding.line)).collect()
}

fn finds(check: &str, text: &str) -> bool {
    named(text).iter().any(|(name, _)| name == check)
}

#[test]
fn every_check_has_a_name_of_its_own_and_says_what_it_finds() {
    let names: BTreeSet<&str> = checks().iter().map(|check| check.name()).collect();
    assert_eq!(names.len(), checks().len());
    for check in checks() {
        let fits = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
        assert!(check.name().chars().all(fits), "{}", check.name());
        assert!(check.about().len() > 10 && !check.about().ends_with('.'), "{}", check.name());
    }
}

#[test]
fn every_check_finds_its_bad_examples_and_is_silent_on_their_sound_twins() {
    for check in checks() {
        assert!(!check.examples().is_empty(), "{}", check.name());
        for Example { bad, sound } in check.examples() {
            assert!(finds(check.name(), bad), "{}:\n{bad}\n{:#?}", check.name(), named(bad));
            assert!(!finds(check.name(), sound), "{}:\n{sound}\n{:#?}", check.name(), named(sound));
        }
    }
}

#[test]
fn every_finding_names_its_line_and_says_why_and_what_to_do() {
    for example in checks().iter().flat_map(|check| check.examples()) {
        for finding in found(&[("rules", example.bad)]) {
            assert_eq!(Some(finding.text.as_str()), example.bad.lines().nth(finding.line - 1).map(str::trim));
            assert!(finding.why.len() > 20 && !finding.why.ends_with('.'), "{finding}");
            assert!(finding.hint.len() > 5 && !finding.hint.ends_with('.'), "{finding}");
        }
    }
}

fn listed(findings: &[Finding]) -> String {
    let mut text = String::new();
    for finding in findings {
        writeln!(
            text,
            "{}:{}: {}\n    {}\n    {}",
            finding.file, finding.line, finding.check, finding.text, finding.why
        )
        .unwrap();
    }
    text
}

#[test]
fn what_is_found_in_the_layers() {
    let mut text = String::new();
    for layer in crate::layers() {
        let mut seen = Vec::new();
        for tool in Tool::iter() {
            let findings = lint(&layer_steps(*layer, tool));
            if !findings.is_empty() && !seen.contains(&findings) {
                writeln!(text, "=== {}, {tool}", layer.name()).unwrap();
                text += &listed(&findings);
                seen.push(findings);
            }
        }
    }
    insta::assert_snapshot!(text);
}

const SHELL: &str = include_str!("../../testdata/admin.sh");
const DOCKER: &str = include_str!("../../testdata/docker.v4");
const FIREWALLD: &str = include_str!("../../testdata/firewalld.nft");
const UFW: (&str, &str) = (include_str!("../../testdata/ufw.v4"), include_str!("../../testdata/ufw.v6"));

#[test]
fn what_other_programs_made_is_found_fault_with_only_where_it_is_true() {
    let told = |files: &[(&str, &str)]| -> Vec<String> {
        found(files)
            .into_iter()
            .map(|finding| format!("{}:{} {}", finding.file, finding.line, finding.check))
            .collect()
    };
    // ufw logs 3 lines a minute (10 at first), whoever scans: a daemon that counts lines sees no more of a scan.
    assert_eq!(told(&[("ufw.v4", UFW.0), ("ufw.v6", UFW.1)]), ["ufw.v4:26 log-limited"]);
    // Saved without ip6tables-save's rules, nothing shows that IPv6 is guarded; docker by itself does not guard it.
    assert_eq!(told(&[("ufw.v4", UFW.0)]), ["ufw.v4:13 v6-twin-missing", "ufw.v4:26 log-limited"]);
    assert_eq!(told(&[("docker.v4", DOCKER)]), ["docker.v4:23 v6-twin-missing"]);
    // Five pings a second are accepted, and the next line accepts all ICMP.
    assert_eq!(told(&[("firewalld.nft", FIREWALLD)]), ["firewalld.nft:34 accept-limit-without-drop"]);
    assert_eq!(told(&[("admin.sh", SHELL)]), ["admin.sh:16 v6-twin-missing"]);
}

#[test]
fn the_sound_layers_are_found_without_fault() {
    for layer in crate::layers().iter().filter(|layer| layer.name().starts_with("hardened/")) {
        for tool in Tool::iter() {
            assert_eq!(lint(&layer_steps(*layer, tool)), [], "{}", layer.name());
        }
    }
}

#[test]
fn a_recipe_applied_twice_is_told() {
    let once = include_str!("../../rules/manual/recent.sh");
    let names = named(&format!("{once}{once}ip6tables -P INPUT DROP\n"));
    assert_eq!(names, [("repeated-rule".to_owned(), 9), ("repeated-rule".to_owned(), 10)]);
}

#[test]
fn what_a_script_decides_when_it_runs_is_not_guessed() {
    for text in [
        "if [ \"$1\" = open ]; then\niptables -A INPUT -j ACCEPT\nelse\niptables -A INPUT -p tcp -j DROP\nfi\nip6tables -P INPUT DROP\n",
        "case $1 in\nstart) iptables -A INPUT -j ACCEPT ;;\nstop) iptables -A INPUT -j DROP ;;\nesac\nip6tables -P INPUT DROP\n",
        "iptables -A INPUT $MATCH -j ACCEPT\niptables -A INPUT -p tcp -j DROP\nip6tables -P INPUT DROP\n",
        "[ -n \"$OPEN\" ] && iptables -A INPUT -j ACCEPT\niptables -A INPUT -p tcp -j DROP\nip6tables -P INPUT DROP\n",
        "iptables -C INPUT -j DROP || iptables -A INPUT -j DROP\nip6tables -P INPUT DROP\n",
        "iptables -N a\niptables -A INPUT -j $CHAIN\nip6tables -P INPUT DROP\n",
        ". /etc/firewall.conf\niptables -A INPUT -m set --match-set bad src -j DROP\n",
    ] {
        assert_eq!(named(text), [], "{text}");
    }
}

#[test]
fn loops_functions_and_here_documents_are_followed() {
    for (text, expected) in [
        (
            "for t in iptables ip6tables; do $t -A INPUT -j ACCEPT; done\niptables -A INPUT -p tcp -j DROP\n",
            ("never-matches", 2),
        ),
        (
            "ipt() { iptables \"$@\"; ip6tables \"$@\"; }\nipt -A INPUT -j ACCEPT\nipt -A INPUT -p tcp -j DROP\n",
            ("never-matches", 3),
        ),
        (
            "#!/bin/sh\niptables-restore <<EOF\n*filter\n-A INPUT -j ACCEPT\n-A INPUT -p tcp -j DROP\nCOMMIT\nEOF\nip6tables -P INPUT DROP\n",
            ("never-matches", 5),
        ),
        ("#!/bin/sh\nnft -f - <<'EOF'\ntable inet t {\nchain c {\naccept\n}\n}\nEOF\n", ("unused-chain", 4)),
        (
            "nft add table inet t\nnft add chain inet t c '{ type filter hook input priority 0; }'\nnft add rule inet t c accept\nnft add rule inet t c drop\n",
            ("never-matches", 4),
        ),
        (
            "iptables -A INPUT -p tcp -j DROP\niptables -I INPUT -j ACCEPT\nip6tables -P INPUT DROP\n",
            ("never-matches", 1),
        ),
    ] {
        assert_eq!(named(text), [(expected.0.to_owned(), expected.1)], "{text}");
    }
}

#[test]
fn what_is_taken_off_again_is_not_there() {
    for text in [
        "iptables -A INPUT -j ACCEPT\niptables -F\niptables -A INPUT -p tcp -j DROP\nip6tables -P INPUT DROP\n",
        "iptables -A INPUT -j ACCEPT\niptables -D INPUT -j ACCEPT\niptables -A INPUT -p tcp -j DROP\nip6tables -P INPUT DROP\n",
        "table inet t {\nchain c {\naccept\n}\n}\ndelete table inet t\n",
        "table inet t {\nchain c {\naccept\n}\n}\nflush ruleset\n",
    ] {
        assert_eq!(named(text), [], "{text}");
    }
}

#[test]
fn a_way_through_other_chains_is_followed() {
    let drops = "*filter\n:INPUT ACCEPT [0:0]\n:deny - [0:0]\n-A INPUT -p udp -m limit --limit 5/s -j ACCEPT\n-A INPUT -j deny\n\
                 -A deny -j LOG\n-A deny -j DROP\nCOMMIT\n";
    assert!(!finds("accept-limit-without-drop", drops));
    assert!(finds("accept-limit-without-drop", &drops.replace("-A deny -j DROP\n", "")));
    let behind =
        drops.replace("-p udp -m limit --limit 5/s -j ACCEPT", "-p udp -m limit --limit 5/s -j deny");
    assert!(finds("limit-inside-drop", &behind));
    assert!(!finds("limit-inside-drop", &behind.replace("-A deny -j DROP\n", "")), "a limited log is none");
    let after = drops.replace("COMMIT", "-A INPUT -p tcp -j ACCEPT\nCOMMIT");
    assert!(finds("never-matches", &after), "{:?}", named(&after));
}

#[test]
fn bans_of_new_connections_and_thought_out_exceptions_are_no_mistake() {
    let ban = "*filter\n-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A INPUT -p tcp -m recent --set --name a\n\
               -A INPUT -p tcp -m recent --update --hitcount 9 --name a -j DROP\nCOMMIT\n";
    assert!(finds("ban-after-established", ban));
    let thought_out = ban.replace("ESTABLISHED", "ESTABLISHED --ctdir REPLY");
    assert!(!finds("ban-after-established", &thought_out));
    let for_new = ban.replace("-m recent --update", "-m state --state NEW -m recent --update");
    assert!(!finds("ban-after-established", &for_new));
}

/// What both tools and bash read something into, apart by blanks.
const WORDS: &str = r"-A INPUT -j -m recent --set limit --limit 5/s ! iptables ipset create add table inet chain set
elements = { } ( ) ; ;; , . | & vmap drop jump tcp dport ip saddr @s $x ${x define x for in do done
if fi case esac function f <<EOF EOF nft -f ' ` $( # rate over log prefix group meter update fib ct
state : ::1 10.0.0.0/99 1- type hook *filter COMMIT :x delete flush ruleset rule insert -D -R 99
ipt() $@ f é 0x0";

/// Words of both tools in any order, and bytes of any kind between them.
fn any_text() -> impl Strategy<Value = String> {
    let words: Vec<&str> = WORDS.split_whitespace().chain(["\n", "\n", "\"", "\\"]).collect();
    let words = prop::sample::select(words);
    let word = prop_oneof![9 => words.prop_map(str::to_owned), 1 => "\\PC{0,8}"];
    let blank = prop::sample::select(vec![" ", " ", " ", "", "\n"]);
    prop::collection::vec((word, blank), 0..120)
        .prop_map(|parts| parts.into_iter().map(|(word, blank)| word + blank).collect())
}

fn each_loader(text: &str) -> Vec<Step> {
    let backend = Backend::Nft;
    let loaders = [
        Loader::IptablesRestore { family: Family::V6, backend },
        Loader::IpsetRestore,
        Loader::Nft,
        Loader::Script { backend },
    ];
    loaders.map(|loader| Step::Load { loader, text: text.to_owned(), origin: "x".to_owned() }).into()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_text_brings_a_reader_down(text in any_text()) {
        for finding in lint(&each_loader(&text)) {
            prop_assert!(finding.line >= 1 && finding.line <= text.lines().count().max(1), "{finding}");
        }
    }

    #[test]
    fn no_bytes_bring_a_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        lint(&each_loader(&String::from_utf8_lossy(&bytes)));
    }
}

/// Defines that hold defines, loops in loops and functions that call themselves grow without end, if one lets them.
#[test]
fn what_grows_without_end_is_cut_off() {
    let defines: String = (1..60).fold("define x0 = { 1, 2 }\n".to_owned(), |text, n| {
        format!("{text}define x{n} = {{ $x{0}, $x{0} }}\n", n - 1)
    });
    let text = format!("{defines}table ip t {{\nchain c {{\ntcp dport $x59 drop\n}}\n}}\n");
    lint(&each_loader(&text));
    let loops = "for a in 1 2 3 4 5 6 7 8 9; do\n".repeat(9);
    let script = format!(
        "#!/bin/sh\nX=xx\nf() {{ f; f; X=$X$X; }}\n{loops}f\niptables -A INPUT -s $X -j DROP\n{}",
        "done\n".repeat(9)
    );
    lint(&each_loader(&script));
    let jumps: Vec<String> = (0..3000).map(|n| format!("-A c{n} -j c{}\n-A c{n} -j c{n}", n + 1)).collect();
    lint(&each_loader(&format!("*filter\n{}\n-A c3000 -j c0\nCOMMIT\n", jumps.join("\n"))));
}
