//! Captures with verdicts in them, as tshark reads them.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::{binary, needing, same};

/// One port is open behind a defense that is said to drop all.
const SCENARIO: &str = r#"
family = "v4"
[target]
services = ["tcp/22"]
[[red]]
technique = "tcp-syn"
ports = "20-25"
expect.open = "22"
expect.closed = "20,21"
expect.rest = "filtered"
"#;

/// The tests.
pub fn trials() -> Vec<Trial> {
    vec![needing("tshark", "captures with verdicts in them", verdicts)]
}

fn verdicts() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("leaks.toml"), SCENARIO)?;
    let ran = binary::scandrill()
        .args(["run", "leaks.toml", "--scanner", "builtin", "--seed", "7", "--quiet", "--pcap", "captures"])
        .current_dir(folder.path())
        .output()?;
    same("exit code", ran.status.code(), Some(1))?;
    let capture = folder.path().join("captures/leaks_builtin_v4_/capture.pcapng");
    let all = fields(&capture, "frame", &["frame.number"])?.len();
    same("packets of both ends", all > 12 * 2, true)?;
    let probes = fields(
        &capture,
        "frame.comment contains \"fail\" and tcp.flags.reset == 0",
        &["tcp.dstport", "frame.comment"],
    )?;
    let ports: Vec<&str> = probes.iter().filter_map(|line| line.split('\t').next()).collect();
    let mut sorted = ports.clone();
    sorted.sort_unstable();
    same("ports whose probes failed", sorted, vec!["23", "24", "25"])?;
    let said = |port: &str| format!("red: fail: port {port}: expected filtered, read closed");
    same("said of them", ports.iter().zip(&probes).all(|(port, line)| line.contains(&said(port))), true)?;
    let answers =
        fields(&capture, "frame.comment contains \"fail\" and tcp.flags.reset == 1", &["tcp.srcport"])?;
    same("answers that failed", answers.len(), 3)?;
    let first = fields(&capture, "frame.comment contains \"first probe\"", &["tcp.flags.syn"])?;
    same("first probes", first, vec!["1".to_owned()])?;
    let last = fields(&capture, "frame.comment contains \"last answer\"", &["tcp.flags.ack"])?;
    same("last answers", last, vec!["1".to_owned()])
}

/// Of each packet that a filter lets through, some fields.
#[expect(clippy::disallowed_methods, reason = "a file is read as people read it, outside of any lab")]
fn fields(capture: &Path, filter: &str, names: &[&str]) -> Result<Vec<String>, Failed> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(capture).args(["-n", "-Y", filter, "-T", "fields"]);
    command.args(names.iter().flat_map(|name| ["-e", name]));
    let out = command.env("HOME", "/nowhere").output()?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned().into());
    }
    Ok(String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect())
}
