//! Who decides to ban whom, heard as it happens: elements that come into nftables' sets by netlink, lines that daemons write
//! to their logs, and calls of the tools that a lab stands in for. What a rule adds to a set in the packet's own path, and
//! what xt_recent keeps, the kernel tells nobody: there, the captures say it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns};
use nix::unistd::pipe2;
use scandrill_model::{Clock, Mark, Milestone, Stamp, Witness};
use tokio::sync::oneshot;

use super::daemon_logs::DaemonLogs;
use super::nft_events::NftEvents;
use crate::clock;
use crate::error::{During, LabError};
use crate::host::Host;
use crate::standin::{Called, calls, calls_between};

/// More decisions than these about one lab tell nothing new.
const MOST: usize = 1024;

/// What was decided, and about whom.
pub type Decided = (IpAddr, Mark);

/// Listens for decisions about some addresses.
#[must_use = "who listens is stopped to learn what was heard"]
#[derive(Debug)]
pub struct Decisions {
    addresses: BTreeSet<IpAddr>,
    /// How much the lab's tools had been called before.
    called: u64,
    /// What the thread has heard and nobody has taken.
    heard: Heard,
    /// Dropping it ends the thread.
    running: OwnedFd,
    ending: oneshot::Receiver<Result<(), LabError>>,
}

/// What a thread hears and another takes.
type Heard = Arc<Mutex<Vec<Decided>>>;

impl Decisions {
    /// Listens for what is decided about `addresses`, from its return on: in nftables of each of `hosts`, and in the logs and calls
    /// that they share.
    pub async fn start(hosts: &[&Host], addresses: BTreeSet<IpAddr>) -> Result<Self, LabError> {
        let namespaces: Vec<_> = hosts.iter().map(|host| host.namespace()).collect();
        let (told, running) = pipe2(OFlag::O_CLOEXEC).during(|| "make a listener's pipe".to_owned())?;
        let (tell_ready, ready) = oneshot::channel();
        let (tell, ending) = oneshot::channel();
        let (about, heard) = (addresses.clone(), Heard::default());
        let hearing = Arc::clone(&heard);
        let life = move || {
            let (listener, readiness) = match Listener::open(&namespaces, about, hearing) {
                Ok(listener) => (Some(listener), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // Who has gone does not listen any more.
            drop(tell_ready.send(readiness));
            drop(listener.map(|listener| tell.send(listener.listen_until(&told))));
        };
        let thread = std::thread::Builder::new().name("decisions".to_owned()).spawn(life);
        thread.during(|| "start a listener's thread".to_owned())?;
        ready.await.map_err(|_| lost())??;
        Ok(Self { addresses, called: calls(), heard, running, ending })
    }

    /// Takes what has been heard so far, in order of time.
    pub fn take(&mut self) -> Vec<Decided> {
        let before = std::mem::replace(&mut self.called, calls());
        taken(&self.heard, &self.addresses, calls_between(before, self.called))
    }

    /// Ends it; what was heard and not taken before, in order of time.
    pub async fn stop(self) -> Result<Vec<Decided>, LabError> {
        drop(self.running);
        self.ending.await.map_err(|_| lost())??;
        Ok(taken(&self.heard, &self.addresses, calls_between(self.called, calls())))
    }
}

/// What the thread has heard, and what calls say of `addresses`.
fn taken(heard: &Heard, addresses: &BTreeSet<IpAddr>, called: Vec<Called>) -> Vec<Decided> {
    let mut heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    heard.extend(called.into_iter().flat_map(|call| {
        let about = addresses.iter().filter(|address| call.names(**address)).copied();
        let mark = decision(call.at, Witness::Command(call.program.clone()), call.line.clone());
        about.map(move |address| (address, mark.clone())).collect::<Vec<_>>()
    }));
    heard.sort_by_key(|(_, mark)| mark.at);
    heard.truncate(MOST);
    heard
}

fn lost() -> LabError {
    LabError::TaskLost { host: "all".to_owned(), what: "the listener for decisions".to_owned() }
}

fn decision(at: Stamp, witness: Witness, detail: String) -> Mark {
    Mark { milestone: Milestone::Decided, at, witness, clock: Clock::Told, detail }
}

/// Listens, on a thread of its own.
struct Listener {
    addresses: BTreeSet<IpAddr>,
    /// Of each host; a socket stays in the namespace in which it was opened.
    events: Vec<NftEvents>,
    logs: DaemonLogs,
    heard: Heard,
}

impl Listener {
    fn open(
        namespaces: &[Arc<OwnedFd>],
        addresses: BTreeSet<IpAddr>,
        heard: Heard,
    ) -> Result<Self, LabError> {
        let listen = |namespace: &Arc<OwnedFd>| {
            setns(namespace, CloneFlags::CLONE_NEWNET)
                .during(|| "enter the host of a listener".to_owned())?;
            NftEvents::open().during(|| "listen to nftables".to_owned())
        };
        Ok(Self {
            addresses,
            events: namespaces.iter().map(listen).collect::<Result<_, _>>()?,
            logs: DaemonLogs::open().during(|| "watch the logs of daemons".to_owned())?,
            heard,
        })
    }

    fn listen_until(mut self, told: &OwnedFd) -> Result<(), LabError> {
        let mut stopping = false;
        loop {
            // What came before the word to stop is still read.
            self.take()?;
            if stopping {
                return Ok(());
            }
            stopping = self.wait(told)?;
        }
    }

    /// Waits for something to read; whether it is the word to stop.
    fn wait(&self, told: &OwnedFd) -> Result<bool, LabError> {
        let own = [told.as_fd(), self.logs.descriptor()];
        let all = own.into_iter().chain(self.events.iter().map(NftEvents::descriptor));
        let mut ends: Vec<PollFd<'_>> = all.map(|end| PollFd::new(end, PollFlags::POLLIN)).collect();
        match poll(&mut ends, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).during(|| "wait for decisions".to_owned()),
        }
        Ok(ends[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)))
    }

    fn take(&mut self) -> Result<(), LabError> {
        let addresses = &self.addresses;
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::now();
        let mut hear = |address: IpAddr, witness: Witness, detail: String| {
            if heard.len() < MOST {
                heard.push((address, decision(now, witness, detail)));
            }
        };
        for events in &mut self.events {
            let mut each = |address, what| hear(address, Witness::Kernel("nftables".to_owned()), what);
            events.receive(addresses, &mut each).during(|| "hear of nftables".to_owned())?;
        }
        self.logs
            .receive(addresses, &mut |address, file, line| hear(address, Witness::Log(file), line))
            .during(|| "read the logs of daemons".to_owned())
    }
}
