//! A flood at work: many packets from one packet socket, at a pace or as fast as the target takes them. It has an end
//! in any case, and it goes to nobody outside the lab.
//!
//! Most of a packet's cost is the target's own stack, which takes it inside the sender's system call; so one thread sends
//! as fast as one processor of the target's can take.

mod packets;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use scandrill_model::{Family, FloodPackets, Sends, Stamp, is_lab_address};

use self::packets::{Own, Template};
use crate::clock;
use crate::error::LabError;
use crate::packet_socket::{PacketSocket, Wanted};

/// How many packets are sent between two looks at what has come in, at the clock and at whether to go on.
const AT_ONCE: usize = 64;
/// How long the last SYN-ACKs may take; they are awaited no longer than they come.
const LAST_ANSWERS: Duration = Duration::from_millis(200);

/// A flood's two ends of one string: how far it is, and whether it is to go on.
#[derive(Debug, Default)]
pub struct Flooding {
    sent: AtomicU64,
    ended: AtomicBool,
}

impl Flooding {
    /// How many packets it has sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Lets it send nothing more.
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

/// What a flood came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flooded {
    /// Packets sent, handshakes' ACKs aside.
    pub sent: u64,
    /// Packets that the link did not take, because it was full.
    pub refused: u64,
    /// SYN-ACKs that were answered; of handshakes only.
    pub completed: u64,
    /// Whether it was told to end before it had sent all.
    pub ended_early: bool,
}

/// Sends a flood on `interface` to the Ethernet address `next_hop`, and returns when all is sent or it is told to end. It
/// blocks, and must run on a thread inside the host.
///
/// # Errors
/// [`LabError::BadPlan`] for addresses outside the lab's ranges; what a packet socket says.
pub fn flood(
    interface: &str,
    next_hop: [u8; 6],
    flood: &FloodPackets,
    flooding: &Flooding,
) -> Result<Flooded, LabError> {
    check(flood)?;
    Sender::open(interface, next_hop, flood)?.run(flooding)
}

/// Every packet goes from the lab to the lab.
fn check(flood: &FloodPackets) -> Result<(), LabError> {
    let last = source(flood, flood.sources.saturating_sub(1));
    let strange = [flood.target, flood.first_source, last, flood.prefix.network(), flood.prefix.broadcast()];
    if let Some(address) = strange.into_iter().find(|address| !is_lab_address(*address)) {
        return Err(LabError::BadPlan(format!("{address} is not inside the lab's address ranges")));
    }
    let within = [flood.first_source, last].iter().all(|address| flood.prefix.contains(address));
    if !within || flood.sources == 0 || Family::of(flood.target) != Family::of(flood.first_source) {
        let sources = flood.sources;
        return Err(LabError::BadPlan(format!("a flood has no {sources} sources in {}", flood.prefix)));
    }
    Ok(())
}

fn source(flood: &FloodPackets, index: u32) -> IpAddr {
    match flood.first_source {
        IpAddr::V4(first) => IpAddr::V4(first.to_bits().wrapping_add(index).into()),
        IpAddr::V6(first) => IpAddr::V6(first.to_bits().wrapping_add(index.into()).into()),
    }
}

struct Sender<'a> {
    flood: &'a FloodPackets,
    socket: PacketSocket,
    template: Template,
    batch: Vec<u8>,
    answers: Answers,
    done: Flooded,
}

/// What completes handshakes.
struct Answers {
    ack: Template,
    batch: Vec<u8>,
}

impl<'a> Sender<'a> {
    fn open(interface: &str, next_hop: [u8; 6], flood: &'a FloodPackets) -> Result<Self, LabError> {
        let answered = flood.sends == Sends::Handshakes;
        let addresses = if answered { std::slice::from_ref(&flood.prefix) } else { &[] };
        let wanted = Wanted { addresses, ports: None };
        let template = Template::of(flood)?;
        Ok(Self {
            flood,
            socket: PacketSocket::open(interface, next_hop, &wanted)?,
            batch: vec![0; AT_ONCE * template.length()],
            template,
            answers: Answers { ack: Template::ack(flood)?, batch: Vec::new() },
            done: Flooded::default(),
        })
    }

    fn run(mut self, flooding: &Flooding) -> Result<Flooded, LabError> {
        let start = clock::now();
        let mut next = 0;
        while next < self.flood.count {
            if flooding.ended.load(Ordering::Relaxed) {
                self.done.ended_early = true;
                break;
            }
            let due = self.due(start).min(self.flood.count);
            let count = due.saturating_sub(next).min(AT_ONCE as u64);
            if count == 0 {
                self.socket.wait_readable(self.moment(start, next))?;
            } else {
                self.send(next, count)?;
                next += count;
                flooding.sent.store(self.done.sent, Ordering::Relaxed);
            }
            self.answer()?;
        }
        self.answer_the_last()?;
        Ok(self.done)
    }

    /// How many packets may have been sent by now.
    fn due(&self, start: Stamp) -> u64 {
        self.flood.interval.map_or(u64::MAX, |interval| {
            let passed = clock::elapsed(start).as_nanos() / interval.as_nanos().max(1);
            u64::try_from(passed).unwrap_or(u64::MAX).saturating_add(1)
        })
    }

    /// When a packet is due.
    fn moment(&self, start: Stamp, index: u64) -> Stamp {
        let interval = self.flood.interval.unwrap_or_default().as_nanos();
        let after = u64::try_from(interval).unwrap_or(u64::MAX).saturating_mul(index);
        start + Duration::from_nanos(after)
    }

    fn send(&mut self, first: u64, count: u64) -> Result<(), LabError> {
        let length = self.template.length();
        for (index, packet) in (first..first + count).zip(self.batch.chunks_exact_mut(length)) {
            self.template.fill(packet, own(self.flood, index));
        }
        let wanted = usize::try_from(count).unwrap_or(AT_ONCE);
        let left = sent(self.socket.send(self.batch.chunks_exact(length).take(wanted)))?;
        self.done.refused += left;
        self.done.sent += count - left;
        Ok(())
    }

    /// Completes the handshakes whose SYN-ACK has come; gives how many.
    fn answer(&mut self) -> Result<usize, LabError> {
        if self.flood.sends != Sends::Handshakes {
            return Ok(0);
        }
        let (flood, Answers { ack, batch }) = (self.flood, &mut self.answers);
        batch.clear();
        self.socket.receive(|_, packet| {
            if let Some(own) = accepted(flood, packet) {
                let start = batch.len();
                batch.resize(start + ack.length(), 0);
                ack.fill(&mut batch[start..], own);
            }
        })?;
        let count = batch.len() / ack.length();
        let left = sent(self.socket.send(batch.chunks_exact(ack.length())))?;
        self.done.completed += (count as u64).saturating_sub(left);
        Ok(count)
    }

    /// A target that is behind still has SYN-ACKs to send.
    fn answer_the_last(&mut self) -> Result<(), LabError> {
        while self.flood.sends == Sends::Handshakes && self.done.completed < self.done.sent {
            self.socket.wait_readable(clock::now() + LAST_ANSWERS)?;
            if self.answer()? == 0 {
                break;
            }
        }
        Ok(())
    }
}

/// A full link is a part of a flood: what it did not take is counted.
fn sent(result: Result<(), LabError>) -> Result<u64, LabError> {
    match result {
        Err(LabError::Unsent { left, source: None | Some(Errno::ENOBUFS) }) => Ok(left as u64),
        result => result.map(|()| 0),
    }
}

/// The fields of the packet with this index.
fn own(flood: &FloodPackets, index: u64) -> Own {
    let sources = u64::from(flood.sources);
    let of_source = u32::try_from(index % sources).unwrap_or_default();
    let port = index / sources % u64::from(FloodPackets::PORTS);
    let (source, port) =
        (source(flood, of_source), FloodPackets::FIRST_PORT + u16::try_from(port).unwrap_or_default());
    Own { source, port, sequence: sequence(flood, source, port), acknowledges: 0 }
}

/// The first sequence number of a connection, which is known again by it (`SplitMix64`).
fn sequence(flood: &FloodPackets, source: IpAddr, port: u16) -> u32 {
    let address = match source {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => u64::try_from(v6.to_bits() & u128::from(u64::MAX)).unwrap_or_default(),
    };
    let mut mixed = flood.seed ^ (address << 16) ^ u64::from(port);
    mixed = mixed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    u32::try_from(mixed >> 32).unwrap_or_default()
}

/// The ACK that a packet deserves: it is the SYN-ACK to one of the flood's SYNs.
fn accepted(flood: &FloodPackets, packet: &[u8]) -> Option<Own> {
    const TCP: u8 = 6;
    const SYN_ACK: u8 = 0x12;
    const FLAGS: u8 = 0x17;
    let (protocol, from, to, tcp) = match packet.first()? >> 4 {
        4 => {
            let length = usize::from(packet[0] & 0x0f) * 4;
            (*packet.get(9)?, address::<4>(packet, 12)?, address::<4>(packet, 16)?, packet.get(length..)?)
        }
        _ => (*packet.get(6)?, address::<16>(packet, 8)?, address::<16>(packet, 24)?, packet.get(40..)?),
    };
    let half = |at: usize| Some(u16::from_be_bytes(*tcp.get(at..)?.first_chunk()?));
    let word = |at: usize| Some(u32::from_be_bytes(*tcp.get(at..)?.first_chunk()?));
    let ours = protocol == TCP && from == flood.target && half(0)? == flood.port;
    if !ours || tcp.get(13)? & FLAGS != SYN_ACK {
        return None;
    }
    let own = Own { source: to, port: half(2)?, sequence: word(8)?, acknowledges: word(4)?.wrapping_add(1) };
    (own.sequence == sequence(flood, to, own.port).wrapping_add(1)).then_some(own)
}

fn address<const N: usize>(packet: &[u8], at: usize) -> Option<IpAddr>
where
    IpAddr: From<[u8; N]>,
{
    packet.get(at..)?.first_chunk::<N>().copied().map(IpAddr::from)
}
