//! Captures: every packet at one end of a link, in both directions, with the kernel's own time stamps. A capture
//! that lost a packet says so.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::pipe2;
use scandrill_model::Stamp;
use tokio::sync::oneshot;

use crate::error::{During, LabError};
use crate::host::Host;
use crate::packet_socket::filter;
use crate::ring::Ring;
use crate::wait;

/// How long a packet may take from having its slot in the ring to being in it.
const LAST_PACKETS_LIMIT: Duration = Duration::from_secs(5);

/// A packet as it passed an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapturedPacket {
    /// When, on the clock of all stamps.
    pub at: Stamp,
    /// Whether the host sent it.
    pub outgoing: bool,
    /// Its first bytes, from the Ethernet header, at most 128.
    pub bytes: Box<[u8]>,
    /// Its whole length in bytes.
    pub length: u32,
}

/// A capture that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Whose end of the link.
    pub host: String,
    /// The interface's name.
    pub interface: String,
    /// In the order in which they passed.
    pub packets: Vec<CapturedPacket>,
    /// How many are missing.
    pub dropped: u64,
}

/// What the reading thread ends with: how many packets are missing.
type Ending = Result<u64, LabError>;

/// A running capture.
#[must_use = "a capture is stopped to be read"]
#[derive(Debug)]
pub struct Capture {
    host: String,
    interface: String,
    packets: Arc<Mutex<Vec<CapturedPacket>>>,
    /// Closing it ends the reading thread.
    running: OwnedFd,
    ending: oneshot::Receiver<Ending>,
}

impl Capture {
    /// Starts to capture on an interface; everything from its return on is seen. Of a burst of `burst` packets none is
    /// lost, however late the reading thread comes to run.
    pub async fn start(host: &Host, interface: &str, burst: usize) -> Result<Self, LabError> {
        Self::start_without(host, interface, burst, &[]).await
    }

    /// As [`Capture::start`], but for the IP packets that an address of `left_out` sends or receives: a flood's, which
    /// would fill any capture.
    pub async fn start_without(
        host: &Host,
        interface: &str,
        burst: usize,
        left_out: &[IpNet],
    ) -> Result<Self, LabError> {
        let name = interface.to_owned();
        let filter = if left_out.is_empty() { Vec::new() } else { filter::without(left_out) };
        let ring = host.blocking(move || open(&name, burst, &filter)).await??;
        let (stop, running) =
            pipe2(nix::fcntl::OFlag::O_CLOEXEC).during(|| "making a capture's pipe".to_owned())?;
        let packets = Arc::new(Mutex::new(Vec::new()));
        let (tell, ending) = oneshot::channel();
        let kept = Arc::clone(&packets);
        std::thread::Builder::new()
            .name(format!("capture-{}", host.name()))
            .spawn(move || {
                // Nobody listens any more when the capture was dropped unread.
                drop(tell.send(read(ring, &stop, &kept)));
            })
            .during(|| "starting a capture's thread".to_owned())?;
        Ok(Self { host: host.name().to_owned(), interface: interface.to_owned(), packets, running, ending })
    }

    /// What has been captured so far. What is missing is known in the end alone.
    pub fn so_far(&self) -> Captured {
        let packets = self.packets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Captured { host: self.host.clone(), interface: self.interface.clone(), packets, dropped: 0 }
    }

    /// Ends the capture, after all packets that have passed until now.
    pub async fn stop(self) -> Result<Captured, LabError> {
        drop(self.running);
        let lost = |_| LabError::TaskLost { host: self.host.clone(), what: "a capture".to_owned() };
        let dropped = self.ending.await.map_err(lost)??;
        let packets = std::mem::take(&mut *self.packets.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Captured { host: self.host, interface: self.interface, packets, dropped })
    }
}

fn open(interface: &str, burst: usize, filter: &[libc::sock_filter]) -> Result<Ring, LabError> {
    let index =
        nix::net::if_::if_nametoindex(interface).during(|| format!("finding interface {interface}"))?;
    Ring::open(i32::try_from(index).unwrap_or(i32::MAX), burst, filter)
        .during(|| format!("opening a capture on {interface}"))
}

/// Reads until the other end of `stop` closes and all that passed until then has been read.
fn read(mut ring: Ring, stop: &OwnedFd, packets: &Mutex<Vec<CapturedPacket>>) -> Ending {
    let mut taken = 0;
    let mut stopping = false;
    while !stopping {
        let some = take_all(&mut ring, packets);
        taken += some;
        stopping = some == 0 && readable_or_end(&ring, stop)?;
    }
    let counts = ring.counts().during(|| "reading a capture's statistics".to_owned())?;
    // Another processor may still be writing a packet that has its slot.
    wait::until_blocking("the last packets of a capture", LAST_PACKETS_LIMIT, || {
        taken += take_all(&mut ring, packets);
        Ok((taken >= counts.kept).then_some(counts.dropped))
    })
}

/// Takes what is in the ring; gives how many packets that were.
fn take_all(ring: &mut Ring, packets: &Mutex<Vec<CapturedPacket>>) -> u64 {
    let mut some: Vec<CapturedPacket> = std::iter::from_fn(|| ring.take()).collect();
    let taken = some.len() as u64;
    packets.lock().unwrap_or_else(PoisonError::into_inner).append(&mut some);
    taken
}

/// Waits for a packet or the end; whether it is the end.
fn readable_or_end(ring: &Ring, stop: &OwnedFd) -> Result<bool, LabError> {
    let mut fds =
        [PollFd::new(ring.descriptor(), PollFlags::POLLIN), PollFd::new(stop.as_fd(), PollFlags::POLLIN)];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(error) => return Err(error).during(|| "waiting for packets to capture".to_owned()),
    }
    Ok(fds[1].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)))
}
