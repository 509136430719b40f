//! The first process of a case: it makes the namespaces and waits for their init. And the door to it,
//! [`dispatch`], which every binary that runs cases has as its first call.

use std::env;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::process::exit;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};

use super::handover::{Handover, report};
use super::identity::Mapping;
use super::{MARKER, NOT_ISOLATED, init};
use crate::VerdictSource;
use crate::error::{During, LabError};
use crate::unpacked;
use crate::{daemon, standin};

/// What the worker is given beside its job.
#[derive(Debug)]
pub struct Inside {
    /// Where events go, one JSON object a line, each written whole.
    pub events: File,
    /// The folder into which captures may be written.
    pub captures: Option<OwnedFd>,
    /// What reads replies to a scan inside the kernel, where that was asked for and the kernel lets it be loaded.
    pub verdicts: Option<VerdictSource>,
}

/// The work of a case, done in the worker: its job, what it is given, and its exit code.
pub(super) type Work = fn(job: Vec<u8>, inside: Inside) -> u8;

/// Must be the first call in `main`. It returns at once in an ordinary process; in a re-executed one it never
/// does: that one becomes a process of a case, and `work` runs in its worker, or it stands in for a tool or starts
/// and stops a daemon inside a case.
pub fn dispatch(work: Work) {
    standin::dispatch();
    daemon::dispatch();
    if !is_reexecuted() {
        return;
    }
    let Some(mut handover) = Handover::from_args(env::args_os().skip(1)) else {
        exit(NOT_ISOLATED.into());
    };
    // Only here may it be asked, and loaded: no user namespace has been entered.
    let daemons = unpacked::folder();
    let verdicts = handover.verdicts.then(VerdictSource::load).flatten();
    let code = match enter() {
        Ok(Side::Outside(init)) => code_of(init),
        Ok(Side::Inside) => init::run(&mut handover, &daemons, verdicts, work),
        Err(error) => not_isolated(&handover.events, &error),
    };
    exit(code.into())
}

/// Whether this process was started as a process of a case.
pub(super) fn is_reexecuted() -> bool {
    env::args_os().next().is_some_and(|name| name == MARKER)
}

/// Tells the runner why there will be no lab.
pub(super) fn not_isolated(events: &File, error: &LabError) -> u8 {
    report(events, "isolate", &error.to_string());
    NOT_ISOLATED
}

enum Side {
    /// Still stage 0, with init as its child.
    Outside(Pid),
    /// Init.
    Inside,
}

/// Makes the namespaces and, in them, init.
fn enter() -> Result<Side, LabError> {
    close_on_exec()?;
    let mapping = Mapping::prepare()?;
    let spaces = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWPID;
    unshare(spaces).during(|| "make user, mount, network, IPC, UTS and PID namespaces".to_owned())?;
    mapping.apply()?;
    Ok(match fork_single_threaded().during(|| "fork init".to_owned())? {
        ForkResult::Parent { child } => Side::Outside(child),
        ForkResult::Child => Side::Inside,
    })
}

/// Keeps from the programs of a case whatever open files the runner was itself started with.
#[expect(unsafe_code, reason = "the C library's close_range has no safe wrapper")]
fn close_on_exec() -> Result<(), LabError> {
    let flags = i32::try_from(libc::CLOSE_RANGE_CLOEXEC).unwrap_or(0);
    // SAFETY: it takes numbers alone and closes nothing now.
    let done = unsafe { libc::close_range(3, u32::MAX, flags) };
    Errno::result(done)
        .map(drop)
        .during(|| "close the machine's files on exec (Linux 5.11 or newer)".to_owned())
}

/// Forks a process that has one thread; the caller is one of the first three processes of a case, which are.
#[expect(unsafe_code, reason = "fork is unsafe where other threads hold locks; here are none")]
pub(super) fn fork_single_threaded() -> nix::Result<ForkResult> {
    // SAFETY: `dispatch` is the first call of main and starts no thread before the worker's work begins, so
    // no lock can be held by a thread that does not exist in the child.
    unsafe { fork() }
}

/// Waits for `child` and passes its exit code on; a signal becomes 128 and its number, as shells do.
pub(super) fn code_of(child: Pid) -> u8 {
    loop {
        match waitpid(child, None) {
            Ok(status) => {
                if let Some(code) = exit_code(status) {
                    return code;
                }
            }
            Err(Errno::EINTR) => {}
            Err(_) => return NOT_ISOLATED,
        }
    }
}

/// The exit code of a process that has ended; `None` when it has only been stopped or continued.
pub(super) fn exit_code(status: WaitStatus) -> Option<u8> {
    match status {
        WaitStatus::Exited(_, code) => Some(u8::try_from(code).unwrap_or(u8::MAX)),
        WaitStatus::Signaled(_, signal, _) => Some(u8::try_from(128 + signal as i32).unwrap_or(u8::MAX)),
        WaitStatus::Stopped(..)
        | WaitStatus::PtraceEvent(..)
        | WaitStatus::PtraceSyscall(_)
        | WaitStatus::Continued(_)
        | WaitStatus::StillAlive => None,
    }
}
