//! What a host answers, written from the RFCs and Linux's behaviour, which etherparse puts into bytes.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, PacketBuilderStep, TcpHeader, ip_number};

use crate::packet::{Kind, Sent};
use crate::policy::Refusal;

/// RFC 9293, section 3.10.7.1: how a closed port resets.
pub fn reset(sent: &Sent, header: &TcpHeader, carried: u32, ttl: u8) -> Option<Vec<u8>> {
    let (port, client) = (header.destination_port, header.source_port);
    if header.rst {
        return None;
    }
    if header.ack {
        return Some(write(back(sent, ttl).tcp(port, client, header.acknowledgment_number, 0).rst(), &[]));
    }
    let length = u32::from(header.syn) + u32::from(header.fin) + carried;
    let answer = back(sent, ttl).tcp(port, client, 0, 0).rst();
    Some(write(answer.ack(header.sequence_number.wrapping_add(length)), &[]))
}

/// RFC 9293, section 3.10.7.2: a listening port accepts a SYN.
pub fn accept(sent: &Sent, header: &TcpHeader, own: u32, ttl: u8) -> Vec<u8> {
    let answer = back(sent, ttl).tcp(header.destination_port, header.source_port, own, 64_240);
    write(answer.syn().ack(header.sequence_number.wrapping_add(1)), &[])
}

/// RFC 5961, section 4.2: what a connection says to a SYN that is not its own.
pub fn challenge(sent: &Sent, header: &TcpHeader, theirs: u32, own: u32, ttl: u8) -> Vec<u8> {
    let numbers = (own.wrapping_add(1), theirs.wrapping_add(1));
    let answer = back(sent, ttl).tcp(header.destination_port, header.source_port, numbers.0, 502);
    write(answer.ack(numbers.1), &[])
}

/// A service says back what it was told.
pub fn datagram(sent: &Sent, ttl: u8) -> Option<Vec<u8>> {
    let Kind::Udp { source_port, port, payload } = &sent.kind else { return None };
    Some(write(back(sent, ttl).udp(*port, *source_port), payload))
}

/// RFC 9260, sections 3.3.3 and 8.4: INIT ACK and ABORT carry the INIT's tag as their packet's.
pub fn association(sent: &Sent, is_open: bool, ttl: u8) -> Option<Vec<u8>> {
    let Kind::Init { source_port, port, tag } = &sent.kind else { return None };
    let mut body = [port.to_be_bytes(), source_port.to_be_bytes()].concat();
    body.extend(tag);
    body.extend([0; 4]);
    if is_open {
        body.extend([2, 0, 0, 20, 9, 9, 9, 9, 0, 1, 0, 0, 0, 10, 8, 0, 7, 7, 7, 7]);
    } else {
        body.extend([6, 0, 0, 4]);
    }
    Some(bare(sent, 132, &body, ttl))
}

/// RFC 792, RFC 950 and RFC 4443: a reply repeats identifier and sequence number, an echo's also the data.
pub fn response(sent: &Sent, ttl: u8) -> Option<Vec<u8>> {
    let Kind::Request { kind, id, sequence, data } = &sent.kind else { return None };
    let numbers = [id[0], id[1], sequence[0], sequence[1]];
    Some(match kind {
        128 => write(back(sent, ttl).icmpv6_raw(129, 0, numbers), data),
        8 => write(back(sent, ttl).icmpv4_raw(0, 0, numbers), data),
        13 => write(back(sent, ttl).icmpv4_raw(14, 0, numbers), &[0; 12]),
        _ => write(back(sent, ttl).icmpv4_raw(18, 0, numbers), &[255, 255, 255, 0]),
    })
}

/// RFC 826; RFC 4861, section 4.4: solicited, and overriding what was known before.
pub fn neighbor(sent: &Sent) -> Option<Vec<u8>> {
    let Kind::Solicitation(asked) = &sent.kind else { return None };
    let own = [2, 0, 0, 0, 0, 1];
    Some(match (asked, sent.source) {
        (IpAddr::V4(asked), IpAddr::V4(source)) => {
            let (theirs, head) = (&sent.bytes[8..14], [0, 1, 8, 0, 6, 4, 0, 2]);
            [&head[..], &own, &asked.octets(), theirs, &source.octets()].concat()
        }
        (IpAddr::V6(asked), _) => {
            let from = Sent { destination: IpAddr::V6(*asked), ..sent.clone() };
            let payload = [&asked.octets()[..], &[2, 1], &own].concat();
            write(back(&from, 255).icmpv6_raw(136, 0, [0x60, 0, 0, 0]), &payload)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) => return None,
    })
}

/// RFC 792 asks for eight bytes behind the IP header, RFC 4443 for as much as fits.
pub fn refuse(sent: &Sent, Refusal { kind, code }: Refusal, ttl: u8) -> Vec<u8> {
    match sent.destination {
        IpAddr::V4(_) => {
            let quoted = &sent.bytes[..sent.bytes.len().min(28)];
            write(back(sent, ttl).icmpv4_raw(kind, code, [0; 4]), quoted)
        }
        IpAddr::V6(_) => {
            // A parameter problem points at the next header (RFC 4443, section 3.4).
            let pointer = if kind == 4 { [0, 0, 0, 6] } else { [0; 4] };
            write(back(sent, ttl).icmpv6_raw(kind, code, pointer), &sent.bytes)
        }
    }
}

/// A router on the way lets a packet end (RFC 792, RFC 4443, section 3.3).
pub fn expire(sent: &Sent, router: IpAddr) -> Vec<u8> {
    let kind = if router.is_ipv4() { 11 } else { 3 };
    let mut packet = refuse(sent, Refusal { kind, code: 0 }, 64);
    // The error comes from the router; the quoted packet stays what it is.
    match router {
        IpAddr::V4(router) => {
            packet[12..16].copy_from_slice(&router.octets());
            let (header, _) = Ipv4Header::from_slice(&packet).expect("a header");
            packet[10..12].copy_from_slice(&header.calc_header_checksum().to_be_bytes());
        }
        IpAddr::V6(router) => packet[8..24].copy_from_slice(&router.octets()),
    }
    packet
}

/// A packet that etherparse knows no builder for.
pub fn bare(sent: &Sent, protocol: u8, body: &[u8], ttl: u8) -> Vec<u8> {
    let mut packet = Vec::new();
    back(sent, ttl).write(&mut packet, IpNumber(protocol), body).expect("a vector takes everything");
    packet
}

/// An IP header from the target to whoever sent that.
pub fn back(sent: &Sent, ttl: u8) -> PacketBuilderStep<etherparse::IpHeaders> {
    // The builder fills in protocol and lengths when a packet is written.
    let unset: IpNumber = ip_number::TCP;
    match (sent.destination, sent.source) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = Ipv4Header::new(0, ttl, unset, from.octets(), to.octets()).expect("a small packet");
            PacketBuilder::ip(etherparse::IpHeaders::Ipv4(header, etherparse::Ipv4Extensions::default()))
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = Ipv6Header {
                next_header: unset,
                hop_limit: ttl,
                source: from.octets(),
                destination: to.octets(),
                ..Ipv6Header::default()
            };
            PacketBuilder::ip(etherparse::IpHeaders::Ipv6(header, etherparse::Ipv6Extensions::default()))
        }
        _ => unreachable!("a packet has addresses of one version"),
    }
}

/// The builder's steps can all write themselves, but share no trait that says so.
pub trait Write {
    /// Into bytes.
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

/// Into bytes.
pub fn write(step: impl Write, payload: &[u8]) -> Vec<u8> {
    step.write_packet(payload)
}
