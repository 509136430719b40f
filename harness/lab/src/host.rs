//! A host: one network namespace with a thread of its own. Work is sent to that thread, because a thread is in
//! one network namespace at a time and what it opens, starts or configures belongs to that one.
//!
//! What a host runs as a program is in `command`; what joins hosts to each other is in `links`.

use std::any::Any;
use std::fs::File;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, LocalSet, spawn_local};

use crate::error::{During, LabError};
use crate::{links, wait};

/// How long the end of a host may take; its thread only has to drop what it holds.
const END_LIMIT: Duration = Duration::from_secs(10);

/// A handle to a host; clones are handles to the same one, through all its lives.
#[derive(Clone, Debug)]
pub struct Host(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: String,
    life: Mutex<Life>,
}

/// A host from one boot to the next.
#[derive(Debug)]
struct Life {
    namespace: Arc<OwnedFd>,
    orders: UnboundedSender<Order>,
    thread: Option<Ending>,
}

/// What a host's thread is told.
enum Order {
    Run(Box<dyn FnOnce() -> AbortHandle + Send>, oneshot::Sender<AbortHandle>),
    End,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if matches!(self, Self::Run(..)) { "Run" } else { "End" })
    }
}

/// The thread of a host, to be waited for.
#[derive(Debug)]
struct Ending {
    ended: oneshot::Receiver<()>,
    thread: JoinHandle<()>,
}

/// A task on a host's thread; await it for its result. Dropping it lets the task go on.
#[must_use = "a task's result says whether it worked"]
#[derive(Debug)]
pub struct Task<T> {
    host: String,
    result: oneshot::Receiver<T>,
    started: oneshot::Receiver<AbortHandle>,
}

impl<T> Task<T> {
    /// Ends the task where it waits, and drops all that it holds. Its result is lost.
    pub async fn stop(self) {
        if let Ok(task) = self.started.await {
            task.abort();
        }
        // The sender goes when the task's future is dropped; the error says exactly that.
        let _ = self.result.await;
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, LabError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(context).map_err(|_| lost(&self.host, "a task"))
    }
}

impl Life {
    async fn begin(name: &str) -> Result<Self, LabError> {
        let (orders, received) = unbounded_channel();
        let (tell_ready, ready) = oneshot::channel();
        let (tell_ended, ended) = oneshot::channel();
        let thread = Builder::new()
            .name(format!("host-{name}"))
            .spawn(move || {
                // A listener that has gone away is a lab that is being given up.
                let _ = live(tell_ready, received);
                let _ = tell_ended.send(());
            })
            .during(|| format!("start the thread of host {name}"))?;
        let namespace = ready.await.map_err(|_| lost(name, "its start"))??;
        Ok(Self { namespace: Arc::new(namespace), orders, thread: Some(Ending { ended, thread }) })
    }
}

impl Host {
    /// Makes a network namespace with nothing in it but a loopback interface that is down.
    pub(crate) async fn start(name: &str) -> Result<Self, LabError> {
        Ok(Self::living(name, Life::begin(name).await?))
    }

    fn living(name: &str, life: Life) -> Self {
        Self(Arc::new(Shared { name: name.to_owned(), life: Mutex::new(life) }))
    }

    /// Gives the host a new network namespace, and hands out a handle to what it was before, to be ended.
    pub(crate) async fn renew(&self) -> Result<Self, LabError> {
        let new = Life::begin(self.name()).await?;
        let former = std::mem::replace(&mut *self.life(), new);
        Ok(Self::living(self.name(), former))
    }

    fn life(&self) -> MutexGuard<'_, Life> {
        self.0.life.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host's name in its plan.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The host's network namespace.
    pub(crate) fn namespace(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.life().namespace)
    }

    /// Runs a future on the host's thread: sockets it opens are the host's. It must not block.
    pub fn spawn<T, F, Fut>(&self, task: F) -> Task<T>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = T> + 'static,
        T: Send + 'static,
    {
        let (tell_result, result) = oneshot::channel();
        let (tell_started, started) = oneshot::channel();
        let run = Box::new(move || {
            let work = async move {
                // Nobody may be waiting for the result any more.
                let _ = tell_result.send(task().await);
            };
            spawn_local(work).abort_handle()
        });
        // A host that has ended drops the order, and with it both senders: the task is lost, and says so.
        let _ = self.life().orders.send(Order::Run(run, tell_started));
        Task { host: self.0.name.clone(), result, started }
    }

    /// Runs `work` on an operating system thread of its own inside the host, where it may block.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, LabError> {
        let (tell, result) = oneshot::channel();
        let (name, namespace) = (self.name().to_owned(), self.namespace());
        let enter = move || {
            setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).during(|| format!("enter host {name}"))
        };
        Builder::new()
            .name(format!("work-{}", self.name()))
            .spawn(move || {
                // Nobody may be waiting for the result any more.
                let _ = tell.send(enter().map(|()| work()));
            })
            .during(|| format!("start a thread in host {}", self.name()))?;
        result.await.map_err(|_| lost(self.name(), "blocking work"))?
    }

    /// Empties the host's neighbour tables (ARP and ND), so that rules which cut those are seen.
    pub async fn forget_neighbours(&self) -> Result<(), LabError> {
        links::flush_neighbours(self).await
    }

    /// Ends the host's thread and all its tasks. The kernel takes its namespace apart later, when nothing uses
    /// it any more; that is not waited for.
    pub(crate) async fn end(&self) -> Result<(), LabError> {
        // A thread that has ended already has dropped its receiver.
        let _ = self.life().orders.send(Order::End);
        let Some(ending) = self.life().thread.take() else {
            return Ok(());
        };
        let ended = wait::within(&format!("end of host {}", self.name()), END_LIMIT, ending.ended).await?;
        let joined = ending.thread.join();
        ended
            .map_err(|_| ())
            .and(joined.map_err(|_: Box<dyn Any + Send>| ()))
            .map_err(|()| lost(self.name(), "its end"))
    }
}

fn lost(host: &str, what: &str) -> LabError {
    LabError::TaskLost { host: host.to_owned(), what: what.to_owned() }
}

/// The life of a host's thread, in its own network namespace from here on.
fn live(
    tell_ready: oneshot::Sender<Result<OwnedFd, LabError>>,
    mut orders: UnboundedReceiver<Order>,
) -> Result<(), Result<OwnedFd, LabError>> {
    let (runtime, namespace) = match settle() {
        Ok(settled) => settled,
        Err(error) => return tell_ready.send(Err(error)),
    };
    tell_ready.send(Ok(namespace))?;
    LocalSet::new().block_on(&runtime, async {
        while let Some(Order::Run(run, tell_started)) = orders.recv().await {
            // The task runs whether or not anyone wants to be able to stop it.
            let _ = tell_started.send(run());
        }
    });
    Ok(())
}

fn settle() -> Result<(tokio::runtime::Runtime, OwnedFd), LabError> {
    unshare(CloneFlags::CLONE_NEWNET).during(|| "make a network namespace".to_owned())?;
    let namespace =
        File::open("/proc/thread-self/ns/net").during(|| "open the new network namespace".to_owned())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .during(|| "start a host's runtime".to_owned())?;
    Ok((runtime, namespace.into()))
}
