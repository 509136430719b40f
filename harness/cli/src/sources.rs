//! Finds scenario files: those inside the binary, and those that the user names. Reading them is the engine's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use include_dir::{Dir, include_dir};
use scandrill_engine::{SourceFile, nearest};

use crate::failure::Failure;

/// The repository's own scenarios, so that the binary runs anywhere.
static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../scenarios");

/// Files below a scenario folder that are no scenarios.
const NOT_SCENARIOS: [&str; 1] = ["claims.toml"];

/// Scenarios that show how the tool refuses; they run only when they are named.
pub const MUST_FAIL: &str = "must-fail";

/// A scenario file that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its path without the ending, below the folder that was asked for: `manual/recent`.
    pub name: String,
    /// Its content, and what messages call it.
    pub file: SourceFile,
    /// What the user wrote to find it; `None` for the built-in ones of a run without paths.
    pub asked: Option<String>,
    home: Home,
}

/// Where the files are to which a scenario points.
#[derive(Clone, Debug)]
enum Home {
    /// This folder inside the binary.
    BuiltIn(PathBuf),
    /// This folder of the machine.
    Disk(PathBuf),
}

impl Found {
    /// Reads a rules file that the scenario names by its path from its own folder.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub fn load(&self, path: &str) -> Result<SourceFile, String> {
        match &self.home {
            Home::BuiltIn(folder) => {
                let path = normal(&folder.join(path));
                let file = BUILT_IN.get_file(&path).ok_or("no such file in this binary")?;
                let text = file.contents_utf8().ok_or("it is not text")?;
                Ok(SourceFile::new(path.display().to_string(), text))
            }
            Home::Disk(folder) => {
                let path = folder.join(path);
                let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
                Ok(SourceFile::new(path.display().to_string(), text))
            }
        }
    }
}

/// What the paths name, in order; all built-in scenarios when there are none. A path is a file, a folder, or the
/// name of a built-in scenario or folder, where the machine has no such file.
///
/// # Errors
/// A path that does not exist, a file that cannot be read, a folder without a scenario.
pub fn find(paths: &[String]) -> Result<Vec<Found>, Failure> {
    if paths.is_empty() {
        return Ok(built_in("", None));
    }
    let found = paths.iter().map(|path| named(path)).collect::<Result<Vec<_>, _>>()?;
    Ok(with_names_apart(found.concat()))
}

/// The one scenario that a path names.
///
/// # Errors
/// As [`find`]; also a path that names several.
pub fn find_one(path: &str) -> Result<Found, Failure> {
    let mut found = named(path)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        several => Err(Failure::usage(
            format!("{path} names {several} scenarios"),
            format!("name one of them, such as {}", found[0].name),
        )),
    }
}

fn named(path: &str) -> Result<Vec<Found>, Failure> {
    let on_disk = Path::new(path);
    if on_disk.is_dir() {
        return in_folder(path, on_disk);
    }
    if on_disk.exists() {
        return Ok(vec![on_disk_file(path, on_disk, Path::new(on_disk.file_name().unwrap_or_default()))?]);
    }
    let found = built_in(path.trim_end_matches('/').trim_end_matches(".toml"), Some(path));
    if found.is_empty() { Err(no_such(path)) } else { Ok(found) }
}

fn no_such(path: &str) -> Failure {
    let known = built_in("", None);
    let help = match nearest(path, known.iter().map(|found| found.name.as_str())) {
        Some(near) => format!("did you mean the built-in scenario `{near}`?"),
        None => "name a file, a folder, or a built-in scenario of `scandrill list`".to_owned(),
    };
    Failure::usage(format!("{path}: no such file, folder or built-in scenario"), help)
}

fn in_folder(asked: &str, folder: &Path) -> Result<Vec<Found>, Failure> {
    let mut paths = Vec::new();
    walk(folder, &mut paths).map_err(|(path, error)| unreadable(&path, &error))?;
    paths.sort();
    let below = |path: &PathBuf| {
        let name = path.strip_prefix(folder).unwrap_or(path).to_owned();
        on_disk_file(asked, path, &name)
    };
    let found = paths.iter().map(below).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        let help = "scenarios are files that end in .toml";
        return Err(Failure::usage(format!("{asked}: no scenario in this folder"), help));
    }
    Ok(found)
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), (PathBuf, std::io::Error)> {
    let failed = |error| (folder.to_owned(), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        // A link to a folder may lead back here; only real folders are walked.
        if entry.file_type().map_err(failed)?.is_dir() {
            walk(&path, paths)?;
        } else if is_scenario(&path) {
            paths.push(path);
        }
    }
    Ok(())
}

fn is_scenario(path: &Path) -> bool {
    let ends = path.extension().is_some_and(|ending| ending == "toml");
    ends && !NOT_SCENARIOS.iter().any(|name| path.file_name().is_some_and(|file| file == *name))
}

fn on_disk_file(asked: &str, path: &Path, name: &Path) -> Result<Found, Failure> {
    let text = fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    Ok(Found {
        name: without_ending(name),
        file: SourceFile::new(path.display().to_string(), text),
        asked: Some(asked.to_owned()),
        home: Home::Disk(path.parent().unwrap_or(Path::new("")).to_owned()),
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Usage { message: format!("reading {}: {error}", path.display()), help: None }
}

/// The built-in scenarios called `prefix` or below it.
fn built_in(prefix: &str, asked: Option<&str>) -> Vec<Found> {
    let mut found = Vec::new();
    collect(&BUILT_IN, &mut found);
    found.retain(|one| prefix.is_empty() || Path::new(&one.name).starts_with(prefix));
    found.sort_by(|one, other| one.name.cmp(&other.name));
    for one in &mut found {
        one.asked = asked.map(str::to_owned);
    }
    found
}

fn collect(folder: &Dir<'_>, found: &mut Vec<Found>) {
    for file in folder.files().filter(|file| is_scenario(file.path())) {
        let path = file.path();
        // A scenario that is not UTF-8 cannot be in this binary: a test reads them all.
        let text = file.contents_utf8().unwrap_or_default();
        found.push(Found {
            name: without_ending(path),
            file: SourceFile::new(path.display().to_string(), text),
            asked: None,
            home: Home::BuiltIn(path.parent().unwrap_or(Path::new("")).to_owned()),
        });
    }
    for folder in folder.dirs() {
        collect(folder, found);
    }
}

fn without_ending(path: &Path) -> String {
    path.with_extension("").display().to_string()
}

/// `a/./b/../c` as `a/c`; the binary knows its files by that.
fn normal(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::Normal(_) => plain.push(part),
        }
    }
    plain
}

/// Scenarios of the same name, from different folders, are called by their whole path; the same file named twice
/// is there once.
fn with_names_apart(found: Vec<Found>) -> Vec<Found> {
    let mut once: Vec<Found> = Vec::new();
    for one in found {
        if !once.iter().any(|other| other.file.name == one.file.name) {
            once.push(one);
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for one in &once {
        *counts.entry(one.name.clone()).or_default() += 1;
    }
    for one in &mut once {
        if counts[&one.name] > 1 {
            one.name = without_ending(Path::new(&one.file.name));
            // Only all the paths together give it this name again.
            one.asked = None;
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_has_its_own_scenarios_with_their_rules() {
        let found = find(&[]).unwrap();
        assert!(found.iter().any(|one| one.name == "baseline/tcp-syn"), "{found:?}");
        assert!(found.iter().all(|one| !one.file.text.is_empty() && !one.name.ends_with("claims")));
    }

    #[test]
    fn a_name_or_a_folder_of_names_finds_built_in_scenarios() {
        assert_eq!(find_one("baseline/tcp-syn").unwrap().name, "baseline/tcp-syn");
        assert!(find(&["baseline".to_owned()]).unwrap().len() > 5);
        assert!(find_one("baseline").is_err());
    }

    #[test]
    fn a_wrong_name_gets_the_nearest_right_one() {
        let failure = find(&["baseline/tcp-xmass".to_owned()]).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        assert!(
            matches!(failure, Failure::Usage { help: Some(help), .. } if help.contains("`baseline/tcp-xmas`"))
        );
    }

    #[test]
    fn same_names_from_two_folders_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for name in ["a", "b"] {
            fs::create_dir(path(name)).unwrap();
            fs::write(path(name) + "/x.toml", "").unwrap();
        }
        let names: Vec<String> =
            find(&[path("a"), path("b"), path("a/x.toml")]).unwrap().into_iter().map(|f| f.name).collect();
        assert_eq!(names, [path("a/x"), path("b/x")]);
    }
}
