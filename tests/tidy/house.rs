//! The repository's files, read once and named by their path from its root.

use std::fs;
use std::path::{Path, PathBuf};

/// A file with its path from the root, `/` between folders.
pub struct File {
    /// As `harness/model/src/lib.rs`.
    pub path: String,
    /// Its bytes; what is not UTF-8 is replaced.
    pub text: String,
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .expect("the checkout has its tests folder")
}

/// The text of the file at `path`; the test fails where there is none.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}; it belongs to the house"))
}

/// Whether there is a file or a folder at `path`.
pub fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// Every file of the house, sorted, without what is built, captured or kept by git.
pub fn files() -> Vec<File> {
    let mut paths = Vec::new();
    walk(&root(), &mut paths);
    paths.sort();
    paths.into_iter().map(|path| File { text: text_of(&path), path: name_of(&path) }).collect()
}

/// Every Rust file.
pub fn rust_files() -> Vec<File> {
    files().into_iter().filter(|file| ends_in(&file.path, "rs")).collect()
}

/// Whether `path` has this ending.
pub fn ends_in(path: &str, ending: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == ending)
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder that can be opened can be read").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // In a second work tree of git's, .git is a file.
        if matches!(name.as_str(), "target" | ".git") {
            continue;
        }
        if path.is_dir() {
            walk(&path, paths);
        } else if path.is_file() && !ends_in(&name, "pcapng") {
            paths.push(path);
        }
    }
}

fn name_of(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned()
}

fn text_of(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Fails with `how_to_mend` and every complaint.
#[track_caller]
pub fn none(complaints: &[String], how_to_mend: &str) {
    assert!(complaints.is_empty(), "{how_to_mend}\n  {}", complaints.join("\n  "));
}
