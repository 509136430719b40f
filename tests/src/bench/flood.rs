//! Load: packets from red to the target as fast as both can, none of them lost. No more are ever on their way than the
//! target's queue takes, which the target's own counter tells; so a rate is that of the slower of the two, and nothing of
//! one measurement is left to do when the next one begins.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep, TcpOptionElement};
use futures::future::try_join_all;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;
use scandrill_lab::{Host, PacketSocket, Wanted, clock};
use scandrill_model::Stamp;

use super::net::next_hop;
use super::{Counters, Net, Outcome, TARGET};

/// How many packets may be on their way; and a batch of each further sender. The kernel's queue takes 1000
/// (net.core.netdev_max_backlog), that of a veth end with GRO on 256 (drivers/net/veth.c).
const WINDOW: u64 = 128;
/// How many are sent at once.
const BATCH: usize = 64;
/// After this long without progress, the target is given up.
const STUCK: Duration = Duration::from_secs(20);

/// A whole IP packet.
pub type Packet = Vec<u8>;

/// What a flood took.
#[derive(Clone, Copy, Debug)]
pub struct Flooded {
    /// How many packets the target received.
    pub packets: u64,
    /// From the start to the receipt of the last one.
    pub took: Duration,
    /// Time of processors that the sending threads had; on a veth pair that is most of the target's work, too, which is
    /// done before the sender's system call returns.
    pub busy: Duration,
}

impl Flooded {
    /// Packets a second.
    pub fn rate(&self) -> f64 {
        self.count() / self.took.as_secs_f64()
    }

    /// Microseconds of a processor for each packet.
    pub fn cost(&self) -> f64 {
        self.busy.as_secs_f64() * 1e6 / self.count()
    }

    fn count(&self) -> f64 {
        f64::from(u32::try_from(self.packets).unwrap_or(u32::MAX))
    }
}

/// How long a flood lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Its packets over and over for so long.
    Passed(Duration),
    /// Each packet once.
    Sent,
}

/// Sends packets, each share from a thread of its own on a processor of its own, as far as there are as many.
pub async fn flood(net: &Net, shares: &[Arc<Vec<Packet>>], until: Until) -> Outcome<Flooded> {
    // All begin to count before any begins to send.
    let mut counting = Vec::new();
    for _ in shares {
        counting.push(Received::open(&net.target).await?);
    }
    let mut received = Received::open(&net.target).await?;
    let sent = Arc::new(AtomicU64::new(0));
    let start = clock::now();
    let threads = shares.iter().zip(counting).enumerate().map(|(number, (packets, received))| {
        let (packets, sent) = (packets.clone(), sent.clone());
        net.red.blocking(move || {
            stay_on(number)?;
            send(&packets, until, &sent, received)
        })
    });
    let busy: Outcome<Vec<Duration>> = try_join_all(threads).await?.into_iter().collect();
    let all = sent.load(Ordering::Relaxed);
    received.wait_for(all)?;
    Ok(Flooded { packets: all, took: clock::elapsed(start), busy: busy?.iter().sum() })
}

/// Keeps this thread on one of the processors that it may use: a veth end's work is done where the packet was sent.
fn stay_on(number: usize) -> Outcome<()> {
    let own = Pid::from_raw(0);
    let allowed = sched_getaffinity(own)?;
    let there: Vec<usize> =
        (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect();
    let mut chosen = CpuSet::new();
    chosen.set(there[number % there.len()])?;
    Ok(sched_setaffinity(own, &chosen)?)
}

fn send(packets: &[Packet], until: Until, sent: &AtomicU64, mut received: Received) -> Outcome<Duration> {
    let mut socket = PacketSocket::open("eth0", next_hop(), &Wanted::default())?;
    let (start, before) = (clock::now(), busy()?);
    let rounds = if until == Until::Sent { 1 } else { usize::MAX };
    for batch in (0..rounds).flat_map(|_| packets.chunks(BATCH)) {
        if is_over(until, start) {
            break;
        }
        socket.send(batch.iter().map(Vec::as_slice))?;
        let all = sent.fetch_add(batch.len() as u64, Ordering::Relaxed) + batch.len() as u64;
        received.wait_for(all.saturating_sub(WINDOW - BATCH as u64))?;
    }
    Ok(busy()?.saturating_sub(before))
}

fn is_over(until: Until, start: Stamp) -> bool {
    matches!(until, Until::Passed(length) if clock::elapsed(start) >= length)
}

/// How many packets the target has received since this was made.
struct Received {
    counters: Counters,
    before: u64,
    seen: u64,
}

impl Received {
    async fn open(target: &Host) -> Outcome<Self> {
        let mut counters = Counters::open(target).await?;
        let before = counters.read("Ip", "InReceives")?;
        Ok(Self { counters, before, seen: 0 })
    }

    /// Looks until there are `wanted`, without a pause: they come within microseconds.
    fn wait_for(&mut self, wanted: u64) -> Outcome<()> {
        let start = clock::now();
        while self.seen < wanted {
            self.seen = self.counters.read("Ip", "InReceives")? - self.before;
            if clock::elapsed(start) > STUCK {
                return Err(format!("the target received {} of {wanted} packets", self.seen).into());
            }
        }
        Ok(())
    }
}

/// Time of processors that this thread has had.
fn busy() -> Outcome<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
    Ok(length(usage.user_time()) + length(usage.system_time()))
}

fn length(time: TimeVal) -> Duration {
    let part = |number| u64::try_from(number).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec())) + Duration::from_micros(part(time.tv_usec()))
}

/// A reset that belongs to no connection: nobody answers it, so what it costs is the way to where that is seen.
pub fn reset(source: Ipv4Addr) -> Outcome<Packet> {
    finish(to_target(source)?.tcp(40_000, 9, 1, 0).rst())
}

/// A request for a connection, with the options of an ordinary client's.
pub fn syn(source: Ipv4Addr, source_port: u16, port: u16) -> Outcome<Packet> {
    let options =
        [TcpOptionElement::MaximumSegmentSize(1460), TcpOptionElement::SelectiveAcknowledgementPermitted];
    finish(to_target(source)?.tcp(source_port, port, 1, 64_240).syn().options(&options)?)
}

/// A datagram to a port where nobody listens.
pub fn datagram(source: Ipv4Addr, source_port: u16) -> Outcome<Packet> {
    let mut packet = Vec::new();
    to_target(source)?.udp(source_port, 9).write(&mut packet, b"")?;
    Ok(packet)
}

fn to_target(source: Ipv4Addr) -> Outcome<PacketBuilderStep<IpHeaders>> {
    let target: Ipv4Addr = TARGET.parse()?;
    Ok(PacketBuilder::ipv4(source.octets(), target.octets(), 64))
}

fn finish(segment: PacketBuilderStep<etherparse::TcpHeader>) -> Outcome<Packet> {
    let mut packet = Vec::new();
    segment.write(&mut packet, b"")?;
    Ok(packet)
}
