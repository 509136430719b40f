//! nftables' trace of a packet (linux/netfilter/nf_tables.h, `NFT_MSG_TRACE`): each rule that it matched, and each policy
//! that it met, told over netlink in the order in which it passed them.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::RcvBuf;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, setsockopt, socket,
};

use super::carried::Carried;
use super::nflog::{Attributes, HEADER, HEADERS, Messages};

/// `NFNL_SUBSYS_NFTABLES` in the high byte, `NFT_MSG_TRACE` in the low one.
const TRACE: u16 = 10 << 8 | 0x11;
/// The bit of `NFNLGRP_NFTRACE`, the ninth group.
const GROUP: u32 = 1 << 8;
/// Larger than any message.
const MESSAGE: usize = 8192;
/// What the kernel may keep for this socket, in bytes; it takes its own limit where that is less.
const QUEUE: usize = 16 << 20;

/// The kinds of a step's attributes, `NFTA_TRACE_*`, and of a verdict's, `NFTA_VERDICT_*`.
mod attribute {
    pub(super) const TABLE: u16 = 1;
    pub(super) const CHAIN: u16 = 2;
    pub(super) const RULE_HANDLE: u16 = 3;
    pub(super) const TYPE: u16 = 4;
    pub(super) const VERDICT: u16 = 5;
    pub(super) const ID: u16 = 6;
    pub(super) const NETWORK_HEADER: u16 = 8;
    pub(super) const TRANSPORT_HEADER: u16 = 9;
    pub(super) const POLICY: u16 = 16;
    pub(super) const VERDICT_CODE: u16 = 1;
    pub(super) const VERDICT_CHAIN: u16 = 2;
}

/// What a step is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something that is not known.
    #[default]
    Unknown,
    /// A base chain's policy.
    Policy,
    /// A chain that was left for the one before.
    Return,
    /// A rule, or a chain's end where there is no handle.
    Rule,
}

/// What was said of the packet, `NF_*` and `NFT_*`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The next rule looks at it.
    #[default]
    Continue,
    /// It leaves the hook.
    Accept,
    /// It ends.
    Drop,
    /// It goes on in that chain.
    Jump(String),
    /// It goes back.
    Return,
    /// Somebody else has it: a queue, a proxy.
    Stolen,
}

/// One step of a packet's way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Step {
    /// The table's family, as nft names it.
    pub(crate) family: &'static str,
    /// The table.
    pub(crate) table: String,
    /// The chain.
    pub(crate) chain: String,
    /// The rule.
    pub(crate) handle: Option<u64>,
    /// What it is of.
    pub(crate) kind: Kind,
    /// What was said.
    pub(crate) verdict: Verdict,
    /// The same for all steps of one packet, and for another one whose place in memory it had.
    pub(crate) packet: u32,
    /// The packet, told once at each hook.
    pub(crate) carried: Option<Carried>,
}

/// Hears the traces of the packets of a network namespace.
#[derive(Debug)]
pub(crate) struct TraceReader(OwnedFd);

impl TraceReader {
    /// Opens it in the network namespace of the calling thread, which needs `CAP_NET_ADMIN` there.
    pub(crate) fn open() -> Result<Self, Errno> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkNetFilter)?;
        setsockopt(&socket, RcvBuf, &QUEUE)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, GROUP))?;
        Ok(Self(socket))
    }

    /// What can be waited for.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Takes what has come in, without waiting, and whether the kernel had more to say than it could keep.
    pub(crate) fn take(&self, mut each: impl FnMut(Step)) -> Result<bool, Errno> {
        let mut buffer = vec![0; MESSAGE];
        let mut lost = false;
        loop {
            match recv(self.0.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(length) => read(&buffer[..length]).into_iter().for_each(&mut each),
                Err(Errno::EAGAIN) => return Ok(lost),
                Err(Errno::ENOBUFS) => lost = true,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// The steps in what was received.
fn read(bytes: &[u8]) -> Vec<Step> {
    Messages(bytes)
        .filter(|(kind, _)| *kind == TRACE)
        .filter_map(|(_, message)| Step::read(message))
        .collect()
}

impl Step {
    fn read(message: &[u8]) -> Option<Self> {
        let family = family(*message.get(HEADER)?)?;
        let mut step = Self { family, ..Self::default() };
        let (mut network, mut transport) = (&[][..], &[][..]);
        for (kind, value) in Attributes(message.get(HEADERS..)?) {
            match kind {
                attribute::NETWORK_HEADER => network = value,
                attribute::TRANSPORT_HEADER => transport = value,
                _ => step.take(kind, value),
            }
        }
        step.carried = Carried::read(network, transport);
        Some(step)
    }

    fn take(&mut self, kind: u16, value: &[u8]) {
        match kind {
            attribute::TABLE => self.table = name(value),
            attribute::CHAIN => self.chain = name(value),
            attribute::RULE_HANDLE => {
                self.handle = value.first_chunk().map(|bytes| u64::from_be_bytes(*bytes));
            }
            attribute::TYPE => self.kind = kind_of(number(value)),
            attribute::VERDICT => self.verdict = Verdict::read(value),
            attribute::POLICY => self.verdict = Verdict::of(number(value), String::new()),
            attribute::ID => self.packet = number(value).cast_unsigned(),
            _ => {}
        }
    }
}

impl Verdict {
    fn read(attributes: &[u8]) -> Self {
        let (mut code, mut chain) = (CONTINUE, String::new());
        for (kind, value) in Attributes(attributes) {
            match kind {
                attribute::VERDICT_CODE => code = number(value),
                attribute::VERDICT_CHAIN => chain = name(value),
                _ => {}
            }
        }
        Self::of(code, chain)
    }

    fn of(code: i32, chain: String) -> Self {
        /// What is above is a queue's number, or an error's.
        const CODE: i32 = 0xff;
        match code {
            -4 | -3 => Self::Jump(chain),
            -5 => Self::Return,
            code if code < 0 => Self::Continue,
            code => match code & CODE {
                0 => Self::Drop,
                1 => Self::Accept,
                _ => Self::Stolen,
            },
        }
    }
}

/// `NFT_CONTINUE`.
const CONTINUE: i32 = -1;

fn kind_of(number: i32) -> Kind {
    match number {
        1 => Kind::Policy,
        2 => Kind::Return,
        3 => Kind::Rule,
        _ => Kind::Unknown,
    }
}

/// `NFPROTO_*` as nft names it.
fn family(number: u8) -> Option<&'static str> {
    match number {
        1 => Some("inet"),
        2 => Some("ip"),
        3 => Some("arp"),
        5 => Some("netdev"),
        7 => Some("bridge"),
        10 => Some("ip6"),
        _ => None,
    }
}

fn number(value: &[u8]) -> i32 {
    value.first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes))
}

fn name(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Linux 6.18 told of a packet that met `tcp dport 22 counter drop`, the fourth handle of `inet t input`: without
    /// the packet's own bytes.
    const DROPPED: &str = "60000000110a0000000000000000000001000000\
        08000f0000000002080004000000000308000600 8cdbb666\
        0a000200696e7075740000000600010074000000\
        0c00030000000000000000040c0005000800010000000000\
        08000a0000000001";

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    #[test]
    fn a_recorded_drop_names_table_chain_and_rule() {
        let expected = Step {
            family: "inet",
            table: "t".to_owned(),
            chain: "input".to_owned(),
            handle: Some(4),
            kind: Kind::Rule,
            verdict: Verdict::Drop,
            packet: 0x8cdb_b666,
            carried: None,
        };
        assert_eq!(read(&bytes(DROPPED)), [expected]);
    }

    #[test]
    fn a_recorded_policy_and_a_recorded_jump_are_told_apart() {
        let policy = "4c000000110a000000000000000000000200000008000f00000000020800040000000001080006008cdbb666\
                      0a000200494e5055540000000b00010066696c74657200000800100000000001";
        let steps = read(&bytes(policy));
        assert_eq!(
            (steps[0].kind, &steps[0].verdict, steps[0].family),
            (Kind::Policy, &Verdict::Accept, "ip")
        );
        assert_eq!(
            (steps[0].chain.as_str(), steps[0].table.as_str(), steps[0].handle),
            ("INPUT", "filter", None)
        );
        let jump = "54000000110a000000000000000000000100000008000f0000000002080004000000000308000600f39ba4fb\
                    0a000200696e70757400000006000100740000000c00030000000000000000051400050008000100fffffffd08000200\
                    73756200";
        assert_eq!(read(&with_length(jump))[0].verdict, Verdict::Jump("sub".to_owned()));
    }

    /// Bytes of which less was kept than the header says.
    fn with_length(hex: &str) -> Vec<u8> {
        let mut kept = bytes(hex);
        let length = u32::try_from(kept.len()).unwrap().to_ne_bytes();
        kept[..4].copy_from_slice(&length);
        kept
    }

    #[test]
    fn what_is_cut_short_is_no_step() {
        let whole = bytes(DROPPED);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), [], "{end}");
        }
    }
}
