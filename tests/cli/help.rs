//! What the tool says of itself.

use crate::workbench::{golden, scandrill_alone};

const COMMANDS: [&str; 13] = [
    "run",
    "demo",
    "report",
    "check",
    "lint",
    "list",
    "show",
    "explain",
    "doctor",
    "shell",
    "schema",
    "completions",
    "man",
];

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let came = scandrill_alone("--help");
    assert_eq!(came.code, 0);
    assert!(COMMANDS.iter().all(|command| came.out.contains(command)), "{}", came.out);
    golden("help.txt", &came.out);
}

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let came = scandrill_alone(&format!("{command} --help"));
        assert_eq!(came.code, 0, "{command}");
        golden(&format!("help-{command}.txt"), &came.out);
    }
}

#[test]
fn without_a_command_the_help_is_shown_and_the_usage_is_wrong() {
    let came = scandrill_alone("");
    assert_eq!(came.code, 2);
    assert!(came.err.contains("Usage: scandrill"), "{}", came.err);
}

#[test]
fn a_misspelled_command_or_flag_gets_the_nearest_right_one() {
    let came = scandrill_alone("chekc");
    assert_eq!(came.code, 2);
    assert!(came.err.contains("'check'"), "{}", came.err);
    let came = scandrill_alone("run --stirct");
    assert_eq!(came.code, 2);
    assert!(came.err.contains("'--strict'"), "{}", came.err);
}

#[test]
fn the_version_is_printed() {
    assert_eq!(scandrill_alone("--version").out, format!("scandrill {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn completions_know_commands_and_flags_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let came = scandrill_alone(&format!("completions {shell}"));
        assert_eq!(came.code, 0);
        assert!(came.out.contains("doctor") && came.out.contains("scanner"), "{shell}: {}", came.out);
    }
}

#[test]
fn the_manual_page_has_every_command() {
    let came = scandrill_alone("man");
    assert_eq!(came.code, 0);
    for command in COMMANDS {
        let heading = format!(".SH \"SCANDRILL {}\"", command.to_uppercase());
        assert!(came.out.contains(&heading), "{heading}");
    }
}

#[test]
fn doctor_names_each_need_and_its_exit_code_follows_from_what_is_missing() {
    let came = scandrill_alone("doctor");
    for need in ["isolation", "user ids", "nmap", "nft", "ipset", "bash", "iptables-nft", "ip6tables-legacy"]
    {
        assert!(came.out.contains(need), "{need}: {}", came.out);
    }
    let missing = came.out.lines().any(|line| line.starts_with("missing"));
    assert_eq!(came.code == 0, !missing, "{}", came.out);
}

#[test]
fn doctor_says_how_to_mend_what_is_missing() {
    let bench = crate::workbench::Workbench::new();
    let ran = crate::binary::scandrill().arg("doctor").env("PATH", bench.path()).output().unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    // nmap is in none of the folders that are looked at beside PATH.
    assert!(out.contains("sudo apt-get install nmap"), "{out}");
    assert_eq!(ran.status.code(), Some(4));
}

#[test]
fn doctor_names_what_is_not_asked_for_without_a_fuss() {
    let came = scandrill_alone("doctor");
    for scanner in ["masscan", "zmap"] {
        let line = came.out.lines().find(|line| line.contains(scanner));
        let here_or_absent = |line: &str| line.starts_with("ok ") || line.starts_with("absent ");
        assert!(line.is_some_and(here_or_absent), "{scanner}: {}", came.out);
    }
}
