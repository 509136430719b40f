//! The machine's processes, as `/proc` shows them: who started whom, and who is still there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

/// A process that cannot be taken for a later one with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    /// Its number.
    pub id: u32,
    /// In clock ticks since the machine's start.
    pub started: u64,
}

/// All processes of the machine with their parents (proc(5), `/proc/PID/stat`).
pub fn processes() -> BTreeMap<Process, u32> {
    let ids = fs::read_dir("/proc")
        .expect("/proc can be listed")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name before the last parenthesis may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some((Process { id, started: fields.get(19)?.parse().ok()? }, fields.get(1)?.parse().ok()?))
    })
    .collect()
}

/// Everything that `root` started, directly or not.
pub fn descendants(root: u32) -> BTreeSet<Process> {
    let all = processes();
    let mut family = BTreeSet::from([root]);
    let mut found = BTreeSet::new();
    loop {
        let before = found.len();
        for (process, parent) in &all {
            if family.contains(parent) {
                family.insert(process.id);
                found.insert(*process);
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// How many threads a process has.
pub fn threads_of(process: u32) -> usize {
    fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().count()
}

/// Sends a signal to a process.
#[expect(clippy::disallowed_methods, reason = "a signal is sent from outside, as a terminal does")]
pub fn signal(name: &str, process: u32) {
    let sent = Command::new("sh")
        .args(["-c", &format!("kill -{name} {process}")])
        .status()
        .expect("a shell can be run");
    assert!(sent.success());
}
