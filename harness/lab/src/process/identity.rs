//! Who the processes of a case are: the ids of their user namespace. As root all ids that root has; as an
//! ordinary user the range that `newuidmap` grants, or the user's one id.

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Command, exit};

use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, Pid, User, getegid, geteuid, getpid, pipe2};

use super::stage0::{code_of, fork_single_threaded};
use crate::error::{During, LabError};
use crate::machine;

/// How many ids a case uses at most: those of an ordinary system, 0 to 65535.
const IDS: u32 = 65_536;

/// A range of ids that the system lets a user give to a user namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdRange {
    first: u32,
    count: u32,
}

/// The range that `text`, which is /etc/subuid or /etc/subgid (see subuid(5)), grants to the user.
pub(crate) fn id_range(text: &str, name: &str, uid: u32) -> Option<IdRange> {
    let uid = uid.to_string();
    text.lines().find_map(|line| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (owner == name || owner == uid).then_some(IdRange { first, count })
    })
}

/// How ids inside are related to ids outside.
enum Ids {
    /// The same ids inside and outside.
    Same { users: u32, groups: u32 },
    /// 0 is the user, the others are a range of the user's.
    Range { users: IdRange, groups: IdRange, newuidmap: PathBuf, newgidmap: PathBuf },
    /// 0 is the user, and there is no other id.
    One,
}

impl Ids {
    fn of_this_process() -> Self {
        if geteuid().is_root() {
            return Self::Same {
                users: own_ids("/proc/self/uid_map"),
                groups: own_ids("/proc/self/gid_map"),
            };
        }
        range_of_this_user().unwrap_or(Self::One)
    }
}

/// How many ids, from 0 on, this process's user namespace has.
fn own_ids(map: &str) -> u32 {
    let text = fs::read_to_string(map).unwrap_or_default();
    let from_zero = text.lines().find_map(|line| {
        let mut numbers = line.split_whitespace();
        (numbers.next()? == "0").then(|| numbers.nth(1)?.parse().ok()).flatten()
    });
    from_zero.unwrap_or(1).min(IDS)
}

/// The range of ids of this user, with the programs that apply it.
fn range_of_this_user() -> Option<Ids> {
    let user = geteuid();
    let name = User::from_uid(user).ok().flatten().map(|user| user.name).unwrap_or_default();
    let range = |file: &str| id_range(&fs::read_to_string(file).ok()?, &name, user.as_raw());
    Some(Ids::Range {
        users: range("/etc/subuid")?,
        groups: range("/etc/subgid")?,
        newuidmap: machine::find_program("newuidmap")?,
        newgidmap: machine::find_program("newgidmap")?,
    })
}

/// Whether a case has more than one id.
pub(crate) fn has_range() -> bool {
    !matches!(Ids::of_this_process(), Ids::One)
}

/// A mapping that is about to be made. A user namespace's ids are written by a process outside of it, which
/// has to exist before this one goes in.
#[must_use = "an unmapped user namespace can do nothing"]
pub(super) enum Mapping {
    /// Needs nobody's help.
    One { user: u32, group: u32 },
    /// A child outside, which waits for a byte, and the pipe by which it tells what went wrong.
    Helped { helper: Pid, go: OwnedFd, says: OwnedFd },
}

impl Mapping {
    /// Before the namespace is made.
    pub(super) fn prepare() -> Result<Self, LabError> {
        let ids = Ids::of_this_process();
        if matches!(ids, Ids::One) {
            return Ok(Self::One { user: geteuid().as_raw(), group: getegid().as_raw() });
        }
        let (go_end, go) = pipe2(OFlag::O_CLOEXEC).during(|| "make a pipe".to_owned())?;
        let (says, says_end) = pipe2(OFlag::O_CLOEXEC).during(|| "make a pipe".to_owned())?;
        let namespace_of = getpid();
        match fork_single_threaded().during(|| "fork the id mapper".to_owned())? {
            ForkResult::Parent { child } => Ok(Self::Helped { helper: child, go, says }),
            ForkResult::Child => {
                drop(go);
                help(&ids, namespace_of, go_end, says_end)
            }
        }
    }

    /// Inside the namespace.
    pub(super) fn apply(self) -> Result<(), LabError> {
        match self {
            Self::One { user, group } => {
                // The kernel demands it before an unprivileged process may map its group.
                write("/proc/self/setgroups", "deny")?;
                write("/proc/self/uid_map", &format!("0 {user} 1"))?;
                write("/proc/self/gid_map", &format!("0 {group} 1"))
            }
            Self::Helped { helper, go, says } => {
                fs::File::from(go).write_all(b"!").during(|| "start the id mapper".to_owned())?;
                let mut told = String::new();
                fs::File::from(says).read_to_string(&mut told).during(|| "hear the id mapper".to_owned())?;
                let done = code_of(helper) == 0;
                if done { Ok(()) } else { Err(refused(told)) }
            }
        }
    }
}

fn refused(told: String) -> LabError {
    let operation = "map user and group ids".to_owned();
    LabError::Io { operation, source: io::Error::other(told) }
}

/// The helper outside: waits until the namespace exists, maps its ids, and ends.
fn help(ids: &Ids, namespace_of: Pid, go: OwnedFd, says: OwnedFd) -> ! {
    let started = fs::File::from(go).read_exact(&mut [0]);
    let mapped = started.map_err(|error| error.to_string()).and_then(|()| map(ids, namespace_of));
    if let Err(error) = &mapped {
        // A stage 0 that has gone does not mind.
        let _ = fs::File::from(says).write_all(error.as_bytes());
    }
    exit(i32::from(mapped.is_err()))
}

fn map(ids: &Ids, process: Pid) -> Result<(), String> {
    match ids {
        Ids::Same { users, groups } => write(&format!("/proc/{process}/uid_map"), &format!("0 0 {users}"))
            .and_then(|()| write(&format!("/proc/{process}/gid_map"), &format!("0 0 {groups}")))
            .map_err(|error| error.to_string()),
        Ids::Range { users, groups, newuidmap, newgidmap } => {
            run_mapper(newuidmap, process, geteuid().as_raw(), *users)?;
            run_mapper(newgidmap, process, getegid().as_raw(), *groups)
        }
        Ids::One => Ok(()),
    }
}

/// Runs newuidmap(1) or newgidmap(1), which are privileged to do this.
#[expect(clippy::disallowed_methods, reason = "the lab is where processes are started")]
fn run_mapper(program: &PathBuf, process: Pid, own: u32, range: IdRange) -> Result<(), String> {
    let count = range.count.min(IDS - 1);
    let arguments = [process.as_raw().unsigned_abs(), 0, own, 1, 1, range.first, count];
    let done = Command::new(program).args(arguments.map(|number| number.to_string())).output();
    match done {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("{}: {error}", program.display())),
    }
}

fn write(path: &str, text: &str) -> Result<(), LabError> {
    fs::write(path, text).during(|| format!("write `{text}` to {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_granted_by_name_or_by_number() {
        let text = "ann:100000:65536\n1001:165536:1000\nbroken:x:y\n";
        assert_eq!(id_range(text, "ann", 1000), Some(IdRange { first: 100_000, count: 65_536 }));
        assert_eq!(id_range(text, "bob", 1001), Some(IdRange { first: 165_536, count: 1000 }));
        assert_eq!(id_range(text, "eve", 1002), None);
        assert_eq!(id_range(text, "broken", 1002), None);
    }
}
