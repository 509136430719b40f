//! A packet with everything filled in that the probes of a scan share. A probe is a copy of it, in the batch, with
//! ports, numbers and checksums patched.

use pnet_packet::icmp::echo_request::MutableEchoRequestPacket;
use pnet_packet::icmp::{self, IcmpPacket, IcmpTypes, MutableIcmpPacket};
use pnet_packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types, MutableIcmpv6Packet};
use pnet_packet::tcp::{MutableTcpPacket, TcpOptionPacket};
use pnet_packet::udp::MutableUdpPacket;
use scandrill_model::{Protocol, TcpFlags};

use super::Endpoints;
use crate::batch::Batch;
use crate::identity::Mark;
use crate::technique::{Segment, TcpShape};

/// The shared part of many packets.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    endpoints: Endpoints,
    protocol: Protocol,
    bytes: Vec<u8>,
}

impl Template {
    /// For the probes of a technique.
    pub(crate) fn new(endpoints: Endpoints, segment: &Segment, flags: TcpFlags) -> Self {
        match segment {
            Segment::Tcp(shape) => Self::tcp(endpoints, shape, flags),
            Segment::Udp { .. } => {
                Self::empty(endpoints, Protocol::Udp, MutableUdpPacket::minimum_packet_size())
            }
            Segment::Echo => Self::echo(endpoints),
        }
    }

    /// For TCP segments of one shape.
    pub(crate) fn tcp(endpoints: Endpoints, shape: &TcpShape, flags: TcpFlags) -> Self {
        let options: usize = shape.options.iter().map(TcpOptionPacket::packet_size).sum();
        let header = MutableTcpPacket::minimum_packet_size() + options;
        let mut template = Self::empty(endpoints, Protocol::Tcp, header);
        if let Some(mut segment) = MutableTcpPacket::new(template.transport_mut()) {
            segment.set_data_offset(u8::try_from(header / 4).unwrap_or_default());
            segment.set_flags(flags.0);
            segment.set_window(shape.window);
            segment.set_options(&shape.options);
        }
        template
    }

    /// ICMP's and ICMPv6's echo requests differ in their type only (RFC 792, RFC 4443).
    fn echo(endpoints: Endpoints) -> Self {
        let length = MutableEchoRequestPacket::minimum_packet_size();
        let mut template = Self::empty(endpoints, Protocol::Icmp, length);
        let message = template.transport_mut();
        match endpoints {
            Endpoints::V4 { .. } => {
                if let Some(mut message) = MutableIcmpPacket::new(message) {
                    message.set_icmp_type(IcmpTypes::EchoRequest);
                }
            }
            Endpoints::V6 { .. } => {
                if let Some(mut message) = MutableIcmpv6Packet::new(message) {
                    message.set_icmpv6_type(Icmpv6Types::EchoRequest);
                }
            }
        }
        template
    }

    fn empty(endpoints: Endpoints, protocol: Protocol, length: usize) -> Self {
        let mut bytes = vec![0; endpoints.header_length() + length];
        endpoints.write_header(&mut bytes, protocol);
        Self { endpoints, protocol, bytes }
    }

    fn transport_mut(&mut self) -> &mut [u8] {
        self.bytes.split_at_mut(self.endpoints.header_length()).1
    }

    /// Puts the probe of `mark` into the batch; nothing happens when it is full.
    pub(crate) fn write(&self, mark: &Mark, payload: &[u8], batch: &mut Batch) {
        let Some(packet) = batch.push(&self.bytes, payload) else { return };
        self.endpoints.finish_header(packet, identification(mark));
        let transport = packet.split_at_mut(self.endpoints.header_length()).1;
        match self.protocol {
            Protocol::Tcp => self.finish_tcp(transport, mark),
            Protocol::Udp => self.finish_udp(transport, mark),
            Protocol::Icmp => self.finish_echo(transport, mark),
            Protocol::Sctp | Protocol::Ip | Protocol::Arp => {}
        }
    }

    fn finish_tcp(&self, transport: &mut [u8], mark: &Mark) {
        let Some(mut segment) = MutableTcpPacket::new(transport) else { return };
        segment.set_source(mark.source_port);
        segment.set_destination(mark.port);
        segment.set_sequence(mark.sequence);
        if TcpFlags(segment.get_flags()).contains(TcpFlags::ACK) {
            segment.set_acknowledgement(mark.acknowledgement);
        }
        let checksum = self.endpoints.tcp_checksum(&segment.to_immutable());
        segment.set_checksum(checksum);
    }

    fn finish_udp(&self, transport: &mut [u8], mark: &Mark) {
        let length = u16::try_from(transport.len()).unwrap_or(u16::MAX);
        let Some(mut datagram) = MutableUdpPacket::new(transport) else { return };
        datagram.set_source(mark.source_port);
        datagram.set_destination(mark.port);
        datagram.set_length(length);
        let checksum = self.endpoints.udp_checksum(&datagram.to_immutable());
        datagram.set_checksum(checksum);
    }

    fn finish_echo(&self, transport: &mut [u8], mark: &Mark) {
        if let Some(mut message) = MutableEchoRequestPacket::new(transport) {
            message.set_identifier(mark.source_port);
            message.set_sequence_number(u16::from(mark.attempt));
        }
        let checksum = match self.endpoints {
            Endpoints::V4 { .. } => IcmpPacket::new(transport).map(|message| icmp::checksum(&message)),
            Endpoints::V6 { source, target } => {
                Icmpv6Packet::new(transport).map(|message| icmpv6::checksum(&message, &source, &target))
            }
        };
        if let (Some(mut message), Some(checksum)) = (MutableIcmpPacket::new(transport), checksum) {
            message.set_checksum(checksum);
        }
    }
}

/// Any number does, as long as the same seed gives the same bytes.
fn identification(mark: &Mark) -> u16 {
    let [high, low, ..] = mark.sequence.to_be_bytes();
    u16::from_be_bytes([high, low])
}
