//! Where the program writes and the scanner reads: a map of one value, in which 65,536 slots of 16 bytes, one for
//! each port, are followed by the settings.
//!
//! A slot's first 8 bytes say everything that a scan without handshakes asks for. They are written in one step, so
//! a reader sees all of a reply or none of it:
//!
//! ```text
//! bits 0-7   WRITTEN and a kind; WRITTEN alone while the other 8 bytes are being written
//!      8-15  which try was answered
//!     16-23  TCP flags and whether there is a timestamp, or the code of an ICMP message
//!     24-31  the reply's time to live or hop limit
//!     32-47  TCP window
//!     48-63  how many more replies came
//! ```
//!
//! The other 8 bytes are, for a segment with SYN and ACK, its sequence number (low half) and timestamp (high half).

/// Bytes of a slot, as a shift.
pub(super) const SLOT_SHIFT: u8 = 4;
/// Where the settings begin, in bytes.
pub(super) const SETTINGS: i32 = 1 << (16 + SLOT_SHIFT);
/// All slots, in words of 8 bytes.
pub(super) const SLOT_WORDS: usize = 1 << (16 + SLOT_SHIFT - 3);
/// Bytes of all, in whole pages.
pub(super) const LENGTH: usize = SLOT_WORDS * 8 + 4096;

/// Set in the kind of a slot that is taken.
pub(super) const WRITTEN: u8 = 0x80;
/// A TCP segment.
pub(super) const KIND_TCP: u8 = 1;
/// A datagram.
pub(super) const KIND_UDP: u8 = 2;
/// An ICMP message that the port cannot be reached.
pub(super) const KIND_UNREACHABLE: u8 = 3;
/// The same by ICMPv6.
pub(super) const KIND_UNREACHABLE_V6: u8 = 4;

/// Where each part of a slot's first half begins, in bits.
pub(super) const ATTEMPT: u8 = 8;
pub(super) const FLAGS: u8 = 16;
pub(super) const HOPS: u8 = 24;
pub(super) const WINDOW: u8 = 32;
pub(super) const DUPLICATES: u8 = 48;
/// Among the flags: the second half has a timestamp.
pub(super) const HAS_TIMESTAMP: u8 = 0x80;
/// The six flags of RFC 9293; ECN's two bits say nothing about a port.
pub(super) const TCP_FLAGS: u8 = 0x3f;

/// The settings, 8 bytes each. Addresses are as on the wire and have two; an IPv4 address has the first half of the
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Setting {
    /// The key of the probes' numbers.
    Key,
    /// 4 or 6; 0 until something is set, when nothing is received.
    Family,
    /// The scanner's address.
    Source,
    SourceRest,
    /// The target's.
    Target,
    TargetRest,
    /// The source port of each port's first try.
    BasePort,
    /// How many tries a port has.
    Tries,
    /// The probes' protocol number.
    Protocol,
    /// 1 where probes acknowledge, so that a reset is known by the number it takes up.
    Acknowledging,
}

impl Setting {
    /// Where it is among the settings, in bytes.
    pub(super) fn offset(self) -> i16 {
        8 * i16::from(self as u8)
    }

    /// Where it is in the map, in words of 8 bytes.
    pub(super) fn index(self) -> usize {
        SLOT_WORDS + usize::from(self as u8)
    }
}
