//! Where captures go: a folder that the user names, or a private one that stays only while something is in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::failure::Failure;
use crate::interrupt;

/// Private folders to take away when the process is interrupted.
static PRIVATE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A folder for captures.
#[must_use = "a private folder is taken away by `settle`"]
#[derive(Debug)]
pub struct Captures {
    folder: PathBuf,
}

impl Captures {
    /// The folder that the user names, made when it is not there; a private one otherwise.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn in_folder(asked: Option<&Path>) -> Result<Self, Failure> {
        let cannot = |what: String, error: std::io::Error| Failure::Usage {
            message: format!("making {what} for captures: {error}"),
            help: Some("--pcap DIR names another place".to_owned()),
        };
        if let Some(folder) = asked {
            fs::create_dir_all(folder).map_err(|error| cannot(folder.display().to_string(), error))?;
            return Ok(Self { folder: folder.to_owned() });
        }
        let made = tempfile::Builder::new().prefix("scandrill-").tempdir();
        let folder = made.map_err(|error| cannot("a private folder".to_owned(), error))?.keep();
        remove_when_interrupted(folder.clone());
        Ok(Self { folder })
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Leaves the folder where captures were kept in it, and takes it away where none were.
    pub fn settle(self) {
        lock().retain(|folder| *folder != self.folder);
        // Removes empty folders alone. What a user named and found empty before is made again by the next run.
        drop(fs::remove_dir(&self.folder));
    }

    /// Takes the folder away with all that is in it.
    pub fn discard(self) {
        drop(fs::remove_dir_all(&self.folder));
        self.settle();
    }
}

fn lock() -> std::sync::MutexGuard<'static, Vec<PathBuf>> {
    PRIVATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ctrl-C and a polite kill take the folder away with them.
fn remove_when_interrupted(folder: PathBuf) {
    lock().push(folder);
    interrupt::first(remove_private);
}

fn remove_private() {
    for folder in lock().iter() {
        drop(fs::remove_dir_all(folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_folder_stays_only_while_something_is_in_it() {
        let empty = Captures::in_folder(None).unwrap();
        let path = empty.folder().to_owned();
        assert!(path.is_dir());
        empty.settle();
        assert!(!path.exists());

        let full = Captures::in_folder(None).unwrap();
        let path = full.folder().to_owned();
        fs::write(path.join("capture.pcapng"), "x").unwrap();
        full.settle();
        assert!(path.is_dir());
        fs::remove_dir_all(path).unwrap();
    }
}
