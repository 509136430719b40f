//! Listeners on SCTP ports (RFC 9260): the kernel's, where it has SCTP, else those of usrsctp, the user-space stack that
//! browsers use, on raw sockets. Either answers an INIT to an open port with INIT-ACK and any other with ABORT.
//!
//! The library is looked for at run time and is no dependency. Its example programs do not do: each listens on a port
//! of its own only, and all of them tell the stack to be silent about closed ports.

use std::ffi::{CStr, c_int, c_void};
use std::fs;
use std::io;
use std::mem;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use scandrill_model::PortSet;
use socket2::{Protocol, Socket, Type};

use super::{BACKLOG, both_families, bound};
use crate::error::{During, LabError};
use crate::host::Host;

/// The file that must be found, as the linker calls it; Debian's package is libusrsctp2.
pub const SCTP_LIBRARY: &str = "libusrsctp.so.2";
/// IP protocol number (RFC 9260, section 14).
const SCTP: i32 = 132;

/// Open SCTP ports of a host. Dropping it closes them.
#[derive(Debug)]
pub(super) struct SctpPorts(#[expect(dead_code, reason = "held to be open")] Opened);

#[derive(Debug)]
#[expect(dead_code, reason = "held to be open")]
enum Opened {
    Kernel(Vec<Socket>),
    Library(Stack),
}

/// Whether this machine can open SCTP ports at all: by its kernel or by the library.
pub fn has_sctp() -> bool {
    kernel_has_it() || library().is_some()
}

/// Opens `ports` on both families of `host`. Where the library does it, that is once in a process, because it is for
/// one network namespace. It knows the addresses that the host's interfaces have now, and answers an INIT from one of
/// them only, so the host should have no more than one of each family, and answer for no prefix.
pub(super) async fn open_ports(host: &Host, ports: PortSet) -> Result<SctpPorts, LabError> {
    let what = format!("open SCTP ports {ports} on {}", host.name());
    host.blocking(move || open(&ports)).await?.during(|| what).map(SctpPorts)
}

fn open(ports: &PortSet) -> io::Result<Opened> {
    if kernel_has_it() { kernel(ports).map(Opened::Kernel) } else { Stack::start(ports).map(Opened::Library) }
}

/// Whether it has SCTP as it runs. To ask for a socket would load the module, into the whole machine.
fn kernel_has_it() -> bool {
    let protocols = fs::read_to_string("/proc/net/protocols").unwrap_or_default();
    protocols.lines().any(|line| line.split_whitespace().next() == Some("SCTP"))
}

fn kernel(ports: &PortSet) -> io::Result<Vec<Socket>> {
    let listen = |address| {
        let socket = bound(address, Type::STREAM, Protocol::from(SCTP))?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    ports.iter().flat_map(both_families).map(listen).collect()
}

/// A socket of the library's; it is not one of the kernel's.
#[repr(C)]
struct Opaque([u8; 0]);

type Init = unsafe extern "C" fn(u16, *const c_void, *const c_void);
type SetBlackhole = unsafe extern "C" fn(u32) -> c_int;
/// Domain, type, protocol; two callbacks, a threshold and a pointer for them.
type Open =
    unsafe extern "C" fn(c_int, c_int, c_int, *const c_void, *const c_void, u32, *mut c_void) -> *mut Opaque;
type Bind = unsafe extern "C" fn(*mut Opaque, *const libc::sockaddr_in6, libc::socklen_t) -> c_int;
type Listen = unsafe extern "C" fn(*mut Opaque, c_int) -> c_int;
type Close = unsafe extern "C" fn(*mut Opaque);
type Finish = unsafe extern "C" fn() -> c_int;

/// What is used of `usrsctp.h`.
#[derive(Clone, Copy, Debug)]
struct Library {
    init: Init,
    set_blackhole: SetBlackhole,
    socket: Open,
    bind: Bind,
    listen: Listen,
    close: Close,
    finish: Finish,
}

/// Loads the library, which then stays for as long as the process.
#[expect(unsafe_code, reason = "a C library, called through its documented interface")]
fn library() -> Option<Library> {
    const NAME: &CStr = c"libusrsctp.so.2";
    // SAFETY: the name is a C string; the library's initialisers do nothing that depends on this process.
    let handle = NonNull::new(unsafe { libc::dlopen(NAME.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) })?;
    // SAFETY: the handle is open and the names are C strings.
    let find = |name: &CStr| NonNull::new(unsafe { libc::dlsym(handle.as_ptr(), name.as_ptr()) });
    // SAFETY: each symbol is the function of that name in `usrsctp.h` 0.9.5, with the types written above; the library
    // is never closed.
    unsafe {
        Some(Library {
            init: mem::transmute::<NonNull<c_void>, Init>(find(c"usrsctp_init")?),
            set_blackhole: mem::transmute::<NonNull<c_void>, SetBlackhole>(find(
                c"usrsctp_sysctl_set_sctp_blackhole",
            )?),
            socket: mem::transmute::<NonNull<c_void>, Open>(find(c"usrsctp_socket")?),
            bind: mem::transmute::<NonNull<c_void>, Bind>(find(c"usrsctp_bind")?),
            listen: mem::transmute::<NonNull<c_void>, Listen>(find(c"usrsctp_listen")?),
            close: mem::transmute::<NonNull<c_void>, Close>(find(c"usrsctp_close")?),
            finish: mem::transmute::<NonNull<c_void>, Finish>(find(c"usrsctp_finish")?),
        })
    }
}

/// The library keeps one stack a process.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// The library's stack, running.
#[derive(Debug)]
struct Stack {
    library: Library,
    sockets: Vec<NonNull<Opaque>>,
}

// SAFETY: the library locks its sockets itself; any thread may use them.
#[expect(unsafe_code, reason = "sockets of a library that may be used from any thread")]
unsafe impl Send for Stack {}

#[expect(unsafe_code, reason = "a C library, called through its documented interface")]
impl Stack {
    /// Starts it in the network namespace of the calling thread.
    fn start(ports: &PortSet) -> io::Result<Self> {
        let absent = || io::Error::new(io::ErrorKind::NotFound, format!("{SCTP_LIBRARY} not found"));
        let library = library().ok_or_else(absent)?;
        if RUNNING.swap(true, Ordering::SeqCst) {
            return Err(io::Error::other("another host has the one SCTP stack of this process"));
        }
        // SAFETY: no other stack runs. UDP port 0 and no callbacks: raw sockets alone, and no words.
        unsafe { (library.init)(0, ptr::null(), ptr::null()) };
        let mut stack = Self { library, sockets: Vec::new() };
        check_raw_sockets()?;
        // SAFETY: it runs; 0 says that closed ports are answered with ABORT.
        unsafe { (library.set_blackhole)(0) };
        for port in ports.iter() {
            stack.listen(port)?;
        }
        Ok(stack)
    }

    /// Listens on a port of both families.
    fn listen(&mut self, port: u16) -> io::Result<()> {
        let Library { socket, bind, listen, .. } = self.library;
        // SAFETY: the stack runs; no callbacks.
        let new = unsafe {
            socket(libc::AF_INET6, libc::SOCK_STREAM, SCTP, ptr::null(), ptr::null(), 0, ptr::null_mut())
        };
        let new = NonNull::new(new).ok_or_else(io::Error::last_os_error)?;
        self.sockets.push(new);
        // SAFETY: all-zero is a valid address.
        let mut address: libc::sockaddr_in6 = unsafe { mem::zeroed() };
        address.sin6_family = u16::try_from(libc::AF_INET6).unwrap_or(0);
        address.sin6_port = port.to_be();
        let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or(0);
        // SAFETY: the socket is open, and the pointer and the length describe `address`.
        Errno::result(unsafe { bind(new.as_ptr(), &raw const address, length) })?;
        // SAFETY: the socket is open.
        Errno::result(unsafe { listen(new.as_ptr(), BACKLOG) })?;
        Ok(())
    }
}

/// The library says nothing when it may not have its raw sockets, so the kernel is asked.
fn check_raw_sockets() -> io::Result<()> {
    for table in ["/proc/thread-self/net/raw", "/proc/thread-self/net/raw6"] {
        // The protocol's number stands where a port would.
        if !fs::read_to_string(table)?.contains(":0084 ") {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "no raw socket for SCTP"));
        }
    }
    Ok(())
}

#[expect(unsafe_code, reason = "a C library, called through its documented interface")]
impl Drop for Stack {
    fn drop(&mut self) {
        for socket in self.sockets.drain(..) {
            // SAFETY: the socket is open, and nobody has it any more.
            unsafe { (self.library.close)(socket.as_ptr()) };
        }
        // SAFETY: it runs. Where an association is still open it goes on, until the process ends.
        if unsafe { (self.library.finish)() } == 0 {
            RUNNING.store(false, Ordering::SeqCst);
        }
    }
}
