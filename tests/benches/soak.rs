//! One scenario, hundreds of times, while something else keeps every core busy: no flake, and nothing left behind
//! (processes, namespaces, memory, files).
//!
//! `cargo bench -p scandrill-tests --bench soak`
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scandrill_engine::{RunOptions, SourceFile, expand, plan_all, read, run, work};
use scandrill_lab::{dispatch, machine};
use scandrill_model::Verdict;

/// How many cases.
const RUNS: u32 = 500;

fn scenario() -> String {
    format!(
        r#"
family = "v4"
repeat = {RUNS}
[target]
services = ["tcp/22", "tcp/80 http"]
defense  = [{{ layer = "manual/recent" }}]
[[red]]
technique = "tcp-syn"
ports     = "1-60"
expect.answered = 9
expect.rest     = "filtered"
expect.ban      = {{ lands_within_probes = 10 }}
[[green]]
client = "http tcp/80"
count  = 5
"#
    )
}

fn main() {
    dispatch(work);
    let file = SourceFile::new("soak.toml", scenario());
    let scenario =
        Arc::new(read("soak", &file, &|path| Err(format!("no {path}"))).expect("the scenario is right"));
    let captures = tempfile::tempdir().expect("a directory").keep();
    let planned = plan_all(expand(&scenario, &[]), 1, |_| String::new()).expect("it can be planned");
    let jobs = machine::cores() * 2;
    let options = RunOptions {
        seed: 1,
        jobs,
        fail_fast: false,
        captures,
        keep_all_captures: false,
        keep_events: false,
    };
    let before = Left::now();
    let busy = AtomicBool::new(true);
    let report = std::thread::scope(|scope| {
        for _ in 0..machine::cores() {
            scope.spawn(|| {
                while busy.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let report = run(&planned, &options, &|_| ());
        busy.store(false, Ordering::Relaxed);
        report
    });
    let after = Left::now();
    let passed = report.cases.iter().filter(|case| case.verdict == Verdict::Pass).count();
    println!(
        "{passed} of {} cases passed in {} ms, {jobs} at a time, every core busy beside them",
        report.cases.len(),
        report.took.0
    );
    println!("before: {before}\nafter:  {after}");
    for case in report.cases.iter().filter(|case| case.verdict != Verdict::Pass) {
        println!("{}: {:?} {:?}", case.name, case.problems, case.findings);
    }
    assert_eq!(passed, planned.len(), "a case flaked");
    assert!(
        after.namespaces <= before.namespaces && after.children == before.children,
        "something was left behind"
    );
}

/// What a leak would show in.
struct Left {
    children: usize,
    namespaces: usize,
    descriptors: usize,
    resident_kib: u64,
}

impl Left {
    fn now() -> Self {
        let own = std::process::id();
        let processes = processes();
        let children = processes.iter().filter(|pid| parent_of(pid) == Some(own)).count();
        let namespace = |pid: &String| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        let namespaces: BTreeSet<_> = processes.iter().filter_map(namespace).collect();
        let descriptors = fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        Self { children, namespaces: namespaces.len(), descriptors, resident_kib: resident_kib() }
    }
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { children, namespaces, descriptors, resident_kib } = self;
        write!(
            f,
            "{children} children, {namespaces} network namespaces, {descriptors} descriptors, {resident_kib} KiB resident"
        )
    }
}

fn processes() -> Vec<String> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

/// The fourth field of `/proc/PID/stat`, after the name in brackets (proc_pid_stat(5)).
fn parent_of(pid: &str) -> Option<u32> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
}
