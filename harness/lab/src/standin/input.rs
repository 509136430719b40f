//! What a tool reads its rules from, replaced by the rewritten text under the same name: the standard input by a file in
//! memory; a file by a mount that only this process and the tool see, so that messages name the file as they would.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::Rewritten;

/// Rewrites a text, or says that there is nothing to rewrite.
pub(super) type Rewrite = fn(&str) -> Option<Rewritten>;

/// What replaces the sources of a call. It is held until the tool runs.
#[derive(Default)]
pub(super) struct Inputs {
    /// The new standard input.
    pub(super) stdin: Option<File>,
    /// Open files whose names the tool was given.
    held: Vec<File>,
    /// Whether this process has mounts of its own already.
    own_mounts: bool,
}

/// A source that was looked at.
pub(super) struct Looked {
    /// Its name to the tool.
    pub(super) name: String,
    /// What was in it; `None` where the tool has to say why it cannot be read.
    pub(super) text: Option<String>,
    /// Whether something in it was rewritten.
    rewritten: bool,
    /// The lines that log.
    pub(super) logging: Vec<(usize, String)>,
}

/// Whether `name` is the standard input to all these tools.
pub(super) fn is_stdin(name: &str) -> bool {
    ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].contains(&name)
}

impl Inputs {
    /// Replaces what `name` stands for where something in it has to be rewritten.
    pub(super) fn replace(&mut self, name: &str, rewrite: Rewrite) -> io::Result<Looked> {
        if is_stdin(name) {
            self.replace_stdin(name, rewrite)
        } else if fs::metadata(name).is_ok_and(|file| file.is_file()) {
            self.replace_file(name, rewrite)
        } else {
            self.replace_pipe(name, rewrite)
        }
    }

    fn replace_stdin(&mut self, name: &str, rewrite: Rewrite) -> io::Result<Looked> {
        let mut bytes = Vec::new();
        io::stdin().read_to_end(&mut bytes)?;
        let (looked, bytes) = look(name, bytes, rewrite);
        self.stdin = Some(in_memory(&bytes, MFdFlags::MFD_CLOEXEC)?);
        Ok(looked)
    }

    /// A pipe is read once, so it gets another name, whatever is in it.
    fn replace_pipe(&mut self, name: &str, rewrite: Rewrite) -> io::Result<Looked> {
        let Ok(bytes) = fs::read(name) else { return Ok(Looked::unread(name)) };
        let (mut looked, bytes) = look(name, bytes, rewrite);
        let file = in_memory(&bytes, MFdFlags::empty())?;
        looked.name = format!("/proc/self/fd/{}", file.as_raw_fd());
        self.held.push(file);
        Ok(looked)
    }

    fn replace_file(&mut self, name: &str, rewrite: Rewrite) -> io::Result<Looked> {
        let Ok(bytes) = fs::read(name) else { return Ok(Looked::unread(name)) };
        let (looked, bytes) = look(name, bytes, rewrite);
        if looked.rewritten {
            self.mount_over(name, &bytes)?;
        }
        Ok(looked)
    }

    fn mount_over(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if !self.own_mounts {
            unshare(CloneFlags::CLONE_NEWNS)?;
            self.own_mounts = true;
        }
        // Nothing but a file that has a path can be mounted; mounted, it needs none.
        let path = format!("/run/scandrill/rewritten-{}", std::process::id());
        fs::write(&path, bytes)?;
        let nothing = None::<&str>;
        let mounted = mount(Some(path.as_str()), Path::new(name), nothing, MsFlags::MS_BIND, nothing);
        fs::remove_file(&path)?;
        mounted.map_err(io::Error::from)
    }
}

impl Looked {
    fn unread(name: &str) -> Self {
        Self { name: name.to_owned(), text: None, rewritten: false, logging: Vec::new() }
    }
}

/// What was read, and the bytes that the tool is to read.
fn look(name: &str, bytes: Vec<u8>, rewrite: Rewrite) -> (Looked, Vec<u8>) {
    let mut looked = Looked::unread(name);
    match String::from_utf8(bytes) {
        Ok(text) => {
            let rewritten = rewrite(&text);
            let bytes = rewritten.as_ref().map_or(text.as_str(), |rewritten| &rewritten.text).into();
            looked.rewritten = rewritten.is_some();
            looked.logging = rewritten.map(|rewritten| rewritten.logging).unwrap_or_default();
            looked.text = Some(text);
            (looked, bytes)
        }
        // No tool writes such rules; what is in them is for the real one to judge.
        Err(other) => (looked, other.into_bytes()),
    }
}

fn in_memory(bytes: &[u8], flags: MFdFlags) -> io::Result<File> {
    let mut file = File::from(memfd_create("rules", flags)?);
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}
