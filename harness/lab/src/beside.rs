//! A program that runs in a host while others act: it is waited for until it says that it is ready, and ended as a person
//! ends it, by Ctrl-C.

use std::time::Duration;

use nix::sys::signal::Signal;
use scandrill_model::CommandLine;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Child;
use tokio::sync::{oneshot, watch};

use crate::command::{Finished, Group, in_words, prepare_alone, read_all};
use crate::error::{During, LabError};
use crate::host::{Host, Task};
use crate::wait;

/// How long a program may take to end once it is interrupted.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A running program. Dropping it kills its process group.
#[must_use = "a program that runs is interrupted to be read"]
#[derive(Debug)]
pub struct Beside {
    what: String,
    said: watch::Receiver<Vec<u8>>,
    interrupt: oneshot::Sender<()>,
    task: Task<Result<Finished, LabError>>,
}

impl Host {
    /// Starts a program that has no input. It is killed with its process group when it has not ended within `limit`.
    pub fn beside(&self, command: &CommandLine, limit: Duration) -> Result<Beside, LabError> {
        let mut ready = prepare_alone(self, command)?;
        let what = format!("{} on {}", in_words(command), self.name());
        let (tell, said) = watch::channel(Vec::new());
        let (interrupt, interrupted) = oneshot::channel();
        let started = what.clone();
        let task = self.spawn(async move || {
            let mut child = ready.spawn().during(|| format!("start {started}"))?;
            let running = run(&mut child, tell, interrupted);
            let ended = wait::within(&format!("end of {started}"), limit, running).await;
            if ended.is_err() {
                // It has just been killed with its group; this takes it out of the process table.
                let _ = child.wait().await;
            }
            ended?
        });
        Ok(Beside { what, said, interrupt, task })
    }
}

impl Beside {
    /// Waits until what it has written to its standard output is `enough`; also when it has ended before.
    pub async fn until(&mut self, limit: Duration, enough: impl Fn(&[u8]) -> bool) -> Result<(), LabError> {
        let waited_for = format!("what {} says when it is ready", self.what);
        // The other end goes away when the program has ended, which says enough.
        let heard = wait::within(&waited_for, limit, self.said.wait_for(|said| enough(said))).await;
        heard.map(drop)
    }

    /// Interrupts it, where it has not ended by itself, and waits for its end.
    pub async fn interrupt(self) -> Result<Finished, LabError> {
        // Nobody listens any more where it has ended.
        let _ = self.interrupt.send(());
        self.task.await?
    }
}

async fn run(
    child: &mut Child,
    tell: watch::Sender<Vec<u8>>,
    interrupted: oneshot::Receiver<()>,
) -> Result<Finished, LabError> {
    let group = Group::of(child);
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let end = async {
        let ended = tokio::select! {
            ended = child.wait() => Some(ended),
            _ = interrupted => None,
        };
        let status = if let Some(status) = ended {
            status
        } else {
            group.signal(Signal::SIGINT);
            wait::within("end of an interrupted program", END_LIMIT, child.wait()).await?
        };
        // What is left of the group may hold the pipes open.
        drop(group);
        status.during(|| "wait for a program".to_owned())
    };
    let stderr = async { read_all(stderr).await.during(|| "read a program's output".to_owned()) };
    let (stdout, stderr, status) = tokio::try_join!(hear(stdout, tell), stderr, end)?;
    Ok(Finished { status: status.code(), stdout, stderr })
}

/// Reads to the end, and tells what it has read so far.
async fn hear(
    pipe: Option<impl AsyncRead + Unpin>,
    tell: watch::Sender<Vec<u8>>,
) -> Result<Vec<u8>, LabError> {
    let Some(mut pipe) = pipe else { return Ok(Vec::new()) };
    let mut chunk = [0; 4096];
    loop {
        let length = pipe.read(&mut chunk).await.during(|| "read a program's output".to_owned())?;
        if length == 0 {
            return Ok(tell.send_replace(Vec::new()));
        }
        tell.send_modify(|said| said.extend_from_slice(&chunk[..length]));
    }
}
