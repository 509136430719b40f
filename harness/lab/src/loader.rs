//! The programs that take a rules text. When one refuses it, the error names the file, the line, that line's text
//! and the program's own words.

use std::time::Duration;

use scandrill_model::{CommandLine, Family, Loader};

use crate::command::Finished;
use crate::error::LabError;
use crate::host::Host;

/// Gives `text` to `loader`.
pub(crate) async fn load(
    host: &Host,
    loader: Loader,
    origin: &str,
    text: &str,
    limit: Duration,
) -> Result<(), LabError> {
    let command = command(loader);
    let finished = host.output(&command, Some(text.as_bytes().to_vec()), limit).await?;
    if finished.status == Some(0) {
        return Ok(());
    }
    let says = String::from_utf8_lossy(&finished.stderr).trim().to_owned();
    Err(refused(origin, text, line_named(loader, &says), says))
}

fn command(loader: Loader) -> CommandLine {
    let (program, args): (String, &[&str]) = match loader {
        Loader::IptablesRestore { family, backend } => {
            let stem = if family == Family::V4 { "iptables" } else { "ip6tables" };
            (format!("{stem}-{backend}-restore"), &[])
        }
        Loader::Nft => ("nft".to_owned(), &["-f", "-"]),
        Loader::IpsetRestore => ("ipset".to_owned(), &["restore"]),
        Loader::Script { .. } => ("bash".to_owned(), &[]),
    };
    CommandLine { program, args: args.iter().map(ToString::to_string).collect() }
}

/// The line that a program's words name: `/dev/stdin:5:9-12`, `line 3`, `line: 3`, `Error in line 2`.
fn line_named(loader: Loader, says: &str) -> Option<usize> {
    let number = |rest: &str| {
        let digits: String =
            rest.trim_start_matches([' ', ':']).chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    match loader {
        Loader::Nft => says.split_once("stdin:").and_then(|(_, rest)| number(rest)),
        Loader::IptablesRestore { .. } | Loader::IpsetRestore | Loader::Script { .. } => {
            says.split("line").skip(1).find_map(number)
        }
    }
}

fn refused(origin: &str, text: &str, line: Option<usize>, tool_says: String) -> LabError {
    let quoted =
        line.and_then(|line| text.lines().nth(line.checked_sub(1)?)).map(|line| line.trim().to_owned());
    let tool_says = tool_says.replace("/dev/stdin", origin);
    LabError::Loader { origin: origin.to_owned(), line, text: quoted, tool_says }
}

/// Stops at the first command that fails where nothing tests it, and names its line on descriptor 9. The script is
/// read from a file, so that its own line numbers count and its standard input is its own.
const STRICT: &str = r#"
exec 9>&1 1>&2
set -E
trap 'status=$?; echo "failed $LINENO $status" >&9; exit 1' ERR
source "$1"
"#;

/// Runs a shell script of an administrator's commands.
pub(crate) async fn script(host: &Host, origin: &str, text: &str, limit: Duration) -> Result<(), LabError> {
    let path = format!("/run/scandrill-script-{}", host.name());
    std::fs::write(&path, text)
        .map_err(|source| LabError::Io { operation: format!("write {path}"), source })?;
    let command = CommandLine {
        program: "bash".to_owned(),
        args: vec!["-c".to_owned(), STRICT.to_owned(), origin.to_owned(), path.clone()],
    };
    let finished = host.output(&command, None, limit).await?;
    drop(std::fs::remove_file(&path));
    match failed_line(&finished) {
        None if finished.status == Some(0) => Ok(()),
        line => {
            let says = String::from_utf8_lossy(&finished.stderr).trim().replace(&path, origin);
            Err(refused(origin, text, line, says))
        }
    }
}

fn failed_line(finished: &Finished) -> Option<usize> {
    let told = String::from_utf8_lossy(&finished.stdout).into_owned();
    told.lines().find_map(|line| line.strip_prefix("failed ")?.split(' ').next()?.parse().ok())
}
