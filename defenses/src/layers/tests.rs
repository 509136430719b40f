//! Properties of every layer, once for all, and the very texts that get installed.

use std::collections::{BTreeMap, BTreeSet};

use scandrill_model::{Backend, Loader, Protocol, ServiceKind, ServicePlan, Step, Tool};
use serde_json::{Value as Json, json};

use super::*;
use crate::settings::Settings;
use crate::stack::Site;

fn site(backend: Backend) -> Site {
    let service = |protocol, port, kind| ServicePlan { protocol, port, kind };
    let services = vec![
        service(Protocol::Tcp, 22, ServiceKind::Banner),
        service(Protocol::Tcp, 80, ServiceKind::Http),
        service(Protocol::Udp, 53, ServiceKind::Dns),
    ];
    Site { backend, tool: Tool::Iptables, services, interface: "eth0".to_owned() }
}

fn steps(name: &str, given: &Json, site: &Site) -> Vec<Step> {
    let layer = find(name).unwrap();
    let given: BTreeMap<String, Json> = serde_json::from_value(given.clone()).unwrap();
    layer.steps(&Settings::read(layer, &given, site).unwrap()).unwrap()
}

/// All texts of a layer, one after the other, as a reader would see them.
fn shown(name: &str, given: &Json) -> String {
    let steps = steps(name, given, &site(Backend::Nft));
    let texts = steps.iter().map(|step| match step {
        Step::Load { loader, text, origin } => format!("=== {origin}, {loader:?}\n{text}"),
        Step::Offload { interface, feature, on } => {
            format!("=== {feature} of {interface}: {}\n", if *on { "on" } else { "off" })
        }
        Step::Sysctl { key, value } => format!("=== sysctl {key} = {value}\n"),
        Step::WriteFile { path, text } => format!("=== {path}\n{text}"),
        Step::Daemon(daemon) => format!("=== daemon {daemon:#?}\n"),
    });
    texts.collect()
}

fn texts(steps: &[Step]) -> impl Iterator<Item = (&Loader, &str)> {
    steps.iter().filter_map(|step| match step {
        Step::Load { loader, text, .. } => Some((loader, text.as_str())),
        Step::Sysctl { .. } | Step::Offload { .. } | Step::WriteFile { .. } | Step::Daemon(_) => None,
    })
}

#[test]
fn every_layer_renders_over_both_back_ends_with_and_without_services() {
    for layer in layers() {
        for backend in [Backend::Nft, Backend::Legacy] {
            let full = site(backend);
            let bare = Site { services: Vec::new(), ..full.clone() };
            for site in [full, bare] {
                for (loader, text) in texts(&steps(layer.name(), &json!({}), &site)) {
                    assert!(
                        !text.contains(['{', '}']) || *loader == Loader::Nft,
                        "{}:\n{text}",
                        layer.name()
                    );
                    assert!(text.ends_with('\n') && !text.contains("{%"), "{}:\n{text}", layer.name());
                    assert!(!text.contains("{  }"), "an empty set does not load: {}:\n{text}", layer.name());
                    assert!(text.lines().all(|line| line.trim_end() == line), "{}:\n{text}", layer.name());
                }
            }
        }
    }
}

#[test]
fn only_the_layer_none_installs_nothing() {
    for layer in layers().iter().filter(|layer| layer.name() != "sysctl") {
        let steps = steps(layer.name(), &json!({}), &site(Backend::Nft));
        assert_eq!(steps.is_empty(), layer.name() == "none", "{}", layer.name());
    }
}

#[test]
fn every_layer_and_parameter_has_a_name_of_its_own_and_says_what_it_is_for() {
    let names: BTreeSet<&str> = layers().iter().map(|layer| layer.name()).collect();
    assert_eq!(names.len(), layers().len());
    for layer in layers() {
        assert!(layer.summary().len() > 10, "{}", layer.name());
        let parameters: BTreeSet<&str> = layer.parameters().iter().map(|parameter| parameter.name).collect();
        assert_eq!(parameters.len(), layer.parameters().len(), "{}", layer.name());
        for parameter in layer.parameters() {
            assert!(parameter.doc.len() > 10 && parameter.name != "layer", "{}", parameter.name);
        }
    }
}

#[test]
fn every_default_is_a_value_that_its_parameter_takes() {
    for layer in layers() {
        for parameter in layer.parameters() {
            let given = match parameter.default {
                Preset::Number(number) => json!({ parameter.name: number }),
                Preset::Word(word) => json!({ parameter.name: word }),
                Preset::Tool => json!({ parameter.name: "iptables" }),
                Preset::Off => json!({ parameter.name: false }),
                Preset::List(words) => json!({ parameter.name: words }),
                Preset::Nothing => continue,
            };
            let explicit = steps(layer.name(), &given, &site(Backend::Nft));
            assert_eq!(explicit, steps(layer.name(), &json!({}), &site(Backend::Nft)), "{}", layer.name());
        }
    }
}

#[test]
fn the_chosen_back_end_is_in_every_iptables_step() {
    for layer in layers() {
        for backend in [Backend::Nft, Backend::Legacy] {
            for (loader, _) in texts(&steps(layer.name(), &json!({}), &site(backend))) {
                let own = match loader {
                    Loader::IptablesRestore { backend, .. } | Loader::Script { backend } => *backend,
                    Loader::Nft | Loader::IpsetRestore => continue,
                };
                assert_eq!(own, backend, "{}", layer.name());
            }
        }
    }
}

#[test]
fn the_manuals_commands_are_typed_as_it_has_them() {
    let commands: Vec<String> = texts(&steps("manual/as-written", &json!({}), &site(Backend::Nft)))
        .flat_map(|(_, text)| {
            text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(
        commands,
        [
            "iptables -A INPUT -p tcp --dport 1:65535 -m state --state NEW -m recent --set",
            "iptables -A INPUT -p tcp --dport 1:65535 -m state --state NEW -m recent --update --seconds 60 --hitcount 10 -j DROP",
            "iptables -A INPUT -p tcp --tcp-flags ALL NONE -j DROP",
            "iptables -A INPUT -p tcp --tcp-flags ALL ALL -j DROP",
            "iptables -A INPUT -p icmp --icmp-type echo-request -m limit --limit 1/s -j ACCEPT",
            "iptables -A INPUT -p udp -m limit --limit 5/s -j ACCEPT",
        ]
    );
}

#[test]
fn a_reset_cannot_refuse_udp() {
    let layer = find("reject").unwrap();
    let given =
        BTreeMap::from([("with".to_owned(), json!("tcp-reset")), ("protocol".to_owned(), json!("udp"))]);
    let settings = Settings::read(layer, &given, &site(Backend::Nft)).unwrap();
    let error = layer.steps(&settings).unwrap_err().to_string();
    assert!(error.starts_with("layer `reject`: `tcp-reset` refuses TCP"), "{error}");
}

#[test]
fn what_nftables_cannot_count_like_xt_recent_is_refused() {
    let layer = find("recent").unwrap();
    for (given, why) in [
        (json!({ "tool": "nftables", "reap": true }), "`reap` is xt_recent's alone"),
        (json!({ "tool": "nftables", "rttl": true }), "`rttl` is xt_recent's alone"),
        (json!({ "tool": "nftables", "hitcount": 101 }), "`hitcount` is 100 at most"),
    ] {
        let given: BTreeMap<String, Json> = serde_json::from_value(given).unwrap();
        let settings = Settings::read(layer, &given, &site(Backend::Nft)).unwrap();
        let error = layer.steps(&settings).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_handshake_is_asked_for_where_something_listens() {
    let layer = find("trap").unwrap();
    let given = BTreeMap::from([("proof".to_owned(), json!("handshake"))]);
    let settings = Settings::read(layer, &given, &site(Backend::Nft)).unwrap();
    let error = layer.steps(&settings).unwrap_err().to_string();
    assert!(error.contains("nothing listens on 23,445,3389"), "{error}");
}

#[test]
fn what_gets_installed() {
    for layer in layers() {
        let name = layer.name().replace('/', "-");
        insta::assert_snapshot!(name, shown(layer.name(), &json!({})));
    }
}

#[test]
fn what_filters_of_stealthy_scans_install() {
    for (name, layer, given) in [
        ("stealth-nftables", "stealth", json!({ "tool": "nftables" })),
        ("stealth-flags-nftables", "stealth", json!({ "tool": "nftables", "filter": "flags" })),
        ("stealth-unsolicited", "stealth", json!({ "filter": "unsolicited" })),
    ] {
        insta::assert_snapshot!(name, shown(layer, &given));
    }
}

#[test]
fn what_daemons_are_told_with_parameters() {
    for (name, layer, given) in [
        ("fail2ban-manual", "fail2ban", json!({ "jail": "manual", "backend": "polling" })),
        (
            "fail2ban-ipset",
            "fail2ban",
            json!({
                "action": "ipset", "blocktype": "drop", "maxretry": 5, "findtime": 2, "bantime": 3, "tail": true,
                "protocol": "tcp", "memory": "none", "ignore": ["198.19.200.0/24", "fd00:198:18:8000::/64"],
            }),
        ),
        ("fail2ban-nftables", "fail2ban", json!({ "action": "nftables" })),
        (
            "crowdsec-bouncer-nftables",
            "crowdsec-bouncer",
            json!({ "tool": "nftables", "update_frequency": 1 }),
        ),
        (
            "knockd-nftables",
            "knockd",
            json!({ "tool": "nftables", "open": 60, "sequence": ["tcp/7000", "udp/8000"] }),
        ),
    ] {
        insta::assert_snapshot!(name, shown(layer, &given));
    }
}

#[test]
fn what_gets_installed_with_parameters() {
    for (name, layer, given) in [
        (
            "knock-lenient",
            "knock",
            json!({ "order": "lenient", "sequence": ["udp/7000", "tcp/8000"], "ports": "22,2222" }),
        ),
        ("knock-nftables", "knock", json!({ "tool": "nftables", "open": 60, "seconds": 5 })),
        ("log-except", "log", json!({ "except": "services", "protocol": "tcp", "rate": 3 })),
        ("log-except-nftables", "log", json!({ "except": ["tcp/22", "udp/53"], "tool": "nftables" })),
        ("recent-update-first", "recent", json!({ "order": "update-first", "hitcount": 3, "name": "scans" })),
        ("recent-nftables", "recent", json!({ "tool": "nftables", "hitcount": 4 })),
        (
            "recent-all",
            "recent",
            json!({
                "protocol": "udp", "ports": "1-21,53", "key": "destination", "prefix4": 24, "prefix6": 64, "rttl": true,
                "reap": true,
            }),
        ),
        (
            "recent-all-nftables",
            "recent",
            json!({
                "protocol": "udp", "ports": "1-21,53", "key": "destination", "prefix4": 24, "prefix6": 64,
                "order": "update-first", "hitcount": 3, "tool": "nftables",
            }),
        ),
        ("limit-icmp-nftables", "limit", json!({ "protocol": "icmp", "rate": 1, "tool": "nftables" })),
        (
            "limit-tcp-source",
            "limit",
            json!({ "protocol": "tcp", "rate": 10, "per": "minute", "key": "source" }),
        ),
        (
            "limit-source-nftables",
            "limit",
            json!({ "key": "source", "prefix4": 24, "prefix6": 64, "tool": "nftables" }),
        ),
        (
            "trap-touch",
            "trap",
            json!({ "refresh": "touch", "prefix4": 24, "prefix6": 64, "ports": "23,6000-6010" }),
        ),
        ("trap-always-nftables", "trap", json!({ "refresh": "always", "prefix6": 64, "tool": "nftables" })),
        ("trap-port", "trap", json!({ "key": "source-port", "refresh": "always" })),
        ("trap-handshake", "trap", json!({ "proof": "handshake", "ports": "22" })),
        (
            "trap-handshake-nftables",
            "trap",
            json!({
                "proof": "handshake", "ports": "22", "key": "source-port", "refresh": "touch", "tool": "nftables",
            }),
        ),
        ("drop-tcp", "drop", json!({ "protocol": "tcp", "allow": ["tcp/22", "tcp/8000-8010"] })),
        ("drop-nftables", "drop", json!({ "tool": "nftables" })),
        ("reject-tcp-reset", "reject", json!({ "with": "tcp-reset" })),
        ("reject-nftables", "reject", json!({ "tool": "nftables", "with": "icmp-host-prohibited" })),
        ("reject-all-nftables", "reject", json!({ "tool": "nftables", "with": "tcp-reset" })),
        ("reject-tcp", "reject", json!({ "protocol": "tcp", "with": "icmp6-policy-fail" })),
        ("synproxy-nftables", "synproxy", json!({ "tool": "nftables", "mss": 1400 })),
        ("rate-limit-nftables", "rate-limit", json!({ "tool": "nftables", "pps": 20 })),
        ("hardened-nftables-no-service", "hardened/nftables", json!({ "allow": [], "ban_seconds": 5 })),
        (
            "allowlist-trusted",
            "allowlist",
            json!({ "trusted": ["198.19.200.0/24", "fd00:198:18:8000::/64"] }),
        ),
        (
            "allowlist-trusted-nftables",
            "allowlist",
            json!({
                "tool": "nftables",
                "order": "counted-first",
                "trusted": ["198.19.200.0/24", "fd00:198:18:8000::/64"],
            }),
        ),
        ("fingerprint-nftables", "fingerprint", json!({ "tool": "nftables" })),
        ("syn-filter-nftables", "syn-filter", json!({ "tool": "nftables" })),
        ("tarpit-nftables", "tarpit", json!({ "tool": "nftables" })),
        ("sysctl-two", "sysctl", json!({ "net.ipv4.tcp_syncookies": 2, "net.ipv4.ip_default_ttl": "128" })),
    ] {
        insta::assert_snapshot!(name, shown(layer, &given));
    }
}
