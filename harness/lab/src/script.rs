//! An administrator's shell script of iptables, ip6tables, ipset, nft and sysctl commands, run by bash so that the
//! first command which fails is an error with its line. What bash itself lets pass (`cmd || true`, `if cmd`, a last
//! `test && cmd`) passes here, too.

use std::fs;
use std::time::Duration;

use scandrill_model::{Backend, CommandLine};

use crate::command::Finished;
use crate::error::{During, LabError};
use crate::host::Host;
use crate::loader::refused;
use crate::process::choose_backend;

/// bash reads this before the script. A command that fails where nothing tests it, and every `exit`, names its line
/// on descriptor 9. What stands in for a tool learns the line that calls it. A subshell that ends so has the exit code 113, by which the failure of what waits for it is told
/// from a failure of its own.
const STRICT: &str = r#"
unset BASH_ENV
exec 9>&1 1>&2
set -ET
export SCANDRILL_SCRIPT_LINE
trap 'SCANDRILL_SCRIPT_LINE=$LINENO; case $BASH_COMMAND in exit*) echo "exit $LINENO" >&9 ;; esac' DEBUG
trap 'echo "failed $LINENO $?" >&9; exit 113' ERR
"#;
/// As in [`STRICT`].
const HANDED_ON: &str = "113";
/// How much of what a script printed goes into an error.
const LINES_TOLD: usize = 10;

/// Runs a script whose iptables is that of `backend`. It has no arguments and no standard input.
pub(crate) async fn run(
    host: &Host,
    backend: Backend,
    origin: &str,
    text: &str,
    limit: Duration,
) -> Result<(), LabError> {
    choose_backend(backend)?;
    let path = format!("/run/scandrill-script-{}", host.name());
    let strict = format!("{path}-strict");
    for (path, text) in [(&path, text), (&strict, STRICT)] {
        fs::write(path, text).during(|| format!("write {path}"))?;
    }
    let args = vec![format!("BASH_ENV={strict}"), "bash".to_owned(), path.clone()];
    let command = CommandLine { program: "env".to_owned(), args };
    let finished = host.output(&command, None, limit).await;
    for path in [&path, &strict] {
        fs::remove_file(path).during(|| format!("remove {path}"))?;
    }
    let finished = finished?;
    outcome(&finished, &path).map_err(|line| refused(origin, text, line, &words(&finished, &path, origin)))
}

/// Whether the script did what it was asked to; else the line that failed, where one is known.
fn outcome(finished: &Finished, path: &str) -> Result<(), Option<usize>> {
    if finished.status == Some(0) {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&finished.stdout);
    let line = failed_line(&told).or_else(|| last_exit(&told)).or_else(|| bash_named(finished, path));
    // A last `test && cmd` whose test said no ends the script with 1 and is no failure: nothing was told of it.
    if line.is_none() && finished.status == Some(1) { Ok(()) } else { Err(line) }
}

/// The innermost command of the failure that ended the script. Failures before it were in command substitutions whose
/// outcome nobody asked for.
fn failed_line(told: &str) -> Option<usize> {
    let failures: Vec<(usize, &str)> = told
        .lines()
        .filter_map(|line| line.strip_prefix("failed ")?.split_once(' '))
        .filter_map(|(line, status)| Some((line.parse().ok()?, status)))
        .collect();
    let mut innermost = failures.len().checked_sub(1)?;
    while innermost > 0 && failures[innermost].1 == HANDED_ON {
        innermost -= 1;
    }
    Some(failures[innermost].0)
}

fn last_exit(told: &str) -> Option<usize> {
    told.lines().rev().find_map(|line| line.strip_prefix("exit ")?.parse().ok())
}

/// Where bash itself gave up: `PATH: line 3: syntax error ...`.
fn bash_named(finished: &Finished, path: &str) -> Option<usize> {
    let prefix = format!("{path}: line ");
    let says = String::from_utf8_lossy(&finished.stderr);
    let number = |line: &str| line.strip_prefix(&prefix)?.split_once(':')?.0.parse().ok();
    says.lines().filter_map(number).next_back()
}

/// The end of what the script and its commands said.
fn words(finished: &Finished, path: &str, origin: &str) -> String {
    let says = String::from_utf8_lossy(&finished.stderr).trim().replace(path, origin);
    let lines: Vec<&str> = says.lines().collect();
    let tail = lines[lines.len().saturating_sub(LINES_TOLD)..].join("\n");
    if tail.is_empty() { "failed without a word".to_owned() } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: i32, told: &str, says: &str) -> Finished {
        Finished { status: Some(status), stdout: told.into(), stderr: says.into() }
    }

    #[test]
    fn the_innermost_command_of_the_last_failure_is_named() {
        assert_eq!(failed_line("failed 2 1\nfailed 9 2\n"), Some(9), "line 2's outcome was not asked for");
        assert_eq!(failed_line("failed 4 1\nfailed 6 113\n"), Some(4), "line 6 waited for line 4");
        assert_eq!(failed_line("exit 3\n"), None);
    }

    #[test]
    fn a_last_test_that_says_no_is_no_failure() {
        assert_eq!(outcome(&ended(1, "", ""), "/run/s"), Ok(()));
        assert_eq!(outcome(&ended(1, "exit 7\n", ""), "/run/s"), Err(Some(7)));
        assert_eq!(outcome(&ended(0, "failed 2 1\nexit 9\n", ""), "/run/s"), Ok(()));
        assert_eq!(outcome(&ended(2, "", "/run/s: line 4: syntax error"), "/run/s"), Err(Some(4)));
        assert_eq!(outcome(&ended(1, "", "/run/s: line 3: FOO: unbound variable"), "/run/s"), Err(Some(3)));
    }
}
