//! A second simulated host: it answers a SYN-ACK with a reset, and numbers what it sends.

use std::net::IpAddr;
use std::time::Duration;

use etherparse::ip_number;
use etherparse::{
    IpHeaders, Ipv4Extensions, Ipv4Header, NetHeaders, PacketBuilder, PacketHeaders, TransportHeader,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use scandrill_model::Stamp;

use crate::stack::write;

/// How it numbers its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// One after the other.
    ByOne,
    /// The same, sent with the lower byte first: steps of 256.
    Swapped,
    /// By chance.
    Random,
    /// Always zero, as Linux does where nothing may be fragmented.
    Still,
}

/// The host.
pub struct Zombie {
    /// Its address.
    pub address: IpAddr,
    counter: Counter,
    /// It sends another packet so often.
    chatter: Option<Duration>,
    /// Whether it says nothing at all.
    pub is_silent: bool,
    count: u16,
    chatted: Stamp,
    random: ChaCha8Rng,
}

impl Zombie {
    /// A host that is about to count over.
    pub fn new(address: IpAddr, counter: Counter, chatter: Option<Duration>, seed: u64) -> Self {
        Self {
            address,
            counter,
            chatter,
            is_silent: false,
            count: 65_500,
            chatted: Stamp(0),
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Takes a packet in, the scanner's or the target's; its reset.
    pub fn receive(&mut self, now: Stamp, packet: &[u8]) -> Option<Vec<u8>> {
        let headers = PacketHeaders::from_ip_slice(packet).expect("an IP packet");
        let Some(NetHeaders::Ipv4(ip, _)) = headers.net else { panic!("IPv4 alone has identifications") };
        let Some(TransportHeader::Tcp(tcp)) = headers.transport else { return None };
        if self.is_silent || tcp.rst || !tcp.ack {
            return None;
        }
        let identification = self.next(now);
        let mut header =
            Ipv4Header::new(0, 64, ip_number::TCP, ip.destination, ip.source).expect("a small packet");
        header.identification = identification;
        let builder = PacketBuilder::ip(IpHeaders::Ipv4(header, Ipv4Extensions::default()));
        let builder = builder.tcp(tcp.destination_port, tcp.source_port, tcp.acknowledgment_number, 0);
        Some(write(builder.rst(), &[]))
    }

    fn next(&mut self, now: Stamp) -> u16 {
        if let Some(every) = self.chatter {
            while now.since(self.chatted) >= every {
                self.count = self.count.wrapping_add(u16::from(self.chatted != Stamp(0)));
                self.chatted = if self.chatted == Stamp(0) { now } else { self.chatted + every };
            }
        }
        self.count = self.count.wrapping_add(1);
        match self.counter {
            Counter::ByOne => self.count,
            Counter::Swapped => self.count.swap_bytes(),
            Counter::Random => self.random.random(),
            Counter::Still => 0,
        }
    }
}
