//! The line that the kernel's own logger writes for a packet that a rule logs, byte for byte as Linux 6.18 does
//! (nf_log_syslog); written from the format, and held against lines recorded from a kernel (`testdata/kernel-log`).
//!
//! Not told are VLAN tags, whose attributes NFLOG sends for bridges alone, and the far end of a `sit` tunnel: a lab has
//! neither.

use std::fmt::{self, Display, Formatter};

use super::nflog::Logged;
use super::transport::{Ip, bytes};
use crate::standin::{Flag, LogOptions};

/// `NFPROTO_*`.
mod family {
    pub(super) const IPV4: u8 = 2;
    pub(super) const ARP: u8 = 3;
    pub(super) const NETDEV: u8 = 5;
    pub(super) const BRIDGE: u8 = 7;
    pub(super) const IPV6: u8 = 10;
}

/// What follows an Ethernet header, by the number in it.
mod protocol {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const ARP: u16 = 0x0806;
    pub(super) const RARP: u16 = 0x8035;
    pub(super) const IPV6: u16 = 0x86dd;
}

/// `ARPHRD_ETHER`.
const ETHERNET: u16 = 1;
/// Bytes of an Ethernet header.
const ETHERNET_HEADER: usize = 14;

/// What is before a packet on its link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hardware<'a> {
    /// `ARPHRD_*`.
    pub(super) kind: u16,
    pub(super) header: &'a [u8],
}

/// The line for an NFLOG message of the kernel, given whole, without a time and without an end; `None` where no rule
/// that was rewritten has sent it. Interfaces are numbers there, whose names are asked for.
pub fn kernel_line(message: &[u8], mut name: impl FnMut(u32) -> String) -> Option<String> {
    let logged = Logged::read(message)?;
    let options = LogOptions::of_group(logged.group)?;
    let mut named = |index| if index == 0 { String::new() } else { name(index) };
    let (ways, ports) = (logged.interfaces.map(&mut named), logged.ports.map(&mut named));
    Some(KernelLine { logged, options, ways, ports }.to_string())
}

/// A logged packet, displayed as its line.
#[derive(Debug)]
struct KernelLine<'a> {
    logged: Logged<'a>,
    options: LogOptions,
    /// The names of the interfaces in and out, empty for nowhere.
    ways: [String; 2],
    /// The same of the ports of a bridge.
    ports: [String; 2],
}

impl Display for KernelLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { ways: [way_in, way_out], ports: [port_in, port_out], .. } = self;
        write!(f, "{}IN={way_in} OUT={way_out} ", String::from_utf8_lossy(self.logged.prefix))?;
        for (name, port, way) in [("PHYSIN", port_in, way_in), ("PHYSOUT", port_out, way_out)] {
            if !port.is_empty() && port != way {
                write!(f, "{name}={port} ")?;
            }
        }
        let by_protocol = match self.logged.protocol {
            protocol::IPV4 => Some(family::IPV4),
            protocol::IPV6 => Some(family::IPV6),
            protocol::ARP | protocol::RARP => Some(family::ARP),
            _ => None,
        };
        let of_link = [family::NETDEV, family::BRIDGE].contains(&self.logged.family);
        match if of_link { by_protocol } else { Some(self.logged.family) } {
            Some(family::ARP) => self.arp(f),
            Some(family @ (family::IPV4 | family::IPV6)) => {
                if self.logged.interfaces[0] != 0 {
                    self.hardware(f)?;
                }
                self.ip(f, family)
            }
            _ => self.hardware(f),
        }
    }
}

impl KernelLine<'_> {
    /// Where the packet begins: on its way out, some hooks see it with its Ethernet header.
    fn start(&self) -> usize {
        const OUT: u8 = 1;
        let with_header =
            [family::ARP, family::NETDEV].contains(&self.logged.family) && self.logged.hook == OUT;
        if with_header { ETHERNET_HEADER } else { 0 }
    }

    fn ip(&self, f: &mut Formatter<'_>, family: u8) -> fmt::Result {
        let (packet, at) = (self.logged.payload, self.start());
        let ip = Ip { packet, options: self.options, is_outer: true };
        let whole = if family == family::IPV4 { ip.v4(f, at)? } else { ip.v6(f, at)? };
        // An IPv4 packet behind an Ethernet header passes for one that another quotes.
        if whole && (at == 0 || family == family::IPV6) { self.socket(f) } else { Ok(()) }
    }

    /// Whether it has only just come in from a link, when it may still be another host's: the kernel's logger names no
    /// users of others, NFLOG does.
    fn is_ingress(&self) -> bool {
        const OF_LINK: u8 = 0;
        const OF_IP: u8 = 5;
        self.logged.hook == if self.logged.family == family::NETDEV { OF_LINK } else { OF_IP }
    }

    /// Who sent it, and its mark.
    fn socket(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let told = self.options.has(Flag::Owner) && !self.is_ingress();
        if let (true, Some(user), Some(group)) = (told, self.logged.user, self.logged.user_group) {
            write!(f, "UID={user} GID={group} ")?;
        }
        match self.logged.mark {
            0 => Ok(()),
            mark => write!(f, "MARK={mark:#x} "),
        }
    }

    fn hardware(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Hardware { kind, header } = self.logged.hardware;
        if self.options.has(Flag::MacDecode) && kind == ETHERNET {
            return self.ethernet(f);
        }
        write!(f, "MAC={} ", Mac(header))
    }

    /// Nothing where there is no header.
    fn ethernet(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(header) = self.logged.hardware.header.first_chunk::<ETHERNET_HEADER>() else {
            return Ok(());
        };
        let (to, from) = (Mac(&header[..6]), Mac(&header[6..12]));
        write!(f, "MACSRC={from} MACDST={to} MACPROTO={:02x}{:02x} ", header[12], header[13])
    }

    /// An ARP message (RFC 826).
    fn arp(&self, f: &mut Formatter<'_>) -> fmt::Result {
        /// For Ethernet, and with addresses of six and of four bytes.
        const OF_IP: [u8; 2] = [6, 4];
        let (message, at) = (self.logged.payload, self.start());
        let Some(header) = bytes::<8>(message, at) else { return f.write_str("TRUNCATED") };
        if self.options.has(Flag::MacDecode) && self.logged.hardware.kind == ETHERNET {
            self.ethernet(f)?;
        }
        let [hard, hard_low, proto, proto_low, rest @ ..] = *header;
        let (kind, operation) = ([hard, hard_low], [rest[2], rest[3]].map(u16::from));
        write!(f, "ARP HTYPE={} PTYPE=0x{proto:02x}{proto_low:02x} ", u16::from_be_bytes(kind))?;
        write!(f, "OPCODE={}", operation[0] << 8 | operation[1])?;
        if u16::from_be_bytes(kind) != ETHERNET || [rest[0], rest[1]] != OF_IP {
            return Ok(());
        }
        let Some(body) = bytes::<20>(message, at + 8) else {
            return write!(f, " INCOMPLETE [{} bytes]", message.len() - 8);
        };
        let address =
            |at: usize| std::net::Ipv4Addr::from([body[at], body[at + 1], body[at + 2], body[at + 3]]);
        write!(f, " MACSRC={} IPSRC={}", Mac(&body[..6]), address(6))?;
        write!(f, " MACDST={} IPDST={}", Mac(&body[10..16]), address(16))
    }
}

/// Bytes as `02:00:00:00:00:01`.
struct Mac<'a>(&'a [u8]);

impl Display for Mac<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    /// What `tests/record-kernel-log.sh` recorded of one packet.
    #[derive(Deserialize)]
    struct Golden {
        what: String,
        interfaces: BTreeMap<u32, String>,
        /// What NFLOG said of it, in hexadecimal digits.
        message: String,
        /// What the kernel's own logger said of it.
        line: String,
    }

    fn golden() -> Vec<Golden> {
        serde_json::from_str(include_str!("../../testdata/kernel-log/linux-6.18.json")).unwrap()
    }

    fn unhex(digits: &str) -> Vec<u8> {
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
    }

    impl Golden {
        fn line_of(&self, message: &[u8]) -> Option<String> {
            kernel_line(message, |index| self.interfaces[&index].clone())
        }
    }

    #[test]
    fn each_line_is_what_the_kernel_wrote() {
        let recorded = golden();
        assert!(recorded.len() >= 40, "{}", recorded.len());
        for one in recorded {
            assert_eq!(one.line_of(&unhex(&one.message)).as_ref(), Some(&one.line), "{}", one.what);
        }
    }

    #[test]
    fn a_packet_that_ends_anywhere_is_told_without_a_panic() {
        for one in golden() {
            let message = unhex(&one.message);
            for end in 0..message.len() {
                drop(one.line_of(&message[..end]));
                let mut shorter = message[..end].to_owned();
                cut_last_attribute(&mut shorter);
                drop(one.line_of(&shorter));
            }
        }
    }

    /// Lets the attribute that a message ends in, such as the packet, be as long as what is there of it.
    fn cut_last_attribute(message: &mut [u8]) {
        let mut at = 20;
        while let Some(length) = bytes::<2>(message, at).map(|bytes| usize::from(u16::from_ne_bytes(*bytes)))
        {
            if at + length > message.len() {
                let left = u16::try_from(message.len() - at).unwrap();
                message[at..at + 2].copy_from_slice(&left.to_ne_bytes());
                return;
            }
            at += length.next_multiple_of(4).max(4);
        }
    }
}
