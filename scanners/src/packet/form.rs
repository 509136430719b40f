//! A packet with everything filled in that the probes of a scan share, and the sums of that. A probe is a copy of
//! it, with source, ports, numbers and checksums patched.

use std::net::IpAddr;

use pnet_packet::tcp::{MutableTcpPacket, TcpOption, TcpOptionPacket};
use scandrill_model::{Family, TcpFlags};

use super::checksum::{crc32c, finish, halves, sum, sum_address};
use super::ip::{self, header_length, numbers};
use crate::identity::Mark;
use crate::technique::TcpShape;

/// What all packets of a scan have in their IP header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Route {
    /// Where they go.
    pub target: IpAddr,
    /// Their time to live or hop limit.
    pub ttl: u8,
    /// Whether the transport's checksum is to be wrong.
    pub bad_checksum: bool,
}

/// The shared part of many packets.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    bytes: Vec<u8>,
    /// Bytes of the IP header.
    header: usize,
    /// The sum of the IP header.
    header_sum: u32,
    /// The sum of what the transport's checksum covers.
    body_sum: u32,
    layout: Layout,
    /// The destination port, where it is not the asked cell itself.
    port: Option<u16>,
    /// Whether an IPv6 packet carries its identity in the flow label, since nothing else in it could.
    labelled: bool,
    bad_checksum: bool,
}

/// Which bytes differ from packet to packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Ports, sequence number, checksum, and an acknowledgement number where the flags have ACK.
    Tcp { acknowledges: bool },
    /// Ports and checksum.
    Udp,
    /// Ports, initiate tag and checksum.
    Sctp,
    /// Identifier, sequence number and checksum.
    Icmp,
    /// The checksum, which over IPv6 covers the source.
    Neighbor,
    /// Nothing behind the IP header.
    Bare,
    /// No IP header at all: the sender's protocol address.
    Arp,
}

impl Layout {
    /// Where the transport's checksum is.
    fn checksum(self) -> Option<usize> {
        match self {
            Self::Tcp { .. } => Some(16),
            Self::Udp => Some(6),
            Self::Icmp | Self::Neighbor => Some(2),
            Self::Sctp | Self::Bare | Self::Arp => None,
        }
    }
}

impl Form {
    /// A packet of `protocol` with this body, in which all that differs is zero.
    pub(super) fn new(route: Route, protocol: u8, body: &[u8], layout: Layout) -> Self {
        let bytes = ip::packet(route.target, protocol, route.ttl, body);
        let header = header_length(Family::of(route.target));
        let pseudo = match (protocol, route.target) {
            (numbers::ICMP, IpAddr::V4(_)) => 0,
            _ => {
                sum_address(route.target)
                    + u32::from(protocol)
                    + u32::try_from(body.len()).unwrap_or_default()
            }
        };
        Self {
            header_sum: sum(&bytes[..header]),
            body_sum: pseudo + sum(body),
            bytes,
            header,
            layout,
            port: None,
            labelled: false,
            bad_checksum: route.bad_checksum,
        }
    }

    /// An ARP request; the socket puts the Ethernet header before it.
    pub(super) fn arp(body: &[u8]) -> Self {
        Self {
            bytes: body.to_vec(),
            header: 0,
            header_sum: 0,
            body_sum: 0,
            layout: Layout::Arp,
            port: None,
            labelled: false,
            bad_checksum: false,
        }
    }

    /// The same, to a port of its own whatever is asked, and known again by its IP header.
    pub(super) fn of_protocol(self, port: Option<u16>) -> Self {
        Self { port, labelled: true, ..self }
    }

    /// The same, to a port of its own whatever is asked.
    pub(crate) fn with_port(self, port: u16) -> Self {
        Self { port: Some(port), ..self }
    }

    /// An established connection's segment that echoes the peer's time stamp (RFC 7323, section 3.2): behind two
    /// NOPs, the option's kind and length, and the own clock.
    pub(super) fn with_echo(mut self, theirs: u32) -> Self {
        let at = self.header + MutableTcpPacket::minimum_packet_size() + 8;
        if let Some(echo) = self.bytes.get_mut(at..at + 4) {
            echo.copy_from_slice(&theirs.to_be_bytes());
            self.body_sum += halves(theirs);
        }
        self
    }

    /// The packet before it is finished.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes behind the IP header.
    pub(super) fn body_length(&self) -> usize {
        self.bytes.len() - self.header
    }

    /// Finishes a copy of the packet: the probe of `mark`, as sent by `source`.
    pub(crate) fn finish(&self, mark: &Mark, source: IpAddr, packet: &mut [u8]) {
        if self.layout == Layout::Arp {
            if let IpAddr::V4(source) = source {
                packet[14..18].copy_from_slice(&source.octets());
            }
            return;
        }
        let (header, body) = packet.split_at_mut(self.header);
        let source_sum = sum_address(source);
        self.finish_header(header, mark, source, source_sum);
        self.finish_body(body, mark, source, source_sum);
    }

    fn finish_header(&self, header: &mut [u8], mark: &Mark, source: IpAddr, source_sum: u32) {
        ip::set_source(header, source);
        match source {
            IpAddr::V4(_) => {
                let identification = identification(mark);
                put(header, 4, identification);
                put(header, 10, finish(self.header_sum + source_sum + u32::from(identification)));
            }
            IpAddr::V6(_) if self.labelled => {
                let [_, high, middle, low] = flow_label(mark).to_be_bytes();
                header[1] |= high;
                header[2..4].copy_from_slice(&[middle, low]);
            }
            IpAddr::V6(_) => {}
        }
    }

    fn finish_body(&self, body: &mut [u8], mark: &Mark, source: IpAddr, source_sum: u32) {
        let port = self.port.unwrap_or(mark.port);
        let ports = u32::from(mark.source_port) + u32::from(port);
        let patched = match self.layout {
            Layout::Tcp { acknowledges } => {
                let acknowledgement = if acknowledges { mark.acknowledgement } else { 0 };
                put(body, 0, mark.source_port);
                put(body, 2, port);
                body[4..8].copy_from_slice(&mark.sequence.to_be_bytes());
                body[8..12].copy_from_slice(&acknowledgement.to_be_bytes());
                ports + halves(mark.sequence) + halves(acknowledgement)
            }
            Layout::Udp => {
                put(body, 0, mark.source_port);
                put(body, 2, port);
                ports
            }
            Layout::Sctp => {
                put(body, 0, mark.source_port);
                put(body, 2, port);
                body[16..20].copy_from_slice(&mark.sequence.to_be_bytes());
                let wrong = u32::from(self.bad_checksum);
                let crc = crc32c(body) ^ wrong;
                // RFC 9260, appendix A: in the order of the bytes as the CRC's bits go on the wire.
                body[8..12].copy_from_slice(&crc.to_le_bytes());
                0
            }
            Layout::Icmp => {
                put(body, 4, mark.source_port);
                put(body, 6, u16::from(mark.attempt));
                u32::from(mark.source_port) + u32::from(mark.attempt)
            }
            Layout::Neighbor | Layout::Bare | Layout::Arp => 0,
        };
        if let Some(at) = self.layout.checksum() {
            let pseudo = if self.layout == Layout::Icmp && source.is_ipv4() { 0 } else { source_sum };
            put(body, at, self.checksum(self.body_sum + patched + pseudo));
        }
    }

    /// One bit is enough to make it wrong; UDP's zero would mean that there is none (RFC 768).
    fn checksum(&self, sum: u32) -> u16 {
        let checksum = match finish(sum) {
            0 if self.layout == Layout::Udp => u16::MAX,
            other => other,
        };
        match checksum {
            right if !self.bad_checksum => right,
            1 => 3,
            right => right ^ 1,
        }
    }
}

fn put(bytes: &mut [u8], at: usize, number: u16) {
    bytes[at..at + 2].copy_from_slice(&number.to_be_bytes());
}

/// What IPv4's header says of a probe; the same for all its fragments.
pub(super) fn identification(mark: &Mark) -> u16 {
    let [high, low, ..] = mark.sequence.to_be_bytes();
    u16::from_be_bytes([high, low])
}

/// What IPv6's header says of a probe that has nothing else of its own: 20 bits.
pub(super) fn flow_label(mark: &Mark) -> u32 {
    mark.sequence >> 12
}

/// A TCP segment.
pub(crate) fn tcp_form(route: Route, shape: &TcpShape, flags: TcpFlags, extra: &[u8]) -> Form {
    let options: usize = shape.options.iter().map(TcpOptionPacket::packet_size).sum();
    let header = MutableTcpPacket::minimum_packet_size() + options;
    let mut body = vec![0; header];
    if let Some(mut segment) = MutableTcpPacket::new(&mut body) {
        segment.set_data_offset(u8::try_from(header / 4).unwrap_or_default());
        segment.set_flags(flags.0);
        segment.set_window(shape.window);
        segment.set_options(&shape.options);
    }
    body.extend_from_slice(extra);
    let layout = Layout::Tcp { acknowledges: flags.contains(TcpFlags::ACK) };
    Form::new(route, numbers::TCP, &body, layout)
}

/// A segment of an accepted connection, with a time stamp's echo where the peer has one.
pub(super) fn established_form(route: Route, flags: TcpFlags, clock: Option<u32>) -> Form {
    let stamp = |clock| vec![TcpOption::nop(), TcpOption::nop(), TcpOption::timestamp(clock, 0)];
    let options = clock.map(stamp).unwrap_or_default();
    tcp_form(route, &TcpShape { window: ESTABLISHED_WINDOW, options }, flags, b"")
}

/// Linux's first window of 64,240 bytes, in units of the scale 7 that was offered.
const ESTABLISHED_WINDOW: u16 = 502;

/// A datagram.
pub(super) fn udp_form(route: Route, payload: &[u8]) -> Form {
    let length = u16::try_from(payload.len() + 8).unwrap_or(u16::MAX);
    let mut body = vec![0; 8];
    put(&mut body, 4, length);
    body.extend_from_slice(payload);
    Form::new(route, numbers::UDP, &body, Layout::Udp)
}

/// An SCTP INIT (RFC 9260, section 3.3.2): its values are nmap's, so that both ask the same.
pub(super) fn sctp_form(route: Route) -> Form {
    let mut body = vec![0; 12];
    body.extend_from_slice(&[1, 0, 0, 20]);
    body.extend_from_slice(&[0; 4]);
    // A receiver window of 32,768 bytes, 10 streams out and 2,048 in, the first transmission number.
    body.extend_from_slice(&[0, 0, 0x80, 0, 0, 10, 8, 0, 0x5c, 0xa9, 0xd8, 0x11]);
    Form::new(route, numbers::SCTP, &body, Layout::Sctp)
}

/// A request of ICMP or ICMPv6: type, code 0, checksum, identifier, sequence number (RFC 792, RFC 950, RFC 4443).
pub(super) fn icmp_form(route: Route, kind: u8, data: &[u8]) -> Form {
    let number = if route.target.is_ipv4() { numbers::ICMP } else { numbers::ICMPV6 };
    let mut body = vec![kind, 0, 0, 0, 0, 0, 0, 0];
    body.extend_from_slice(data);
    Form::new(route, number, &body, Layout::Icmp)
}

/// An IGMP membership query to no group (RFC 1112, RFC 2236): type 0x11, and a checksum without pseudo header.
pub(super) fn igmp_form(route: Route, extra: &[u8]) -> Form {
    let mut body = vec![0x11, 0, 0, 0, 0, 0, 0, 0];
    body.extend_from_slice(extra);
    let checksum = finish(sum(&body)) ^ u16::from(route.bad_checksum);
    put(&mut body, 2, checksum);
    Form::new(route, numbers::IGMP, &body, Layout::Bare)
}

/// Nothing but an IP header, and what is to be behind it.
pub(super) fn bare_form(route: Route, protocol: u8, extra: &[u8]) -> Form {
    Form::new(route, protocol, extra, Layout::Bare)
}

/// Who has that address? An ARP request (RFC 826), or a neighbour solicitation (RFC 4861, section 4.3) to the
/// solicited-node multicast address, with the only hop limit that is believed.
pub(super) fn neighbor_form(target: IpAddr, link: [u8; 6]) -> Form {
    match target {
        IpAddr::V4(target) => {
            let mut body = vec![0, 1, 8, 0, 6, 4, 0, 1];
            body.extend_from_slice(&link);
            body.extend_from_slice(&[0; 10]);
            body.extend_from_slice(&target.octets());
            Form::arp(&body)
        }
        IpAddr::V6(target) => {
            let mut body = vec![135, 0, 0, 0, 0, 0, 0, 0];
            body.extend_from_slice(&target.octets());
            body.extend_from_slice(&[1, 1]);
            body.extend_from_slice(&link);
            let [.., a, b, c] = target.octets();
            let group = [0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), u16::from_be_bytes([b, c])];
            let route = Route { target: group.into(), ttl: 255, bad_checksum: false };
            Form::new(route, numbers::ICMPV6, &body, Layout::Neighbor)
        }
    }
}
