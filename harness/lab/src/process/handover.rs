//! What the runner gives to the processes of a case: open files by their numbers, on the command line. Files
//! rather than names, since the worker sees other mounts; numbers past 2, since a shell wants its terminal.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl, open};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::Mode;
use scandrill_model::{Event, What};

use crate::clock;
use crate::error::{During, LabError};

/// Whether the case's work follows the isolation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Isolate, then work.
    Work,
    /// Isolate and end: can this machine do it?
    Check,
}

/// The open files of a case, on the side of its processes. All are closed on exec.
#[derive(Debug)]
pub(super) struct Handover {
    pub(super) purpose: Purpose,
    /// Whether it wants verdicts from inside the kernel.
    pub(super) verdicts: bool,
    /// The serialized job.
    pub(super) job: File,
    /// Where events go, as JSON lines.
    pub(super) events: File,
    /// Ends when the runner does.
    pub(super) lifeline: OwnedFd,
    /// The folder for captures.
    pub(super) captures: Option<OwnedFd>,
}

const CHECK: &str = "check";
const WORK: &str = "work";
const VERDICTS: &str = "verdicts";
const NO_VERDICTS: &str = "no-verdicts";

impl Handover {
    /// The command line that [`Handover::from_args`] understands, and the files that the new process keeps.
    pub(super) fn to_args(&self) -> (Vec<String>, Vec<RawFd>) {
        let mut files = vec![self.job.as_raw_fd(), self.events.as_raw_fd(), self.lifeline.as_raw_fd()];
        files.extend(self.captures.as_ref().map(AsRawFd::as_raw_fd));
        let purpose = if self.purpose == Purpose::Work { WORK } else { CHECK };
        let verdicts = if self.verdicts { VERDICTS } else { NO_VERDICTS };
        let numbers = files.iter().map(ToString::to_string);
        ([purpose.to_owned(), verdicts.to_owned()].into_iter().chain(numbers).collect(), files)
    }

    /// Takes over the files named on the command line; `None` when they are not what a runner passes.
    pub(super) fn from_args(mut args: impl Iterator<Item = OsString>) -> Option<Self> {
        let purpose = match args.next()?.to_str()? {
            WORK => Purpose::Work,
            CHECK => Purpose::Check,
            _ => return None,
        };
        let verdicts = args.next()? == VERDICTS;
        let mut files = args.map(|arg| take(arg.to_str()?.parse().ok()?));
        let mut next = || files.next().flatten();
        let (job, events, lifeline) = (next()?.into(), next()?.into(), next()?);
        Some(Self { purpose, verdicts, job, events, lifeline, captures: next() })
    }

    /// The whole job.
    pub(super) fn read_job(&mut self) -> Result<Vec<u8>, LabError> {
        let mut bytes = Vec::new();
        self.job.read_to_end(&mut bytes).during(|| "read the job".to_owned())?;
        Ok(bytes)
    }
}

/// Records what went wrong in the case's event log.
pub(super) fn report(mut events: &File, operation: &str, error: &str) {
    let what = What::Problem { operation: operation.to_owned(), error: error.to_owned() };
    let Ok(mut line) = serde_json::to_vec(&Event { at: clock::now(), what }) else { return };
    line.push(b'\n');
    // A runner that reads no longer wants to know nothing.
    let _ = events.write_all(&line);
}

/// The job as a file that the worker reads from its start.
pub(super) fn job_file(job: &[u8]) -> Result<File, LabError> {
    let file =
        memfd_create("scandrill-job", MFdFlags::MFD_CLOEXEC).during(|| "make the job's file".to_owned())?;
    let mut file = File::from(file);
    file.write_all(job).and_then(|()| file.seek(SeekFrom::Start(0))).during(|| "write the job".to_owned())?;
    Ok(file)
}

/// A folder, held open so that it can be written to from inside other mounts.
pub(super) fn open_folder(path: &Path) -> Result<OwnedFd, LabError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).during(|| format!("open folder {}", path.display()))
}

/// Makes the open file `number` this process's own, closed on exec.
#[expect(unsafe_code, reason = "a descriptor arrives as a number on the command line")]
fn take(number: RawFd) -> Option<OwnedFd> {
    if number <= 2 {
        return None;
    }
    // SAFETY: the runner passed this number as an open file for this process alone; nothing else in this
    // process, which has just been executed, knows it. A number that is not open fails in fcntl below.
    let file = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
    fcntl(file, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).ok()?;
    // SAFETY: as above; fcntl has just shown that it is open, and it is taken once.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
