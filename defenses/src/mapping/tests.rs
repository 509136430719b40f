//! Whole rulesets as people have them, carried over: the texts are in `testdata/`.

use std::collections::BTreeSet;

use super::*;
use crate::rules::detect;

fn onto() -> Onto {
    let target = ("198.18.0.1".parse().unwrap(), "fd00:198:18::1".parse().unwrap());
    Onto { interface: "eth0".to_owned(), target, outer: None }
}

/// Rewrites a text in which all is found.
fn map(text: &str, format: Format, onto: &Onto) -> Mapped {
    super::map(text, format, onto).unwrap()
}

fn told(mapped: &Mapped) -> Vec<String> {
    mapped.mappings.iter().map(ToString::to_string).collect()
}

const FILES: [(&str, &str); 5] = [
    ("ufw.v4", include_str!("../../testdata/ufw.v4")),
    ("ufw.v6", include_str!("../../testdata/ufw.v6")),
    ("docker.v4", include_str!("../../testdata/docker.v4")),
    ("firewalld.nft", include_str!("../../testdata/firewalld.nft")),
    ("admin.sh", include_str!("../../testdata/admin.sh")),
];

#[test]
fn rulesets_are_carried_over_line_by_line() {
    for (name, text) in FILES {
        let mapped = map(text, detect(name, text).unwrap(), &onto());
        assert_eq!(mapped.text.lines().count(), text.lines().count(), "{name}");
        let shown = format!("{}\n\n{}", told(&mapped).join("\n"), mapped.text);
        insta::assert_snapshot!(name.replace('.', "-"), shown);
    }
}

#[test]
fn what_was_carried_over_is_not_carried_over_again() {
    for (name, text) in FILES {
        let once = map(text, detect(name, text).unwrap(), &onto());
        let twice = map(&once.text, detect(name, text).unwrap(), &onto());
        assert_eq!(twice.text, once.text, "{name}");
    }
}

#[test]
fn distinct_things_stay_distinct() {
    for (name, text) in FILES {
        let mapped = map(text, detect(name, text).unwrap(), &onto());
        let changed: Vec<&Mapping> =
            mapped.mappings.iter().filter(|mapping| mapping.why == Why::Range).collect();
        let targets: BTreeSet<&str> = changed.iter().map(|mapping| mapping.to.as_str()).collect();
        assert_eq!(targets.len(), changed.len(), "{name}: {changed:?}");
    }
}

#[test]
fn a_lookup_of_interfaces_names_none() {
    let rules = "meta nfproto ipv6 fib saddr . mark . iif oif missing drop\niifname \"enp1s0\" accept\n";
    let mapped = map(rules, Format::Nft, &onto());
    assert_eq!(mapped.text, rules.replace("enp1s0", "eth0"));
}

#[test]
fn an_interface_is_found_wherever_rules_name_it() {
    for rules in [
        "iifname vmap { \"lo\" : accept, \"wan0\" : jump world }\n",
        "iifname { \"lo\", \"wan0\" } accept\n",
        "iifname . tcp dport { \"wan0\" . 22 } accept\niifname \"wan0\" drop\n",
        "set outer {\n type ifname\n elements = { \"wan0\" }\n}\niifname @outer accept\n",
        "define WAN = \"wan0\"\niifname $WAN accept\n",
    ] {
        assert_eq!(map(rules, Format::Nft, &onto()).text, rules.replace("wan0", "eth0"));
    }
    let script =
        "WAN=wan0\niptables -A INPUT -i $WAN -j ACCEPT\nip6tables -A INPUT -i \"${WAN}\" -j ACCEPT\n";
    assert_eq!(map(script, Format::Script, &onto()).text, script.replace("wan0", "eth0"));
}

#[test]
fn what_follows_an_interface_is_none() {
    let rules = "iifname \"wan0\" oifname \"lan0\" mark 5 meta mark set 7 tcp dport 22 accept\n";
    let renamed = map(rules, Format::Nft, &Onto { outer: Some("wan0".to_owned()), ..onto() });
    assert_eq!(renamed.text.replace("eth0", "wan0").matches("mark").count(), 2, "{}", renamed.text);
    assert!(
        renamed.text.contains("oifname") && renamed.text.contains("tcp dport 22 accept"),
        "{}",
        renamed.text
    );
}

#[test]
fn an_interface_that_the_user_names_is_carried_over_wherever_it_stands() {
    let rules = "set outer {\n typeof meta iifname\n elements = { strange }\n}\n# strange\n";
    let named = Onto { outer: Some("strange".to_owned()), ..onto() };
    assert_eq!(map(rules, Format::Nft, &named).text, rules.replacen("strange", "eth0", 1));
}

#[test]
fn what_means_everyone_or_the_link_stays() {
    let rules = "-A INPUT -s 0.0.0.0/0 -d 224.0.0.251/32 -j ACCEPT\n-A INPUT -s 127.0.0.0/8 -j DROP\n\
                 -A INPUT -s 169.254.0.0/16 -d 255.255.255.255/32 -j DROP\n-A INPUT -s 198.18.0.2/32 -j ACCEPT\n";
    let mapped = map(rules, Format::IptablesSave, &onto());
    assert_eq!((mapped.text.as_str(), mapped.mappings), (rules, Vec::new()));
    let v6 = "-A INPUT -s ::/0 -d ff02::1/128 -j ACCEPT\n-A INPUT -s fe80::/10 -j ACCEPT\n-A INPUT -s ::1/128 -j DROP\n";
    assert_eq!(map(v6, Format::IptablesSave, &onto()).text, v6);
}

#[test]
fn files_that_belong_together_share_what_they_name() {
    let sets = "create bad hash:net family inet\nadd bad 203.0.113.0/24\n";
    let rules =
        "-A INPUT -i ens18 -s 198.51.100.0/24 -j ACCEPT\n-A INPUT -i ens18 -s 203.0.113.9/32 -j ACCEPT\n";
    let files = [(sets, Format::IptablesSave), (rules, Format::IptablesSave)];
    let mapped = map_all(&files, &onto()).unwrap().files;
    assert!(mapped[0].text.ends_with("add bad 198.19.129.0/24\n"), "{}", mapped[0].text);
    assert!(mapped[1].text.contains("-s 198.19.128.0/24") && mapped[1].text.contains("-s 198.19.129.9/32"));
}

#[test]
fn masks_are_no_addresses() {
    let rules = "-A INPUT -m recent --set --name x --mask 255.255.255.0 --rsource\n\
                 -A INPUT -m recent --set --name y --mask ffff:ffff:ffff:ffff:: --rsource\n";
    assert_eq!(map(rules, Format::IptablesSave, &onto()).text, rules);
}

#[test]
fn the_hosts_own_addresses_are_the_targets() {
    let rules = "chain in {\ntype filter hook input priority 0;\nip daddr { 192.0.2.1, 192.0.2.2 } accept\n}\n\
                 chain fwd {\nip daddr 192.0.2.3 accept\n}\n";
    let mapped = map(rules, Format::Nft, &onto()).text;
    assert!(mapped.contains("ip daddr { 198.18.0.1, 198.18.0.1 } accept"), "{mapped}");
    assert!(mapped.contains("ip daddr 198.19.128.0 accept"), "{mapped}");
}

#[test]
fn reserved_ranges_do_not_drop_the_lab_itself() {
    let rules =
        "-A INPUT -s 198.18.0.0/15 -j DROP\n-A INPUT -s fc00::/7 -j DROP\n-A INPUT -s 2000::/3 -j ACCEPT\n";
    let mapped = map(rules, Format::IptablesSave, &onto());
    assert_eq!(
        told(&mapped),
        [
            "198.18.0.0/15 -> 198.19.128.0/24 (shortened: the lab has no room for all of it)",
            "fc00::/7 -> fd00:198:18:8000::/64 (shortened: the lab has no room for all of it)",
            "2000::/3 -> fd00:198:18::/48 (everyone)",
        ]
    );
}

#[test]
fn a_user_may_name_the_interface_that_faces_attackers() {
    let rules = "-A INPUT -i eth0 -j ACCEPT\n-A INPUT -i eth1 -j DROP\n";
    let outer = Onto { outer: Some("eth1".to_owned()), ..onto() };
    let mapped = map(rules, Format::IptablesSave, &outer);
    assert_eq!(mapped.text, "-A INPUT -i x-eth0 -j ACCEPT\n-A INPUT -i eth0 -j DROP\n");
    assert_eq!(
        told(&mapped),
        ["interface eth0 -> x-eth0: nothing in the lab arrives by it", "interface eth1 -> eth0"]
    );
}

#[test]
fn a_range_keeps_its_length_and_its_order() {
    let rules = "-A INPUT -m iprange --src-range 203.0.113.5-203.0.113.9 -j ACCEPT\n-A INPUT -s 203.0.113.6/32 -j DROP\n";
    let mapped = map(rules, Format::IptablesSave, &onto());
    assert!(mapped.text.contains("--src-range 198.19.128.5-198.19.128.9 -j"), "{}", mapped.text);
    assert!(mapped.text.contains("-s 198.19.128.6/32"), "{}", mapped.text);
}

#[test]
fn a_rule_for_an_interface_that_the_lab_lacks_still_loads() {
    let rules = "iif \"docker0\" accept\niif { lo, enp3s0 } accept\noif != wg0 drop\n";
    let mapped = map(rules, Format::Nft, &onto());
    assert_eq!(mapped.text, "iifname \"docker0\" accept\niif { lo, eth0 } accept\noifname != wg0 drop\n");
}

#[test]
fn an_interface_that_occurs_nowhere_is_an_error_that_names_those_that_do() {
    let rules = "# wan9\n-A INPUT -i ens3 -m comment --comment wan9 -j ACCEPT\n-A INPUT -i docker0 -j DROP\n";
    let outer = Onto { outer: Some("wan9".to_owned()), ..onto() };
    let error = super::map(rules, Format::IptablesSave, &outer).unwrap_err().to_string();
    assert_eq!(error, "the rules name no interface `wan9`; they name: docker0, ens3");
    for rules in ["-A INPUT -i wan+ -j DROP\n", "sysctl -w net.ipv4.conf.wan9.rp_filter=1\n"] {
        assert!(super::map(rules, Format::Script, &outer).is_ok(), "{rules}");
    }
}

#[test]
fn the_interface_is_carried_over_inside_a_map_and_a_default_without_blanks() {
    let rules = "iifname vmap {lo:accept,wan0:jump world}\n";
    assert_eq!(map(rules, Format::Nft, &onto()).text, rules.replace("wan0", "eth0"));
    let script = "iptables -A INPUT -i ${1:-wan0} -j ACCEPT\n";
    assert_eq!(map(script, Format::Script, &onto()).text, script.replace("wan0", "eth0"));
}

#[test]
fn lookups_of_routes_stay_untouched() {
    for rules in ["fib saddr oif missing drop\n", "fib daddr . iif type != { local, broadcast } drop\n"] {
        assert_eq!(map(rules, Format::Nft, &onto()).text, rules);
    }
}

#[test]
fn of_changes_that_overlap_the_first_is_made() {
    let change = |span: Range<usize>, to: &str| Change { span, to: to.to_owned(), told: None };
    let mut mapped = Mapped { text: String::new(), mappings: Vec::new() };
    apply("abcdef", vec![change(2..5, "X"), change(1..3, "Y"), change(5..6, "Z")], &mut mapped);
    assert_eq!(mapped.text, "aYdeZ");
}
