//! A thread that listens while others act, on sockets of a host's network namespace or to the clock. It is ready when it is
//! begun, hears all until it is told to stop, and then says what it heard.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;
use tokio::sync::oneshot;

use crate::error::{During, LabError};

/// The thread.
#[must_use = "who listens is stopped to learn what was heard"]
#[derive(Debug)]
pub(crate) struct Listening<T> {
    what: &'static str,
    /// Dropping it is the word to stop.
    running: OwnedFd,
    ending: oneshot::Receiver<Result<T, LabError>>,
}

/// Where the word to stop comes from.
#[derive(Debug)]
pub(crate) struct Told(OwnedFd);

impl<T: Send + 'static> Listening<T> {
    /// Opens on the thread what it listens by, and listens from its return on.
    pub(crate) async fn begin<L>(
        what: &'static str,
        open: impl FnOnce() -> Result<L, LabError> + Send + 'static,
        listen: impl FnOnce(L, &Told) -> Result<T, LabError> + Send + 'static,
    ) -> Result<Self, LabError> {
        let (told, running) = pipe2(OFlag::O_CLOEXEC).during(|| format!("make a pipe for {what}"))?;
        let told = Told(told);
        let (tell_ready, ready) = oneshot::channel();
        let (tell, ending) = oneshot::channel();
        let life = move || {
            let (listener, readiness) = match open() {
                Ok(listener) => (Some(listener), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Who has gone does not listen any more.
            drop(tell_ready.send(readiness));
            drop(listener.map(|listener| tell.send(listen(listener, &told))));
        };
        let thread = std::thread::Builder::new().name(what.to_owned()).spawn(life);
        thread.during(|| format!("start a thread for {what}"))?;
        ready.await.map_err(|_| lost(what))??;
        Ok(Self { what, running, ending })
    }

    /// Ends it, after all that has come until now.
    pub(crate) async fn stop(self) -> Result<T, LabError> {
        drop(self.running);
        self.ending.await.map_err(|_| lost(self.what))?
    }
}

impl Told {
    /// Waits until there is something to read; whether it is the word to stop.
    pub(crate) fn wait<'a>(
        &'a self,
        others: impl IntoIterator<Item = BorrowedFd<'a>>,
        limit: PollTimeout,
    ) -> Result<bool, Errno> {
        let all = std::iter::once(self.0.as_fd()).chain(others);
        let mut ends: Vec<PollFd<'_>> = all.map(|end| PollFd::new(end, PollFlags::POLLIN)).collect();
        match poll(&mut ends, limit) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
        Ok(ends[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)))
    }
}

fn lost(what: &str) -> LabError {
    LabError::TaskLost { host: "all".to_owned(), what: what.to_owned() }
}
