//! The part of a kernel line that tells an IP packet, its transport header and what an ICMP error quotes.

use std::fmt::{self, Formatter};
use std::net::Ipv4Addr;

use crate::standin::{Flag, LogOptions};

/// The numbers of IP protocols and of IPv6 extension headers (IANA).
mod number {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ICMP: u8 = 1;
    pub(super) const TCP: u8 = 6;
    pub(super) const UDP: u8 = 17;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const ESP: u8 = 50;
    pub(super) const AH: u8 = 51;
    pub(super) const ICMPV6: u8 = 58;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const UDP_LITE: u8 = 136;
}

/// Bytes of an IPv4 header without options, of an IPv6 header, of a TCP header without options.
const IPV4: usize = 20;
const IPV6: usize = 40;
const TCP: usize = 20;

/// Whether a line goes on after the part that was written: the kernel ends it where a packet is cut short.
pub(super) type Whole = Result<bool, fmt::Error>;

/// The `N` bytes of `packet` at `at`, if it is that long.
pub(super) fn bytes<const N: usize>(packet: &[u8], at: usize) -> Option<&[u8; N]> {
    packet.get(at..)?.first_chunk()
}

/// How a header that is cut short is told: with the bytes that are left, in the kernel's 32 bits, which run below zero
/// where a length in the packet is a lie.
fn incomplete(f: &mut Formatter<'_>, packet: &[u8], at: usize) -> fmt::Result {
    let low = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    write!(f, "INCOMPLETE [{} bytes] ", low(packet.len()).wrapping_sub(low(at)))
}

/// A packet with what is to be told of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ip<'a> {
    pub(super) packet: &'a [u8],
    pub(super) options: LogOptions,
    /// Whether it is no quoted one.
    pub(super) is_outer: bool,
}

/// Where a transport header is.
#[derive(Clone, Copy, Debug)]
struct Place {
    protocol: u8,
    at: usize,
    /// Whether it is in another fragment.
    is_elsewhere: bool,
}

impl Ip<'_> {
    /// The IPv4 packet at `at`.
    pub(super) fn v4(self, f: &mut Formatter<'_>, at: usize) -> Whole {
        let Some(header) = bytes::<IPV4>(self.packet, at) else { return cut(f, "TRUNCATED") };
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let address =
            |at: usize| Ipv4Addr::from([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        write!(f, "SRC={} DST={} LEN={} ", address(12), address(16), word(2))?;
        let (service, precedence) = (header[1] & 0x1e, header[1] & 0xe0);
        write!(f, "TOS={service:#04X} PREC={precedence:#04X} TTL={} ID={} ", header[8], word(4))?;
        let fragment = word(6);
        for (bit, name) in [(0x8000, "CE "), (0x4000, "DF "), (0x2000, "MF ")] {
            f.write_str(if fragment & bit == 0 { "" } else { name })?;
        }
        let offset = fragment & 0x1fff;
        if offset != 0 {
            write!(f, "FRAG:{offset} ")?;
        }
        let length = usize::from(header[0] & 0xf) * 4;
        if self.options.has(Flag::IpOptions) && length > IPV4 {
            let Some(options) = self.packet.get(at + IPV4..at + length) else { return cut(f, "TRUNCATED") };
            hex_options(f, options)?;
        }
        let place = Place { protocol: header[9], at: at + length, is_elsewhere: offset != 0 };
        self.over_v4(f, place, at)
    }

    fn over_v4(self, f: &mut Formatter<'_>, place: Place, at: usize) -> Whole {
        match place.protocol {
            number::ICMP => {
                f.write_str("PROTO=ICMP ")?;
                if !place.is_elsewhere {
                    // The kernel tells an outer packet by its beginning where the bytes do.
                    self.icmp(f, place.at, self.is_outer && at == 0)?;
                }
                Ok(true)
            }
            // Of its later fragments not even the protocol is told.
            number::AH if place.is_elsewhere => Ok(true),
            number::AH => self.security(f, "AH", 12, place).map(|()| true),
            number::ESP => self.security(f, "ESP", 8, place).map(|()| true),
            _ => self.transport(f, place),
        }
    }

    /// What both IP versions tell alike.
    fn transport(self, f: &mut Formatter<'_>, place: Place) -> Whole {
        match place.protocol {
            number::TCP => self.tcp(f, place),
            number::UDP => self.udp(f, "UDP", place),
            number::UDP_LITE => self.udp(f, "UDPLITE", place),
            other => write!(f, "PROTO={other} ").map(|()| true),
        }
    }

    fn tcp(self, f: &mut Formatter<'_>, Place { at, is_elsewhere, .. }: Place) -> Whole {
        /// By their bits in the 16 bits of data offset and flags, in the order in which they are told.
        const FLAGS: [(u16, &str); 9] = [
            (0x100, "AE "),
            (0x80, "CWR "),
            (0x40, "ECE "),
            (0x20, "URG "),
            (0x10, "ACK "),
            (0x08, "PSH "),
            (0x04, "RST "),
            (0x02, "SYN "),
            (0x01, "FIN "),
        ];
        f.write_str("PROTO=TCP ")?;
        if is_elsewhere {
            return Ok(true);
        }
        let Some(header) = bytes::<TCP>(self.packet, at) else {
            return incomplete(f, self.packet, at).map(|()| false);
        };
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let long = |at: usize| u32::from(word(at)) << 16 | u32::from(word(at + 2));
        write!(f, "SPT={} DPT={} ", word(0), word(2))?;
        if self.options.has(Flag::TcpSequence) {
            write!(f, "SEQ={} ACK={} ", long(4), long(8))?;
        }
        // Four reserved bits, the last of which has become AE and is told below.
        write!(f, "WINDOW={} RES={:#04x} ", word(14), (header[12] & 0x0e) << 2)?;
        for (bit, name) in FLAGS {
            f.write_str(if word(12) & bit == 0 { "" } else { name })?;
        }
        write!(f, "URGP={} ", word(18))?;
        let length = usize::from(header[12] >> 4) * 4;
        if self.options.has(Flag::TcpOptions) && length > TCP {
            let Some(options) = self.packet.get(at + TCP..at + length) else {
                return cut(f, "OPT (TRUNCATED)");
            };
            hex_options(f, options)?;
        }
        Ok(true)
    }

    fn udp(self, f: &mut Formatter<'_>, name: &str, Place { at, is_elsewhere, .. }: Place) -> Whole {
        write!(f, "PROTO={name} ")?;
        if is_elsewhere {
            return Ok(true);
        }
        let Some(header) = bytes::<8>(self.packet, at) else {
            return incomplete(f, self.packet, at).map(|()| false);
        };
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        write!(f, "SPT={} DPT={} LEN={} ", word(0), word(2), word(4)).map(|()| true)
    }

    /// AH (RFC 4302) and ESP (RFC 4303) over IPv4: their security parameters index.
    fn security(self, f: &mut Formatter<'_>, name: &str, length: usize, place: Place) -> fmt::Result {
        let index_at = if place.protocol == number::AH { 4 } else { 0 };
        write!(f, "PROTO={name} ")?;
        if place.is_elsewhere {
            return Ok(());
        }
        match self.packet.get(place.at..).and_then(|rest| rest.get(..length)?.get(index_at..)?.first_chunk())
        {
            Some(index) => write!(f, "SPI={:#x} ", u32::from_be_bytes(*index)),
            None => incomplete(f, self.packet, place.at),
        }
    }

    /// ICMP (RFC 792).
    fn icmp(self, f: &mut Formatter<'_>, at: usize, quotes: bool) -> fmt::Result {
        let Some(header) = bytes::<8>(self.packet, at) else { return incomplete(f, self.packet, at) };
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let (kind, code) = (header[0], header[1]);
        write!(f, "TYPE={kind} CODE={code} ")?;
        if self.packet.len() - at < needed(kind) {
            return incomplete(f, self.packet, at);
        }
        match kind {
            0 | 8 => write!(f, "ID={} SEQ={} ", word(4), word(6))?,
            12 => write!(f, "PARAMETER={} ", header[4])?,
            5 => write!(f, "GATEWAY={} ", Ipv4Addr::from([header[4], header[5], header[6], header[7]]))?,
            _ => {}
        }
        if quotes && [3, 4, 5, 11].contains(&kind) {
            f.write_str("[")?;
            Self { is_outer: false, ..self }.v4(f, at + 8)?;
            f.write_str("] ")?;
        }
        if (kind, code) == (3, 4) { write!(f, "MTU={} ", word(6)) } else { Ok(()) }
    }

    /// The IPv6 packet at `at`.
    pub(super) fn v6(self, f: &mut Formatter<'_>, at: usize) -> Whole {
        let Some(header) = bytes::<IPV6>(self.packet, at) else { return cut(f, "TRUNCATED") };
        let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        for (name, at) in [("SRC", 8), ("DST", 24)] {
            write!(f, "{name}={:04x}", word(at))?;
            (1..8).try_for_each(|group| write!(f, ":{:04x}", word(at + 2 * group)))?;
            f.write_str(" ")?;
        }
        let first = u32::from(word(0)) << 16 | u32::from(word(2));
        write!(f, "LEN={} TC={} HOPLIMIT={} ", usize::from(word(4)) + IPV6, first >> 20 & 0xff, header[7])?;
        write!(f, "FLOWLBL={} ", first & 0xf_ffff)?;
        let place = Place { protocol: header[6], at: at + IPV6, is_elsewhere: false };
        match self.extensions(f, place)? {
            Some(place) => self.over_v6(f, place),
            None => Ok(false),
        }
    }

    /// Goes through extension headers (RFC 8200, section 4); `None` where the line ends with them.
    fn extensions(self, f: &mut Formatter<'_>, mut place: Place) -> Result<Option<Place>, fmt::Error> {
        use number::{AH, DESTINATION, ESP, FRAGMENT, HOP_BY_HOP, ROUTING};
        while [HOP_BY_HOP, ROUTING, FRAGMENT, ESP, AH, DESTINATION].contains(&place.protocol) {
            let Some(&[next, length]) = bytes::<2>(self.packet, place.at) else {
                return cut(f, "TRUNCATED").map(|_| None);
            };
            let told = self.options.has(Flag::IpOptions);
            f.write_str(if told { "OPT ( " } else { "" })?;
            let goes_on = match place.protocol {
                FRAGMENT => self.fragment(f, &mut place)?,
                AH | ESP => self.security_v6(f, place)?,
                _ if place.is_elsewhere => cut(f, if told { ")" } else { "" })?,
                _ => true,
            };
            if !goes_on {
                return Ok(None);
            }
            f.write_str(if told { ") " } else { "" })?;
            // In units of eight bytes, not counting the first; AH counts in units of four, not counting the first two.
            let length = usize::from(length);
            place.at += match place.protocol {
                FRAGMENT => 8,
                AH => (length + 2) * 4,
                _ => (length + 1) * 8,
            };
            place.protocol = next;
        }
        Ok(Some(place))
    }

    fn fragment(self, f: &mut Formatter<'_>, place: &mut Place) -> Whole {
        f.write_str("FRAG:")?;
        let Some(header) = bytes::<8>(self.packet, place.at) else { return cut(f, "TRUNCATED ") };
        let offset = u16::from_be_bytes([header[2], header[3]]);
        let more = if offset & 1 == 0 { "" } else { "INCOMPLETE " };
        let [_, _, _, _, identification @ ..] = *header;
        write!(f, "{} {more}ID:{:08x} ", offset & 0xfff8, u32::from_be_bytes(identification))?;
        place.is_elsewhere |= offset & 0xfff8 != 0;
        Ok(true)
    }

    /// AH is passed by, and told among the options alone; behind ESP nothing can be read.
    fn security_v6(self, f: &mut Formatter<'_>, place: Place) -> Whole {
        let goes_on = place.protocol == number::AH;
        if !self.options.has(Flag::IpOptions) {
            return Ok(goes_on);
        }
        let (name, length, index_at) = if goes_on { ("AH ", 12, 4) } else { ("ESP ", 8, 0) };
        f.write_str(name)?;
        if place.is_elsewhere {
            return cut(f, ")");
        }
        let index =
            self.packet.get(place.at..).and_then(|rest| rest.get(..length)?.get(index_at..)?.first_chunk());
        let Some(index) = index.map(|index| u32::from_be_bytes(*index)) else {
            incomplete(f, self.packet, place.at)?;
            return cut(f, ")");
        };
        let end = if goes_on { "" } else { ")" };
        write!(f, "SPI={index:#x} {end}").map(|()| goes_on)
    }

    fn over_v6(self, f: &mut Formatter<'_>, place: Place) -> Whole {
        if place.protocol != number::ICMPV6 {
            return self.transport(f, place);
        }
        f.write_str("PROTO=ICMPv6 ")?;
        if place.is_elsewhere {
            return Ok(true);
        }
        let Some(header) = bytes::<8>(self.packet, place.at) else {
            return incomplete(f, self.packet, place.at).map(|()| false);
        };
        self.icmpv6(f, *header, place.at).map(|()| true)
    }

    /// ICMPv6 (RFC 4443).
    fn icmpv6(self, f: &mut Formatter<'_>, header: [u8; 8], at: usize) -> fmt::Result {
        let [kind, code, _, _, rest @ ..] = header;
        write!(f, "TYPE={kind} CODE={code} ")?;
        match kind {
            128 | 129 => {
                let [id, sequence] = [[rest[0], rest[1]], [rest[2], rest[3]]].map(u16::from_be_bytes);
                write!(f, "ID={id} SEQ={sequence} ")?;
            }
            4 => write!(f, "POINTER={:08x} ", u32::from_be_bytes(rest))?,
            _ => {}
        }
        if self.is_outer && (1..=4).contains(&kind) {
            f.write_str("[")?;
            Self { is_outer: false, ..self }.v6(f, at + 8)?;
            f.write_str("] ")?;
        }
        if kind == 2 { write!(f, "MTU={} ", u32::from_be_bytes(rest)) } else { Ok(()) }
    }
}

/// Writes the last of a line.
fn cut(f: &mut Formatter<'_>, last: &str) -> Whole {
    f.write_str(last).map(|()| false)
}

fn hex_options(f: &mut Formatter<'_>, options: &[u8]) -> fmt::Result {
    f.write_str("OPT (")?;
    options.iter().try_for_each(|byte| write!(f, "{byte:02X}"))?;
    f.write_str(") ")
}

/// As many bytes as an ICMP message of a kind must have to be told further; those that quote a packet hold its header.
fn needed(kind: u8) -> usize {
    match kind {
        0 | 8 => 4,
        3 | 4 | 5 | 11 | 12 => 8 + IPV4,
        13 | 14 => 20,
        17 | 18 => 12,
        _ => 0,
    }
}
