//! The system calls of BPF, and the memory that a map shares with this process: all that is unsafe about verdicts.
#![expect(unsafe_code, reason = "bpf(2) has no wrapper, and a map is memory shared with the kernel")]

use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use nix::errno::Errno;

/// Commands and types of bpf(2), from linux/bpf.h.
const MAP_CREATE: libc::c_int = 0;
const PROGRAM_LOAD: libc::c_int = 5;
const TYPE_ARRAY: u32 = 2;
const TYPE_SOCKET_FILTER: u32 = 1;
/// The map's memory can be mapped (Linux 5.5).
const MMAPABLE: u32 = 1 << 10;

/// The part of `union bpf_attr` that creates a map.
#[repr(C)]
struct CreateMap {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
}

/// The part of `union bpf_attr` that loads a program.
#[repr(C)]
struct LoadProgram {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
}

/// Makes an array map of one value of `length` bytes, all zero, that can be mapped. Closed on exec.
pub(super) fn create_map(length: usize) -> Result<OwnedFd, Errno> {
    let value_size = u32::try_from(length).map_err(|_| Errno::EINVAL)?;
    let asked =
        CreateMap { map_type: TYPE_ARRAY, key_size: 4, value_size, max_entries: 1, map_flags: MMAPABLE };
    // SAFETY: `asked` is the attribute's first part, as the command reads it, and holds no pointer.
    unsafe { bpf(MAP_CREATE, &asked) }
}

/// Loads a socket filter. Closed on exec.
pub(super) fn load_filter(program: &[[u8; 8]]) -> Result<OwnedFd, Errno> {
    let asked = LoadProgram {
        program_type: TYPE_SOCKET_FILTER,
        instruction_count: u32::try_from(program.len()).map_err(|_| Errno::E2BIG)?,
        instructions: program.as_ptr().addr() as u64,
        license: c"MIT OR Apache-2.0".as_ptr().addr() as u64,
        log_level: 0,
        log_size: 0,
        log_buffer: 0,
    };
    // SAFETY: `asked` is the attribute's first part, as the command reads it. Its pointers lead to as many
    // instructions as it says and to a string that ends with zero; both live through the call, which copies them.
    unsafe { bpf(PROGRAM_LOAD, &asked) }
}

/// # Safety
/// `attribute` must be what `command` reads, and its pointers must be good through the call.
unsafe fn bpf<T>(command: libc::c_int, attribute: &T) -> Result<OwnedFd, Errno> {
    // SAFETY: the pointer and the length describe `attribute`; the rest is the caller's promise.
    let done =
        unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attribute), mem::size_of::<T>()) };
    let descriptor = RawFd::try_from(Errno::result(done)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the descriptor is new and owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Puts a loaded filter on a socket, in place of the one that it may have.
pub(super) fn attach(socket: BorrowedFd<'_>, program: &OwnedFd) -> Result<(), Errno> {
    let number = program.as_raw_fd();
    let length = libc::socklen_t::try_from(mem::size_of::<RawFd>()).map_err(|_| Errno::EINVAL)?;
    // SAFETY: the pointer and the length describe `number`, which lives through the call.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_BPF,
            (&raw const number).cast(),
            length,
        )
    };
    Errno::result(done).map(drop)
}

/// A map's memory in this process. The kernel writes to it at any time, so all access is atomic.
#[derive(Debug)]
pub(super) struct Memory {
    start: NonNull<u64>,
    length: usize,
}

// SAFETY: the mapping belongs to this value alone, wherever it moves.
unsafe impl Send for Memory {}
// SAFETY: a shared reference gives out atomics only.
unsafe impl Sync for Memory {}

impl Memory {
    /// Maps the `length` bytes of `map`'s one value.
    pub(super) fn map(map: &OwnedFd, length: usize) -> Result<Self, Errno> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping, chosen by the kernel, which refuses a length beyond the map's own.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), length, access, libc::MAP_SHARED, map.as_raw_fd(), 0) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let start = NonNull::new(start.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self { start, length })
    }

    /// All of it, as words of 64 bits.
    pub(super) fn doubles(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is that long, page-aligned, initialized by the kernel, and lives as long as `self`; here
        // and in the kernel it is only accessed atomically or before the program is attached.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), self.length / 8) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length, and nothing refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
