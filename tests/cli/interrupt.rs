//! Ctrl-C and SIGKILL: nothing of a run outlives it, neither a process nor a namespace.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use scandrill_lab::wait;

use crate::binary::scandrill;
use crate::processes::{Process, descendants, processes, signal, threads_of};
use crate::workbench::Workbench;

/// Takes far longer than any test waits.
const LONG: &str = r#"
family = "v4"
[target]
services = ["tcp/22"]
[[red]]
technique = "tcp-syn"
ports = "1-1000"
rate = "1/s"
expect.open = "22"
expect.rest = "closed"
"#;

const PATIENCE: Duration = Duration::from_secs(20);

/// A process has a namespace for each of its threads. Those of other users cannot be read.
fn namespaces_of(process: u32) -> BTreeSet<PathBuf> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten();
    threads.filter_map(|thread| fs::read_link(thread.ok()?.path().join("ns/net")).ok()).collect()
}

/// A run that stands in the middle of its case.
struct Running {
    child: Child,
    bench: Workbench,
    /// What it has started: stage 0, init, the worker.
    processes: BTreeSet<Process>,
    namespaces: BTreeSet<PathBuf>,
    /// Everything that ran on the machine beside it.
    standing: BTreeSet<Process>,
}

impl Running {
    fn start() -> Self {
        let bench = Workbench::with(&[("long.toml", LONG), ("tmp/readme", "")]);
        let child = scandrill()
            .args(["run", "long.toml", "--quiet"])
            .env("TMPDIR", bench.path().join("tmp"))
            .current_dir(bench.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The worker has a thread for each host: the lab stands when target, red and the reference have theirs.
        let processes = wait::until_blocking("the lab of the long scenario", PATIENCE, || {
            let processes = descendants(child.id());
            let stands = processes.iter().any(|process| threads_of(process.id) >= 4);
            Ok(stands.then_some(processes))
        })
        .unwrap();
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        let namespaces =
            processes.iter().flat_map(|process| namespaces_of(process.id)).filter(|one| *one != own);
        let standing = crate::processes::processes().into_keys().collect();
        Self { namespaces: namespaces.collect(), standing, processes, child, bench }
    }

    /// The process with the hosts' threads.
    fn worker(&self) -> u32 {
        self.processes.iter().max_by_key(|process| threads_of(process.id)).unwrap().id
    }

    /// Waits for the run's end, and looks for what it has left.
    fn ends_and_leaves_nothing(self) -> (Output, Workbench) {
        let ended = self.child.wait_with_output().unwrap();
        wait::until_blocking("the end of the run's processes", PATIENCE, || {
            let left = processes().into_keys().any(|process| self.processes.contains(&process));
            Ok((!left).then_some(()))
        })
        .unwrap();
        // The number of a namespace that is gone may be another's by now, so only who was there before can hold it.
        let still_there = processes().into_keys().filter(|process| self.standing.contains(process));
        let occupied: BTreeSet<PathBuf> = still_there.flat_map(|process| namespaces_of(process.id)).collect();
        assert_eq!(occupied.intersection(&self.namespaces).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
        (ended, self.bench)
    }
}

#[test]
fn nothing_outlives_ctrl_c_not_even_a_folder_for_captures() {
    let running = Running::start();
    signal("INT", running.child.id());
    let (ended, bench) = running.ends_and_leaves_nothing();
    assert_eq!(ended.status.code(), Some(130));
    let left = fs::read_dir(bench.path().join("tmp")).unwrap();
    assert_eq!(left.filter(|entry| entry.as_ref().unwrap().path().is_dir()).count(), 0);
}

#[test]
fn nothing_outlives_a_run_that_is_killed() {
    let running = Running::start();
    signal("KILL", running.child.id());
    let (ended, _) = running.ends_and_leaves_nothing();
    assert_eq!(ended.status.code(), None);
}

#[test]
fn nothing_outlives_a_worker_that_is_killed_and_the_run_says_that_it_cannot_judge() {
    let running = Running::start();
    signal("KILL", running.worker());
    let (ended, _) = running.ends_and_leaves_nothing();
    let page = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{page}");
    assert!(page.contains("ERROR"), "{page}");
}
