//! The built-in scanner's socket: IP packets out to one next hop, IP packets in for given addresses, many at a time.
//!
//! An AF_PACKET datagram socket: the kernel makes the Ethernet header, and neither needs to own the address that is
//! sent from nor resets what comes back for it.

use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use scandrill_model::Stamp;

use crate::clock;
use crate::error::{During, LabError};

/// How many packets one system call carries.
const AT_ONCE: usize = 64;
/// Larger than any reply on a link with an MTU of 1500.
const LARGEST: usize = 2048;

/// Sends and receives IP packets on one interface of the network namespace that it was opened in.
#[derive(Debug)]
pub struct PacketSocket {
    socket: OwnedFd,
    interface: i32,
    next_hop: [u8; 6],
    buffer: Vec<u8>,
    lost: u64,
}

impl PacketSocket {
    /// Opens it on `interface`; it sends to the Ethernet address `next_hop` and receives what comes in for
    /// `receive_for`. It must run on a thread inside the host.
    pub fn open(interface: &str, next_hop: [u8; 6], receive_for: &[IpAddr]) -> Result<Self, LabError> {
        let index =
            nix::net::if_::if_nametoindex(interface).during(|| format!("finding interface {interface}"))?;
        let interface = i32::try_from(index).unwrap_or(i32::MAX);
        let socket = sys::socket().during(|| "opening a packet socket".to_owned())?;
        sys::attach(&socket, &filter(receive_for)).during(|| "filtering a packet socket".to_owned())?;
        sys::bind(&socket, interface).during(|| format!("binding a packet socket to interface {index}"))?;
        Ok(Self { socket, interface, next_hop, buffer: vec![0; AT_ONCE * LARGEST], lost: 0 })
    }

    /// Sends whole IP packets, all of them or an error.
    pub fn send<'a>(&mut self, packets: impl Iterator<Item = &'a [u8]>) -> Result<(), LabError> {
        let packets: Vec<&[u8]> = packets.collect();
        for some in packets.chunks(AT_ONCE) {
            sys::send(&self.socket, self.interface, self.next_hop, some)
                .during(|| format!("sending {} packets", some.len()))?;
        }
        Ok(())
    }

    /// Takes what has come in, without waiting; gives how many packets there were.
    pub fn receive(&mut self, mut each: impl FnMut(Stamp, &[u8])) -> Result<usize, LabError> {
        let mut total = 0;
        loop {
            let lengths =
                sys::receive(&self.socket, &mut self.buffer).during(|| "receiving packets".to_owned())?;
            let now = clock::now();
            for (packet, length) in self.buffer.chunks(LARGEST).zip(&lengths) {
                each(now, &packet[..(*length).min(LARGEST)]);
            }
            total += lengths.len();
            if lengths.len() < AT_ONCE {
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
}

/// A classic BPF program (`Documentation/networking/filter.rst`) that lets through IP packets for any of `addresses`.
/// On a datagram socket, offset 0 is the IP header.
fn filter(addresses: &[IpAddr]) -> Vec<libc::sock_filter> {
    const ACCEPT: u32 = u32::MAX;
    const DESTINATION: (u32, u32) = (16, 24);
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for address in addresses {
        match address {
            IpAddr::V4(address) => v4.extend(one_address(DESTINATION.0, &address.octets(), ACCEPT)),
            IpAddr::V6(address) => v6.extend(one_address(DESTINATION.1, &address.octets(), ACCEPT)),
        }
    }
    let version = [load(BPF_BYTE, 0), statement(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0xf0)];
    let mut program = version.to_vec();
    for (version, block) in [(0x40, v4), (0x60, v6)] {
        // Only an unconditional jump goes farther than 255.
        program.push(jump_equal(version, 1, 0));
        program.push(jump(block.len() + 1));
        program.extend(block);
        program.push(give(0));
    }
    program.push(give(0));
    program
}

/// Accepts when the words at `offset` are `octets`, else goes on behind itself.
fn one_address(offset: u32, octets: &[u8], accept: u32) -> Vec<libc::sock_filter> {
    let words: Vec<u32> =
        octets.chunks(4).map(|word| word.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))).collect();
    let mut block = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let left = words.len() - index - 1;
        block.push(load(libc::BPF_W, offset + 4 * u32::try_from(index).unwrap_or(0)));
        block.push(jump_equal(*word, 0, u8::try_from(2 * left + 1).unwrap_or(u8::MAX)));
    }
    block.push(give(accept));
    block
}

/// `BPF_B`, which the libc crate knows by that name only.
const BPF_BYTE: u32 = 0x10;

fn load(size: u32, offset: u32) -> libc::sock_filter {
    statement(libc::BPF_LD | size | libc::BPF_ABS, offset)
}

fn give(length: u32) -> libc::sock_filter {
    statement(libc::BPF_RET | libc::BPF_K, length)
}

fn jump(over: usize) -> libc::sock_filter {
    statement(libc::BPF_JMP | libc::BPF_JA, u32::try_from(over).unwrap_or(u32::MAX))
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt: 0, jf: 0, k }
}

fn jump_equal(k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { jt, jf, ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, k) }
}

/// The system calls that no safe wrapper covers.
#[expect(
    unsafe_code,
    reason = "sendmmsg, recvmmsg and packet socket options have no safe wrapper for link addresses"
)]
mod sys {
    use std::mem;
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

    use nix::errno::Errno;

    use super::LARGEST;

    pub fn socket() -> Result<OwnedFd, Errno> {
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: no pointer is passed; protocol 0 receives nothing until the socket is bound.
        let fd = Errno::result(unsafe { libc::socket(libc::AF_PACKET, kind, 0) })?;
        // SAFETY: the descriptor is new and owned by nobody else.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }

    pub fn attach(socket: &OwnedFd, program: &[libc::sock_filter]) -> Result<(), Errno> {
        let program = libc::sock_fprog {
            len: u16::try_from(program.len()).map_err(|_| Errno::EINVAL)?,
            filter: program.as_ptr().cast_mut(),
        };
        set(socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
        set(socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)
    }

    fn set<T>(socket: &OwnedFd, level: i32, name: i32, value: &T) -> Result<(), Errno> {
        let length = socklen::<T>();
        // SAFETY: the pointer and the length describe `value`, which lives through the call.
        let done = unsafe {
            libc::setsockopt(socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length)
        };
        Errno::result(done).map(drop)
    }

    fn socklen<T>() -> libc::socklen_t {
        libc::socklen_t::try_from(mem::size_of::<T>()).unwrap_or(0)
    }

    fn address(interface: i32, protocol: i32, mac: [u8; 6]) -> libc::sockaddr_ll {
        let mut bytes = [0; 8];
        bytes[..6].copy_from_slice(&mac);
        libc::sockaddr_ll {
            sll_family: u16::try_from(libc::AF_PACKET).unwrap_or(0),
            sll_protocol: u16::try_from(protocol).unwrap_or(0).to_be(),
            sll_ifindex: interface,
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 6,
            sll_addr: bytes,
        }
    }

    pub fn bind(socket: &OwnedFd, interface: i32) -> Result<(), Errno> {
        let address = address(interface, libc::ETH_P_ALL, [0; 6]);
        let length = socklen::<libc::sockaddr_ll>();
        // SAFETY: the pointer and the length describe `address`, which lives through the call.
        let done = unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), length) };
        Errno::result(done).map(drop)
    }

    /// One message header over `data`, with room for an address where there is one.
    fn message(data: &mut libc::iovec, address: Option<&mut libc::sockaddr_ll>) -> libc::mmsghdr {
        // SAFETY: all-zero is a valid message header: null pointers with zero lengths.
        let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
        header.msg_hdr.msg_iov = data;
        header.msg_hdr.msg_iovlen = 1;
        if let Some(address) = address {
            header.msg_hdr.msg_name = std::ptr::from_mut(address).cast();
            header.msg_hdr.msg_namelen = socklen::<libc::sockaddr_ll>();
        }
        header
    }

    pub fn send(socket: &OwnedFd, interface: i32, mac: [u8; 6], packets: &[&[u8]]) -> Result<(), Errno> {
        let protocol = |packet: &[u8]| match packet.first().map(|byte| byte >> 4) {
            Some(6) => libc::ETH_P_IPV6,
            _ => libc::ETH_P_IP,
        };
        let mut addresses: Vec<_> =
            packets.iter().map(|packet| address(interface, protocol(packet), mac)).collect();
        let mut data: Vec<libc::iovec> = packets
            .iter()
            .map(|packet| libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() })
            .collect();
        let mut messages: Vec<_> =
            data.iter_mut().zip(&mut addresses).map(|(data, address)| message(data, Some(address))).collect();
        let mut sent = 0;
        while sent < messages.len() {
            let left = &mut messages[sent..];
            let count = u32::try_from(left.len()).unwrap_or(0);
            // SAFETY: each header points at an address, a vector and a packet that live through the call, and the
            // kernel only reads them.
            let done = unsafe { libc::sendmmsg(socket.as_raw_fd(), left.as_mut_ptr(), count, 0) };
            match Errno::result(done) {
                Ok(done) => sent += usize::try_from(done).unwrap_or(0),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Fills slots of `LARGEST` bytes; gives the lengths of the packets that came.
    pub fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Result<Vec<usize>, Errno> {
        let mut data: Vec<libc::iovec> = buffer
            .chunks_mut(LARGEST)
            .map(|slot| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: slot.len() })
            .collect();
        let mut messages: Vec<_> = data.iter_mut().map(|data| message(data, None)).collect();
        let count = u32::try_from(messages.len()).unwrap_or(0);
        // SAFETY: each header points at a vector over its own slot of `buffer`, all alive and not otherwise used.
        let done = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                messages.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        match Errno::result(done) {
            Ok(done) => {
                let came = messages.iter().take(usize::try_from(done).unwrap_or(0));
                Ok(came.map(|message| usize::try_from(message.msg_len).unwrap_or(0)).collect())
            }
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Reading the statistics sets them to zero.
    pub fn dropped(socket: &OwnedFd) -> Result<u64, Errno> {
        // SAFETY: plain integers; all-zero is valid.
        let mut stats: libc::tpacket_stats = unsafe { mem::zeroed() };
        let mut length = socklen::<libc::tpacket_stats>();
        // SAFETY: the pointer and the length describe `stats`.
        let done = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                std::ptr::from_mut(&mut stats).cast(),
                &raw mut length,
            )
        };
        Errno::result(done).map(|_| u64::from(stats.tp_drops))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel does (Documentation/networking/filter.rst), as far as these programs go.
    fn accepts(program: &[libc::sock_filter], packet: &[u8]) -> bool {
        let (mut at, mut word) = (0, 0_u32);
        loop {
            let step = program[at];
            let from = usize::try_from(step.k).unwrap();
            at += 1;
            match u32::from(step.code) {
                0x20 if packet.len() < from + 4 => return false,
                0x20 => word = u32::from_be_bytes(packet[from..from + 4].try_into().unwrap()),
                0x30 => word = u32::from(packet[from]),
                0x54 => word &= step.k,
                0x15 => at += usize::from(if word == step.k { step.jt } else { step.jf }),
                0x05 => at += from,
                0x06 => return step.k != 0,
                other => panic!("{other:#x}"),
            }
        }
    }

    fn packet_to(address: IpAddr) -> Vec<u8> {
        match address {
            IpAddr::V4(v4) => [&[0x45; 16], v4.octets().as_slice()].concat(),
            IpAddr::V6(v6) => [&[0x60; 24], v6.octets().as_slice()].concat(),
        }
    }

    #[test]
    fn a_filter_takes_its_addresses_and_no_others_however_many() {
        let v4 = (1..=200).map(|last| IpAddr::from([198, 18, 2, last]));
        let v6 = (1..=200).map(|last| IpAddr::from([0xfd00, 0x198, 0x18, 2, 0, 0, 0, last]));
        let all: Vec<IpAddr> = v4.chain(v6).collect();
        for count in [0, 1, 2, 199, 201, 400] {
            let (mine, others) = all.split_at(count);
            let program = filter(mine);
            assert!(mine.iter().all(|address| accepts(&program, &packet_to(*address))), "{count}");
            assert!(!others.iter().any(|address| accepts(&program, &packet_to(*address))), "{count}");
            assert!(!accepts(&program, &[0; 40]) && !accepts(&program, &[0x45; 10]), "{count}");
        }
    }
}
