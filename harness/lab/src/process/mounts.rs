//! What a case sees of the machine's files: everything, read-only, but for a few folders that are its own.
//! Nothing that runs inside, not even a user's script as root, can change a file of the machine.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};

use super::backend::choose_backend;
use crate::error::{During, LabError};
use crate::machine::LAB_PROGRAMS;
use crate::standin::Tools;
use scandrill_model::Backend;

/// Where the case's layer over /etc is kept.
const ETC_UPPER: &str = "/run/scandrill/etc";
/// Scratch space that an overlay mount asks for, on the same file system.
const ETC_WORK: &str = "/run/scandrill/etc-work";

/// Folders that are empty at first and the case's own.
const OWN_FOLDERS: [(&str, &str); 3] =
    [("/run", "mode=755"), ("/tmp", "mode=1777"), ("/var/log", "mode=755")];

/// Makes this mount namespace the case's own. Each step that fails is an error, and nothing runs after it.
pub(super) fn make_private() -> Result<(), LabError> {
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing)
        .during(|| "make all mounts private".to_owned())?;
    make_read_only(c"/").during(|| "make the machine's files read-only (Linux 5.12 or newer)".to_owned())?;
    let careful = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("proc"), "/proc", Some("proc"), careful | MsFlags::MS_NOEXEC, nothing)
        .during(|| "mount /proc".to_owned())?;
    let tools = Tools::find()?;
    for (folder, options) in OWN_FOLDERS {
        mount(Some("tmpfs"), folder, Some("tmpfs"), careful, Some(options))
            .during(|| format!("mount a tmpfs on {folder}"))?;
    }
    lay_over_etc()?;
    fs::create_dir_all(LAB_PROGRAMS).during(|| format!("make {LAB_PROGRAMS}"))?;
    choose_backend(Backend::default())?;
    tools.place()?;
    // The working directory is still the machine's, where files can be written.
    std::env::set_current_dir("/").during(|| "leave the machine's working directory".to_owned())
}

fn lay_over_etc() -> Result<(), LabError> {
    fs::create_dir_all(ETC_WORK).during(|| format!("make {ETC_WORK}"))?;
    own_folders(Path::new("/etc"), Path::new(ETC_UPPER)).during(|| format!("make {ETC_UPPER}"))?;
    let options = format!("lowerdir=/etc,upperdir={ETC_UPPER},workdir={ETC_WORK},userxattr");
    mount(Some("overlay"), Path::new("/etc"), Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .during(|| "lay an overlay over /etc".to_owned())
}

/// Makes the folders of `lower` in `upper`. An ordinary user is nobody to the owner of the lower ones; through
/// these, which lie over them, files can be made and replaced everywhere.
fn own_folders(lower: &Path, upper: &Path) -> io::Result<()> {
    fs::create_dir_all(upper)?;
    // What this user may not even list is left as it is.
    let Ok(entries) = fs::read_dir(lower) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            own_folders(&entry.path(), &upper.join(entry.file_name()))?;
        }
    }
    Ok(())
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
