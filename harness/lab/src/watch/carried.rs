//! What a packet says of itself, as far as it takes to tell one from another.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use scandrill_model::TcpFlags;

/// TCP's number among the protocols of IP (IANA), and those of the others that are told by name.
const TCP: u8 = 6;
const PROTOCOLS: [(u8, &str); 5] = [(TCP, "tcp"), (17, "udp"), (132, "sctp"), (1, "icmp"), (58, "icmp")];

/// Where a packet comes from and goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Carried {
    /// Its source.
    pub source: IpAddr,
    /// Where it goes.
    pub target: IpAddr,
    /// Its protocol's number (IANA); of IPv6 that of the first header behind the fixed one.
    pub protocol: u8,
    /// Its source port and the port that it asks, where its protocol has any.
    pub ports: Option<(u16, u16)>,
    /// TCP's flags.
    pub flags: u8,
}

impl Carried {
    /// Reads the beginning of an IP header and of what is behind it.
    pub(crate) fn read(network: &[u8], transport: &[u8]) -> Option<Self> {
        let (source, target, protocol) = match network.first()? >> 4 {
            4 => (address::<4>(network, 12)?.into(), address::<4>(network, 16)?.into(), *network.get(9)?),
            6 => (address::<16>(network, 8)?.into(), address::<16>(network, 24)?.into(), *network.get(6)?),
            _ => return None,
        };
        let has_ports = [TCP, 17, 132].contains(&protocol);
        let port = |at: usize| Some(u16::from_be_bytes(*transport.get(at..)?.first_chunk()?));
        let ports = port(0).zip(port(2)).filter(|_| has_ports);
        let flags = transport.get(13).copied().filter(|_| protocol == TCP);
        Some(Self { source, target, protocol, ports, flags: flags.unwrap_or_default() & 0x3f })
    }

    /// Reads a whole packet.
    pub(crate) fn of_packet(packet: &[u8]) -> Option<Self> {
        let header = match packet.first()? >> 4 {
            4 => usize::from(packet.first()? & 0x0f) * 4,
            _ => 40,
        };
        Self::read(packet, packet.get(header..).unwrap_or_default())
    }

    /// The port it asks; 0 where it has none.
    pub fn port(&self) -> u16 {
        self.ports.map_or(0, |(_, port)| port)
    }
}

fn address<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// `tcp 198.18.2.10:20000 -> 198.18.0.1:22 syn`.
impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PROTOCOLS.iter().find(|(number, _)| *number == self.protocol) {
            Some((_, name)) => f.write_str(name)?,
            None => write!(f, "protocol {}", self.protocol)?,
        }
        match self.ports {
            None => write!(f, " {} -> {}", self.source, self.target)?,
            Some((from, to)) => {
                write!(f, " {} -> {}", SocketAddr::new(self.source, from), SocketAddr::new(self.target, to))?;
            }
        }
        if self.protocol == TCP {
            write!(f, " {}", TcpFlags(self.flags).to_string().to_lowercase())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: [u8; 40] = [
        0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 198, 18, 2, 10, 198, 18, 0, 1, // IPv4
        0x4e, 0x20, 0, 22, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 4, 0, 0, 0, 0, 0, // TCP
    ];

    #[test]
    fn a_packet_is_told_as_people_ask_for_it() {
        let told = |packet: &[u8]| Carried::of_packet(packet).map(|carried| carried.to_string());
        assert_eq!(told(&SYN).as_deref(), Some("tcp 198.18.2.10:20000 -> 198.18.0.1:22 syn"));
        let mut echo = SYN;
        echo[9] = 1;
        assert_eq!(told(&echo).as_deref(), Some("icmp 198.18.2.10 -> 198.18.0.1"));
        echo[9] = 47;
        assert_eq!(told(&echo).as_deref(), Some("protocol 47 198.18.2.10 -> 198.18.0.1"));
    }

    #[test]
    fn over_ipv6_ports_are_behind_the_fixed_header() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 20, 17, 64];
        for last in [2, 1] {
            packet.extend([0xfd, 0, 1, 0x98, 0, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        packet.extend([0, 53, 0, 9, 0, 8, 0, 0]);
        let told = Carried::of_packet(&packet).unwrap().to_string();
        assert_eq!(told, "udp [fd00:198:18::2]:53 -> [fd00:198:18::1]:9");
    }

    #[test]
    fn what_is_cut_short_has_no_ports_or_is_no_packet() {
        assert_eq!(Carried::of_packet(&SYN[..22]).unwrap().ports, None);
        assert_eq!(Carried::of_packet(&SYN[..19]), None);
        assert_eq!(Carried::of_packet(&[]), None);
    }
}
