//! A simulated target: a stack that answers as RFC 9293, RFC 1122 and Linux do, behind a policy and a link with
//! faults.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, PacketBuilderStep, TcpHeader, ip_number};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scandrill_model::{Stamp, TcpFlags};

use crate::packet::{Kind, Sent, flags};
use crate::policy::{Policy, Refusal};

/// What the way to the target does to packets.
#[derive(Clone, Debug)]
pub struct Faults {
    /// From a probe's departure to its reply's arrival.
    pub delay: Duration,
    /// So many first probes of each of these ports are lost.
    pub lost_first: BTreeMap<u16, u8>,
    /// In a hundred packets, so many are lost; each way.
    pub loss_percent: u8,
    /// At most so many replies a second, after a burst.
    pub replies_per_second: Option<u64>,
    /// So many replies may come at once where their rate is limited; iptables' limit match has five by default.
    pub burst: u32,
    /// So many replies and no more, ever.
    pub replies_max: Option<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            lost_first: BTreeMap::new(),
            loss_percent: 0,
            replies_per_second: None,
            burst: 5,
            replies_max: None,
        }
    }
}

/// The target.
pub struct Target {
    policies: BTreeMap<u16, Policy>,
    faults: Faults,
    random: ChaCha8Rng,
    /// Probes seen of each port.
    seen: BTreeMap<u16, u8>,
    /// Half-open connections by the client's port and the asked one, with what the client must acknowledge.
    half_open: BTreeMap<(u16, u16), u32>,
    established: BTreeSet<(u16, u16)>,
    /// Connections that were completed and then reset.
    pub closed: BTreeSet<u16>,
    /// Replies that were due so far.
    replies: u64,
    /// When the rate limit's bucket is full again, if nothing more is taken out of it.
    full_at: Stamp,
}

impl Target {
    /// A target with these ports; every other one is an error of the scanner.
    pub fn new(policies: BTreeMap<u16, Policy>, faults: Faults, seed: u64) -> Self {
        Self {
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

    /// Takes a packet in; the reply and when it arrives at the scanner.
    pub fn receive(&mut self, now: Stamp, sent: &Sent) -> Option<(Stamp, Vec<u8>)> {
        let port = sent.port();
        let policy = *self.policies.get(&port).unwrap_or_else(|| panic!("port {port} is not in the plan"));
        if self.goes_on_with_a_connection(sent) || self.is_lost(port) {
            return None;
        }
        let reply = self.reply(policy, sent)?;
        let passes = self.within_rate(now) && self.within_count() && !self.is_unlucky();
        passes.then(|| (now + self.faults.delay, reply))
    }

    /// The packets after a syn-ack: an ACK of exactly that, then a reset of an established connection.
    fn goes_on_with_a_connection(&mut self, sent: &Sent) -> bool {
        let Kind::Tcp(header) = &sent.kind else { return false };
        let ports = (header.source_port, header.destination_port);
        let Some(&number) = self.half_open.get(&ports) else { return false };
        let flags = flags(header);
        if flags == TcpFlags::SYN {
            return false;
        }
        assert_eq!(header.acknowledgment_number, number, "acknowledges the syn-ack");
        if flags == TcpFlags::ACK {
            self.established.insert(ports);
        } else {
            assert_eq!(flags, TcpFlags::RST | TcpFlags::ACK);
            assert!(self.established.remove(&ports), "completed before it is reset");
            self.closed.insert(header.destination_port);
        }
        true
    }

    fn is_lost(&mut self, port: u16) -> bool {
        let seen = self.seen.entry(port).or_default();
        *seen += 1;
        *seen <= self.faults.lost_first.get(&port).copied().unwrap_or(0) || self.is_unlucky()
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
        match (policy, &sent.kind) {
            (Policy::Drop, _) => None,
            (Policy::Refuse(refusal), _) => Some(refuse(sent, refusal)),
            (Policy::Open, Kind::Tcp(header)) => self.listen(sent, header),
            (Policy::Closed, Kind::Tcp(header)) => reset(sent, header),
            (Policy::Open, Kind::Udp { source_port, port, payload }) => {
                Some(write(back(sent).udp(*port, *source_port), payload))
            }
            (Policy::Closed, Kind::Udp { .. }) => Some(refuse(sent, Refusal::Port)),
            (Policy::Open | Policy::Closed, Kind::Echo { id, sequence }) => Some(match sent.destination {
                IpAddr::V4(_) => write(back(sent).icmpv4_echo_reply(*id, *sequence), &[]),
                IpAddr::V6(_) => write(back(sent).icmpv6_echo_reply(*id, *sequence), &[]),
            }),
        }
    }

    /// RFC 9293, section 3.10.7.2: a listening port resets what carries an ACK, accepts a SYN, ignores the rest.
    fn listen(&mut self, sent: &Sent, header: &TcpHeader) -> Option<Vec<u8>> {
        if header.ack {
            return reset(sent, header);
        }
        if !header.syn || header.rst {
            return None;
        }
        let own: u32 = self.random.random();
        self.half_open.insert((header.source_port, header.destination_port), own.wrapping_add(1));
        let answer = back(sent).tcp(header.destination_port, header.source_port, own, 64_240);
        let answer = answer.syn().ack(header.sequence_number.wrapping_add(1));
        Some(write(answer, &[]))
    }
}

/// RFC 9293, section 3.10.7.1: how a closed port resets.
fn reset(sent: &Sent, header: &TcpHeader) -> Option<Vec<u8>> {
    let (port, client) = (header.destination_port, header.source_port);
    if header.rst {
        return None;
    }
    if header.ack {
        return Some(write(back(sent).tcp(port, client, header.acknowledgment_number, 0).rst(), &[]));
    }
    let length = u32::from(header.syn) + u32::from(header.fin);
    let answer = back(sent).tcp(port, client, 0, 0).rst();
    Some(write(answer.ack(header.sequence_number.wrapping_add(length)), &[]))
}

fn refuse(sent: &Sent, refusal: Refusal) -> Vec<u8> {
    // RFC 792 asks for eight bytes behind the IP header, RFC 4443 for as much as fits.
    match sent.destination {
        IpAddr::V4(_) => {
            let quoted = &sent.bytes[..28];
            let code = match refusal {
                Refusal::Net => 0,
                Refusal::Host => 1,
                Refusal::Port => 3,
                Refusal::Prohibited => 13,
            };
            let builder = back(sent).icmpv4_raw(3, code, [0; 4]);
            write(builder, quoted)
        }
        IpAddr::V6(_) => {
            let code = match refusal {
                Refusal::Net => 0,
                Refusal::Prohibited => 1,
                Refusal::Host => 3,
                Refusal::Port => 4,
            };
            write(back(sent).icmpv6_raw(1, code, [0; 4]), &sent.bytes)
        }
    }
}

/// An IP header from the target to the scanner.
fn back(sent: &Sent) -> PacketBuilderStep<etherparse::IpHeaders> {
    // The builder fills in protocol and lengths when a packet is written.
    let unset: IpNumber = ip_number::TCP;
    match (sent.destination, sent.source) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = Ipv4Header::new(0, 64, unset, from.octets(), to.octets()).expect("a small packet");
            PacketBuilder::ip(etherparse::IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default()))
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = Ipv6Header {
                next_header: unset,
                hop_limit: 64,
                source: from.octets(),
                destination: to.octets(),
                ..Ipv6Header::default()
            };
            PacketBuilder::ip(etherparse::IpHeaders::Ipv6(header, etherparse::Ipv6Extensions::default()))
        }
        _ => unreachable!("a packet has addresses of one version"),
    }
}

/// Both kinds of builder steps can write themselves, but share no trait that says so.
trait Write {
    fn write_packet(self, payload: &[u8]) -> Vec<u8>;
}

macro_rules! writes {
    ($($header:ty),*) => {$(
        impl Write for PacketBuilderStep<$header> {
            fn write_packet(self, payload: &[u8]) -> Vec<u8> {
                let mut bytes = Vec::with_capacity(self.size(payload.len()));
                self.write(&mut bytes, payload).expect("a vector takes everything");
                bytes
            }
        }
    )*};
}

writes!(TcpHeader, etherparse::UdpHeader, etherparse::Icmpv4Header, etherparse::Icmpv6Header);

fn write(step: impl Write, payload: &[u8]) -> Vec<u8> {
    step.write_packet(payload)
}
