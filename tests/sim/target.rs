//! A simulated target: a stack behind a policy, and a link with faults.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use etherparse::TcpHeader;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scandrill_model::{Asks, Family, Stamp, TcpFlags, Technique};

use crate::packet::{Kind, Sent, flags};
use crate::policy::{Policy, Refusal, heeds_checksum, speaks};
use crate::stack;

/// What the way to the target does to packets.
#[derive(Clone, Debug)]
pub struct Faults {
    /// From a probe's departure to its reply's arrival.
    pub delay: Duration,
    /// And up to so much more, so that replies overtake each other.
    pub delay_more: Duration,
    /// So many first probes of each of these ports are lost.
    pub lost_first: BTreeMap<u16, u8>,
    /// In a hundred packets, so many are lost; each way.
    pub loss_percent: u8,
    /// Each reply comes so many times more, at the same time.
    pub duplicates: u8,
    /// At most so many replies a second, after a burst.
    pub replies_per_second: Option<u64>,
    /// So many replies may come at once where their rate is limited; iptables' limit match has five by default.
    pub burst: u32,
    /// So many replies and no more, ever.
    pub replies_max: Option<u64>,
    /// The scanner's host is busy: it wakes so much later than it was asked to.
    pub wakes_late: Duration,
    /// So many routers are on the way; a packet that lives no longer ends at one of them.
    pub routers: u8,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            delay_more: Duration::ZERO,
            lost_first: BTreeMap::new(),
            loss_percent: 0,
            duplicates: 0,
            replies_per_second: None,
            burst: 5,
            replies_max: None,
            wakes_late: Duration::ZERO,
            routers: 0,
        }
    }
}

/// The target.
pub struct Target {
    technique: Technique,
    policies: BTreeMap<u16, Policy>,
    /// What is between.
    pub faults: Faults,
    random: ChaCha8Rng,
    /// Probes seen of each port.
    seen: BTreeMap<u16, u8>,
    /// Half-open connections, with the client's first sequence number and the own one.
    half_open: BTreeMap<Pair, (u32, u32)>,
    established: BTreeSet<Pair>,
    /// Connections that were completed and then reset.
    pub closed: BTreeSet<u16>,
    /// Replies that were due so far.
    replies: u64,
    /// When the rate limit's bucket is full again, if nothing more is taken out of it.
    full_at: Stamp,
}

/// The client's address and port, and the asked one.
type Pair = (IpAddr, u16, u16);

fn pair(sent: &Sent, header: &TcpHeader) -> Pair {
    (sent.source, header.source_port, header.destination_port)
}

/// The time to live of what the target says of a cell.
pub fn ttl_of(cell: u16) -> u8 {
    40 + u8::try_from(cell % 20).expect("below 20")
}

impl Target {
    /// A target that is asked by a technique, with these ports; every other one is an error of the scanner.
    pub fn new(technique: Technique, policies: BTreeMap<u16, Policy>, faults: Faults, seed: u64) -> Self {
        Self {
            technique,
            policies,
            faults,
            random: ChaCha8Rng::seed_from_u64(seed),
            seen: BTreeMap::new(),
            half_open: BTreeMap::new(),
            established: BTreeSet::new(),
            closed: BTreeSet::new(),
            replies: 0,
            full_at: Stamp(0),
        }
    }

    /// What a packet asks about.
    pub fn cell(&self, sent: &Sent) -> u16 {
        match self.technique.asks() {
            Asks::Ports => sent.port(),
            Asks::Protocols => sent.protocol.expect("an IP packet").into(),
            Asks::Host => 0,
        }
    }

    /// Whether a packet is a probe, and not one of those that follow an accepted connection.
    pub fn is_probe(&self, sent: &Sent) -> bool {
        self.technique != Technique::TcpConnect || sent.flags() == Some(TcpFlags::SYN)
    }

    /// Takes a packet in; the replies and when they arrive. A `decoy`'s may be lost like any other, but is no try.
    pub fn receive(&mut self, now: Stamp, sent: &Sent, decoy: bool) -> Vec<(Stamp, Vec<u8>)> {
        let cell = self.cell(sent);
        let policy = *self.policies.get(&cell).unwrap_or_else(|| panic!("{cell} is not in the plan"));
        if !self.is_probe(sent) {
            self.go_on_with_a_connection(sent);
            return Vec::new();
        }
        if (!decoy && self.is_lost(cell)) || self.is_unlucky() {
            return Vec::new();
        }
        let Some(reply) = self.reply(policy, sent) else { return Vec::new() };
        let passes = self.within_rate(now) && self.within_count() && !self.is_unlucky();
        let more = u64::try_from(self.faults.delay_more.as_nanos()).expect("a short time");
        let more = Duration::from_nanos(if more == 0 { 0 } else { self.random.random_range(0..more) });
        let arrival = now + self.faults.delay + more;
        let copies = if passes { 1 + usize::from(self.faults.duplicates) } else { 0 };
        vec![(arrival, reply); copies]
    }

    /// The packets after a syn-ack: an ACK of exactly that, then a reset of an established connection.
    fn go_on_with_a_connection(&mut self, sent: &Sent) {
        let Kind::Tcp(header, _) = &sent.kind else { panic!("{sent:?}") };
        let ports = pair(sent, header);
        let (theirs, own) = self.half_open[&ports];
        let numbers = (header.sequence_number, header.acknowledgment_number);
        assert_eq!(numbers, (theirs.wrapping_add(1), own.wrapping_add(1)), "acknowledges the syn-ack");
        let flags = flags(header);
        if flags == TcpFlags::ACK {
            self.established.insert(ports);
        } else {
            assert_eq!(flags, TcpFlags::RST | TcpFlags::ACK);
            assert!(self.established.remove(&ports), "completed before it is reset");
            self.closed.insert(header.destination_port);
        }
    }

    fn is_lost(&mut self, cell: u16) -> bool {
        let seen = self.seen.entry(cell).or_default();
        *seen = seen.saturating_add(1);
        *seen <= self.faults.lost_first.get(&cell).copied().unwrap_or(0)
    }

    fn is_unlucky(&mut self) -> bool {
        self.faults.loss_percent > 0 && self.random.random_range(0..100) < self.faults.loss_percent
    }

    fn within_count(&mut self) -> bool {
        self.replies += 1;
        self.faults.replies_max.is_none_or(|most| self.replies <= most)
    }

    /// A bucket of replies, refilled at the rate.
    fn within_rate(&mut self, now: Stamp) -> bool {
        let Some(rate) = self.faults.replies_per_second else { return true };
        let one = Duration::from_nanos(1_000_000_000 / rate);
        let after = self.full_at.max(now) + one;
        let passes = after.since(now) <= one * self.faults.burst;
        if passes {
            self.full_at = after;
        }
        passes
    }

    fn reply(&mut self, policy: Policy, sent: &Sent) -> Option<Vec<u8>> {
        let (family, cell) = (Family::of(sent.destination), self.cell(sent));
        if sent.ttl.is_some_and(|ttl| ttl <= self.faults.routers) {
            return Some(stack::expire(sent, router(family)));
        }
        if sent.is_sound == Some(false) && heeds_checksum(self.technique, family, cell, policy) {
            return None;
        }
        let ttl = ttl_of(cell);
        let refuse = |refusal| Some(stack::refuse(sent, refusal, ttl));
        match (policy, self.technique, &sent.kind) {
            (Policy::Drop, ..) => None,
            (Policy::Refuse(refusal), ..) => refuse(refusal),
            (Policy::Closed, Technique::IpProtocol, _) => refuse(Refusal::protocol(family)),
            (Policy::Open, Technique::IpProtocol, _) if !speaks(family, cell) => None,
            (Policy::Closed, _, Kind::Tcp(header, carried)) => stack::reset(sent, header, *carried, ttl),
            (Policy::Open, Technique::IpProtocol, Kind::Tcp(header, carried)) => {
                stack::reset(sent, header, *carried, ttl)
            }
            (Policy::Open, _, Kind::Tcp(..)) => self.listen(sent, ttl),
            // Nobody listens where a protocol scan asks.
            (Policy::Closed, _, Kind::Udp { .. })
            | (Policy::Open, Technique::IpProtocol, Kind::Udp { .. }) => refuse(Refusal::port(family)),
            (Policy::Open, _, Kind::Udp { .. }) => stack::datagram(sent, ttl),
            (_, _, Kind::Init { .. }) => stack::association(sent, policy == Policy::Open, ttl),
            (_, _, Kind::Request { .. }) => stack::response(sent, ttl),
            (_, _, Kind::Solicitation(_)) => stack::neighbor(sent),
            (_, _, Kind::Other) => panic!("{sent:?}"),
        }
    }

    /// RFC 9293, section 3.10.7.2: a listening port resets what carries an ACK, accepts a SYN, ignores the rest.
    fn listen(&mut self, sent: &Sent, ttl: u8) -> Option<Vec<u8>> {
        let Kind::Tcp(header, carried) = &sent.kind else { return None };
        if header.ack {
            return stack::reset(sent, header, *carried, ttl);
        }
        // Linux's tcp_rcv_state_process takes no SYN that also ends.
        if !header.syn || header.rst || header.fin {
            return None;
        }
        let asked = header.sequence_number;
        match self.half_open.get(&pair(sent, header)).copied() {
            // RFC 9293, section 3.10.7.4: another SYN on a half-open connection is told what is expected.
            Some((theirs, own)) if theirs != asked => Some(stack::challenge(sent, header, theirs, own, ttl)),
            Some((_, own)) => Some(stack::accept(sent, header, own, ttl)),
            None => {
                let own = self.random.random();
                self.half_open.insert(pair(sent, header), (asked, own));
                Some(stack::accept(sent, header, own, ttl))
            }
        }
    }
}

/// Whose errors tell that a packet lived too short.
pub fn router(family: Family) -> IpAddr {
    match family {
        Family::V4 => [198, 18, 255, 254].into(),
        Family::V6 => [0xfd00, 0x198, 0x18, 0, 0, 0, 0, 0xfffe].into(),
    }
}
