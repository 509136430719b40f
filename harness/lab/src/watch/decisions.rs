//! Who decides to ban whom, heard as it happens: elements that come into nftables' sets by netlink, lines that daemons write
//! to their logs, and calls of the tools that a lab stands in for. What a rule adds to a set in the packet's own path, and
//! what xt_recent keeps, the kernel tells nobody: there, the captures say it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use nix::poll::PollTimeout;
use nix::sched::{CloneFlags, setns};
use scandrill_model::{Clock, Mark, Milestone, Stamp, Witness};

use super::daemon_logs::DaemonLogs;
use super::nft_events::NftEvents;
use crate::clock;
use crate::error::{During, LabError};
use crate::host::Host;
use crate::listening::{Listening, Told};
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
    listening: Listening<()>,
}

/// What a thread hears and another takes.
type Heard = Arc<Mutex<Vec<Decided>>>;

impl Decisions {
    /// Listens for what is decided about `addresses`, from its return on: in nftables of each of `hosts`, and in the logs and calls
    /// that they share.
    pub async fn start(hosts: &[&Host], addresses: BTreeSet<IpAddr>) -> Result<Self, LabError> {
        let namespaces: Vec<_> = hosts.iter().map(|host| host.namespace()).collect();
        let (about, heard) = (addresses.clone(), Heard::default());
        let hearing = Arc::clone(&heard);
        let open = move || Listener::open(&namespaces, about, hearing);
        let listening = Listening::begin("decisions", open, Listener::listen_until).await?;
        Ok(Self { addresses, called: calls(), heard, listening })
    }

    /// Takes what has been heard so far, in order of time.
    pub fn take(&mut self) -> Vec<Decided> {
        let before = std::mem::replace(&mut self.called, calls());
        taken(&self.heard, &self.addresses, calls_between(before, self.called))
    }

    /// Ends it; what was heard and not taken before, in order of time.
    pub async fn stop(self) -> Result<Vec<Decided>, LabError> {
        self.listening.stop().await?;
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

    fn listen_until(mut self, told: &Told) -> Result<(), LabError> {
        let mut stopping = false;
        loop {
            // What came before the word to stop is still read.
            self.take()?;
            if stopping {
                return Ok(());
            }
            let events = self.events.iter().map(NftEvents::descriptor);
            let all = std::iter::once(self.logs.descriptor()).chain(events);
            stopping = told.wait(all, PollTimeout::NONE).during(|| "wait for decisions".to_owned())?;
        }
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
