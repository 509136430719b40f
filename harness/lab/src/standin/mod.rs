//! What stands in for iptables, ip6tables and nft inside a lab: the runner's own binary, bind-mounted over them. The
//! kernel's logger prints nothing for a network namespace that is not the machine's first (`nf_log_all_netns`), but
//! NFLOG is heard in any. So rules that log are rewritten as they pass, and the real tool is run with the same arguments
//! otherwise: a script that calls `/usr/sbin/iptables` works as it is, and a tool that refuses a rule still names the
//! user's line. Listings are translated back. The files that a user wrote are never changed.
//!
//! What writes rules without these programs (libnftables in a process, netlink) and `nft -i` is not seen; a `log` of
//! theirs prints nothing, as in any container.

mod call;
mod called;
mod hidden;
mod input;
mod iptables;
mod nft;
mod options;
mod place;

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::process::exit;

use serde::{Deserialize, Serialize};

use self::call::Call;
pub(crate) use self::called::{Called, calls, calls_between};
pub(crate) use self::iptables::{saved_line, words};
pub(crate) use self::nft::listed_line;
pub(crate) use self::options::{Flag, GROUPS, LogOptions};
pub(crate) use self::place::Tools;

/// Where the real programs are, under all their names: for who reads the kernel back and wants no translation.
pub(crate) const REAL: &str = "/run/scandrill/real";
/// The programs that are stood in for. All of a back end's are one, by the name it is called with.
/// ipset is only listened to.
const TOOLS: [&str; 4] = ["nft", "xtables-nft-multi", "xtables-legacy-multi", "ipset"];
/// Where each rule that was rewritten is noted, as JSON lines.
const NOTED: &str = "/run/scandrill/logging-rules";
/// The line of a script that calls a tool, where the script's runner says so.
pub(crate) const SCRIPT_LINE: &str = "SCANDRILL_SCRIPT_LINE";

/// Rules that were rewritten, and the lines that log, counted from 1, with their texts.
#[derive(Debug)]
struct Rewritten {
    text: String,
    logging: Vec<(usize, String)>,
}

/// A rule that logs and was rewritten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggingRule {
    /// The file that it came from, where the tool was given one by name.
    pub file: Option<String>,
    /// Its line in that file, in what the tool read from its standard input, or of the script that called the tool.
    pub line: Option<usize>,
    /// The rule as it was written.
    pub rule: String,
}

/// Becomes the real program, its rules rewritten, where this process was started in the place of one; else it returns
/// at once.
pub(crate) fn dispatch() {
    let Some(call) = Call::of_this_process() else { return };
    let code = call.run().unwrap_or_else(|error| {
        // Who closed the standard error wants to hear nothing.
        drop(writeln!(io::stderr(), "scandrill, standing in for {}: {error}", call.name()));
        1
    });
    exit(code);
}

/// Notes rules for [`noted_since`]. Who may not write there, an ordinary user in a lab, may not change rules either.
fn note(rules: impl Iterator<Item = LoggingRule>) {
    let lines: String =
        rules.filter_map(|rule| serde_json::to_string(&rule).ok()).map(|rule| rule + "\n").collect();
    if let Ok(mut file) = OpenOptions::new().create(true).append(true).open(NOTED) {
        drop(file.write_all(lines.as_bytes()));
    }
}

/// How much has been noted in this lab so far.
pub(crate) fn noted() -> u64 {
    fs::metadata(NOTED).map_or(0, |file| file.len())
}

/// The rules that were rewritten since [`noted`] gave `since`.
pub(crate) fn noted_since(since: u64) -> Vec<LoggingRule> {
    let text = fs::read_to_string(NOTED).unwrap_or_default();
    let new = usize::try_from(since).ok().and_then(|since| text.get(since..)).unwrap_or_default();
    new.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
