//! What may stand in which source file.

use crate::house::{File, files, none, read, rust_files};

/// The longest a file may be before it holds two thoughts.
const LINES_MAX: usize = 600;

/// The code that ends up in a program: no comments, nothing from the unit tests on.
fn code(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let tests = file.text.find("#[cfg(test)]\nmod tests {").unwrap_or(file.text.len());
    file.text[..tests].lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Each line of `files` that has one of `words`, with its place.
fn lines_with(files: &[File], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (index, line) in code(file) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    found
}

fn rust_files_where(keep: impl Fn(&str) -> bool) -> Vec<File> {
    rust_files().into_iter().filter(|file| keep(&file.path)).collect()
}

#[test]
fn pure_crates_do_no_io_and_read_no_clock() {
    let pure = ["harness/model/src/", "harness/report/src/", "scanners/src/", "defenses/src/"];
    let words = [
        "std::fs",
        "fs::read",
        "fs::write",
        "File::open",
        "std::io::std",
        "std::process",
        "Command::new",
        "std::env",
        "TcpStream",
        "TcpListener",
        "UdpSocket",
        "std::thread",
        "Instant",
        "SystemTime",
        "tokio",
        "socket2",
        "libc::",
        "nix::",
    ];
    let found = lines_with(&rust_files_where(|path| pure.iter().any(|pure| path.starts_with(pure))), &words);
    none(&found, "take the bytes or the time as an argument; the lab does I/O and reads the clock:");
}

#[test]
fn the_clock_is_read_in_one_place() {
    let elsewhere = |path: &str| path.contains("/src/") && path != "harness/lab/src/clock.rs";
    let words = ["Instant::now", "SystemTime::now", "clock_gettime", ".elapsed()"];
    none(
        &lines_with(&rust_files_where(elsewhere), &words),
        "ask scandrill_lab::clock, so that one virtual clock will do for all:",
    );
}

#[test]
fn nothing_sleeps_but_the_lab_that_waits() {
    let elsewhere = |path: &str| path != "harness/lab/src/wait.rs" && path != "tests/tidy/sources.rs";
    let words = ["thread::sleep", "time::sleep", "sleep_until", "nanosleep", "park_timeout"];
    none(
        &lines_with(&rust_files_where(elsewhere), &words),
        "wait for a named condition with a deadline (scandrill_lab::wait):",
    );
}

#[test]
fn only_the_command_line_prints() {
    let quiet = |path: &str| {
        path.contains("/src/") && !path.starts_with("harness/cli/") && !path.starts_with("tests/")
    };
    let words =
        ["println!", "print!(", "eprint!(", "dbg!(", "std::process::exit", "io::stdout", "io::stderr"];
    // Processes of the lab end themselves; that is their whole work. What stands in for a tool speaks in its place,
    // and what starts and stops a daemon is a command.
    let own = ["harness/lab/src/process/", "harness/lab/src/standin/", "harness/lab/src/daemon/"];
    let mut found = lines_with(&rust_files_where(quiet), &words);
    found.retain(|line| !own.iter().any(|folder| line.starts_with(folder)));
    none(&found, "return it; harness/cli prints and ends the process:");
}

#[test]
fn only_the_lab_has_unsafe_code() {
    let roots = rust_files_where(|path| {
        let root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
        root && path != "harness/lab/src/lib.rs" && !path.starts_with("examples/")
    });
    assert!(roots.len() >= 6, "crates were found by their src/lib.rs");
    let open = roots.iter().filter(|file| !file.text.contains("#![forbid(unsafe_code)]"));
    let open: Vec<String> = open.map(|file| file.path.clone()).collect();
    none(&open, "write #![forbid(unsafe_code)] below its module doc; unsafe code belongs into harness/lab:");
}

#[test]
fn no_file_is_longer_than_a_thought() {
    let long = rust_files().into_iter().map(|file| (file.text.lines().count(), file.path));
    let long: Vec<String> = long
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    none(&long, &format!("split it by what it is about; {LINES_MAX} lines is the limit:"));
}

#[test]
fn every_file_says_what_it_is_for() {
    let mute = rust_files_where(|_| true).into_iter().filter(|file| !file.text.starts_with("//! "));
    let mute: Vec<String> = mute.map(|file| file.path).collect();
    none(&mute, "begin it with `//!`: what it is for, and what it is not:");
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let here = |path: &str| path != "tests/tidy/sources.rs";
    let mut found = lines_with(&rust_files_where(here), &["#[allow(", "#![allow("]);
    for file in rust_files_where(here) {
        for (place, _) in file.text.match_indices("[expect(clippy::") {
            let attribute = file.text[place..].split(")]").next().unwrap_or_default();
            if !attribute.contains("reason = ") {
                found.push(format!("{}: {attribute}", file.path));
            }
        }
    }
    none(&found, "mend the code, or write #[expect(lint, reason = \"...\")]:");
}

#[test]
fn the_project_speaks_of_itself_alone() {
    // Written in two parts, so that this file does not find itself.
    let words =
        [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("../sh", "ared")];
    let mut found = Vec::new();
    for file in files() {
        for (index, line) in file.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{}: {}", file.path, index + 1, line.trim()));
            }
        }
    }
    none(&found, "name it by its path from the repository's root, or not at all:");
}

#[test]
fn workspace_lints_hold_everywhere() {
    let manifests = files().into_iter().filter(|file| file.path.ends_with("/Cargo.toml"));
    let without: Vec<String> = manifests
        .filter(|file| {
            let outside = ["examples/", "scanners/fuzz/"].iter().any(|folder| file.path.starts_with(folder));
            !outside && !file.text.contains("[lints]\nworkspace = true")
        })
        .map(|file| file.path)
        .collect();
    none(&without, "add `[lints]` with `workspace = true`:");
    assert!(read("Cargo.toml").contains("pedantic"), "the workspace sets clippy's pedantic lints");
}
