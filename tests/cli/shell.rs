//! `scandrill shell`: a shell in a lab, with the defense in; what it is told on standard input stands for a person.

use std::io::Write;
use std::process::Stdio;

use crate::binary::scandrill;
use crate::workbench::scandrill_alone;

/// What a shell on `host` of `manual/recent` prints when it is told `commands`.
fn said(host: &str, commands: &str) -> String {
    let mut child = scandrill()
        .args(["shell", "manual/recent", host])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    String::from_utf8(ended.stdout).unwrap()
}

#[test]
fn the_target_has_the_defense_in_and_serves() {
    let said = said(
        "target",
        "iptables-save | grep -c -- '-m recent'\ntimeout 5 bash -c 'head -c 1 < /dev/tcp/127.0.0.1/22' | wc -c\n",
    );
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["2", "1"]);
}

#[test]
fn another_host_reaches_the_target_and_nothing_else() {
    let said = said(
        "red",
        "timeout 5 bash -c 'echo > /dev/tcp/198.18.0.1/80' && echo served\nwc -l < /proc/net/route\n",
    );
    // The link's own route, below a heading: no default route out exists.
    assert_eq!(said.split_whitespace().collect::<Vec<_>>(), ["served", "2"]);
}

#[test]
fn a_host_that_is_not_there_is_told_those_that_are() {
    let came = scandrill_alone("shell manual/recent edge");
    assert_eq!(came.code, 2);
    assert!(came.err.contains("no host `edge` in this lab\n  help: known: target, red"), "{}", came.err);
}
