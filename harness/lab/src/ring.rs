//! The kernel's packet ring (`Documentation/networking/packet_mmap.rst`, TPACKET_V2) behind a safe face: every use of
//! the shared memory is here. A ring needs no larger socket buffer, which an ordinary user may not have.
#![expect(unsafe_code, reason = "the ring is memory shared with the kernel")]

use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::SocketError;
use scandrill_model::Stamp;

use crate::capture::CapturedPacket;
use crate::packet_socket;

/// Bytes of one slot, header included.
const FRAME: usize = 256;
/// Bytes of one block, a multiple of the page size.
const BLOCK: usize = 1 << 18;
/// Most blocks of a ring: 64 MiB in all.
const MOST_BLOCKS: usize = 256;
/// Bytes kept of a packet, from its Ethernet header.
const SNAP: usize = 128;

/// A packet socket with its ring.
#[derive(Debug)]
pub struct Ring {
    socket: OwnedFd,
    memory: NonNull<u8>,
    blocks: usize,
    next: usize,
}

// SAFETY: the memory belongs to this ring alone, and every access needs `&mut self`.
unsafe impl Send for Ring {}

impl Ring {
    /// Opens a ring on an interface of the calling thread's network namespace. Both directions are seen. It has room
    /// for `packets` that nobody has read yet, as far as that is sensible. With a `filter` it sees what that lets through.
    pub fn open(interface: i32, packets: usize, filter: &[libc::sock_filter]) -> Result<Self, Errno> {
        let blocks = (packets * FRAME).div_ceil(BLOCK).clamp(1, MOST_BLOCKS);
        // SAFETY: no pointer is passed; protocol 0 receives nothing until the socket is bound.
        let fd =
            Errno::result(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) })?;
        // SAFETY: the descriptor is new and owned by nobody else.
        let socket = unsafe { OwnedFd::from_raw_fd(fd) };
        let version = i32::try_from(libc::tpacket_versions::TPACKET_V2 as u32).unwrap_or(1);
        if !filter.is_empty() {
            packet_socket::attach(&socket, filter)?;
        }
        set(&socket, libc::PACKET_VERSION, &version)?;
        set(&socket, libc::PACKET_RX_RING, &request(blocks))?;
        let memory = map(&socket, blocks)?;
        let ring = Self { socket, memory, blocks, next: 0 };
        ring.bind(interface)?;
        Ok(ring)
    }

    fn bind(&self, interface: i32) -> Result<(), Errno> {
        // SAFETY: all-zero is a valid link address.
        let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or(0);
        address.sll_protocol = u16::try_from(libc::ETH_P_ALL).unwrap_or(0).to_be();
        address.sll_ifindex = interface;
        // SAFETY: the pointer and the length describe `address`, which lives through the call.
        let done = unsafe {
            libc::bind(
                self.socket.as_raw_fd(),
                std::ptr::from_ref(&address).cast(),
                length::<libc::sockaddr_ll>(),
            )
        };
        Errno::result(done)?;
        // Asking takes it away: while an interface's being down is not told, waiting for packets returns at once.
        getsockopt(&self.socket, SocketError).map(drop)
    }

    /// What can be waited for.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes the next packet, if there is one.
    pub fn take(&mut self) -> Option<CapturedPacket> {
        let start = self.next * FRAME;
        // SAFETY: `start` is inside the mapping and aligned to the header; the kernel shares this word by its protocol.
        let status = unsafe { AtomicU32::from_ptr(self.memory.as_ptr().add(start).cast()) };
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        // SAFETY: the slot is inside the mapping, and it is ours until its status is handed back.
        let frame = unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(start), FRAME) };
        let packet = read(frame);
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % (self.blocks * BLOCK / FRAME);
        Some(packet)
    }

    /// What passed since it was last asked.
    pub fn counts(&self) -> Result<Counts, Errno> {
        // SAFETY: plain integers; all-zero is valid.
        let mut stats: libc::tpacket_stats = unsafe { mem::zeroed() };
        let mut size = length::<libc::tpacket_stats>();
        // SAFETY: the pointers describe `stats` and its size, which live through the call.
        let done = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                std::ptr::from_mut(&mut stats).cast(),
                &raw mut size,
            )
        };
        // The kernel counts those that it dropped among all packets (packet(7)).
        let kept = u64::from(stats.tp_packets.saturating_sub(stats.tp_drops));
        Errno::result(done).map(|_| Counts { kept, dropped: u64::from(stats.tp_drops) })
    }
}

/// The kernel's own count of packets.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    /// Those that have a slot, though it may still be written to.
    pub kept: u64,
    /// Those for which there was none.
    pub dropped: u64,
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length, and nothing refers to it any more.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), BLOCK * self.blocks) };
    }
}

fn request(blocks: usize) -> libc::tpacket_req {
    let number = |count: usize| u32::try_from(count).unwrap_or(0);
    libc::tpacket_req {
        tp_block_size: number(BLOCK),
        tp_block_nr: number(blocks),
        tp_frame_size: number(FRAME),
        tp_frame_nr: number(BLOCK * blocks / FRAME),
    }
}

fn map(socket: &OwnedFd, blocks: usize) -> Result<NonNull<u8>, Errno> {
    let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    // SAFETY: a new mapping, chosen by the kernel, of the length that was asked for with the ring.
    let memory =
        unsafe { libc::mmap(std::ptr::null_mut(), BLOCK * blocks, access, flags, socket.as_raw_fd(), 0) };
    if memory == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    NonNull::new(memory.cast()).ok_or(Errno::ENOMEM)
}

fn set<T>(socket: &OwnedFd, name: i32, value: &T) -> Result<(), Errno> {
    // SAFETY: the pointer and the length describe `value`, which lives through the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            name,
            std::ptr::from_ref(value).cast(),
            length::<T>(),
        )
    };
    Errno::result(done).map(drop)
}

fn length<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(mem::size_of::<T>()).unwrap_or(0)
}

/// Reads a slot: `struct tpacket2_hdr`, then `struct sockaddr_ll`, then the packet at `tp_mac`.
fn read(frame: &[u8]) -> CapturedPacket {
    const LENGTH: usize = 4;
    const KEPT: usize = 8;
    const MAC: usize = 12;
    const SECONDS: usize = 16;
    const NANOSECONDS: usize = 20;
    const PACKET_TYPE: usize = 32 + 10;
    let word = |at: usize| u32::from_ne_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
    let start = usize::from(u16::from_ne_bytes([frame[MAC], frame[MAC + 1]])).min(FRAME);
    let kept = usize::try_from(word(KEPT)).unwrap_or(0).min(SNAP).min(FRAME - start);
    CapturedPacket {
        at: Stamp(u64::from(word(SECONDS)) * 1_000_000_000 + u64::from(word(NANOSECONDS))),
        outgoing: frame[PACKET_TYPE] == libc::PACKET_OUTGOING,
        bytes: frame[start..start + kept].into(),
        length: word(LENGTH),
    }
}
