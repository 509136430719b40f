//! Running scenarios: exit codes, reports, and what stays behind.

use std::fs;
use std::path::Path;

use crate::binary::steady;
use crate::workbench::{FAILS, PASSES, Workbench, golden, scandrill_alone};

#[test]
fn a_baseline_scenario_passes_and_ends_with_a_table() {
    let came = scandrill_alone("run baseline/tcp-syn --scanner builtin --seed 1");
    assert_eq!(came.code, 0, "{}{}", came.out, came.err);
    assert!(came.err.contains("PASS  baseline/tcp-syn[builtin,v4]"), "{}", came.err);
    golden("run-passes.txt", &steady(&came.out));
}

#[test]
fn an_expectation_that_is_not_met_tells_expected_observed_witnesses_capture_and_the_line_that_repeats_it() {
    let bench = Workbench::with(&[("fails.toml", FAILS)]);
    let came = bench.scandrill("run fails.toml --seed 7 --pcap captures");
    assert_eq!(came.code, 1, "{}{}", came.out, came.err);
    golden("run-fails.txt", &steady(&came.out));
    assert!(fs::metadata(bench.path().join("captures/fails_builtin_v4_/capture.pcapng")).unwrap().len() > 0);
}

#[test]
fn the_line_that_repeats_a_case_runs_that_case_alone_with_the_same_seed() {
    let bench = Workbench::with(&[("two/a.toml", FAILS), ("two/b.toml", FAILS)]);
    bench.scandrill("run two --seed 7 --json first.json --quiet");
    let came =
        bench.command(&["run", "two", "--filter", "b[builtin,v4]", "--seed", "7", "--json", "again.json"]);
    assert_eq!(came.code, 1, "{}", came.err);
    let seeds = |name: &str| -> Vec<(String, u64)> {
        let report: serde_json::Value = serde_json::from_str(&bench.read(name)).unwrap();
        let cases = report["cases"].as_array().unwrap().iter();
        cases
            .map(|case| (case["name"].as_str().unwrap().to_owned(), case["seed"].as_u64().unwrap()))
            .collect()
    };
    assert_eq!(seeds("again.json"), seeds("first.json")[1..]);
}

#[test]
fn reports_are_written_also_when_a_case_fails() {
    let bench = Workbench::with(&[("a/fails.toml", FAILS), ("a/passes.toml", PASSES)]);
    let came = bench.scandrill("run a --json report.json --junit report.xml");
    assert_eq!(came.code, 1, "{}", came.err);
    let report: serde_json::Value = serde_json::from_str(&bench.read("report.json")).unwrap();
    assert_eq!(report["verdict"], "fail");
    assert!(!report["cases"][0]["events"].as_array().unwrap().is_empty());
    let schema = serde_json::from_str(&bench.scandrill("schema report").out).unwrap();
    assert!(jsonschema::is_valid(&schema, &report));
    let junit = bench.read("report.xml");
    let junit = roxmltree::Document::parse(&junit).unwrap();
    let tests = junit.descendants().filter(|node| node.has_tag_name("testcase")).count();
    let failures = junit.descendants().filter(|node| node.has_tag_name("failure")).count();
    assert_eq!((tests, failures), (2, 1));
}

#[test]
fn json_on_standard_output_is_all_that_is_there() {
    let came = Workbench::with(&[("a.toml", PASSES)]).scandrill("run a.toml --json -");
    let report: serde_json::Value = serde_json::from_str(&came.out).unwrap();
    assert_eq!(report["verdict"], "pass");
}

#[test]
fn quiet_says_nothing_until_the_end() {
    let came = Workbench::with(&[("a.toml", PASSES)]).scandrill("run a.toml --quiet");
    assert_eq!((came.code, came.err.as_str()), (0, ""), "{}", came.out);
    assert!(came.out.contains('a'), "{}", came.out);
}

#[test]
fn fail_fast_starts_nothing_more() {
    let bench = Workbench::with(&[("a/1.toml", FAILS), ("a/2.toml", PASSES), ("a/3.toml", PASSES)]);
    let came = bench.scandrill("run a --fail-fast --jobs 1");
    assert_eq!(came.code, 1, "{}", came.err);
    assert_eq!(came.err.lines().count(), 1, "{}", came.err);
    let came = bench.scandrill("run a --keep-going --jobs 1");
    assert_eq!(came.err.lines().count(), 3, "{}", came.err);
}

#[test]
fn what_is_missing_is_skipped_by_name_and_strict_makes_it_count() {
    let nmap = PASSES.replace("[[red]]", "[[red]]\nscanner = [\"builtin\", \"nmap\"]");
    let bench = Workbench::with(&[("a.toml", &nmap)]);
    // All programs but nmap; below the target folder, because a lab has its own /tmp.
    let programs = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let all = fs::read_dir("/usr/bin").unwrap().map(Result::unwrap);
    for program in all.filter(|program| program.file_name() != "nmap") {
        std::os::unix::fs::symlink(program.path(), programs.path().join(program.file_name())).unwrap();
    }
    let run = |strict: &[&str]| {
        let mut command = crate::binary::scandrill();
        command.args(["run", "a.toml"]).args(strict).current_dir(bench.path()).env("TMPDIR", bench.path());
        command.env("PATH", programs.path()).output().unwrap()
    };
    if Path::new("/usr/sbin/nmap").exists() || Path::new("/usr/local/sbin/nmap").exists() {
        return;
    }
    let ran = run(&[]);
    let out = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(0), "{out}");
    assert!(out.contains("`nmap`") && out.contains("apt-get install nmap"), "{out}");
    assert_eq!(run(&["--strict"]).status.code(), Some(4));
}

#[test]
fn a_target_that_nothing_lets_serve_sctp_is_skipped_with_the_command_that_mends_it() {
    let serves = PASSES.replace("\"tcp/22\"", "\"tcp/22\", \"sctp/2905\"");
    // What the linker finds first is no library.
    let bench = Workbench::with(&[("a.toml", &serves), ("libraries/libusrsctp.so.2", "")]);
    let protocols = fs::read_to_string("/proc/net/protocols").unwrap();
    let by_kernel = protocols.lines().any(|line| line.starts_with("SCTP "));
    let mut command = crate::binary::scandrill();
    command.args(["run", "a.toml"]).current_dir(bench.path()).env("TMPDIR", bench.path());
    let ran = command.env("LD_LIBRARY_PATH", bench.path().join("libraries")).output().unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(if by_kernel { 0 } else { 4 }), "{out}");
    let told = ["`libusrsctp.so.2`", "apt-get install libusrsctp2"].iter().all(|part| out.contains(part));
    assert_eq!(told, !by_kernel, "{out}");
}

#[test]
fn captures_stay_only_for_what_did_not_pass() {
    let bench = Workbench::with(&[("a/fails.toml", FAILS), ("a/passes.toml", PASSES), ("tmp/readme", "")]);
    let temporary = bench.path().join("tmp");
    let run = |path: &str| {
        let mut command = crate::binary::scandrill();
        command
            .args(["run", path, "--quiet"])
            .current_dir(bench.path())
            .env("TMPDIR", &temporary)
            .output()
            .unwrap();
        fs::read_dir(&temporary).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    };
    assert_eq!(run("a/passes.toml"), 0);
    assert_eq!(run("a/fails.toml"), 1);
    bench.scandrill("run a --pcap all --pcap-all --quiet");
    assert!(bench.path().join("all/passes_builtin_v4_/capture.pcapng").exists());
}
