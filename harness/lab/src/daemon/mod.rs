//! Daemons: programs that go on running on a host. Whatever is done to one is done by its script,
//! `/run/scandrill/daemons/NAME`, which is this binary under that name: the lab, an administrator of a scenario and a
//! machine that boots have the very same. Its record says what it is; another says which process it is, as long as nobody has
//! stopped it, so that one that has died by itself is told from one that was ended.

mod control;
mod process;

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scandrill_model::{CommandLine, Daemon};
use serde::{Deserialize, Serialize};

pub(crate) use self::control::dispatch;
use self::process::Process;
use crate::error::{During, LabError};
use crate::host::Host;

/// This binary, as what starts and stops daemons.
pub(crate) const CONTROL: &str = "/run/scandrill/control";
/// The scripts, by the daemons' names.
const SCRIPTS: &str = "/run/scandrill/daemons";
/// What is known of daemons: `NAME.json`, and `NAME.process` while it runs.
const RECORDS: &str = "/run/scandrill/daemon-records";
/// Longer than a script waits for anything.
const LIMIT: Duration = Duration::from_secs(60);
/// How much of what a daemon said last goes into an error.
const LINES_TOLD: usize = 10;

/// What is known of a daemon.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    daemon: Daemon,
    /// The host it runs on.
    host: String,
}

/// Makes the folders that daemons' scripts and records are in.
pub(crate) fn make_folders() -> Result<(), LabError> {
    [SCRIPTS, RECORDS]
        .iter()
        .try_for_each(|folder| fs::create_dir_all(folder).during(|| format!("make {folder}")))
}

/// Puts a daemon's script in its place. A second one of the same name is an error.
pub(crate) fn place(host: &Host, daemon: &Daemon) -> Result<(), LabError> {
    let record = Record { daemon: daemon.clone(), host: host.name().to_owned() };
    let (script, path) = (script(&daemon.name), record_of(&daemon.name));
    symlink(CONTROL, &script).during(|| format!("make {}", script.display()))?;
    let text = serde_json::to_vec(&record).map_err(io::Error::from);
    text.and_then(|text| fs::write(&path, text)).during(|| format!("write {}", path.display()))
}

/// Takes the script away of a daemon that does not run.
pub(crate) fn take_away(name: &str) -> Result<(), LabError> {
    let paths = [script(name), record_of(name)];
    paths.iter().try_for_each(|path| fs::remove_file(path).during(|| format!("remove {}", path.display())))
}

/// Calls a daemon's script on its host.
pub(crate) async fn order(host: &Host, name: &str, order: &str) -> Result<(), LabError> {
    let program = script(name).to_string_lossy().into_owned();
    let command = CommandLine { program, args: vec![order.to_owned()] };
    host.output(&command, None, LIMIT).await?.success(&command).map(drop)
}

/// Forgets the processes of a host's daemons, as all that runs there is about to be killed. One that had died before is an
/// error.
pub(crate) fn end_with(host: &Host) -> Result<(), LabError> {
    for entry in fs::read_dir(RECORDS).during(|| format!("list {RECORDS}"))? {
        let path = entry.during(|| format!("list {RECORDS}"))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")) else {
            continue;
        };
        let record = Record::read(name)?;
        if record.host == host.name() {
            record.forget()?;
        }
    }
    Ok(())
}

fn script(name: &str) -> PathBuf {
    Path::new(SCRIPTS).join(name)
}

fn record_of(name: &str) -> PathBuf {
    Path::new(RECORDS).join(format!("{name}.json"))
}

impl Record {
    fn read(name: &str) -> Result<Self, LabError> {
        let path = record_of(name);
        let text = fs::read(&path).during(|| format!("read {}", path.display()))?;
        serde_json::from_slice(&text).map_err(io::Error::from).during(|| format!("read {}", path.display()))
    }

    /// The process, unless it was ended.
    fn process(&self) -> Result<Option<Process>, LabError> {
        let path = self.process_path();
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(|text| text.parse().ok()).during(|| format!("read {}", path.display())),
        }
    }

    fn remember(&self, process: Process) -> Result<(), LabError> {
        let path = self.process_path();
        fs::write(&path, process.to_string()).during(|| format!("write {}", path.display()))
    }

    /// Forgets the process; an error where it is not alive any more.
    fn forget(&self) -> Result<(), LabError> {
        let Some(process) = self.process()? else { return Ok(()) };
        let path = self.process_path();
        fs::remove_file(&path).during(|| format!("remove {}", path.display()))?;
        if process.is_alive() { Ok(()) } else { Err(self.amiss("it has died by itself")) }
    }

    fn process_path(&self) -> PathBuf {
        Path::new(RECORDS).join(format!("{}.process", self.daemon.name))
    }

    fn output_path(&self) -> PathBuf {
        Path::new("/var/log").join(format!("{}.out", self.daemon.name))
    }

    fn amiss(&self, what: impl Into<String>) -> LabError {
        let said = fs::read(self.output_path()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.trim().lines().collect();
        let output = lines[lines.len().saturating_sub(LINES_TOLD)..].join("\n");
        LabError::Daemon { name: self.daemon.name.clone(), what: what.into(), output }
    }
}
