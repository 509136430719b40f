//! The runner's side of a case: starting its processes, hearing from them, ending them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::{Builder, JoinHandle};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::unistd::{getpgrp, pipe2, tcsetpgrp};

use super::handover::{Handover, Purpose, job_file, open_folder};
use super::{MARKER, stage0};
use crate::error::{During, LabError};

/// How much of a worker's last words is kept, in bytes.
const LAST_WORDS: usize = 64 * 1024;

/// Whether the worker has the runner's terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terminal {
    /// No: what it prints is kept for diagnosis. Ctrl-C reaches the runner alone.
    #[default]
    None,
    /// Yes, for an interactive shell.
    Inherit,
}

/// What a worker is given beside its job.
#[derive(Clone, Debug, Default)]
pub struct WorkerOptions {
    /// The folder, on the machine, into which it may write captures.
    pub captures: Option<PathBuf>,
    /// Whose terminal it has.
    pub terminal: Terminal,
    /// Whether it is to have verdicts from inside the kernel, where they can be had. Loading them takes about as long
    /// as half a thousand probes, so they are for scans of many ports.
    pub verdicts: bool,
}

/// A case's processes. Dropping it ends them all: nothing of a case outlives its handle.
#[must_use = "dropping it ends the worker"]
#[derive(Debug)]
pub struct Worker {
    stage0: Child,
    lifeline: Option<OwnedFd>,
    events: Option<File>,
    last_words: Option<JoinHandle<String>>,
    terminal: Terminal,
}

/// How a worker ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerExit {
    /// What the work returned; `None` when its processes were killed.
    pub code: Option<u8>,
    /// The last that it printed, for diagnosis.
    pub stderr: String,
}

impl Worker {
    /// Starts a case's processes. The binary must call [`super::dispatch`] first thing in its `main`. It may be
    /// called from any thread, also from several at once.
    pub fn start(job: &[u8], options: &WorkerOptions) -> Result<Self, LabError> {
        Self::start_for(Purpose::Work, job, options)
    }

    /// Starts processes that isolate themselves and end.
    pub(crate) fn start_check() -> Result<Self, LabError> {
        Self::start_for(Purpose::Check, &[], &WorkerOptions::default())
    }

    fn start_for(purpose: Purpose, job: &[u8], options: &WorkerOptions) -> Result<Self, LabError> {
        if stage0::is_reexecuted() {
            let rule = "the binary must call scandrill_lab::dispatch first thing in its main function";
            return Err(LabError::BadPlan(rule.to_owned()));
        }
        let (lifeline_end, lifeline) = pipe("lifeline")?;
        let (events, events_end) = pipe("event")?;
        let captures = options.captures.as_deref().map(open_folder).transpose()?;
        let handover = Handover {
            purpose,
            verdicts: options.verdicts,
            job: job_file(job)?,
            events: events_end.into(),
            lifeline: lifeline_end,
            captures,
        };
        let (stage0, last_words) = start_process(&handover, options.terminal)?;
        Ok(Self {
            stage0,
            lifeline: Some(lifeline),
            events: Some(events.into()),
            last_words,
            terminal: options.terminal,
        })
    }

    /// The case's events, JSON lines. They end when everything inside has ended, so a reader needs no other
    /// sign.
    ///
    /// # Panics
    /// When it is called twice: a pipe has one reader.
    pub fn take_events(&mut self) -> File {
        self.events.take().expect("a worker's events are taken once")
    }

    /// What holds the case alive, for who may have to end it while another waits for it.
    pub fn take_lifeline(&mut self) -> Lifeline {
        Lifeline(self.lifeline.take())
    }

    /// Waits until everything inside has ended.
    pub fn wait(mut self) -> Result<WorkerExit, LabError> {
        // Nobody reads events that were not taken; a worker must not wait for them.
        self.events = None;
        let status = self.stage0.wait().during(|| "wait for the worker".to_owned())?;
        if self.terminal == Terminal::Inherit {
            take_terminal_back().during(|| "take the terminal back".to_owned())?;
        }
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        let stderr = self.last_words.take().and_then(|thread| thread.join().ok()).unwrap_or_default();
        Ok(WorkerExit { code, stderr })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.events = None;
        self.lifeline = None;
        // Ends within milliseconds, since the lifeline is cut; also when it was waited for already.
        let _ = self.stage0.wait();
    }
}

/// Keeps a case alive; dropping it ends all its processes.
#[must_use = "dropping it ends the worker"]
#[derive(Debug)]
pub struct Lifeline(#[expect(dead_code, reason = "held for its end alone")] Option<OwnedFd>);

/// A shell makes itself the terminal's foreground group, and cannot name the group that was it before, which is
/// outside of its PID namespace. Without this, the runner would be stopped at its next word to the terminal.
fn take_terminal_back() -> nix::Result<()> {
    if !io::stdin().is_terminal() {
        return Ok(());
    }
    // Asking from the background raises this signal, which would stop the asker.
    let mut stop = SigSet::empty();
    stop.add(Signal::SIGTTOU);
    let before = stop.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let done = tcsetpgrp(io::stdin(), getpgrp());
    before.thread_set_mask()?;
    match done {
        // A terminal, but another session's; it was never this one's to give.
        Err(Errno::ENOTTY) => Ok(()),
        other => other,
    }
}

fn pipe(what: &str) -> Result<(OwnedFd, OwnedFd), LabError> {
    pipe2(OFlag::O_CLOEXEC).during(|| format!("make the {what} pipe"))
}

#[expect(clippy::disallowed_methods, reason = "the lab is where processes are started")]
fn start_process(
    handover: &Handover,
    terminal: Terminal,
) -> Result<(Child, Option<JoinHandle<String>>), LabError> {
    let (args, files) = handover.to_args();
    let mut command = Command::new("/proc/self/exe");
    command.arg0(MARKER).args(args);
    keep_open(&mut command, files);
    if terminal == Terminal::Inherit {
        let stage0 = command.spawn().during(|| "start the worker".to_owned())?;
        return Ok((stage0, None));
    }
    let (words, stdout) = pipe("output")?;
    let stderr = stdout.try_clone().during(|| "share the output pipe".to_owned())?;
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
    let stage0 = command.spawn().during(|| "start the worker".to_owned())?;
    Ok((stage0, Some(keep_last_words(words.into())?)))
}

/// Lets the new process keep `files`. Only there does the flag change, so that processes which other threads
/// start at the same moment get none of them.
#[expect(unsafe_code, reason = "Command has no safe way to pass on a descriptor")]
fn keep_open(command: &mut Command, files: Vec<RawFd>) {
    let keep = move || {
        for &file in &files {
            // SAFETY: the runner's `Handover` holds the file open until after the process has started.
            let file = unsafe { BorrowedFd::borrow_raw(file) };
            fcntl(file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec, the closure makes one async-signal-safe system call for each file.
    unsafe { command.pre_exec(move || keep().map_err(|error: Errno| io::Error::from(error))) };
}

fn keep_last_words(mut from: File) -> Result<JoinHandle<String>, LabError> {
    let read = move || {
        let mut kept = VecDeque::new();
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            kept.extend(&chunk[..length]);
            kept.drain(..kept.len().saturating_sub(LAST_WORDS));
        }
        String::from_utf8_lossy(kept.make_contiguous()).into_owned()
    };
    Builder::new()
        .name("last-words".to_owned())
        .spawn(read)
        .during(|| "start reading the worker's words".to_owned())
}
