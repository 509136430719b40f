//! The system calls of a packet socket that no safe wrapper covers.
#![expect(
    unsafe_code,
    reason = "sendmmsg, recvmmsg and packet socket options have no safe wrapper for link addresses"
)]

use std::fmt;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;

use nix::errno::Errno;

use super::{AT_ONCE, LARGEST, Link};

pub(super) fn socket() -> Result<OwnedFd, Errno> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointer is passed; protocol 0 receives nothing until the socket is bound.
    let fd = Errno::result(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
    // SAFETY: the descriptor is new and owned by nobody else.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    // As much as the machine allows (net.core.rmem_max): a process that answers, unlike a kernel, does so in bursts.
    set(&socket, libc::SOL_SOCKET, libc::SO_RCVBUF, &QUEUE)?;
    Ok(socket)
}

/// Bytes of a receive queue that are asked for.
const QUEUE: i32 = 4 << 20;

/// Lets a socket receive only what a program lets through.
pub(crate) fn attach(socket: &OwnedFd, program: &[libc::sock_filter]) -> Result<(), Errno> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?,
        filter: program.as_ptr().cast_mut(),
    };
    set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

/// Lets a socket hear nothing of what its own host sends.
pub(super) fn ignore_outgoing(socket: &OwnedFd) -> Result<(), Errno> {
    set(socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)
}

/// Sets an option of a socket whose value is a plain one.
pub(crate) fn set<T: Copy>(socket: &impl AsRawFd, level: i32, name: i32, value: &T) -> Result<(), Errno> {
    let length = socklen::<T>();
    // SAFETY: the pointer and the length describe `value`, which lives through the call.
    let done =
        unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, ptr::from_ref(value).cast(), length) };
    Errno::result(done).map(drop)
}

fn socklen<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(mem::size_of::<T>()).unwrap_or(0)
}

fn address(interface: i32, link: Link) -> libc::sockaddr_ll {
    let mut bytes = [0; 8];
    bytes[..6].copy_from_slice(&link.to);
    libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).unwrap_or(0),
        sll_protocol: u16::try_from(link.protocol).unwrap_or(0).to_be(),
        sll_ifindex: interface,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 6,
        sll_addr: bytes,
    }
}

pub(super) fn bind(socket: &OwnedFd, interface: i32) -> Result<(), Errno> {
    let address = address(interface, Link { protocol: libc::ETH_P_ALL, to: [0; 6] });
    let length = socklen::<libc::sockaddr_ll>();
    // SAFETY: the pointer and the length describe `address`, which lives through the call.
    let done = unsafe { libc::bind(socket.as_raw_fd(), ptr::from_ref(&address).cast(), length) };
    Errno::result(done).map(drop)
}

/// The headers of packets on their way out, made once and filled in for each call.
pub(super) struct Outbox {
    interface: i32,
    addresses: Vec<libc::sockaddr_ll>,
    data: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

// SAFETY: its pointers lead into its own vectors, which move with it, and to packets only while `send` runs.
unsafe impl Send for Outbox {}

impl Outbox {
    pub(super) fn new(interface: i32) -> Self {
        let nowhere = address(interface, Link { protocol: 0, to: [0; 6] });
        let mut addresses = vec![nowhere; AT_ONCE];
        let (mut data, mut messages) = headers();
        for ((message, data), address) in messages.iter_mut().zip(&mut data).zip(&mut addresses) {
            message.msg_hdr.msg_iov = data;
            message.msg_hdr.msg_name = ptr::from_mut(address).cast();
            message.msg_hdr.msg_namelen = socklen::<libc::sockaddr_ll>();
        }
        Self { interface, addresses, data, messages }
    }

    /// Sends what fits into one call; gives how many were given to the kernel, and how many of them it took.
    pub(super) fn send<'a>(
        &mut self,
        socket: &OwnedFd,
        packets: &mut impl Iterator<Item = (&'a [u8], Link)>,
    ) -> (usize, Result<usize, Errno>) {
        let mut given = 0;
        for ((data, address), (packet, link)) in self.data.iter_mut().zip(&mut self.addresses).zip(packets) {
            *data = libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
            *address = self::address(self.interface, link);
            given += 1;
        }
        let count = u32::try_from(given).unwrap_or(0);
        loop {
            // SAFETY: each of the first `count` headers points at an address, a vector and, by it, a packet that lives
            // through this function; the kernel only reads them.
            let done = unsafe { libc::sendmmsg(socket.as_raw_fd(), self.messages.as_mut_ptr(), count, 0) };
            match Errno::result(done) {
                Err(Errno::EINTR) => {}
                done => return (given, done.map(|sent| usize::try_from(sent).unwrap_or(0))),
            }
        }
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox").field("interface", &self.interface).finish_non_exhaustive()
    }
}

/// Slots for packets that come in, and their headers, made once.
pub(super) struct Inbox {
    slots: Vec<u8>,
    /// Only the kernel looks here, by the pointers of `messages`.
    _data: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

// SAFETY: its pointers lead into its own vectors, which move with it.
unsafe impl Send for Inbox {}

impl Default for Inbox {
    fn default() -> Self {
        let mut slots = vec![0_u8; AT_ONCE * LARGEST];
        let (mut data, mut messages) = headers();
        for ((message, data), slot) in messages.iter_mut().zip(&mut data).zip(slots.chunks_mut(LARGEST)) {
            *data = libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() };
            message.msg_hdr.msg_iov = data;
        }
        Self { slots, _data: data, messages }
    }
}

impl Inbox {
    /// Takes what has come in; gives how many packets there were.
    pub(super) fn receive(&mut self, socket: &OwnedFd) -> Result<usize, Errno> {
        let count = u32::try_from(self.messages.len()).unwrap_or(0);
        let (messages, no_timeout) = (self.messages.as_mut_ptr(), ptr::null_mut());
        // SAFETY: each header points at a vector over its own slot, all owned by `self` and not otherwise used now.
        let done =
            unsafe { libc::recvmmsg(socket.as_raw_fd(), messages, count, libc::MSG_DONTWAIT, no_timeout) };
        match Errno::result(done) {
            Ok(came) => Ok(usize::try_from(came).unwrap_or(0)),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The first `came` packets of the last call.
    pub(super) fn packets(&self, came: usize) -> impl Iterator<Item = &[u8]> {
        let lengths = self.messages.iter().map(|message| usize::try_from(message.msg_len).unwrap_or(0));
        self.slots.chunks(LARGEST).zip(lengths).take(came).map(|(slot, length)| &slot[..length.min(LARGEST)])
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").finish_non_exhaustive()
    }
}

/// As many vectors and message headers as one call has, all empty. What they point at must not move afterwards.
fn headers() -> (Vec<libc::iovec>, Vec<libc::mmsghdr>) {
    // SAFETY: all-zero is a valid message header: null pointers with zero lengths.
    let mut empty: libc::mmsghdr = unsafe { mem::zeroed() };
    empty.msg_hdr.msg_iovlen = 1;
    (vec![libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }; AT_ONCE], vec![empty; AT_ONCE])
}

/// How many segments of a TCP connection its kernel has sent again so far, SYNs among them.
pub(crate) fn retransmitted(socket: &impl AsRawFd) -> Result<u32, Errno> {
    // SAFETY: plain integers; all-zero is valid.
    let mut info: libc::tcp_info = unsafe { mem::zeroed() };
    let mut length = socklen::<libc::tcp_info>();
    // SAFETY: the pointers describe `info` and its size, which live through the call.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            ptr::from_mut(&mut info).cast(),
            &raw mut length,
        )
    };
    Errno::result(done).map(|_| info.tcpi_total_retrans)
}

/// Reading the statistics sets them to zero.
pub(super) fn dropped(socket: &OwnedFd) -> Result<u64, Errno> {
    // SAFETY: plain integers; all-zero is valid.
    let mut stats: libc::tpacket_stats = unsafe { mem::zeroed() };
    let mut length = socklen::<libc::tpacket_stats>();
    // SAFETY: the pointers describe `stats` and its size, which live through the call.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            ptr::from_mut(&mut stats).cast(),
            &raw mut length,
        )
    };
    Errno::result(done).map(|_| u64::from(stats.tp_drops))
}
