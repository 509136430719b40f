//! A daemon's script: `start`, `stop`, `kill`, `restart`, `ready` and `pid`. On a host other than the daemon's it does nothing
//! and succeeds, so that commands can be rehearsed in the reference.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio, exit};
use std::time::Duration;

use nix::sys::signal::Signal;
use scandrill_model::CommandLine;

use super::process::Process;
use super::{CONTROL, Record, SCRIPTS};
use crate::command::{HOST_VARIABLE, NOBODYS, environment, found};
use crate::error::{During, LabError};
use crate::wait;

/// How long a daemon may take until it is ready.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// Its exit code where it does not know what is wanted, as that of init scripts.
const USAGE: i32 = 2;

/// Obeys and exits, where this process was started as a daemon's script; else it returns at once.
pub(crate) fn dispatch() {
    let mut args = env::args_os().map(|arg| arg.to_string_lossy().into_owned());
    let script = args.next().unwrap_or_default();
    // By its path, too: of a binary that was built anew meanwhile, the link says something else.
    let by_link = || fs::read_link("/proc/self/exe").is_ok_and(|path| path == Path::new(CONTROL));
    if Path::new(&script).parent() != Some(Path::new(SCRIPTS)) && !by_link() {
        return;
    }
    let name = script.rsplit('/').next().unwrap_or_default();
    let order = args.next().unwrap_or_default();
    let done = Record::read(name).and_then(|record| record.obey(&order));
    exit(done.unwrap_or_else(|error| {
        say(&mut io::stderr(), &error.to_string());
        1
    }));
}

fn say(to: &mut impl Write, text: &str) {
    // Who closed it wants to hear nothing.
    drop(writeln!(to, "{text}"));
}

impl Record {
    fn obey(&self, order: &str) -> Result<i32, LabError> {
        if env::var(HOST_VARIABLE).is_ok_and(|host| host != self.host) {
            return Ok(0);
        }
        match order {
            "start" => self.start()?,
            "stop" => self.end(Signal::SIGTERM)?,
            "kill" => self.end(Signal::SIGKILL)?,
            "restart" => self.end(Signal::SIGTERM).and_then(|()| self.start())?,
            "ready" => return self.ready(),
            "pid" => self.running()?.map_or(Ok(()), |process| {
                say(&mut io::stdout(), &process.id().to_string());
                Ok::<_, LabError>(())
            })?,
            _ => {
                say(&mut io::stderr(), "start, stop, kill, restart, ready or pid is wanted");
                return Ok(USAGE);
            }
        }
        Ok(0)
    }

    /// Starts it and waits until it is ready. One that is not in time is killed.
    fn start(&self) -> Result<(), LabError> {
        if self.runs()? {
            return Err(self.amiss("it is running already"));
        }
        self.make_folders()?;
        let mut child = self.spawn()?;
        let process = Process::of(child.id());
        if let Some(process) = process {
            self.remember(process)?;
        }
        let ready = wait::until_blocking("readiness", START_LIMIT, || {
            let ended = child.try_wait().during(|| format!("wait for {}", self.daemon.name))?;
            if let Some(status) = ended {
                return Err(self.amiss(format!("ended before it was ready: {status}")));
            }
            Ok(self.is_ready(child.id())?.then_some(()))
        });
        if ready.is_err() {
            process.into_iter().for_each(Process::kill_group);
            drop(fs::remove_file(self.process_path()));
        }
        match ready {
            Err(LabError::Deadline { limit, .. }) => Err(self.amiss(format!("not ready within {limit:?}"))),
            other => other,
        }
    }

    fn make_folders(&self) -> Result<(), LabError> {
        let make = |folder: &String| fs::create_dir_all(folder).during(|| format!("make {folder}"));
        self.daemon.folders.iter().try_for_each(make)
    }

    /// Ends it by a signal, and kills what it leaves.
    fn end(&self, signal: Signal) -> Result<(), LabError> {
        let process = self.process()?;
        self.forget()?;
        let Some(process) = process else { return Ok(()) };
        process.signal(signal);
        let ended = wait::until_blocking("end", STOP_LIMIT, || Ok((!process.is_alive()).then_some(())));
        process.kill_group();
        ended.map_err(|_| self.amiss(format!("still there {STOP_LIMIT:?} after {signal}")))
    }

    fn runs(&self) -> Result<bool, LabError> {
        Ok(self.running()?.is_some())
    }

    fn running(&self) -> Result<Option<Process>, LabError> {
        Ok(self.process()?.filter(|process| process.is_alive()))
    }

    fn ready(&self) -> Result<i32, LabError> {
        let is_ready = |process: Process| self.is_ready(process.id().unsigned_abs());
        Ok(i32::from(!self.running()?.map_or(Ok(false), is_ready)?))
    }

    fn is_ready(&self, process: u32) -> Result<bool, LabError> {
        let mut ready = self.command(&self.daemon.ready)?;
        ready.env("PID", process.to_string());
        let status = ready.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.map(|status| status.success()).during(|| format!("ask whether {} is ready", self.daemon.name))
    }

    /// In a process group of its own, so that it outlives who started it and ends whole.
    fn spawn(&self) -> Result<Child, LabError> {
        let path = self.output_path();
        let open = || -> io::Result<_> {
            let output = OpenOptions::new().create(true).append(true).open(&path)?;
            Ok((output.try_clone()?, output))
        };
        let (stdout, stderr) = open().during(|| format!("open {}", path.display()))?;
        let mut command = self.command(&self.daemon.command)?;
        let started = command.stdout(stdout).stderr(stderr).process_group(0).spawn();
        started.during(|| format!("start {}", self.daemon.command.program))
    }

    #[expect(clippy::disallowed_methods, reason = "the lab is where processes are started")]
    fn command(&self, line: &CommandLine) -> Result<Command, LabError> {
        let mut command = Command::new(found(line)?);
        command.args(&line.args).env_clear().envs(environment(&self.host)).envs(NOBODYS);
        command.current_dir("/").stdin(Stdio::null());
        Ok(command)
    }
}
