//! The techniques: one file and one line in the registry each. What they share (identity, retransmission,
//! congestion, reading replies) is not theirs.

mod arp;
mod icmp_echo;
mod icmp_netmask;
mod icmp_timestamp;
mod idle;
mod ip_protocol;
mod payloads;
mod sctp_init;
mod tcp_ack;
mod tcp_connect;
mod tcp_fin;
mod tcp_flags;
mod tcp_maimon;
mod tcp_null;
mod tcp_syn;
mod tcp_window;
mod tcp_xmas;
mod udp;

use pnet_packet::tcp::TcpOption;
use scandrill_model::Technique;

use crate::error::ScanError;
pub(crate) use tcp_connect::{CLOCK, linux_syn};

/// One way of probing.
pub trait Probe: Sync {
    /// Its name; also says its protocol and its TCP flags.
    fn technique(&self) -> Technique;

    /// What its probes are made of, behind the IP header; `asked` is this technique with its parameters.
    fn segment(&self, asked: Technique) -> Segment;

    /// nmap's options for the same technique; none when nmap has no such scan.
    fn nmap_options(&self) -> &'static [&'static str];

    /// What it sends once a target accepted a connection.
    fn aftermath(&self) -> Aftermath {
        Aftermath::Silence
    }
}

/// What probes are made of.
#[derive(Clone, Debug)]
pub enum Segment {
    /// A TCP segment with the technique's flags.
    Tcp(TcpShape),
    /// A datagram.
    Udp {
        /// What it carries, by destination port, ascending; to all others nothing.
        payloads: &'static [(u16, &'static [u8])],
    },
    /// An SCTP INIT.
    Sctp,
    /// A request to the host by ICMP or ICMPv6.
    Icmp(IcmpRequest),
    /// A packet of the asked IP protocol.
    Protocol,
    /// An ARP request or a neighbour solicitation.
    Neighbor,
}

/// What ICMP can ask a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IcmpRequest {
    /// To answer (also ICMPv6).
    Echo,
    /// Its time.
    Timestamp,
    /// Its network mask.
    AddressMask,
}

/// The parts of a TCP header that a technique chooses beside the flags.
#[derive(Clone, Debug)]
pub struct TcpShape {
    /// Its window field.
    pub window: u16,
    /// Its options; together a multiple of four bytes.
    pub options: Vec<TcpOption>,
}

/// What follows an accepted connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aftermath {
    /// Nothing.
    Silence,
    /// The handshake is completed, then the connection is reset.
    CompleteAndReset,
}

/// nmap's raw probes have a window of 1024 (build_raw in nmap's scan_engine_raw.cc) and, SYN apart, no options.
fn plain_tcp() -> Segment {
    Segment::Tcp(TcpShape { window: 1024, options: Vec::new() })
}

/// nmap's SYN has an MSS (TCP_SYN_PROBE_OPTIONS in nmap's scan_engine.h).
fn syn() -> Segment {
    Segment::Tcp(TcpShape { window: 1024, options: vec![TcpOption::mss(1460)] })
}

/// All techniques.
pub fn techniques() -> &'static [&'static dyn Probe] {
    &[
        &tcp_syn::TcpSyn,
        &tcp_connect::TcpConnect,
        &tcp_null::TcpNull,
        &tcp_fin::TcpFin,
        &tcp_xmas::TcpXmas,
        &tcp_ack::TcpAck,
        &tcp_window::TcpWindow,
        &tcp_maimon::TcpMaimon,
        &tcp_flags::AnyFlags,
        &udp::Udp,
        &sctp_init::SctpInit,
        &ip_protocol::IpProtocol,
        &icmp_echo::IcmpEcho,
        &icmp_timestamp::IcmpTimestamp,
        &icmp_netmask::IcmpNetmask,
        &arp::Arp,
        &idle::Idle,
    ]
}

/// The registered probe of a technique, whatever its parameters.
pub(crate) fn find(technique: Technique) -> Result<&'static dyn Probe, ScanError> {
    let found = techniques().iter().find(|probe| probe.technique().name() == technique.name());
    found.copied().ok_or(ScanError::Unregistered(technique))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use pnet_packet::tcp::TcpOptionPacket;
    use scandrill_model::Protocol;
    use strum::IntoEnumIterator;

    use super::*;

    #[test]
    fn every_technique_of_the_vocabulary_is_registered_once() {
        let registered: Vec<Technique> = techniques().iter().map(|probe| probe.technique()).collect();
        let unique: BTreeSet<Technique> = registered.iter().copied().collect();
        assert_eq!(registered.len(), unique.len());
        assert_eq!(unique, Technique::iter().collect());
    }

    #[test]
    fn segments_are_of_the_technique_s_protocol() {
        for probe in techniques() {
            let technique = probe.technique();
            match probe.segment(technique) {
                Segment::Tcp(shape) => {
                    assert!(technique.probe_flags().is_some(), "{technique}");
                    let options: usize = shape.options.iter().map(TcpOptionPacket::packet_size).sum();
                    assert!(options.is_multiple_of(4) && options <= 40, "{technique}");
                }
                Segment::Udp { .. } => assert_eq!(technique.protocol(), Protocol::Udp),
                Segment::Sctp => assert_eq!(technique.protocol(), Protocol::Sctp),
                Segment::Icmp(_) => assert_eq!(technique.protocol(), Protocol::Icmp),
                Segment::Protocol => assert_eq!(technique.protocol(), Protocol::Ip),
                Segment::Neighbor => assert_eq!(technique.protocol(), Protocol::Arp),
            }
        }
    }
}
