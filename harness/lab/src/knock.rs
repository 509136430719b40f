//! One step of a knock: a packet to a port, by an ordinary socket of the kernel's. Whether anybody answers is of no
//! interest to who knocks.

use std::io;
use std::net::{IpAddr, SocketAddr};

use scandrill_model::Protocol;
use socket2::{Domain, Socket, Type};

/// A step that is being made. Over TCP the kernel sends its SYN again a second later (RFC 6298) and so on, until this is
/// dropped, unless it is answered.
#[must_use = "dropping it ends the step"]
#[derive(Debug)]
pub struct Knocking {
    _socket: Socket,
}

/// Sends a SYN, or over UDP an empty datagram, to a port of `to`, from the calling thread's host.
///
/// # Errors
/// What the host's own kernel says before anything is sent: `from` is not its address, or there is no way to `to`.
pub fn knock(protocol: Protocol, from: IpAddr, to: SocketAddr) -> io::Result<Knocking> {
    let kind = if protocol == Protocol::Udp { Type::DGRAM } else { Type::STREAM };
    let socket = Socket::new(Domain::for_address(to), kind, None)?;
    socket.bind(&SocketAddr::new(from, 0).into())?;
    socket.set_nonblocking(true)?;
    match socket.connect(&to.into()) {
        // The handshake is on its way.
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
        connected => connected?,
    }
    if protocol == Protocol::Udp {
        socket.send(&[])?;
    }
    Ok(Knocking { _socket: socket })
}
