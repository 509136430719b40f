//! Verdicts from inside the kernel: a BPF program on the scanner's socket reads each reply where it arrives and writes
//! what it says into a table that the scanner sees, so that no reply is queued, copied or waited for.
//!
//! A user namespace may not load BPF, but may use what was loaded before. So the first process of a case loads program
//! and table while it still may ([`VerdictSource`]), and the worker maps and attaches them ([`VerdictTable`]). Where
//! loading is refused there is no source, and a scanner reads packets instead ([`crate::PacketSocket::receive`]); it
//! learns the same, more slowly.

mod assembler;
mod layout;
mod program;
mod sys;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use scandrill_model::{Protocol, Reply, TcpFlags, Unreachable};

use crate::PacketSocket;
use crate::error::{During, LabError};
use layout::Setting;

/// A loaded program and its table. It has room for one scan at a time; clones are the same one.
#[derive(Clone, Debug)]
pub struct VerdictSource(Arc<Loaded>);

#[derive(Debug)]
struct Loaded {
    table: OwnedFd,
    program: OwnedFd,
    is_taken: AtomicBool,
}

impl VerdictSource {
    /// Loads both; `None` where the kernel refuses, as it does to ordinary users and in a user namespace, or is too
    /// old (before Linux 5.12).
    pub fn load() -> Option<Self> {
        let table = sys::create_map(layout::LENGTH).ok()?;
        let program = sys::load_filter(&program::program(table.as_raw_fd())).ok()?;
        Some(Self(Arc::new(Loaded { table, program, is_taken: AtomicBool::new(false) })))
    }
}

/// What the probes of one scan have in common, by which replies to them are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictConfig {
    /// Where probes come from.
    pub source: IpAddr,
    /// Where they go; of the same IP version.
    pub target: IpAddr,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Whether the probes have the ACK flag. Then a reset need not acknowledge them.
    pub acknowledging: bool,
    /// The source port of the first try; the others follow it.
    pub base_port: u16,
    /// How many tries a port may have, at least one. Replies to others are not believed.
    pub tries: u8,
    /// The key of the probes' numbers: SplitMix64's finalizer of it and of `port << 8 | try`, combined by exclusive or,
    /// has the sequence number in its high half and the acknowledgement number in its low half.
    pub key: u64,
}

/// What one port answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Which try was answered, from 0.
    pub attempt: u8,
    /// The first believed reply.
    pub reply: Reply,
    /// Its time to live or hop limit.
    pub hops: u8,
    /// How many more believed replies came, to any try; it stops at 65,535.
    pub duplicates: u16,
    /// Of a segment with SYN and ACK, how to go on.
    pub opened: Option<Opened>,
}

/// What a target told with its SYN and ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its sequence number.
    pub sequence: u32,
    /// Its timestamp (RFC 7323), if it has one.
    pub timestamp: Option<u32>,
}

/// The table of one scan, which any number of threads may read while the kernel writes to it.
#[derive(Debug)]
pub struct VerdictTable {
    memory: sys::Memory,
    source: VerdictSource,
}

impl VerdictTable {
    /// Takes the source's table for a new scan, empty; `None` while another scan has it. Whoever had it before must
    /// have closed the sockets that it was attached to.
    pub fn map(source: &VerdictSource) -> Result<Option<Self>, LabError> {
        if source.0.is_taken.swap(true, Ordering::AcqRel) {
            return Ok(None);
        }
        let memory = sys::Memory::map(&source.0.table, layout::LENGTH);
        if memory.is_err() {
            source.0.is_taken.store(false, Ordering::Release);
        }
        let memory = memory.during(|| "map the table of verdicts".to_owned())?;
        let table = Self { memory, source: source.clone() };
        table.set(Setting::Family, 0);
        table.clear();
        Ok(Some(table))
    }

    /// Says which replies to believe. It must come before [`VerdictTable::attach`].
    ///
    /// # Errors
    /// Addresses of different IP versions, a protocol without ports, or no try.
    pub fn configure(&self, config: &VerdictConfig) -> Result<(), LabError> {
        let (family, source, target) = match (config.source, config.target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => (4, v4_halves(source), v4_halves(target)),
            (IpAddr::V6(source), IpAddr::V6(target)) => (6, v6_halves(source), v6_halves(target)),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                return Err(refused("two IP versions in one scan"));
            }
        };
        let protocol = match config.protocol {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp | Protocol::Icmp | Protocol::Ip | Protocol::Arp => {
                return Err(refused("a protocol without ports"));
            }
        };
        if config.tries == 0 {
            return Err(refused("no try"));
        }
        for (setting, value) in [
            (Setting::Key, config.key),
            (Setting::Source, source[0]),
            (Setting::SourceRest, source[1]),
            (Setting::Target, target[0]),
            (Setting::TargetRest, target[1]),
            (Setting::BasePort, config.base_port.into()),
            (Setting::Tries, config.tries.into()),
            (Setting::Protocol, protocol),
            (Setting::Acknowledging, config.acknowledging.into()),
            (Setting::Family, family),
        ] {
            self.set(setting, value);
        }
        Ok(())
    }

    /// Puts the program on `socket`, in place of its filter: believed replies go to the table, and what else comes for
    /// the scan's source address (ARP about it included) goes to the socket as before. One socket receives for all
    /// threads of a scan; on two of them, each reply would count twice.
    pub fn attach(&self, socket: &PacketSocket) -> Result<(), LabError> {
        sys::attach(socket.descriptor(), &self.source.0.program)
            .during(|| "attach the program of verdicts to a packet socket".to_owned())
    }

    /// What `port` has answered so far.
    pub fn look(&self, port: u16) -> Option<Verdict> {
        let slot = usize::from(port) << (layout::SLOT_SHIFT - 3);
        let words = self.memory.doubles();
        let told = words[slot].load(Ordering::Acquire);
        let [kind, attempt, flags, hops, ..] = told.to_le_bytes();
        let [_, _, _, _, window, high, few, many] = told.to_le_bytes();
        let window = u16::from_le_bytes([window, high]);
        let tcp = TcpFlags(flags & layout::TCP_FLAGS);
        let reply = match kind.checked_sub(layout::WRITTEN)? {
            layout::KIND_TCP => Reply::Tcp { flags: tcp, window },
            layout::KIND_UDP => Reply::Udp,
            layout::KIND_UNREACHABLE => Reply::Unreachable(Unreachable::from_icmp(3, flags)?),
            layout::KIND_UNREACHABLE_V6 => Reply::Unreachable(Unreachable::from_icmpv6(1, flags)?),
            // It is just being written.
            _ => return None,
        };
        let opens = kind == layout::WRITTEN | layout::KIND_TCP && tcp.contains(TcpFlags::SYN | TcpFlags::ACK);
        let has_timestamp = flags & layout::HAS_TIMESTAMP != 0;
        let opened = opens.then(|| opened(words[slot + 1].load(Ordering::Relaxed), has_timestamp));
        Some(Verdict { attempt, reply, hops, duplicates: u16::from_le_bytes([few, many]), opened })
    }

    /// Forgets all answers. What arrives meanwhile may be forgotten or not.
    pub fn clear(&self) {
        for word in &self.memory.doubles()[..layout::SLOT_WORDS] {
            word.store(0, Ordering::Relaxed);
        }
    }

    fn set(&self, setting: Setting, value: u64) {
        self.memory.doubles()[setting.index()].store(value, Ordering::Release);
    }
}

impl Drop for VerdictTable {
    fn drop(&mut self) {
        self.source.0.is_taken.store(false, Ordering::Release);
    }
}

fn opened(detail: u64, has_timestamp: bool) -> Opened {
    let half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or_default();
    Opened { sequence: half(detail), timestamp: has_timestamp.then_some(half(detail >> 32)) }
}

/// An address as it lies in memory, in two words.
fn v4_halves(address: Ipv4Addr) -> [u64; 2] {
    let [a, b, c, d] = address.octets();
    [u64::from_ne_bytes([a, b, c, d, 0, 0, 0, 0]), 0]
}

fn v6_halves(address: Ipv6Addr) -> [u64; 2] {
    let number = address.to_bits();
    [number >> 64, number & u128::from(u64::MAX)].map(|half| u64::try_from(half).unwrap_or_default().to_be())
}

fn refused(why: &str) -> LabError {
    LabError::BadPlan(format!("table of verdicts: {why}"))
}
