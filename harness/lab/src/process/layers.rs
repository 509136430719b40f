//! What lies over the machine's folders in a case: files of its own over /etc, which it may change; and where there is
//! a folder of daemons (see [`crate::unpacked`]), its files over /usr, /etc and /var.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};
use nix::unistd::geteuid;

use crate::error::{During, LabError};
use crate::files::{bind, hold, path_of};

/// Where the case's own files are kept, one folder for each that is layered, beside scratch space that an overlay mount
/// asks for on the same file system.
const OWN: &str = "/run/scandrill/layers";
/// What the kernel tells of mounts (proc_pid_mountinfo(5)).
const MOUNTS: &str = "/proc/self/mountinfo";

/// What will be layered, held open so that mounts over it do not hide it.
pub(super) struct Layers {
    /// The daemons' files.
    daemons: Option<Daemons>,
    /// What is mounted below /usr and /var, which an overlay would leave out.
    mounted: Vec<(PathBuf, File)>,
}

struct Daemons {
    usr: File,
    etc: File,
    var: File,
}

impl Layers {
    /// Finds them; before anything of the machine is covered.
    pub(super) fn find(daemons: &Path) -> Result<Self, LabError> {
        if !daemons.is_dir() {
            return Ok(Self { daemons: None, mounted: Vec::new() });
        }
        let held = |part| {
            let path = daemons.join(part);
            hold(&path).during(|| format!("open {}, which set-up makes", path.display()))
        };
        let daemons = Daemons { usr: held("usr")?, etc: held("etc")?, var: held("var")? };
        Ok(Self { daemons: Some(daemons), mounted: mounted().during(|| format!("read {MOUNTS}"))? })
    }

    /// Lays them.
    pub(super) fn lay(&self) -> Result<(), LabError> {
        let strange = is_strange("/etc").during(|| "look at /etc".to_owned())?;
        own("/etc", strange.then_some("/etc"))?;
        let Some(daemons) = &self.daemons else { return lay("/etc", "/etc", Access::Write) };
        let (usr, etc, var) = (path_of(&daemons.usr), path_of(&daemons.etc), path_of(&daemons.var));
        if is_strange(&etc).during(|| format!("look at {etc}"))? {
            own("/etc", Some(&etc))?;
        }
        lay("/etc", &format!("{etc}:/etc"), Access::Write)?;
        lay("/usr", &format!("{usr}:/usr"), Access::Read)?;
        // An overlay takes no layer that lies in another, as the daemons' may lie in /var; but they bring only folders
        // there, and the case may have these of its own.
        own("/var", Some(&var))?;
        lay("/var", "/var", Access::Write)?;
        self.mounted.iter().try_for_each(|(path, mounted)| {
            bind(mounted, path).during(|| format!("mount {} again", path.display()))
        })
    }

    /// Makes the daemons' folders for logs, once the case has its own /var/log.
    pub(super) fn make_log_folders(&self) -> Result<(), LabError> {
        let Some(daemons) = &self.daemons else { return Ok(()) };
        let logs = Path::new(&path_of(&daemons.var)).join("log");
        own_folders(&logs, Path::new("/var/log")).during(|| "make folders in /var/log".to_owned())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Mounts an overlay on `folder`, whose layers are `lower`, the uppermost first, and, to be written, the case's own.
fn lay(folder: &str, lower: &str, access: Access) -> Result<(), LabError> {
    let layers = match access {
        Access::Read => format!("lowerdir={lower},userxattr"),
        Access::Write => {
            format!("lowerdir={lower},upperdir={OWN}{folder},workdir={OWN}{folder}-work,userxattr")
        }
    };
    mount(Some("overlay"), Path::new(folder), Some("overlay"), MsFlags::empty(), Some(layers.as_str()))
        .during(|| format!("lay an overlay over {folder}"))
}

/// Makes the layer of `folder` that is the case's own, with the folders of `lower`, if they are to be its own as well.
fn own(folder: &str, lower: Option<&str>) -> Result<(), LabError> {
    let upper = format!("{OWN}{folder}");
    for made in [&upper, &format!("{upper}-work")] {
        fs::create_dir_all(made).during(|| format!("make {made}"))?;
    }
    let Some(lower) = lower else { return Ok(()) };
    own_folders(Path::new(lower), Path::new(&upper)).during(|| format!("make the folders of {upper}"))
}

/// Whether a folder is not this user's. Root's own are written through the overlay as they are.
fn is_strange(folder: &str) -> io::Result<bool> {
    Ok(fs::metadata(folder)?.uid() != geteuid().as_raw())
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

/// What is mounted below the folders that are layered only for daemons' sake; the outer before the inner.
fn mounted() -> io::Result<Vec<(PathBuf, File)>> {
    let told = fs::read(MOUNTS)?;
    let points = told.split(|&byte| byte == b'\n').filter_map(mount_point);
    let below =
        points.filter(|point| ["/usr/", "/var/"].iter().any(|folder| point.starts_with(folder.as_bytes())));
    let paths = below.map(|point| PathBuf::from(OsString::from_vec(point)));
    // One that another is mounted over cannot be opened by its name, and is not seen either.
    Ok(paths.filter_map(|path| hold(&path).ok().map(|held| (path, held))).collect())
}

/// The fifth field of a line. A blank in it is `\040`, and so on.
fn mount_point(line: &[u8]) -> Option<Vec<u8>> {
    let field = line.split(|&byte| byte == b' ').nth(4)?;
    let mut point = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, after)) = rest.split_first() {
        let code = (byte == b'\\').then(|| std::str::from_utf8(after.get(..3)?).ok()).flatten();
        let escaped = code.and_then(|code| u8::from_str_radix(code, 8).ok());
        point.push(escaped.unwrap_or(byte));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    Some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_read_with_its_blanks() {
        let line = br"36 35 98:0 /mnt1 /usr/a\040folder\134x rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line).unwrap(), br"/usr/a folder\x");
        assert_eq!(mount_point(b""), None);
    }
}
