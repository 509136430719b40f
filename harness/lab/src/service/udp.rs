//! Services over UDP. A reply leaves from the very address that was asked, as it does from a server with
//! several addresses; else the asker would take it for a stranger's.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use nix::cmsg_space;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
};
use socket2::Socket;
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The largest datagram there is.
const DATAGRAM: usize = 65_535;

/// Makes the kernel say with each datagram which address it was sent to, and lets the reply leave from there. For an
/// IPv6 address that is the host's by its prefix alone, that takes leave (`IPV6_FREEBIND`, ipv6(7)).
pub(super) fn ask_for_destinations(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    let file = socket.as_fd();
    if address.is_ipv6() {
        socket.set_freebind_v6(true)?;
    }
    let asked = match address {
        SocketAddr::V4(_) => setsockopt(&file, Ipv4PacketInfo, &true),
        SocketAddr::V6(_) => setsockopt(&file, Ipv6RecvPacketInfo, &true),
    };
    asked.map_err(Into::into)
}

/// Receives for ever and sends what `answer` makes of each datagram.
pub(super) async fn serve(socket: UdpSocket, answer: impl Fn(&[u8]) -> Option<Vec<u8>>) {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let received = socket.async_io(Interest::READABLE, || receive(&socket, &mut buffer)).await;
        // An error here is an ICMP message about an earlier reply; the next datagram is none the worse.
        let Ok(Datagram { length, from: Some(from), to: Some(to) }) = received else { continue };
        if let Some(reply) = answer(&buffer[..length]) {
            // A reply that cannot leave, for instance because a rule forbids it, is lost as on any server.
            let _ = socket.async_io(Interest::WRITABLE, || send(&socket, &reply, &from, to)).await;
        }
    }
}

struct Datagram {
    length: usize,
    from: Option<SockaddrStorage>,
    to: Option<Destination>,
}

/// The address that a datagram was sent to.
#[derive(Clone, Copy)]
enum Destination {
    V4(libc::in_pktinfo),
    V6(libc::in6_pktinfo),
}

fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<Datagram> {
    let mut control = cmsg_space!(libc::in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::empty())?;
    let to = message.cmsgs()?.find_map(|message| destination(&message));
    Ok(Datagram { length: message.bytes, from: message.address, to })
}

/// Interface 0 in the answer: a reply goes where the routes say, not where the datagram came in.
fn destination(message: &ControlMessageOwned) -> Option<Destination> {
    if let &ControlMessageOwned::Ipv4PacketInfo(info) = message {
        return Some(Destination::V4(libc::in_pktinfo { ipi_ifindex: 0, ..info }));
    }
    if let &ControlMessageOwned::Ipv6PacketInfo(info) = message {
        return Some(Destination::V6(libc::in6_pktinfo { ipi6_ifindex: 0, ..info }));
    }
    None
}

fn send(socket: &UdpSocket, reply: &[u8], to: &SockaddrStorage, from: Destination) -> io::Result<usize> {
    let parts = [IoSlice::new(reply)];
    let control = match &from {
        Destination::V4(info) => ControlMessage::Ipv4PacketInfo(info),
        Destination::V6(info) => ControlMessage::Ipv6PacketInfo(info),
    };
    Ok(sendmsg(socket.as_raw_fd(), &parts, &[control], MsgFlags::empty(), Some(to))?)
}
