//! Which iptables a case has. The machine's default is never trusted: the plain names, on the search path and
//! in /etc/alternatives, are pointed at the chosen back end, inside the case only.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use scandrill_model::Backend;

use crate::error::{During, LabError};
use crate::machine::{LAB_PROGRAMS, find_program};

/// The names under which scripts call iptables; each is one program of both back ends.
const NAMES: [&str; 6] =
    ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"];

/// Where Debian and Red Hat keep the choice among programs of one name.
const ALTERNATIVES: &str = "/etc/alternatives";

/// Points the plain names of the iptables programs at `backend`. Where the machine lacks it, each name is a
/// program that fails and says so, rather than the other back end. Inside the worker only.
pub fn choose_backend(backend: Backend) -> Result<(), LabError> {
    let program = match multi(backend) {
        Some(program) => program,
        None => refusal(backend).during(|| format!("stand in for the missing {backend} back end"))?,
    };
    for name in NAMES {
        point(&Path::new(LAB_PROGRAMS).join(name), &program)?;
        let alternative = Path::new(ALTERNATIVES).join(name);
        if alternative.is_symlink() {
            point(&alternative, &program)?;
        }
    }
    Ok(())
}

/// A program that stands where a back end is missing.
fn refusal(backend: Backend) -> io::Result<PathBuf> {
    let path = Path::new(LAB_PROGRAMS).with_file_name(format!("no-{backend}"));
    fs::write(
        &path,
        format!("#!/bin/sh\necho \"$0: this machine has no iptables-{backend}\" >&2\nexit 127\n"),
    )?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// The program of `backend` that is called `name`, such as `iptables-restore`, whatever back end is chosen.
pub fn backend_program(backend: Backend, name: &str) -> Option<PathBuf> {
    let (stem, action) =
        name.split_once('-').map_or((name, String::new()), |(stem, rest)| (stem, format!("-{rest}")));
    find_program(&format!("{stem}-{backend}{action}"))
}

/// The one program that is all iptables programs of a back end, by the name it is called with.
fn multi(backend: Backend) -> Option<PathBuf> {
    find_program(&format!("xtables-{backend}-multi"))
}

fn point(link: &Path, target: &Path) -> Result<(), LabError> {
    let removed = match fs::remove_file(link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    removed
        .and_then(|()| symlink(target, link))
        .during(|| format!("point {} at {}", link.display(), target.display()))
}
