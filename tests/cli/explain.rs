//! `scandrill explain`: one packet, and the rule that decided, in the user's own text.

use crate::workbench::{Came, Workbench, golden};

const NFT: &str = "\
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        ct state invalid drop
        tcp dport 23 reject with tcp reset
        tcp dport { 80 } jump web
    }

    chain web {
        # nobody else
        ip saddr 198.18.2.10 counter accept
    }
}
";

const IPTABLES: &str = "\
*filter
:INPUT DROP [0:0]

-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p tcp --dport 23 -j REJECT --reject-with tcp-reset
-A INPUT -p tcp --dport 22 --syn -m recent --name seen --rcheck --seconds 60 --hitcount 3 -j DROP
-A INPUT -p tcp --dport 22 --syn -m recent --name seen --set -j ACCEPT
COMMIT
";

const SCENARIO: &str = r#"
family = "v4"
backend = ["nft", "legacy"]
[target]
services = ["tcp/22", "tcp/80 http"]
rules = ["RULES"]
canary = "none"
[[red]]
technique = "tcp-syn"
ports = "22"
expect.open = "22"
"#;

fn bench(rules: &str, text: &str) -> Workbench {
    Workbench::with(&[("a.toml", &SCENARIO.replace("RULES", rules)), (rules, text)])
}

fn asked(bench: &Workbench, filter: &str, packet: &str, repeat: &str) -> Came {
    bench.command(&["explain", "a.toml", "--filter", filter, "--packet", packet, "--repeat", repeat])
}

#[track_caller]
fn decided(came: &Came, state: &str, fate: &str, rule: &str) {
    assert_eq!(came.code, 0, "{}{}", came.out, came.err);
    for told in [format!("conntrack  {state}\n"), format!("fate       {fate}"), format!("decided by {rule}")]
    {
        assert!(came.out.contains(&told), "{told}:\n{}", came.out);
    }
}

#[test]
fn a_rule_of_nft_is_told_with_its_line_and_the_chain_before_it() {
    let bench = bench("own.nft", NFT);
    let came = asked(&bench, "nft", "tcp red -> target:80 syn", "1");
    decided(&came, "new", "accepted, answered by 198.18.0.1.80", "own.nft:12: ip saddr 198.18.2.10 counter");
    assert!(
        came.out.contains("inet filter input  jump    own.nft:7: tcp dport { 80 } jump web"),
        "{}",
        came.out
    );
    let came = asked(&bench, "nft", "tcp red -> target:23", "1");
    decided(&came, "new", "rejected, answered by", "own.nft:6: tcp dport 23 reject");
    let came = asked(&bench, "nft", "tcp red -> target:22 fin psh urg", "1");
    decided(&came, "invalid", "dropped, no answer", "own.nft:5: ct state invalid drop");
    let came = asked(&bench, "nft", "udp red -> target:53", "1");
    decided(&came, "new", "dropped, no answer", "policy drop");
}

#[test]
fn a_rule_of_iptables_is_told_alike_by_both_back_ends() {
    let bench = bench("own.v4", IPTABLES);
    for (backend, witness) in [("nft", "nftables trace"), ("legacy", "xtables TRACE")] {
        let third = asked(&bench, backend, "tcp red -> target:22 syn", "3");
        decided(&third, "new", "accepted, answered by", "own.v4:8: -A INPUT -p tcp --dport 22");
        let fourth = asked(&bench, backend, "tcp red -> target:22 syn", "4");
        decided(&fourth, "new", "dropped, no answer", "own.v4:7: -A INPUT -p tcp --dport 22");
        assert!(fourth.out.contains(&format!("witness    {witness}\n")), "{}", fourth.out);
    }
}

#[test]
fn a_packet_that_cannot_be_is_refused_where_it_is_wrong() {
    let bench = bench("own.nft", NFT);
    let packets = [
        "tcp 10.0.0.1 -> target:22",
        "tcp 198.18.77.1 -> target:22",
        "tcp nobody -> target:22",
        "tcp red -> target",
        "tcp red -> target:70000",
        "tcp red -> target:22 sny",
        "tcp red target:22",
        "gre red -> target",
        "icmp red -> target:22",
        "tcp fd00:198:18:2::a -> target:22",
    ];
    let told = packets.map(|packet| {
        let came = asked(&bench, "nft", packet, "1");
        assert_eq!((came.code, came.out.as_str()), (2, ""), "{packet}");
        came.err
    });
    golden("explain-errors.txt", &told.join("\n"));
}
