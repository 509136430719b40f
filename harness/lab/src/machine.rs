//! What this machine has: programs, ids, the kernel, and whether it allows a lab at all. For those who say what
//! is missing; it changes nothing.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where a lab keeps the programs that it chose among several, first on its search path.
pub(crate) const LAB_PROGRAMS: &str = "/run/scandrill/bin";

/// Where administrators' programs are, which an ordinary user's PATH may lack.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The folders in which programs are looked for, as the value of PATH.
pub fn search_path() -> OsString {
    // A folder whose name holds a colon cannot be in a PATH at all, so joining what was split never fails.
    env::join_paths(folders()).unwrap_or_else(|_| env::var_os("PATH").unwrap_or_default())
}

/// The executable file `name` in the search path, or `name` itself when it is an absolute path.
pub fn find_program(name: &str) -> Option<PathBuf> {
    folders().map(|folder| folder.join(name)).find(|path| is_executable(path))
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let users: Vec<PathBuf> = env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    std::iter::once(PathBuf::from(LAB_PROGRAMS)).chain(users).chain(SYSTEM_FOLDERS.map(PathBuf::from))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
