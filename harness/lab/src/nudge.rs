//! Frames that mean nothing to anybody, sent while a program listens that looks at its clock only when a packet comes:
//! where all is quiet, masscan 1.3.2 ends no sooner than a kernel says something by itself, which can take half a
//! minute. A sender's own frames are enough to wake a listener.
//!
//! They have an ethertype that IEEE 802 leaves for experiments (RFC 9542, appendix B.2), so no stack takes them, and no
//! rules about IP see them; captures do.

use std::future::Future;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;

use crate::error::{During, LabError};
use crate::host::Host;
use crate::{clock, wait};

/// How often one is sent.
const PERIOD: Duration = Duration::from_millis(50);
/// The first of the two local experimental ethertypes.
const ETHERTYPE: u16 = 0x88b5;
/// An address that is nobody's in a lab; locally administered.
const NOBODY: [u8; 6] = [2, 0xff, 0xff, 0xff, 0xff, 0xff];
/// The smallest payload of an Ethernet frame.
const PAYLOAD: [u8; 46] = [0; 46];

/// Nudges whoever listens on an interface of `host` until `work` has ended, and gives what that gave.
pub async fn nudging<T>(
    host: &Host,
    interface: &str,
    work: impl Future<Output = Result<T, LabError>>,
) -> Result<T, LabError> {
    let name = interface.to_owned();
    let mut nudge = host.spawn(async move || forever(&name).await);
    let done = tokio::select! {
        done = work => done,
        failed = &mut nudge => return Err(failed.unwrap_or_else(|lost| lost)),
    };
    nudge.stop().await;
    done
}

/// Sends until it fails.
async fn forever(interface: &str) -> LabError {
    let what = || format!("nudge the listeners on {interface}");
    let opened = nix::net::if_::if_nametoindex(interface).and_then(|index| Ok((socket()?, index)));
    let (socket, index) = match opened.during(what) {
        Ok(opened) => opened,
        Err(error) => return error,
    };
    loop {
        if let Err(error) = send(&socket, index).during(what) {
            return error;
        }
        wait::until_moment(clock::now() + PERIOD).await;
    }
}

#[expect(unsafe_code, reason = "a packet socket has no safe wrapper")]
fn socket() -> Result<OwnedFd, Errno> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointer is passed; protocol 0 receives nothing.
    let fd = Errno::result(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
    // SAFETY: the descriptor is new and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[expect(unsafe_code, reason = "a link address has no safe constructor")]
fn send(socket: &OwnedFd, interface: u32) -> Result<(), Errno> {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&NOBODY);
    let to = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap_or(0),
        sll_protocol: ETHERTYPE.to_be(),
        sll_ifindex: i32::try_from(interface).unwrap_or(i32::MAX),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: bytes,
    };
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or(0);
    // SAFETY: both pointers and lengths describe values that live through the call, and the kernel only reads them.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            PAYLOAD.as_ptr().cast(),
            PAYLOAD.len(),
            0,
            std::ptr::from_ref(&to).cast(),
            length,
        )
    };
    Errno::result(sent).map(drop)
}
