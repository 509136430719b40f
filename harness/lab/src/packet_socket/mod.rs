//! The built-in scanner's socket: packets out to one next hop, packets in for given addresses, many at a time.
//!
//! An AF_PACKET datagram socket: the kernel makes the Ethernet header, and neither needs to own the address that is
//! sent from nor resets what comes back for it.

pub(crate) mod filter;
mod sys;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ipnet::IpNet;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use scandrill_model::Stamp;

pub(crate) use self::sys::{attach, retransmitted, set};
use crate::clock;
use crate::error::{During, LabError};

/// How many packets one system call carries.
const AT_ONCE: usize = 64;
/// Larger than any reply on a link with an MTU of 1500.
const LARGEST: usize = 2048;

/// What a packet socket receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// IP packets for the addresses of these prefixes, and ARP messages about them. With none, the socket only sends.
    pub addresses: &'a [IpNet],
    /// Of these, only ARP, what comes to one of these ports by TCP, UDP or SCTP, and what ICMP or ICMPv6 say of a packet
    /// that came from one of them. So each thread of a scan has its own replies, and no queue is filled by another's.
    pub ports: Option<RangeInclusive<u16>>,
}

/// Sends and receives packets on one interface of the network namespace that it was opened in.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    next_hop: [u8; 6],
    neighbours: BTreeMap<IpAddr, [u8; 6]>,
    outbox: sys::Outbox,
    inbox: sys::Inbox,
    lost: u64,
}

impl PacketSocket {
    /// Opens it on `interface`; it sends to the Ethernet address `next_hop` and receives what is `wanted`. It must run
    /// on a thread inside the host.
    pub fn open(interface: &str, next_hop: [u8; 6], wanted: &Wanted<'_>) -> Result<Self, LabError> {
        let index =
            nix::net::if_::if_nametoindex(interface).during(|| format!("finding interface {interface}"))?;
        let interface = i32::try_from(index).unwrap_or(i32::MAX);
        let socket = sys::socket().during(|| "opening a packet socket".to_owned())?;
        // Unbound it receives nothing; a filter that wants nothing would still cost each packet a look.
        if !wanted.addresses.is_empty() {
            sys::attach(&socket, &filter::program(wanted))
                .and_then(|()| sys::ignore_outgoing(&socket))
                .during(|| "filtering a packet socket".to_owned())?;
            sys::bind(&socket, interface)
                .during(|| format!("binding a packet socket to interface {index}"))?;
        }
        let (outbox, inbox) = (sys::Outbox::new(interface), sys::Inbox::default());
        Ok(Self { socket, next_hop, neighbours: BTreeMap::new(), outbox, inbox, lost: 0 })
    }

    /// From now on, IP packets for `address` go to the Ethernet address `neighbour`, not to the next hop.
    pub fn reach(&mut self, address: IpAddr, neighbour: [u8; 6]) {
        self.neighbours.insert(address, neighbour);
    }

    /// Sends whole IP packets and ARP messages, all of them or an error. Where each goes follows from its own bytes: a
    /// request of ARP to everyone, IPv6 multicast to its group, all others to the next hop.
    ///
    /// # Errors
    /// [`LabError::Unsent`] when the kernel did not take them all.
    pub fn send<'a>(&mut self, packets: impl Iterator<Item = &'a [u8]>) -> Result<(), LabError> {
        let (neighbours, next_hop) = (&self.neighbours, self.next_hop);
        let hop = |packet| if neighbours.is_empty() { None } else { neighbours.get(&destination(packet)?) };
        let mut packets = packets
            .map(|packet| (packet, Link::of(packet, hop(packet).copied().unwrap_or(next_hop))))
            .peekable();
        while packets.peek().is_some() {
            let (given, taken) = self.outbox.send(&self.socket, &mut packets);
            let (taken, reason) = taken.map_or_else(|error| (0, Some(error)), |taken| (taken, None));
            if taken < given {
                return Err(LabError::Unsent { left: given - taken + packets.count(), source: reason });
            }
        }
        Ok(())
    }

    /// Takes what has come in, without waiting; gives how many packets there were.
    pub fn receive(&mut self, mut each: impl FnMut(Stamp, &[u8])) -> Result<usize, LabError> {
        let mut total = 0;
        loop {
            let came = self.inbox.receive(&self.socket).during(|| "receiving packets".to_owned())?;
            let now = clock::now();
            self.inbox.packets(came).for_each(|packet| each(now, packet));
            total += came;
            if came < AT_ONCE {
                return Ok(total);
            }
        }
    }

    /// Waits until something has come in, at most until `until`.
    pub fn wait_readable(&self, until: Stamp) -> Result<(), LabError> {
        let timeout = clock::left_until(until);
        let timeout = TimeSpec::from_duration(timeout);
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut fds, Some(timeout), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(error) => Err(error).during(|| "waiting for packets".to_owned()),
        }
    }

    /// Packets that the kernel had to leave out since the socket was opened.
    pub fn dropped(&mut self) -> Result<u64, LabError> {
        self.lost += sys::dropped(&self.socket).during(|| "reading packet statistics".to_owned())?;
        Ok(self.lost)
    }

    /// The socket itself, for a filter of another kind.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The link's part of a packet on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link {
    /// As in an Ethernet header.
    protocol: i32,
    /// Where it goes.
    to: [u8; 6],
}

impl Link {
    /// What a packet's own bytes say: the first four bits are an IP version, or zero for ARP (RFC 826).
    fn of(packet: &[u8], next_hop: [u8; 6]) -> Self {
        match packet.first().map(|byte| byte >> 4) {
            Some(0) => Self { protocol: libc::ETH_P_ARP, to: to_hear_arp(packet).unwrap_or(next_hop) },
            Some(6) => Self { protocol: libc::ETH_P_IPV6, to: group(packet).unwrap_or(next_hop) },
            _ => Self { protocol: libc::ETH_P_IP, to: next_hop },
        }
    }
}

/// Where an IP packet goes.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => Some(IpAddr::from(*packet.get(16..)?.first_chunk::<4>()?)),
        6 => Some(IpAddr::from(*packet.get(24..)?.first_chunk::<16>()?)),
        _ => None,
    }
}

/// A request is for everyone.
fn to_hear_arp(message: &[u8]) -> Option<[u8; 6]> {
    const OPERATION: usize = 6;
    const REQUEST: [u8; 2] = [0, 1];
    (message.get(OPERATION..)?.first_chunk() == Some(&REQUEST)).then_some([0xff; 6])
}

/// The Ethernet address of an IPv6 multicast group (RFC 2464, section 7).
fn group(packet: &[u8]) -> Option<[u8; 6]> {
    let destination: &[u8; 16] = packet.get(24..)?.first_chunk()?;
    let [first, .., a, b, c, d] = *destination;
    (first == 0xff).then_some([0x33, 0x33, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEXT_HOP: [u8; 6] = [2, 0, 0, 0, 0, 9];

    #[test]
    fn a_packet_says_itself_where_it_goes() {
        let arp = |operation| [&[0, 1, 8, 0, 6, 4, 0, operation], &[0; 20][..]].concat();
        let ipv6 = |first| [&[0x60; 24], [first; 1].as_slice(), &[0; 11], &[1, 0xff, 2, 3]].concat();
        for (packet, protocol, to) in [
            (arp(1), libc::ETH_P_ARP, [0xff; 6]),
            (arp(2), libc::ETH_P_ARP, NEXT_HOP),
            (ipv6(0xff), libc::ETH_P_IPV6, [0x33, 0x33, 1, 0xff, 2, 3]),
            (ipv6(0xfd), libc::ETH_P_IPV6, NEXT_HOP),
            (vec![0x45; 20], libc::ETH_P_IP, NEXT_HOP),
            (vec![0x60; 20], libc::ETH_P_IPV6, NEXT_HOP),
        ] {
            assert_eq!(Link::of(&packet, NEXT_HOP), Link { protocol, to }, "{packet:?}");
        }
    }
}
