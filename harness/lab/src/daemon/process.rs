//! A process that is nobody's child here: known by its number and when it began, as numbers are used again.

use std::fmt;
use std::fs;
use std::str::FromStr;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

/// The leader of a process group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    id: i32,
    /// In ticks since the machine's start, as proc_pid_stat(5) has it.
    began: u64,
}

impl Process {
    /// The process of that number; `None` when there is none.
    pub(super) fn of(id: u32) -> Option<Self> {
        let id = i32::try_from(id).ok()?;
        Some(Self { id, began: stat(id)?.1 })
    }

    /// Its number.
    pub(super) fn id(self) -> i32 {
        self.id
    }

    /// Whether it runs. One that has ended and was not yet reaped does not.
    pub(super) fn is_alive(self) -> bool {
        stat(self.id).is_some_and(|(state, began)| began == self.began && !matches!(state, 'Z' | 'X'))
    }

    /// Sends it a signal.
    pub(super) fn signal(self, signal: Signal) {
        if self.is_alive() {
            // It may end at this very moment, which is as good.
            let _ = kill(Pid::from_raw(self.id), signal);
        }
    }

    /// Kills what is left of its group.
    pub(super) fn kill_group(self) {
        // A group that is gone already needs no signal. Its number is not used again while one of it lives.
        let _ = killpg(Pid::from_raw(self.id), Signal::SIGKILL);
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.began)
    }
}

impl FromStr for Process {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (id, began) = text.split_once(' ').ok_or(())?;
        Ok(Self { id: id.parse().map_err(drop)?, began: began.parse().map_err(drop)? })
    }
}

/// A process's state and when it began: the third field of its line, and the twenty-second. The second is its name in
/// brackets, which may hold anything.
fn stat(id: i32) -> Option<(char, u64)> {
    let line = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = line.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_number_and_its_beginning() {
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.is_alive());
        assert_eq!(own.to_string().parse(), Ok(own));
        let earlier = Process { began: own.began - 1, ..own };
        assert!(!earlier.is_alive(), "another process of the same number");
        assert_eq!(Process::of(u32::MAX), None);
    }
}
