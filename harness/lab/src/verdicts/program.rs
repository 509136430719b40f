//! The program that reads replies inside the kernel. It believes a reply exactly where the scanners' own reader
//! believes it (scanners/src/packet/read.rs), writes it down, and keeps the packet from the socket's queue.
//!
//! It runs on a packet socket's datagrams, where byte 0 is the first of the IP header, or of the ARP message.

use super::assembler::{Assembler, Condition, Label, Operand, Operation, Register, Width};
use super::layout::{self, Setting};

use Condition::{AnySet, AtLeast, Below, Equal, NotEqual};
use Operation::{Add, And, Multiply, Or, ShiftLeft, ShiftRight, Subtract, Xor};
use Register::{Frame, R0, R1, R2, R3, R4, R6, R7, R8, R9};
use Width::{Byte, Double, Half, Word};

/// The helper that copies a packet's bytes to the stack: packet, offset, where to, how many; 0 when they are there.
const LOAD_BYTES: i32 = 26;

/// What is where on the stack, from its end. An IP header, of which at most 40 bytes matter here.
const HEADER: i16 = -40;
/// The first 20 bytes behind an IP header, or as many as there must be.
const SEGMENT: i16 = -64;
/// The second half of the port's slot.
const DETAIL: i16 = -72;
/// Where the segment begins in the packet.
const BEGIN: i16 = -80;
/// The asked port, or the quoted packet's protocol.
const PORT: i16 = -88;
/// The first 12 bytes of TCP options.
const OPTIONS: i16 = -104;

const TCP: i32 = 6;
const ICMP: i32 = 1;
const ICMPV6: i32 = 58;
/// "Destination unreachable" (RFC 792, RFC 4443).
const UNREACHABLE: i32 = 3;
const UNREACHABLE_V6: i32 = 1;
const SYN_ACK: i32 = 0x12;
const RST: i32 = 0x04;
const ACK: i32 = 0x10;
/// Which bits of an IPv4 header's 16 say that this is not a datagram's beginning (RFC 791).
const FRAGMENT_OFFSET: i32 = 0x1fff;
/// A TCP header with fewer words of 4 bytes has no room for a timestamp; one with as many, not for another option.
const FEWEST_WORDS: i32 = 8;
/// Kinds and lengths of TCP options (RFC 9293, RFC 2018, RFC 7323), as they follow each other.
const LARGEST_SEGMENT: i32 = 0x0204;
const PERMIT_TIMESTAMP: i32 = 0x0402_080a;
const FILLERS_TIMESTAMP: i32 = 0x0101_080a;

/// The program over the map with descriptor `map`.
pub(super) fn program(map: i32) -> Vec<[u8; 8]> {
    let mut assembler = Assembler::default();
    let places = Places {
        give: assembler.label(),
        drop: assembler.label(),
        arp: assembler.label(),
        segment: assembler.label(),
        unreachable: assembler.label(),
        record: assembler.label(),
    };
    let mut writer = Writer { assembler, map, places };
    writer.version();
    writer.arp();
    writer.segment();
    writer.unreachable();
    writer.record();
    writer.ends();
    writer.assembler.finish()
}

/// The parts that others jump to. R6 is the packet and R7 the settings. Behind an IP header, R8 is where the next
/// header begins, and R9 what will be added to the port's slot.
#[derive(Clone, Copy)]
struct Places {
    /// Gives the packet to the queue.
    give: Label,
    /// Keeps it from there.
    drop: Label,
    /// Reads an ARP message.
    arp: Label,
    /// Reads what the target sent; R3 is its protocol.
    segment: Label,
    /// Reads an ICMP or ICMPv6 message.
    unreachable: Label,
    /// Writes down a believed reply; R8 is the port.
    record: Label,
}

struct Writer {
    assembler: Assembler,
    map: i32,
    places: Places,
}

impl Writer {
    /// Chooses by the first four bits: an IP version, or zero for ARP.
    fn version(&mut self) {
        let v4 = self.assembler.label();
        self.assembler.set(R6, R1);
        self.assembler.set_map_value(R7, self.map, layout::SETTINGS);
        self.fetch(0, HEADER, 20, self.places.drop);
        self.load_version();
        self.setting(R2, Setting::Family);
        self.assembler.jump_if(R3, Equal, 0, self.places.arp);
        self.assembler.jump_if(R3, NotEqual, R2, self.places.drop);
        self.assembler.jump_if(R3, Equal, 4, v4);
        self.ipv6();
        self.assembler.place(v4);
        self.ipv4();
    }

    fn ipv4(&mut self) {
        let Places { give, drop, segment, unreachable, .. } = self.places;
        self.expect(Word, HEADER + 16, Setting::Source, drop);
        self.refuse_fragments(give);
        self.load_header_length();
        self.assembler.set(R8, R1);
        self.assembler.load(Byte, R9, Frame, HEADER + 8);
        self.assembler.alu(ShiftLeft, R9, i32::from(layout::HOPS));
        self.assembler.load(Byte, R3, Frame, HEADER + 9);
        self.assembler.jump_if(R3, Equal, ICMP, unreachable);
        self.expect(Word, HEADER + 12, Setting::Target, give);
        self.assembler.jump(segment);
    }

    fn ipv6(&mut self) {
        let Places { give, drop, segment, unreachable, .. } = self.places;
        self.fetch(0, HEADER, 40, drop);
        self.expect(Double, HEADER + 24, Setting::Source, drop);
        self.expect(Double, HEADER + 32, Setting::SourceRest, drop);
        self.assembler.set(R8, 40);
        self.assembler.load(Byte, R9, Frame, HEADER + 7);
        self.assembler.alu(ShiftLeft, R9, i32::from(layout::HOPS));
        self.assembler.load(Byte, R3, Frame, HEADER + 6);
        self.assembler.jump_if(R3, Equal, ICMPV6, unreachable);
        self.expect(Double, HEADER + 8, Setting::Target, give);
        self.expect(Double, HEADER + 16, Setting::TargetRest, give);
        self.assembler.jump(segment);
    }

    /// Gives messages about the scanner's address: the target protocol address (RFC 826) is at byte 24.
    fn arp(&mut self) {
        let Places { give, drop, arp, .. } = self.places;
        self.assembler.place(arp);
        self.assembler.jump_if(R2, NotEqual, 4, drop);
        self.fetch(24, HEADER, 4, drop);
        self.expect(Word, HEADER, Setting::Source, drop);
        self.assembler.jump(give);
    }

    /// Believes what comes back to a probe's source port and, of TCP, carries its number.
    fn segment(&mut self) {
        let Places { give, segment, record, .. } = self.places;
        let tcp = self.assembler.label();
        self.assembler.place(segment);
        self.setting(R2, Setting::Protocol);
        self.assembler.jump_if(R3, NotEqual, R2, give);
        self.assembler.jump_if(R3, Equal, TCP, tcp);
        self.fetch(R8, SEGMENT, 8, give);
        self.find_try(SEGMENT + 2, SEGMENT);
        self.add_kind(layout::KIND_UDP);
        self.assembler.jump(record);
        self.assembler.place(tcp);
        self.tcp();
    }

    fn tcp(&mut self) {
        let Places { give, record, .. } = self.places;
        self.fetch(R8, SEGMENT, 20, give);
        self.assembler.store(Double, Frame, BEGIN, R8);
        self.find_try(SEGMENT + 2, SEGMENT);
        self.load_number();
        self.assembler.load(Byte, R2, Frame, SEGMENT + 13);
        self.believe_number();
        self.add_kind(layout::KIND_TCP);
        self.assembler.set(R3, R2);
        self.assembler.alu(And, R3, i32::from(layout::TCP_FLAGS));
        self.add(R3, layout::FLAGS);
        self.load_network(Half, R3, SEGMENT + 14);
        self.add(R3, layout::WINDOW);
        self.assembler.alu(And, R2, SYN_ACK);
        self.assembler.jump_if(R2, NotEqual, SYN_ACK, record);
        self.load_network(Word, R3, SEGMENT + 4);
        self.assembler.store(Double, Frame, DETAIL, R3);
        self.timestamp();
        self.assembler.jump(record);
    }

    /// Goes on if the segment acknowledges the probe's number, R1's high half, or what may follow it; or if it is a
    /// reset that takes up the acknowledgement number, R1's low half. R2 has the flags.
    fn believe_number(&mut self) {
        let give = self.places.give;
        let (no_acknowledgement, resets, believed) =
            (self.assembler.label(), self.assembler.label(), self.assembler.label());
        self.assembler.set(R3, R2);
        self.assembler.alu(And, R3, ACK);
        self.assembler.jump_if(R3, Equal, 0, no_acknowledgement);
        self.load_network(Word, R3, SEGMENT + 8);
        self.assembler.set(R4, R1);
        self.assembler.alu(ShiftRight, R4, 32);
        self.assembler.alu(Subtract, R3, R4);
        self.low_half(R3);
        self.assembler.jump_if(R3, Below, 2, believed);
        self.assembler.place(no_acknowledgement);
        self.setting(R3, Setting::Acknowledging);
        self.assembler.jump_if(R3, Equal, 0, give);
        self.assembler.jump_if(R2, AnySet, RST, resets);
        self.assembler.jump(give);
        self.assembler.place(resets);
        self.low_half(R1);
        self.load_network(Word, R3, SEGMENT + 4);
        self.assembler.jump_if(R3, NotEqual, R1, give);
        self.assembler.place(believed);
    }

    /// Adds the target's timestamp (RFC 7323) if the options are laid out as Linux does it: the largest segment first,
    /// then a selective-acknowledgement permit or two fillers, then the timestamp. Where there may be one elsewhere,
    /// the packet goes to the queue instead, unread: walking through options is nothing for the kernel's verifier.
    fn timestamp(&mut self) {
        let give = self.places.give;
        let (linux, done) = (self.assembler.label(), self.assembler.label());
        self.assembler.store(Double, Frame, PORT, R8);
        self.load_tcp_words();
        self.assembler.jump_if(R1, Below, FEWEST_WORDS, done);
        self.assembler.load(Double, R8, Frame, BEGIN);
        self.assembler.alu(Add, R8, 20);
        self.fetch(R8, OPTIONS, 12, give);
        self.load_network(Half, R1, OPTIONS);
        self.assembler.jump_if(R1, NotEqual, LARGEST_SEGMENT, give);
        self.load_tcp_words();
        self.assembler.jump_if(R1, Equal, FEWEST_WORDS, done);
        self.load_network(Word, R1, OPTIONS + 4);
        self.assembler.jump_if(R1, Equal, PERMIT_TIMESTAMP, linux);
        self.assembler.jump_if(R1, NotEqual, FILLERS_TIMESTAMP, give);
        self.assembler.place(linux);
        self.load_network(Word, R1, OPTIONS + 8);
        self.assembler.alu(ShiftLeft, R1, 32);
        self.assembler.load(Double, R2, Frame, DETAIL);
        self.assembler.alu(Or, R1, R2);
        self.assembler.store(Double, Frame, DETAIL, R1);
        self.assembler.set(R1, i32::from(layout::HAS_TIMESTAMP));
        self.add(R1, layout::FLAGS);
        self.assembler.place(done);
        self.assembler.load(Double, R8, Frame, PORT);
    }

    /// R1 = the length of the TCP header in words of 4 bytes.
    fn load_tcp_words(&mut self) {
        self.assembler.load(Byte, R1, Frame, SEGMENT + 12);
        self.assembler.alu(ShiftRight, R1, 4);
    }

    /// Believes a "destination unreachable" that quotes a probe.
    fn unreachable(&mut self) {
        let Places { give, unreachable, record, .. } = self.places;
        let (v6, quoted) = (self.assembler.label(), self.assembler.label());
        self.assembler.place(unreachable);
        self.fetch(R8, SEGMENT, 8, give);
        self.assembler.alu(Add, R8, 8);
        self.assembler.load(Byte, R1, Frame, SEGMENT);
        self.assembler.load(Byte, R2, Frame, SEGMENT + 1);
        self.add(R2, layout::FLAGS);
        self.setting(R3, Setting::Family);
        self.assembler.jump_if(R3, Equal, 6, v6);
        self.assembler.jump_if(R1, NotEqual, UNREACHABLE, give);
        self.quoted_ipv4();
        self.assembler.jump(quoted);
        self.assembler.place(v6);
        self.assembler.jump_if(R1, NotEqual, UNREACHABLE_V6, give);
        self.quoted_ipv6();
        self.assembler.place(quoted);
        self.quoted_segment();
        self.assembler.jump(record);
    }

    /// R3 = the protocol of the quoted packet, which must be from the scanner to the target.
    fn quoted_ipv4(&mut self) {
        let give = self.places.give;
        self.add_kind(layout::KIND_UNREACHABLE);
        self.fetch(R8, HEADER, 20, give);
        self.load_version();
        self.assembler.jump_if(R3, NotEqual, 4, give);
        self.refuse_fragments(give);
        self.expect(Word, HEADER + 12, Setting::Source, give);
        self.expect(Word, HEADER + 16, Setting::Target, give);
        self.load_header_length();
        self.assembler.alu(Add, R8, R1);
        self.assembler.load(Byte, R3, Frame, HEADER + 9);
    }

    fn quoted_ipv6(&mut self) {
        let give = self.places.give;
        self.add_kind(layout::KIND_UNREACHABLE_V6);
        self.fetch(R8, HEADER, 40, give);
        self.load_version();
        self.assembler.jump_if(R3, NotEqual, 6, give);
        self.expect(Double, HEADER + 8, Setting::Source, give);
        self.expect(Double, HEADER + 16, Setting::SourceRest, give);
        self.expect(Double, HEADER + 24, Setting::Target, give);
        self.expect(Double, HEADER + 32, Setting::TargetRest, give);
        self.assembler.alu(Add, R8, 40);
        self.assembler.load(Byte, R3, Frame, HEADER + 6);
    }

    /// The eight bytes that whoever refuses must quote (RFC 792): ports and, of TCP, the sequence number.
    fn quoted_segment(&mut self) {
        let Places { give, record, .. } = self.places;
        self.setting(R2, Setting::Protocol);
        self.assembler.jump_if(R3, NotEqual, R2, give);
        self.assembler.store(Double, Frame, PORT, R3);
        self.fetch(R8, SEGMENT, 8, give);
        self.find_try(SEGMENT, SEGMENT + 2);
        self.assembler.load(Double, R3, Frame, PORT);
        self.assembler.jump_if(R3, NotEqual, TCP, record);
        self.load_number();
        self.assembler.alu(ShiftRight, R1, 32);
        self.load_network(Word, R3, SEGMENT + 4);
        self.assembler.jump_if(R3, NotEqual, R1, give);
    }

    /// R8 = the asked port, found at `asked`; which try has its source port at `source` is added to the slot.
    fn find_try(&mut self, source: i16, asked: i16) {
        self.load_network(Half, R3, source);
        self.setting(R1, Setting::BasePort);
        self.assembler.alu(Subtract, R3, R1);
        self.setting(R1, Setting::Tries);
        self.assembler.jump_if(R3, AtLeast, R1, self.places.give);
        self.load_network(Half, R8, asked);
        // For `load_number`.
        self.assembler.set(R1, R8);
        self.assembler.alu(ShiftLeft, R1, 8);
        self.assembler.alu(Or, R1, R3);
        self.add(R3, layout::ATTEMPT);
        self.assembler.set(R3, 0);
        self.assembler.store(Double, Frame, DETAIL, R3);
    }

    /// R1 = the numbers of the probe that R1 names: SplitMix64's finalizer (Steele, Lea, Flood, 2014).
    fn load_number(&mut self) {
        self.setting(R2, Setting::Key);
        self.assembler.alu(Xor, R1, R2);
        self.assembler.set_wide(R2, 0x9e37_79b9_7f4a_7c15);
        self.assembler.alu(Add, R1, R2);
        for (shift, factor) in [(30, 0xbf58_476d_1ce4_e5b9), (27, 0x94d0_49bb_1331_11eb)] {
            self.fold(shift);
            self.assembler.set_wide(R2, factor);
            self.assembler.alu(Multiply, R1, R2);
        }
        self.fold(31);
    }

    fn fold(&mut self, shift: i32) {
        self.assembler.set(R2, R1);
        self.assembler.alu(ShiftRight, R2, shift);
        self.assembler.alu(Xor, R1, R2);
    }

    /// The first reply takes the slot; what it says is added last, so that nobody reads half of it. Others count.
    fn record(&mut self) {
        let Places { drop, record, .. } = self.places;
        let duplicate = self.assembler.label();
        self.assembler.place(record);
        self.assembler.alu(And, R8, i32::from(u16::MAX));
        self.assembler.alu(ShiftLeft, R8, i32::from(layout::SLOT_SHIFT));
        self.assembler.set_map_value(R1, self.map, 0);
        self.assembler.alu(Add, R1, R8);
        self.assembler.set(R2, i32::from(layout::WRITTEN));
        self.assembler.set(R0, 0);
        self.assembler.compare_exchange(R1, 0, R2);
        self.assembler.jump_if(R0, NotEqual, 0, duplicate);
        self.assembler.load(Double, R2, Frame, DETAIL);
        self.assembler.store(Double, R1, 8, R2);
        self.assembler.atomic_add(R1, 0, R9);
        self.assembler.jump(drop);
        self.assembler.place(duplicate);
        self.assembler.alu(ShiftRight, R0, i32::from(layout::DUPLICATES));
        self.assembler.jump_if(R0, Equal, i32::from(u16::MAX), drop);
        self.assembler.set_wide(R2, 1 << layout::DUPLICATES);
        self.assembler.atomic_add(R1, 0, R2);
        self.assembler.jump(drop);
    }

    fn ends(&mut self) {
        self.assembler.place(self.places.drop);
        self.assembler.set(R0, 0);
        self.assembler.exit();
        self.assembler.place(self.places.give);
        self.assembler.set(R0, -1);
        self.assembler.exit();
    }

    /// Copies `length` bytes of the packet from `at` to the stack; to `short` if it has fewer. R1 to R5 are lost.
    fn fetch(&mut self, at: impl Into<Operand>, to: i16, length: i32, short: Label) {
        self.assembler.set(R1, R6);
        self.assembler.set(R2, at);
        self.assembler.set(R3, Frame);
        self.assembler.alu(Add, R3, i32::from(to));
        self.assembler.set(R4, length);
        self.assembler.call(LOAD_BYTES);
        self.assembler.jump_if(R0, NotEqual, 0, short);
    }

    /// R3 = the first four bits of the header; R1 = all eight.
    fn load_version(&mut self) {
        self.assembler.load(Byte, R1, Frame, HEADER);
        self.assembler.set(R3, R1);
        self.assembler.alu(ShiftRight, R3, 4);
    }

    /// R1 = the length of the IPv4 header in bytes.
    fn load_header_length(&mut self) {
        self.assembler.load(Byte, R1, Frame, HEADER);
        self.assembler.alu(And, R1, 0x0f);
        self.assembler.alu(ShiftLeft, R1, 2);
    }

    fn refuse_fragments(&mut self, to: Label) {
        self.load_network(Half, R3, HEADER + 6);
        self.assembler.alu(And, R3, FRAGMENT_OFFSET);
        self.assembler.jump_if(R3, NotEqual, 0, to);
    }

    /// To `other` unless the header has the setting at `offset`.
    fn expect(&mut self, width: Width, offset: i16, setting: Setting, other: Label) {
        self.assembler.load(width, R1, Frame, offset);
        self.assembler.load(width, R2, R7, setting.offset());
        self.assembler.jump_if(R1, NotEqual, R2, other);
    }

    fn setting(&mut self, to: Register, setting: Setting) {
        self.assembler.load(Double, to, R7, setting.offset());
    }

    /// A number in network order from the stack.
    fn load_network(&mut self, width: Width, to: Register, offset: i16) {
        self.assembler.load(width, to, Frame, offset);
        self.assembler.network_order(to, if width == Half { 16 } else { 32 });
    }

    fn low_half(&mut self, register: Register) {
        self.assembler.alu(ShiftLeft, register, 32);
        self.assembler.alu(ShiftRight, register, 32);
    }

    fn add_kind(&mut self, kind: u8) {
        self.assembler.alu(Or, R9, i32::from(kind));
    }

    /// Adds what `from` has, which is lost, to the slot.
    fn add(&mut self, from: Register, shift: u8) {
        self.assembler.alu(ShiftLeft, from, i32::from(shift));
        self.assembler.alu(Or, R9, from);
    }
}
