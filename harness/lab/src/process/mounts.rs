//! What a case sees of the machine's files: everything, read-only, but for a few folders that are its own.
//! Nothing that runs inside, not even a user's script as root, can change a file of the machine.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::backend::choose_backend;
use super::layers::Layers;
use crate::error::{During, LabError};
use crate::machine::LAB_PROGRAMS;
use crate::standin::Tools;
use scandrill_model::Backend;

/// No device and no program of another user's is in what a case mounts.
const CAREFUL: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);

/// Makes this mount namespace the case's own, with the daemons that are in a folder, if there is one. Each step that
/// fails is an error, and nothing runs after it.
pub(super) fn make_private(daemons: &Path) -> Result<(), LabError> {
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .during(|| "make all mounts private".to_owned())?;
    make_read_only(c"/").during(|| "make the machine's files read-only (Linux 5.12 or newer)".to_owned())?;
    mount(Some("proc"), "/proc", Some("proc"), CAREFUL | MsFlags::MS_NOEXEC, nothing)
        .during(|| "mount /proc".to_owned())?;
    let tools = Tools::find()?;
    let layers = Layers::find(daemons)?;
    make_empty("/run", "mode=755")?;
    make_empty("/tmp", "mode=1777")?;
    layers.lay()?;
    make_empty("/var/log", "mode=755")?;
    layers.make_log_folders()?;
    fs::create_dir_all(LAB_PROGRAMS).during(|| format!("make {LAB_PROGRAMS}"))?;
    choose_backend(Backend::default())?;
    tools.place()?;
    // The working directory is still the machine's, where files can be written.
    std::env::set_current_dir("/").during(|| "leave the machine's working directory".to_owned())
}

/// Makes a folder that is empty at first and the case's own.
fn make_empty(folder: &str, options: &str) -> Result<(), LabError> {
    mount(Some("tmpfs"), folder, Some("tmpfs"), CAREFUL, Some(options))
        .during(|| format!("mount a tmpfs on {folder}"))
}

/// Makes the mount at `root`, and all below it, read-only for this mount namespace (mount_setattr(2)).
#[expect(unsafe_code, reason = "the C library has no wrapper for mount_setattr")]
fn make_read_only(root: &CStr) -> io::Result<()> {
    let change =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is a C string and the struct is whole and of the size that is passed, both alive over
    // the call, which only reads them.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            root.as_ptr(),
            libc::AT_RECURSIVE,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
