//! PID 1 of a case. It makes the mounts, starts the worker, reaps what others leave, and ends when the worker
//! or the runner does; the kernel then ends whatever is left.

use std::any::Any;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, sethostname};

use super::handover::{Handover, Purpose, report};
use super::mounts;
use super::stage0::{Inside, Work, exit_code, fork_single_threaded, not_isolated};
use crate::VerdictSource;
use crate::error::{During, LabError};

/// The exit code of a worker whose work panicked, as Rust's own.
const PANICKED: u8 = 101;
/// How many files may be open at once, where the machine allows as many.
const OPEN_FILES: u64 = 65_536;
/// The exit code of a case whose runner has gone; nobody reads it.
const ABANDONED: u8 = 129;

/// The life of init, and in its child that of the worker: the exit code.
pub(super) fn run(
    handover: &mut Handover,
    daemons: &Path,
    verdicts: Option<VerdictSource>,
    work: Work,
) -> u8 {
    let prepared = isolate(daemons);
    if let Err(error) = prepared {
        return not_isolated(&handover.events, &error);
    }
    if handover.purpose == Purpose::Check {
        return 0;
    }
    match fork_single_threaded().during(|| "fork the worker".to_owned()) {
        Ok(ForkResult::Parent { child }) => watch(handover, child),
        Ok(ForkResult::Child) => become_worker(handover, verdicts, work),
        Err(error) => not_isolated(&handover.events, &error),
    }
}

fn isolate(daemons: &Path) -> Result<(), LabError> {
    // Stage 0 has one thread, so this comes when stage 0 ends and not earlier.
    set_pdeathsig(Signal::SIGKILL).during(|| "ask for a signal at the end of stage 0".to_owned())?;
    allow_many_files().during(|| "raise the limit of open files".to_owned())?;
    sethostname("scandrill").during(|| "set the host name".to_owned())?;
    mounts::make_private(daemons)
}

/// A connect scan holds thousands of sockets; how many must not depend on the user's shell.
fn allow_many_files() -> nix::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(OPEN_FILES), hard)
}

fn become_worker(handover: &mut Handover, verdicts: Option<VerdictSource>, work: Work) -> u8 {
    let started = handover.read_job().and_then(|job| {
        let events = handover.events.try_clone().during(|| "share the event pipe".to_owned())?;
        Ok((job, Inside { events, captures: handover.captures.take(), verdicts }))
    });
    let (job, inside) = match started {
        Ok(started) => started,
        Err(error) => return not_isolated(&handover.events, &error),
    };
    catch_unwind(AssertUnwindSafe(|| work(job, inside))).unwrap_or_else(|panic| {
        report(&handover.events, "work", &format!("panicked: {}", words_of(panic.as_ref())));
        PANICKED
    })
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

/// Reaps until the worker or the runner has ended.
fn watch(handover: &Handover, worker: Pid) -> u8 {
    match watch_until_end(&handover.lifeline, worker) {
        Ok(End::Worker(status)) => {
            report_signal(&handover.events, status);
            exit_code(status).unwrap_or(u8::MAX)
        }
        Ok(End::Runner) => ABANDONED,
        Err(error) => {
            report(&handover.events, "watch over the worker", &error.to_string());
            u8::MAX
        }
    }
}

enum End {
    Worker(WaitStatus),
    Runner,
}

fn watch_until_end(lifeline: &OwnedFd, worker: Pid) -> Result<End, LabError> {
    let mut child_ended = SigSet::empty();
    child_ended.add(Signal::SIGCHLD);
    child_ended.thread_block().during(|| "block SIGCHLD".to_owned())?;
    let signals = SignalFd::with_flags(&child_ended, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
        .during(|| "listen for SIGCHLD".to_owned())?;
    loop {
        if let Some(status) = reap(worker).during(|| "reap".to_owned())? {
            return Ok(End::Worker(status));
        }
        let mut ends = [
            PollFd::new(lifeline.as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ends, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).during(|| "poll".to_owned()),
        }
        if ends[0].any().unwrap_or(true) {
            return Ok(End::Runner);
        }
        // Signals of one kind merge; what counts is that there was one.
        while let Ok(Some(_)) = signals.read_signal() {}
    }
}

/// Reaps all that has ended; the worker's status when it is among them.
fn reap(worker: Pid) -> nix::Result<Option<WaitStatus>> {
    loop {
        let status = waitpid(None, Some(WaitPidFlag::WNOHANG))?;
        if status == WaitStatus::StillAlive {
            return Ok(None);
        }
        if status.pid() == Some(worker) && exit_code(status).is_some() {
            return Ok(Some(status));
        }
    }
}

fn report_signal(events: &File, status: WaitStatus) {
    if let WaitStatus::Signaled(_, signal, _) = status {
        report(events, "work", &format!("the worker was ended by {signal}"));
    }
}
