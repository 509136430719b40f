//! A host: one network namespace with a thread of its own. Work is sent to that thread, because a thread is in
//! one network namespace at a time and what it opens, starts or configures belongs to that one.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use scandrill_model::CommandLine;
use tokio::sync::oneshot;

use crate::error::LabError;

/// A handle to a host; clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Host {
    name: String,
}

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

/// A task on a host's thread; await it for its result. Dropping it lets the task go on.
#[must_use = "a task's result says whether it worked"]
#[derive(Debug)]
pub struct Task<T> {
    host: String,
    result: oneshot::Receiver<T>,
}

impl<T> Future for Task<T> {
    type Output = Result<T, LabError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result)
            .poll(context)
            .map_err(|_| LabError::TaskLost { host: self.host.clone(), what: "a task".to_owned() })
    }
}

impl Host {
    /// The host's name in its plan.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a future on the host's thread: sockets it opens are the host's.
    pub fn spawn<T, F, Fut>(&self, _task: F) -> Task<T>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        todo!()
    }

    /// Runs `work` on an operating system thread of its own inside the host.
    pub async fn blocking<T: Send + 'static>(
        &self,
        _work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LabError> {
        todo!()
    }

    /// Runs a program to its end in the host, giving it `input`. At `deadline` it is killed with all that it
    /// started, which is an error.
    pub async fn output(
        &self,
        _command: &CommandLine,
        _input: Option<Vec<u8>>,
        _deadline: Duration,
    ) -> Result<Finished, LabError> {
        todo!()
    }

    /// Runs a program on the worker's own terminal; its exit code.
    pub async fn interactive(&self, _command: &CommandLine) -> Result<i32, LabError> {
        todo!()
    }

    /// Empties the host's neighbour tables (ARP and ND), so that rules which cut those are seen.
    pub async fn forget_neighbours(&self) -> Result<(), LabError> {
        todo!()
    }
}
