//! What a boot takes away beside a network namespace: the programs that ran, and the files that are not on a disk.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::error::{During, LabError};
use crate::host::Host;

/// Folders that are empty after a boot.
const VOLATILE: [&str; 2] = ["/run", "/tmp"];
/// What the lab itself keeps there.
const OURS: &str = "scandrill";

/// Kills all programs that run in a host's network namespace. The worker, whose threads are in all of them, is in none
/// itself.
pub(crate) async fn kill_all(host: &Host) -> Result<(), LabError> {
    let what = || format!("kill what runs on {}", host.name());
    let work = || -> std::io::Result<()> {
        let own = fs::read_link("/proc/thread-self/ns/net")?;
        for entry in fs::read_dir("/proc")? {
            let path = entry?.path();
            // One that has ended meanwhile has no namespace.
            let is_here = fs::read_link(path.join("ns/net")).is_ok_and(|namespace| namespace == own);
            if let Some(process) = process(&path).filter(|_| is_here) {
                // As above, it may have ended.
                let _ = kill(process, Signal::SIGKILL);
            }
        }
        Ok(())
    };
    host.blocking(work).await?.during(what)
}

fn process(path: &Path) -> Option<Pid> {
    path.file_name()?.to_str()?.parse().ok().map(Pid::from_raw)
}

/// Empties what is kept in memory alone, but for the lab's own.
pub(crate) fn empty_folders() -> Result<(), LabError> {
    for folder in VOLATILE {
        let entries = fs::read_dir(folder).during(|| format!("list {folder}"))?;
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        paths.filter(|path| !path.ends_with(OURS)).try_for_each(|path| remove(&path))?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), LabError> {
    let is_folder = path.is_dir() && !path.is_symlink();
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.during(|| format!("remove {}", path.display()))
}
