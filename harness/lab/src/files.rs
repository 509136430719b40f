//! Files and pipes that the runner and its workers share, and files as places to mount from.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::Mode;
use scandrill_model::Stamp;

use crate::clock;
use crate::error::{During, LabError};

/// Makes the file `name` in an open directory, which may be outside what this process can name.
pub fn create_in(directory: &OwnedFd, name: &str) -> Result<File, LabError> {
    let flags = OFlag::O_CREAT | OFlag::O_TRUNC | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    let made = openat(directory, name, flags, Mode::from_bits_truncate(0o644));
    made.map(File::from).during(|| format!("making {name}"))
}

/// A file or folder as a place to mount from, whatever will lie over its name.
pub(crate) fn hold(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(path)
}

/// A path of what is held.
pub(crate) fn path_of(held: &File) -> String {
    format!("/proc/self/fd/{}", held.as_raw_fd())
}

/// Mounts what is held on `over`, with all that is mounted below it.
pub(crate) fn bind(held: &File, over: &Path) -> io::Result<()> {
    let nothing = None::<&str>;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(path_of(held).as_str()), over, nothing, flags, nothing).map_err(io::Error::from)
}

/// Reads a pipe to its end and hands over each line without its line break; a last line without one is incomplete
/// and is left out.
///
/// # Errors
/// The end of the pipe was not reached until `until`, or it cannot be read.
pub fn read_lines(mut pipe: File, until: Stamp, mut each: impl FnMut(&[u8])) -> Result<(), LabError> {
    let start = clock::now();
    let mut pending = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        if !is_readable(&pipe, until)? {
            return Err(LabError::Deadline {
                waited_for: "end of the log".into(),
                limit: until.since(start),
            });
        }
        let count = pipe.read(&mut chunk).during(|| "reading the log".to_owned())?;
        if count == 0 {
            return Ok(());
        }
        pending.extend_from_slice(&chunk[..count]);
        let complete = pending.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
        pending[..complete].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).for_each(&mut each);
        pending.drain(..complete);
    }
}

/// Whether something can be read before `until`.
fn is_readable(pipe: &File, until: Stamp) -> Result<bool, LabError> {
    loop {
        let left = clock::left_until(until);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error).during(|| "waiting for the log".to_owned()),
        }
    }
}
