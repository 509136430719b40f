//! A machine that allows no lab: it is told before anything is made, with the command that mends it.

use std::process::{Command, Output};

use crate::workbench::{PASSES, Workbench};

/// Runs `scandrill` where the kernel allows no user namespace.
#[expect(clippy::disallowed_methods, reason = "a machine that allows no namespaces is made from outside")]
fn where_nothing_is_allowed(line: &str) -> (Output, Workbench) {
    let bench = Workbench::with(&[("a.toml", PASSES), ("tmp/readme", "")]);
    let binary = env!("CARGO_BIN_EXE_scandrill");
    let script = format!("echo 0 > /proc/sys/user/max_user_namespaces && exec {binary} {line}");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", &script]).current_dir(bench.path());
    (command.env("TMPDIR", bench.path().join("tmp")).output().unwrap(), bench)
}

#[test]
fn a_run_is_refused_with_the_command_that_mends_it_and_leaves_nothing() {
    let (ran, bench) = where_nothing_is_allowed("run a.toml");
    let err = String::from_utf8(ran.stderr).unwrap();
    assert_eq!(ran.status.code(), Some(3), "{err}");
    assert!(err.starts_with("error: this machine allows no lab: user namespaces are switched off"), "{err}");
    assert!(err.contains("help: sudo sysctl -w user.max_user_namespaces="), "{err}");
    assert_eq!(std::fs::read_dir(bench.path().join("tmp")).unwrap().count(), 1);
}

#[test]
fn doctor_says_that_no_case_can_run() {
    let (ran, _) = where_nothing_is_allowed("doctor");
    let out = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(3), "{out}");
    assert!(out.contains("missing  isolation"), "{out}");
    assert!(out.ends_with("no case can run on this machine as it is\n"), "{out}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a machine without daemons is made by the environment")]
fn a_case_without_its_daemons_program_is_skipped_by_its_name() {
    let bench = Workbench::with(&[("a.toml", UNPACKED), ("tmp/readme", "")]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_scandrill"));
    command.args(["run", "a.toml"]).env("SCANDRILL_DAEMONS", "/nowhere").current_dir(bench.path());
    let ran = command.env("TMPDIR", bench.path().join("tmp")).output().unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(4), "{out}");
    assert!(out.contains("the program `firewalld`"), "{out}");
    assert!(out.contains("./setup.sh, which unpacks firewalld for labs alone"), "{out}");
}

/// What a machine whose own firewall is not firewalld runs only where that was unpacked.
const UNPACKED: &str = r#"
about = "needs a daemon"
[target]
services = ["tcp/22"]
defense = [{ layer = "firewalld" }]
[[green]]
client = "tcp tcp/22"
"#;
