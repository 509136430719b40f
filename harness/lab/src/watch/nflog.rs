//! NFLOG: packets that rules log to a group, over netlink (linux/netfilter/nfnetlink_log.h). The kernel sends each at
//! once. Whoever reads too late loses some, and is told how many: every packet has a number.

use std::ops::RangeInclusive;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::RcvBuf;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, setsockopt,
    socket,
};

use super::carried::Carried;
use super::kernel_line::Hardware;

/// Of `linux/netlink.h` and `linux/netfilter/nfnetlink.h`: `NFNL_SUBSYS_ULOG` in the high byte of a message's type.
const CONFIGURE: u16 = 4 << 8 | 1;
const PACKET: u16 = 4 << 8;
const ERROR: u16 = 2;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
/// Lengths of `struct nlmsghdr` and, behind it, `struct nfgenmsg`.
pub(super) const HEADER: usize = 16;
pub(super) const HEADERS: usize = HEADER + 4;

/// As much of a packet as any line tells of it, its quoted packet included.
const BYTES: u32 = 2048;
/// What the kernel may keep for this socket, in bytes; it takes its own limit where that is less.
const QUEUE: usize = 16 << 20;
/// Larger than any message: a packet and its attributes.
const MESSAGE: usize = 8192;

/// How many messages are taken before what they tell is written down.
const AT_ONCE: usize = 256;

/// The kinds of a configuration's attributes, `NFULA_CFG_*`.
mod configuration {
    pub(super) const COMMAND: u16 = 1;
    pub(super) const MODE: u16 = 2;
    pub(super) const THRESHOLD: u16 = 5;
    pub(super) const FLAGS: u16 = 6;
}

/// The kinds of a packet's attributes, `NFULA_*`.
mod attribute {
    pub(super) const PACKET_HEADER: u16 = 1;
    pub(super) const MARK: u16 = 2;
    pub(super) const IN: u16 = 4;
    pub(super) const OUT: u16 = 5;
    pub(super) const PHYSICAL_IN: u16 = 6;
    pub(super) const PHYSICAL_OUT: u16 = 7;
    pub(super) const PAYLOAD: u16 = 9;
    pub(super) const PREFIX: u16 = 10;
    pub(super) const USER: u16 = 11;
    pub(super) const NUMBER: u16 = 13;
    pub(super) const GROUP_ID: u16 = 14;
    pub(super) const HARDWARE_TYPE: u16 = 15;
    pub(super) const HARDWARE_HEADER: u16 = 16;
}

/// A packet that a rule logged, as the kernel tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Logged<'a> {
    /// The group that the rule names.
    pub(super) group: u16,
    /// The rule's family, `NFPROTO_*`; of an inet table the packet's own.
    pub(super) family: u8,
    /// The hook, whose meaning depends on the family.
    pub(super) hook: u8,
    /// As in an Ethernet header.
    pub(super) protocol: u16,
    /// The rule's prefix.
    pub(super) prefix: &'a [u8],
    /// Where it came in, and where it goes out; 0 for nowhere.
    pub(super) interfaces: [u32; 2],
    /// The same of the ports of a bridge.
    pub(super) ports: [u32; 2],
    /// The packet's mark.
    pub(super) mark: u32,
    /// The user of the socket that sent it.
    pub(super) user: Option<u32>,
    /// And the group.
    pub(super) user_group: Option<u32>,
    /// What is before the packet on the link that it came in by.
    pub(super) hardware: Hardware<'a>,
    /// The packet.
    pub(super) payload: &'a [u8],
    /// The number among all packets that this reader's groups were to be told.
    number: Option<u32>,
}

/// Hears of the packets that rules log to some groups.
#[derive(Debug)]
pub struct NflogReader {
    socket: OwnedFd,
    buffer: Box<[u8]>,
    /// The number of the next packet.
    next: Option<u32>,
    lost: u64,
}

impl NflogReader {
    /// Opens it in the network namespace of the calling thread, which needs `CAP_NET_ADMIN` there. From then on, nothing
    /// is missed unnoticed.
    pub fn open(groups: RangeInclusive<u16>) -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        setsockopt(&socket, RcvBuf, &QUEUE)?;
        let mut reader = Self { socket, buffer: vec![0; MESSAGE].into_boxed_slice(), next: None, lost: 0 };
        let last = *groups.end();
        let requests: Vec<u8> = groups.flat_map(|group| request(group, group == last)).collect();
        send(reader.socket.as_raw_fd(), &requests, MsgFlags::empty())?;
        reader.await_answer()?;
        Ok(reader)
    }

    /// What can be waited for.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// How many packets were not told because nobody read in time.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes what has come in, without waiting, but no more than 256 messages; whether that was all. Each is given whole,
    /// from its netlink header on.
    pub fn receive(&mut self, mut each: impl FnMut(&[u8])) -> Result<bool, Errno> {
        for _ in 0..AT_ONCE {
            let length = match recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty()) {
                Ok(length) => length,
                Err(Errno::EAGAIN) => return Ok(true),
                // What was lost is counted by the gap in the numbers.
                Err(Errno::ENOBUFS | Errno::EINTR) => continue,
                Err(error) => return Err(error),
            };
            for (kind, message) in Messages(&self.buffer[..length]) {
                if let Some(logged) = Logged::read(message).filter(|_| kind == PACKET) {
                    (self.next, self.lost) = counted(self.next, self.lost, logged.number);
                    each(message);
                }
            }
        }
        Ok(false)
    }

    /// Waits for the kernel's word on the last request; an earlier one that was refused is told first.
    fn await_answer(&mut self) -> Result<(), Errno> {
        // The kernel answers before `send` returns.
        let length = recv(self.socket.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
        let answer = Messages(&self.buffer[..length]).find(|(kind, _)| *kind == ERROR);
        let code = answer.and_then(|(_, message)| message.get(HEADER..)?.first_chunk());
        match code.map_or(0, |code| i32::from_ne_bytes(*code)) {
            0 => Ok(()),
            code => Err(Errno::from_raw(-code)),
        }
    }
}

/// The number that is next, and how many were lost, after the packet with `number`.
fn counted(next: Option<u32>, lost: u64, number: Option<u32>) -> (Option<u32>, u64) {
    let gap = next.zip(number).map_or(0, |(next, number)| number.wrapping_sub(next));
    (number.map(|number| number.wrapping_add(1)), lost + u64::from(gap))
}

/// Asks for the packets of a group: each at once, whole or nearly so, numbered among those of all groups.
fn request(group: u16, answered: bool) -> Vec<u8> {
    const BIND: u8 = 1;
    const COPY_PACKET: u8 = 2;
    const NUMBERED_GLOBALLY: u16 = 2;
    let [a, b, c, d] = BYTES.to_be_bytes();
    let attributes = [
        attribute_of(configuration::COMMAND, &[BIND]),
        attribute_of(configuration::MODE, &[a, b, c, d, COPY_PACKET, 0]),
        attribute_of(configuration::THRESHOLD, &1u32.to_be_bytes()),
        attribute_of(configuration::FLAGS, &NUMBERED_GLOBALLY.to_be_bytes()),
    ]
    .concat();
    let length = u32::try_from(HEADERS + attributes.len()).unwrap_or(u32::MAX);
    let flags = if answered { REQUEST | ACKNOWLEDGE } else { REQUEST };
    let header =
        [&length.to_ne_bytes()[..], &CONFIGURE.to_ne_bytes(), &flags.to_ne_bytes(), &[0; 8]].concat();
    [&header[..], &[0, 0], &group.to_be_bytes(), &attributes].concat()
}

/// A netlink attribute, filled up to a multiple of four bytes.
pub(super) fn attribute_of(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The messages in what was received, each with its kind and whole, header included.
pub(super) struct Messages<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = u32::from_ne_bytes(*self.0.first_chunk()?);
        let kind = u16::from_ne_bytes(*self.0.get(4..)?.first_chunk()?);
        let length = usize::try_from(length).ok().filter(|length| *length >= HEADER)?;
        let message = self.0.get(..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, message))
    }
}

/// The attributes in a part of a message, each with its kind.
pub(super) struct Attributes<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        /// Two bits of the kind say something else (`NLA_TYPE_MASK`).
        const KIND: u16 = 0x3fff;
        let length = usize::from(u16::from_ne_bytes(*self.0.first_chunk()?));
        let kind = u16::from_ne_bytes(*self.0.get(2..)?.first_chunk()?);
        let value = self.0.get(4..length)?;
        self.0 = self.0.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & KIND, value))
    }
}

impl<'a> Logged<'a> {
    /// Reads a message of the kernel; `None` where it is none of these.
    pub(super) fn read(message: &'a [u8]) -> Option<Self> {
        let [family, _, group @ ..] = message.get(HEADER..)?.first_chunk::<4>()?;
        let group = u16::from_be_bytes(*group);
        let mut logged = Self { family: *family, group, ..Self::default() };
        for (kind, value) in Attributes(message.get(HEADERS..)?) {
            logged.take(kind, value);
        }
        Some(logged)
    }

    fn take(&mut self, kind: u16, value: &'a [u8]) {
        let number = || value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        match kind {
            attribute::PACKET_HEADER => {
                if let [high, low, hook, ..] = *value {
                    (self.protocol, self.hook) = (u16::from_be_bytes([high, low]), hook);
                }
            }
            attribute::MARK => self.mark = number().unwrap_or_default(),
            attribute::IN => self.interfaces[0] = number().unwrap_or_default(),
            attribute::OUT => self.interfaces[1] = number().unwrap_or_default(),
            attribute::PHYSICAL_IN => self.ports[0] = number().unwrap_or_default(),
            attribute::PHYSICAL_OUT => self.ports[1] = number().unwrap_or_default(),
            attribute::PAYLOAD => self.payload = value,
            attribute::PREFIX => self.prefix = value.strip_suffix(&[0]).unwrap_or(value),
            attribute::USER => self.user = number(),
            attribute::GROUP_ID => self.user_group = number(),
            attribute::NUMBER => self.number = number(),
            attribute::HARDWARE_TYPE => {
                self.hardware.kind = value.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
            }
            attribute::HARDWARE_HEADER => self.hardware.header = value,
            _ => {}
        }
    }
}

/// The prefix of a message that [`NflogReader::receive`] gave, and its packet.
pub(crate) fn logged(message: &[u8]) -> Option<(String, Carried)> {
    let Logged { prefix, payload, .. } = Logged::read(message)?;
    Some((String::from_utf8_lossy(prefix).into_owned(), Carried::of_packet(payload)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_in_the_numbers_are_lost_packets() {
        let (mut next, mut lost) = (None, 0);
        for number in [7, 8, 12, 13] {
            (next, lost) = counted(next, lost, Some(number));
        }
        assert_eq!((next, lost), (Some(14), 3));
        assert_eq!(counted(Some(u32::MAX), 0, Some(1)), (Some(2), 2), "numbers begin again");
    }

    #[test]
    fn a_message_that_is_cut_short_is_read_as_far_as_it_goes() {
        let whole = [&[0; HEADER][..], &[2, 0, 0xff, 4], &attribute_of(10, b"x\0"), &attribute_of(9, b"abc")]
            .concat();
        let logged = Logged::read(&whole).unwrap();
        assert_eq!(
            (logged.family, logged.group, logged.prefix, logged.payload),
            (2, 0xff04, &b"x"[..], &b"abc"[..])
        );
        // The last byte fills up.
        for end in 0..whole.len() - 1 {
            assert_ne!(Logged::read(&whole[..end]), Some(logged), "{end}");
        }
    }
}
