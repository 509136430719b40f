//! `scandrill demo` where nobody could look, and recordings that cannot be played.

use crate::workbench::{PASSES, Workbench};

#[test]
fn a_demo_needs_a_terminal_and_says_what_does_without() {
    let bench = Workbench::with(&[("a.toml", PASSES)]);
    let came = bench.scandrill("demo a.toml --record kept.jsonl");
    assert_eq!(came.code, 2);
    let expected = "error: a demo is drawn on a terminal, and standard output is none\n  \
                    help: `scandrill run a.toml` tells the same without one\n";
    assert_eq!(came.err, expected);
    assert!(!bench.path().join("kept.jsonl").exists());
}

#[test]
fn what_is_no_recording_is_told_with_its_line() {
    let bench = Workbench::with(&[
        ("empty.jsonl", ""),
        ("report.json", "{\"version\": 1}\n"),
        ("later.jsonl", "{\"recording\": 2, \"scandrill\": \"9.0.0\", \"plan\": {}}\n"),
    ]);
    for (file, expected) in [
        ("none.jsonl", "error: reading none.jsonl: No such file or directory"),
        ("empty.jsonl", "error: empty.jsonl: the file is empty"),
        ("report.json", "error: report.json:1:14: missing field `recording`"),
        (
            "later.jsonl",
            "error: later.jsonl:1: a recording of version 2, by scandrill 9.0.0; this one plays version 1",
        ),
    ] {
        let came = bench.scandrill(&format!("demo --replay {file}"));
        assert_eq!(came.code, 2, "{file}");
        assert!(came.err.starts_with(expected), "{file}: {}", came.err);
    }
}

#[test]
fn a_recording_is_played_alone() {
    let came = Workbench::new().scandrill("demo baseline/tcp-syn --replay a.jsonl");
    assert_eq!(came.code, 2);
    assert!(came.err.contains("cannot be used with"), "{}", came.err);
}
