//! What this machine has: programs, ids, the kernel, and whether it allows a lab at all. For those who say what
//! is missing; it changes nothing.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::utsname::uname;
use nix::unistd::geteuid;
use scandrill_model::{Event, What};

use crate::process::{Worker, has_range};
use crate::unpacked::is_executable;

/// Where a lab keeps the programs that it chose among several, first on its search path.
pub(crate) const LAB_PROGRAMS: &str = "/run/scandrill/bin";

/// Where administrators' programs are, which an ordinary user's PATH may lack.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The folders in which programs are looked for, as the value of PATH.
pub fn search_path() -> OsString {
    // A folder whose name holds a colon cannot be in a PATH at all, so joining what was split never fails.
    env::join_paths(folders()).unwrap_or_else(|_| env::var_os("PATH").unwrap_or_default())
}

/// The executable file `name` in the search path, or `name` itself when it is an absolute path.
pub fn find_program(name: &str) -> Option<PathBuf> {
    folders().map(|folder| folder.join(name)).find(|path| is_executable(path))
}

pub(crate) fn folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let users: Vec<PathBuf> = env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    std::iter::once(PathBuf::from(LAB_PROGRAMS)).chain(users).chain(SYSTEM_FOLDERS.map(PathBuf::from))
}

/// Why this machine gives no lab, and the command that mends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unable {
    /// What stands in the way.
    pub why: String,
    /// What an administrator types.
    pub mend: String,
}

/// Tries to isolate a process as a case is isolated. When that fails it says why, as far as the kernel tells,
/// and how to mend it. The binary must call [`crate::dispatch`] first thing in its `main`.
pub fn check_isolation() -> Result<(), Unable> {
    try_isolation().map_err(|failure| {
        let switches = SWITCHES.iter().filter(|switch| !(switch.spares_root && is_root()));
        let known = switches.filter(|switch| read_switch(switch.path).as_deref() == Some(switch.forbids));
        known.map(Switch::unable).next().unwrap_or_else(|| unknown(failure))
    })
}

/// Why a case has but one id on this machine, though it would have more with a package or a line in a file;
/// `None` when it has a range.
pub fn check_user_id_range() -> Option<Unable> {
    if has_user_id_range() {
        return None;
    }
    if find_program("newuidmap").is_none() || find_program("newgidmap").is_none() {
        let why = "newuidmap and newgidmap are not installed".to_owned();
        return Some(Unable { why, mend: "sudo apt-get install uidmap".to_owned() });
    }
    let why = "/etc/subuid and /etc/subgid grant this user no range of ids".to_owned();
    let mend = "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\"".to_owned();
    Some(Unable { why, mend })
}

/// Whether a case has more than one user id: as root, or by a range that newuidmap(1) grants.
pub fn has_user_id_range() -> bool {
    has_range()
}

/// Whether this process is root.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The running kernel's release, such as `6.1.0-18-amd64`.
pub fn kernel_release() -> String {
    uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default()
}

/// How many processors this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The first line that `name --version` prints; `None` when there is no such program or it prints nothing.
#[expect(clippy::disallowed_methods, reason = "the lab is where processes are started")]
pub fn program_version(name: &str) -> Option<String> {
    let mut command = Command::new(find_program(name)?);
    let output = command.arg("--version").env("LC_ALL", "C").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

/// A kernel parameter that can forbid namespaces.
struct Switch {
    path: &'static str,
    /// The value that forbids.
    forbids: &'static str,
    /// Whether it forbids only what ordinary users do.
    spares_root: bool,
    why: &'static str,
    mend: &'static str,
}

impl Switch {
    fn unable(&self) -> Unable {
        Unable { why: self.why.to_owned(), mend: self.mend.to_owned() }
    }
}

const SWITCHES: [Switch; 3] = [
    Switch {
        path: "/proc/sys/user/max_user_namespaces",
        forbids: "0",
        spares_root: false,
        why: "user namespaces are switched off (user.max_user_namespaces = 0)",
        mend: "sudo sysctl -w user.max_user_namespaces=15000",
    },
    Switch {
        path: "/proc/sys/kernel/unprivileged_userns_clone",
        forbids: "0",
        spares_root: true,
        why: "ordinary users may not make user namespaces (kernel.unprivileged_userns_clone = 0)",
        mend: "sudo sysctl -w kernel.unprivileged_userns_clone=1",
    },
    Switch {
        path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        forbids: "1",
        spares_root: true,
        why: "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns = 1)",
        mend: "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    },
];

fn read_switch(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// In a container, the usual reason is what its runtime masks and forbids.
fn unknown(failure: String) -> Unable {
    let mend = "in a container, start it with --privileged, or with \
                --security-opt seccomp=unconfined --security-opt systempaths=unconfined";
    Unable { why: failure, mend: mend.to_owned() }
}

fn try_isolation() -> Result<(), String> {
    let mut worker = Worker::start_check().map_err(|error| error.to_string())?;
    let mut events = String::new();
    worker.take_events().read_to_string(&mut events).map_err(|error| error.to_string())?;
    let ended = worker.wait().map_err(|error| error.to_string())?;
    if ended.code == Some(0) {
        return Ok(());
    }
    let problem = events.lines().find_map(|line| {
        let What::Problem { error, .. } = serde_json::from_str::<Event>(line).ok()?.what else { return None };
        Some(error)
    });
    Err(problem
        .unwrap_or_else(|| format!("the isolated process ended with {:?}: {}", ended.code, ended.stderr)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_where_an_ordinary_path_does_not_look() {
        let shell = find_program("sh").unwrap();
        assert!(shell.is_absolute());
        assert_eq!(find_program(shell.to_str().unwrap()), Some(shell));
        assert_eq!(find_program("no-such-program-anywhere"), None);
        let path = search_path().into_string().unwrap();
        assert!(path.starts_with("/run/scandrill/bin:") && path.contains("/usr/sbin"), "{path}");
    }

    #[test]
    fn the_kernel_and_its_processors_are_known() {
        assert!(kernel_release().starts_with(|first: char| first.is_ascii_digit()));
        assert!(cores() >= 1);
    }
}
