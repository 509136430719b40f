//! Programs that run inside a host: started by the host's own thread, so that they are born in its namespace,
//! each in a process group of its own, so that it ends whole.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use scandrill_model::CommandLine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::error::{During, LabError};
use crate::host::Host;
use crate::{machine, wait};

/// What a program left when it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; `None` when a signal ended it.
    pub status: Option<i32>,
    /// All it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// All it wrote to its standard error.
    pub stderr: Vec<u8>,
}

impl Finished {
    /// Itself when its exit code is 0; else an error with its own words.
    pub fn success(self, command: &CommandLine) -> Result<Self, LabError> {
        if self.status == Some(0) {
            return Ok(self);
        }
        let status = self.status.map_or("ended by a signal".to_owned(), |code| format!("exit code {code}"));
        let words = if self.stderr.is_empty() { &self.stdout } else { &self.stderr };
        let tool_says = String::from_utf8_lossy(words).trim().to_owned();
        Err(LabError::Command { command: in_words(command), status, tool_says })
    }
}

impl Host {
    /// Runs a program to its end in the host, giving it `input`. When it has not ended and closed its output
    /// within `limit`, it is killed with all of its process group, which is an error.
    pub async fn output(
        &self,
        command: &CommandLine,
        input: Option<Vec<u8>>,
        limit: Duration,
    ) -> Result<Finished, LabError> {
        self.run(command, input, limit, Leftovers::Stay).await
    }

    /// As [`Host::output`], and nothing of its process group outlives it, whatever it started and left behind.
    pub async fn alone(&self, command: &CommandLine, limit: Duration) -> Result<Finished, LabError> {
        self.run(command, None, limit, Leftovers::End).await
    }

    /// Runs a program on the worker's own terminal to its end; its exit code, or 128 and the signal's number.
    pub async fn interactive(&self, command: &CommandLine) -> Result<i32, LabError> {
        let mut ready = prepare(self, command)?;
        let what = format!("{} on {}", in_words(command), self.name());
        let run = async move || ready.status().await.during(|| what);
        self.spawn(run).await?.map(exit_code)
    }

    async fn run(
        &self,
        command: &CommandLine,
        input: Option<Vec<u8>>,
        limit: Duration,
        leftovers: Leftovers,
    ) -> Result<Finished, LabError> {
        let mut ready = prepare_alone(self, command)?;
        if input.is_some() {
            ready.stdin(Stdio::piped());
        }
        let what = format!("{} on {}", in_words(command), self.name());
        self.spawn(move || run(ready, input, what, limit, leftovers)).await?
    }
}

/// What becomes of processes of a program's group that are there when the program itself has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leftovers {
    /// They go on, as daemons do.
    Stay,
    /// They are killed.
    End,
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// The program of a command line, with its folder.
pub(crate) fn found(command: &CommandLine) -> Result<PathBuf, LabError> {
    machine::find_program(&command.program).ok_or_else(|| LabError::NoProgram(command.program.clone()))
}

/// The variable that tells a program on which host it runs.
pub(crate) const HOST_VARIABLE: &str = "SCANDRILL_HOST";
/// What is instead of a person's own settings.
pub(crate) const NOBODYS: [(&str, &str); 2] = [("LC_ALL", "C"), ("HOME", "/tmp")];

/// What every program on a host is told.
pub(crate) fn environment(host: &str) -> [(&'static str, OsString); 2] {
    [("PATH", machine::search_path()), (HOST_VARIABLE, host.into())]
}

#[expect(clippy::disallowed_methods, reason = "the lab is where processes are started")]
fn prepare(host: &Host, command: &CommandLine) -> Result<Command, LabError> {
    let mut ready = Command::new(found(command)?);
    ready.args(&command.args).envs(environment(host.name())).current_dir("/");
    Ok(ready)
}

/// A program in a process group of its own, that nobody talks to but by pipes. What it does must not depend on who
/// started the drill.
pub(crate) fn prepare_alone(host: &Host, command: &CommandLine) -> Result<Command, LabError> {
    let mut ready = prepare(host, command)?;
    ready.env_clear().envs(environment(host.name())).envs(NOBODYS);
    ready.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    ready.process_group(0).kill_on_drop(true);
    Ok(ready)
}

/// The command as a person would type it, to the end of its first line.
pub(crate) fn in_words(command: &CommandLine) -> String {
    let mut words = vec![command.program.as_str()];
    words.extend(command.args.iter().map(String::as_str));
    let words = words.join(" ");
    words.lines().next().unwrap_or_default().to_owned()
}

async fn run(
    mut command: Command,
    input: Option<Vec<u8>>,
    what: String,
    limit: Duration,
    leftovers: Leftovers,
) -> Result<Finished, LabError> {
    let mut child = command.spawn().during(|| format!("start {what}"))?;
    let ended = wait::within(&format!("end of {what}"), limit, converse(&mut child, input, leftovers)).await;
    if ended.is_err() {
        // It has just been killed with its group; this takes it out of the process table.
        let _ = child.wait().await;
    }
    ended?.during(|| format!("read the output of {what}"))
}

/// Writes the input while it reads both outputs, so that no pipe can fill up and stop both sides.
async fn converse(
    child: &mut Child,
    input: Option<Vec<u8>>,
    leftovers: Leftovers,
) -> std::io::Result<Finished> {
    let group = Group::of(child);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let give = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A program that does not read all of its input says why by its exit code.
            let _ = stdin.write_all(&input).await;
        }
        Ok(())
    };
    let end = async {
        let status = child.wait().await?;
        // What is left of the group has its number still, and may hold the pipes open.
        match leftovers {
            Leftovers::Stay => group.let_go(),
            Leftovers::End => drop(group),
        }
        Ok(status)
    };
    let ((), stdout, stderr, status) = tokio::try_join!(give, read_all(stdout), read_all(stderr), end)?;
    Ok(Finished { status: status.code(), stdout, stderr })
}

pub(crate) async fn read_all(pipe: Option<impl AsyncReadExt + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// A process group that is killed unless it is let go.
#[must_use = "dropping it kills the group"]
pub(crate) struct Group(Option<Pid>);

impl Group {
    pub(crate) fn of(leader: &Child) -> Self {
        Self(leader.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // A group that is gone already needs no signal.
            let _ = killpg(group, signal);
        }
    }

    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}
