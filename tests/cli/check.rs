//! `scandrill check`: a user's own rules, and one page about them.

use crate::workbench::Workbench;

const STRICT: &str = "\
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iif lo accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
        ct state new tcp flags & (fin | syn | rst | ack) == syn tcp dport { 22, 80 } accept
    }
}
";

const V4_ONLY: &str = "\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -p tcp --dport 22 --syn -m conntrack --ctstate NEW -j ACCEPT
COMMIT
";

#[test]
fn rules_that_hide_everything_and_hurt_nobody_pass() {
    let bench = Workbench::with(&[("strict.nft", STRICT)]);
    let came = bench.scandrill("check strict.nft --services 22,80 --ports 1-100 --quiet");
    assert_eq!(came.code, 0, "{}{}", came.out, came.err);
    assert!(came.out.contains("nothing leaks, nobody is hurt"), "{}", came.out);
    assert!(came.out.contains("22,80 open, 98 ports filtered"), "{}", came.out);
}

#[test]
fn rules_for_one_family_leave_the_other_open() {
    let bench = Workbench::with(&[("rules.v4", V4_ONLY)]);
    let came = bench.scandrill("check rules.v4 --services 22 --ports 20-40 --quiet");
    assert_eq!(came.code, 1, "{}{}", came.out, came.err);
    assert!(came.out.contains("IPv6: 20 ports (20-21,23-40) read closed to"), "{}", came.out);
    assert!(!came.out.contains("IPv4: "), "{}", came.out);
}

#[test]
fn a_service_kept_for_a_range_is_told_and_hurts_nobody_and_the_mapping_is_told() {
    let rule = "-A INPUT -i ens3 -s 203.0.113.0/24 -p tcp --dport 80 -j ACCEPT\nCOMMIT";
    let bench = Workbench::with(&[("rules.v4", &V4_ONLY.replace("COMMIT", rule))]);
    let came = bench.scandrill("check rules.v4 --services 22,80 --ports 20-40 --quiet");
    for part in [
        "203.0.113.0/24  22,80 open",
        "tcp/80 over IPv4 is kept for 203.0.113.0/24",
        "nobody is hurt",
        "interface ens3 -> eth0",
        "203.0.113.0/24 -> 198.19.",
    ] {
        assert!(came.out.contains(part), "{part}:\n{}{}", came.out, came.err);
    }
}

#[test]
fn rules_are_read_from_standard_input_too() {
    let bench = Workbench::with(&[("strict.nft", STRICT)]);
    let rules = std::fs::File::open(bench.path().join("strict.nft")).unwrap();
    let mut command = crate::binary::scandrill();
    command.args(["check", "-", "--services", "22,80", "--ports", "20-25", "--quiet"]).stdin(rules);
    let ran = command.output().unwrap();
    assert_eq!(ran.status.code(), Some(0), "{}", String::from_utf8_lossy(&ran.stderr));
}

#[test]
fn a_wrong_line_is_one_error_with_file_and_line() {
    let bench = Workbench::with(&[("wrong.nft", &STRICT.replace("lo accept", "lo acept"))]);
    let came = bench.scandrill("check wrong.nft --services 22 --ports 1-100");
    assert_eq!((came.code, came.out.as_str()), (3, ""), "{}", came.err);
    assert!(came.err.contains("wrong.nft:5"), "{}", came.err);
    assert_eq!(came.err.matches("syntax error").count(), 1, "{}", came.err);
}

#[test]
fn a_file_of_no_known_format_is_refused_before_anything_runs() {
    let bench = Workbench::with(&[("notes.txt", "remember the milk\n")]);
    let came = bench.scandrill("check notes.txt --services 22");
    assert_eq!((came.code, came.out.as_str()), (2, ""), "{}", came.err);
    assert!(came.err.contains("notes.txt"), "{}", came.err);
}

#[test]
fn a_wrong_service_is_told_how_to_write_it() {
    let bench = Workbench::with(&[("strict.nft", STRICT)]);
    let came = bench.scandrill("check strict.nft --services ssh");
    assert_eq!(came.code, 2);
    assert!(came.err.contains("write 22, tcp/22 or udp/53"), "{}", came.err);
}
