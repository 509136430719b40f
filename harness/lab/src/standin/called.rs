//! The calls of the tools that name an address, each with its time: what a daemon or an administrator decided.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::IpAddr;

use scandrill_model::Stamp;
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::watch::names;

/// Where they are kept, as JSON lines.
const CALLED: &str = "/run/scandrill/calls";
/// What adds something, as a word of a call: of iptables, of nft and ipset.
const ADDS: [&str; 6] = ["-A", "-I", "--append", "--insert", "add", "insert"];

/// A call that added something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Called {
    /// When, right before the tool began.
    pub(crate) at: Stamp,
    /// The tool.
    pub(crate) program: String,
    /// The whole call.
    pub(crate) line: String,
}

impl Called {
    /// Whether it names `address`.
    pub(crate) fn names(&self, address: IpAddr) -> bool {
        names(&self.line, address)
    }
}

/// What a rule that lets in has.
const LETS_IN: [&str; 2] = ["ACCEPT", "accept"];

/// Keeps a call if it adds something that may ban. What cannot be kept is a witness less, and no reason not to do what was asked.
pub(super) fn record(program: &str, args: &[OsString]) {
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    // nft is often given its whole command as one word.
    let says =
        |any: &[&str]| words.iter().flat_map(|word| word.split_whitespace()).any(|word| any.contains(&word));
    if !says(&ADDS) || says(&LETS_IN) {
        return;
    }
    let line = format!("{program} {}", words.join(" "));
    let called = Called { at: clock::now(), program: program.to_owned(), line };
    let written = serde_json::to_string(&called)
        .ok()
        .zip(OpenOptions::new().create(true).append(true).open(CALLED).ok());
    if let Some((line, mut file)) = written {
        drop(file.write_all((line + "\n").as_bytes()));
    }
}

/// How much has been kept in this lab so far.
pub(crate) fn calls() -> u64 {
    fs::metadata(CALLED).map_or(0, |file| file.len())
}

/// The calls from when [`calls`] gave `since` to when it gave `until`.
pub(crate) fn calls_between(since: u64, until: u64) -> Vec<Called> {
    let text = fs::read_to_string(CALLED).unwrap_or_default();
    let range = usize::try_from(since).ok().zip(usize::try_from(until).ok());
    let new = range.and_then(|(since, until)| text.get(since..until)).unwrap_or_default();
    new.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
