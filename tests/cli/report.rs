//! Telling a run again: in other forms, from its parts, beside another run; and files that are no report.

use crate::workbench::{FAILS, PASSES, Workbench};

/// Three scenarios, the second of which fails.
fn bench() -> Workbench {
    Workbench::with(&[("all/a.toml", PASSES), ("all/b.toml", FAILS), ("all/c.toml", PASSES)])
}

#[test]
fn parts_of_a_run_make_the_run_again() {
    let bench = bench();
    for part in ["1/3", "2/3", "3/3"] {
        let came =
            bench.scandrill(&format!("run all --seed 7 --quiet --shard {part} --json {}.json", &part[..1]));
        assert_eq!(came.code, i32::from(part == "2/3"), "{}{}", came.out, came.err);
    }
    let came =
        bench.scandrill("report 1.json 2.json 3.json --json whole.json --junit whole.xml --html whole.html");
    assert_eq!(came.code, 1, "{}{}", came.out, came.err);
    let whole: serde_json::Value = serde_json::from_str(&bench.read("whole.json")).unwrap();
    let names: Vec<&str> =
        whole["cases"].as_array().unwrap().iter().map(|case| case["scenario"].as_str().unwrap()).collect();
    assert_eq!((whole["verdict"].as_str(), names), (Some("fail"), vec!["a", "b", "c"]));
    assert!(roxmltree::Document::parse(&bench.read("whole.xml")).is_ok());
    assert!(bench.read("whole.html").starts_with("<!DOCTYPE html>"));

    let came = bench.scandrill("report 1.json 2.json 1.json");
    assert_eq!(came.code, 2);
    assert_eq!(
        came.err.trim_end(),
        "error: the case a[builtin,v4] is in 1.json and in 1.json; a case is in one part of a run"
    );
    bench.scandrill("run all/c.toml --seed 8 --quiet --json other.json");
    let came = bench.scandrill("report 1.json other.json");
    assert_eq!(came.code, 2);
    assert!(
        came.err.contains("are not parts of one run: the seed is 7 in the one and 8 in the other"),
        "{}",
        came.err
    );
}

#[test]
fn a_run_of_one_case_tells_what_red_read() {
    let bench = bench();
    let came = bench.scandrill("run all/b.toml --seed 7 --quiet --json b.json --markdown b.md");
    assert_eq!(came.code, 1, "{}{}", came.out, came.err);
    assert!(bench.read("b.md").contains("- **fail** `b[builtin,v4]`\n"), "{}", bench.read("b.md"));
    let told = bench.scandrill("report b.json --filter b[ --markdown again.md");
    assert_eq!((told.out, told.code), (came.out, 1));
    assert_eq!(bench.read("again.md"), bench.read("b.md"));
    let none = bench.scandrill("report b.json --filter nothing");
    assert_eq!((none.code, none.err.trim_end()), (4, "error: no case's name contains nothing"));
}

#[test]
fn two_runs_beside_each_other_say_what_got_worse() {
    let bench = Workbench::with(&[("all/a.toml", PASSES), ("worse/a.toml", FAILS)]);
    bench.scandrill("run all --seed 7 --quiet --json old.json");
    bench.scandrill("run worse --seed 7 --quiet --json new.json");
    let came = bench.scandrill("report --compare old.json new.json --markdown c.md --html c.html");
    assert_eq!(came.code, 1, "{}{}", came.out, came.err);
    let worse = "worse    a[builtin,v4]\n         red: ports leaked: none -> 5 (20-21,23-25)\n         verdict: pass -> fail\n";
    assert!(came.out.contains(worse), "{}", came.out);
    assert!(
        bench.read("c.md").contains("| a\\[builtin,v4\\] | verdict | pass | fail |"),
        "{}",
        bench.read("c.md")
    );
    assert!(bench.read("c.html").contains("Two runs beside each other"));
    let same = bench.scandrill("report --compare old.json old.json");
    assert_eq!((same.code, same.out.as_str()), (0, "0 worse, 0 better, 0 neither; 1 case in both\n"));
    let one = bench.scandrill("report --compare old.json");
    assert_eq!(one.code, 2);
    assert!(one.err.contains("--compare takes two reports, and there are 1"), "{}", one.err);
}

#[test]
fn a_file_that_is_no_report_is_told_with_its_place() {
    let bench = Workbench::with(&[
        ("broken.json", "{\n  \"version\": 1,\n  oops\n}"),
        ("other.json", "{\"version\": \"2\"}"),
        ("list.json", "[1]"),
        ("none.json", "{\"hello\": 1}"),
        ("newer.json", "{\"version\": 9, \"scandrill\": \"7.0.0\"}"),
        ("half.json", "{\n\"version\": 1, \"scandrill\": \"0.1.0\", \"seed\": -1}"),
    ]);
    let told = [
        ("missing.json", "reading missing.json: No such file or directory (os error 2)"),
        ("broken.json", "broken.json:3:3: key must be a string"),
        ("other.json", "other.json:1:15: invalid type: string \"2\", expected u32"),
        ("list.json", "list.json is JSON, but no report of scandrill's"),
        ("none.json", "none.json is JSON, but no report of scandrill's"),
        ("newer.json", "newer.json is a report of version 9, by scandrill 7.0.0; this one reads version 1"),
        ("half.json", "half.json:2:46: invalid value: integer `-1`, expected u64"),
    ];
    for (file, text) in told {
        let came = bench.scandrill(&format!("report {file}"));
        assert_eq!((came.code, came.err.lines().next()), (2, Some(format!("error: {text}").as_str())));
    }
}
