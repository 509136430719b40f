//! What a packet socket receives, as a classic BPF program (Linux, Documentation/networking/filter.rst). On a datagram
//! socket, offset 0 is the IP header or the ARP message.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use ipnet::IpNet;
use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_H, BPF_IND, BPF_JA, BPF_JEQ, BPF_JGE, BPF_JGT, BPF_JMP, BPF_JSET};
use libc::{BPF_K, BPF_LD, BPF_LDX, BPF_MSH, BPF_RET, BPF_W, sock_filter};

use super::Wanted;

const ACCEPT: u32 = u32::MAX;
/// `BPF_B`, which the libc crate knows by that name only.
const BPF_BYTE: u32 = 0x10;

/// Where an IPv4 header has its protocol, fragment offset and destination.
const PROTOCOL: u32 = 9;
const FRAGMENT: u32 = 6;
const FRAGMENT_OFFSET: u32 = 0x1fff;
const DESTINATION: u32 = 16;
/// Where an IPv6 header has its next header and destination, and what is behind it its destination port.
const NEXT_HEADER: u32 = 6;
const DESTINATION_V6: u32 = 24;
const PORT_V6: u32 = 42;
/// Where an ICMP message has the source port of the probe that it is about, behind its own eight bytes and an IP header
/// without options (RFC 792); of ICMPv6, from the packet's beginning.
const QUOTED_PORT: u32 = 28;
const QUOTED_PORT_V6: u32 = 88;
/// Where an ARP message has its target protocol address (RFC 826).
const ARP_TARGET: u32 = 24;
/// Where the source addresses are.
const SOURCE: u32 = 12;
const SOURCE_V6: u32 = 8;
/// Where an Ethernet frame has the type of what it carries, and how long its header is.
const ETHERTYPE: u32 = 12;
const ETHERNET: u32 = 14;

/// Protocols whose headers begin with two ports.
const WITH_PORTS: [u32; 3] = [6, 17, 132];
const ICMP: u32 = 1;
const ICMPV6: u32 = 58;

/// The program that lets through what is wanted.
pub(super) fn program(wanted: &Wanted<'_>) -> Vec<sock_filter> {
    let (mut arp, mut v4, mut v6) = (Vec::new(), ports_of_v4(wanted), ports_of_v6(wanted));
    for prefix in wanted.addresses {
        match prefix {
            IpNet::V4(prefix) => {
                let (octets, mask) = (prefix.network().octets(), prefix.netmask().octets());
                arp.extend(one_prefix(ARP_TARGET, &octets, &mask));
                v4.extend(one_prefix(DESTINATION, &octets, &mask));
            }
            IpNet::V6(prefix) => {
                let (octets, mask) = (prefix.network().octets(), prefix.netmask().octets());
                v6.extend(one_prefix(DESTINATION_V6, &octets, &mask));
            }
        }
    }
    let mut program = vec![load(BPF_BYTE, 0), statement(BPF_ALU | BPF_AND | BPF_K, 0xf0)];
    for (version, block) in [(0x40, v4), (0x60, v6), (0x00, arp)] {
        // Only an unconditional jump goes farther than 255.
        program.push(jump_if(BPF_JEQ, version, 1, 0));
        program.push(jump(block.len() + 1));
        program.extend(block);
        program.push(give(0));
    }
    program.push(give(0));
    program
}

/// Goes on behind itself where the packet's port is wanted.
fn ports_of_v4(wanted: &Wanted<'_>) -> Vec<sock_filter> {
    let Some(ports) = &wanted.ports else { return Vec::new() };
    let behind_the_header = [
        load(BPF_H, FRAGMENT),
        jump_if(BPF_JSET, FRAGMENT_OFFSET, 0, 1),
        give(0),
        statement(BPF_LDX | BPF_BYTE | BPF_MSH, 0),
        statement(BPF_LD | BPF_H | BPF_IND, 2),
    ];
    let quoted =
        [statement(BPF_LDX | BPF_BYTE | BPF_MSH, 0), statement(BPF_LD | BPF_H | BPF_IND, QUOTED_PORT)];
    of_ports((load(BPF_BYTE, PROTOCOL), ICMP), &behind_the_header, &quoted, ports)
}

fn ports_of_v6(wanted: &Wanted<'_>) -> Vec<sock_filter> {
    let Some(ports) = &wanted.ports else { return Vec::new() };
    let (port, quoted) = ([load(BPF_H, PORT_V6)], [load(BPF_H, QUOTED_PORT_V6)]);
    of_ports((load(BPF_BYTE, NEXT_HEADER), ICMPV6), &port, &quoted, ports)
}

fn of_ports(
    (load_protocol, icmp): (sock_filter, u32),
    load_port: &[sock_filter],
    load_quoted_port: &[sock_filter],
    ports: &RangeInclusive<u16>,
) -> Vec<sock_filter> {
    let (first, last) = (u32::from(*ports.start()), u32::from(*ports.end()));
    let range = [jump_if(BPF_JGE, first, 0, 1), jump_if(BPF_JGT, last, 0, 1), give(0)];
    let quoted = [load_quoted_port, &range].concat();
    let own = [load_port, &range, &[jump(quoted.len())]].concat();
    let mut block = vec![load_protocol, jump_if(BPF_JEQ, icmp, over(WITH_PORTS.len() + 1 + own.len()), 0)];
    for (index, protocol) in WITH_PORTS.into_iter().enumerate() {
        block.push(jump_if(BPF_JEQ, protocol, over(WITH_PORTS.len() - index), 0));
    }
    block.push(give(0));
    block.extend(own);
    block.extend(quoted);
    block
}

/// The program of a socket that sees whole Ethernet frames: it lets through what no address of `prefixes` sends or
/// receives by IP.
pub(crate) fn without(prefixes: &[IpNet]) -> Vec<sock_filter> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for prefix in prefixes {
        let (block, ends) = match prefix {
            IpNet::V4(_) => (&mut v4, [SOURCE, DESTINATION]),
            IpNet::V6(_) => (&mut v6, [SOURCE_V6, DESTINATION_V6]),
        };
        let (octets, mask) = (octets(prefix.network()), octets(prefix.netmask()));
        block.extend(ends.into_iter().flat_map(|end| in_prefix(ETHERNET + end, &octets, &mask, 0)));
    }
    let mut program = vec![load(BPF_H, ETHERTYPE)];
    for (ethertype, block) in [(libc::ETH_P_IP, v4), (libc::ETH_P_IPV6, v6)] {
        program.push(jump_if(BPF_JEQ, u32::try_from(ethertype).unwrap_or(0), 1, 0));
        program.push(jump(block.len() + 1));
        program.extend(block);
        program.push(give(ACCEPT));
    }
    program.push(give(ACCEPT));
    program
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

/// Accepts when what stands at `offset` is in a prefix, else goes on behind itself.
fn one_prefix(offset: u32, octets: &[u8], mask: &[u8]) -> Vec<sock_filter> {
    in_prefix(offset, octets, mask, ACCEPT)
}

/// Lets through `length` bytes when what stands at `offset` is in a prefix, else goes on behind itself.
fn in_prefix(offset: u32, octets: &[u8], mask: &[u8], length: u32) -> Vec<sock_filter> {
    let offsets = (offset..).step_by(4);
    let words: Vec<(u32, u32, u32)> = offsets
        .zip(octets.chunks(4).zip(mask.chunks(4)))
        .map(|(offset, (octets, mask))| (offset, word(octets), word(mask)))
        .filter(|(_, _, mask)| *mask != 0)
        .collect();
    let mut block = Vec::new();
    for (index, (offset, octets, mask)) in words.iter().enumerate() {
        let left = words.len() - index - 1;
        block.extend([load(BPF_W, *offset), statement(BPF_ALU | BPF_AND | BPF_K, *mask)]);
        block.push(jump_if(BPF_JEQ, *octets, 0, over(3 * left + 1)));
    }
    block.push(give(length));
    block
}

fn word(octets: &[u8]) -> u32 {
    octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet))
}

fn load(size: u32, offset: u32) -> sock_filter {
    statement(BPF_LD | size | BPF_ABS, offset)
}

fn give(length: u32) -> sock_filter {
    statement(BPF_RET | BPF_K, length)
}

fn jump(over: usize) -> sock_filter {
    statement(BPF_JMP | BPF_JA, u32::try_from(over).unwrap_or(u32::MAX))
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: u16::try_from(code).unwrap_or(0), jt: 0, jf: 0, k }
}

fn jump_if(condition: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { jt, jf, ..statement(BPF_JMP | condition | BPF_K, k) }
}

/// How many instructions a conditional jump skips; the blocks here are short.
fn over(instructions: usize) -> u8 {
    u8::try_from(instructions).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a program as the kernel does (Documentation/networking/filter.rst), as far as these programs go.
    fn accepts(program: &[sock_filter], packet: &[u8]) -> bool {
        let (mut at, mut word, mut index) = (0, 0_u32, 0);
        let half = |from| Some(u32::from(u16::from_be_bytes(*packet.get(from..)?.first_chunk()?)));
        loop {
            let step = program[at];
            let from = usize::try_from(step.k).unwrap();
            at += 1;
            let jumps = |holds| usize::from(if holds { step.jt } else { step.jf });
            let loaded = match u32::from(step.code) {
                0x20 => packet.get(from..).and_then(|it| it.first_chunk()).map(|it| u32::from_be_bytes(*it)),
                0x28 => half(from),
                0x48 => half(from + index),
                0x30 => packet.get(from).map(|byte| u32::from(*byte)),
                0x54 => Some(word & step.k),
                _ => Some(word),
            };
            let Some(loaded) = loaded else { return false };
            word = loaded;
            match u32::from(step.code) {
                0x20 | 0x28 | 0x48 | 0x30 | 0x54 => {}
                0xb1 => index = usize::from(packet[from] & 0x0f) * 4,
                0x15 => at += jumps(word == step.k),
                0x25 => at += jumps(word > step.k),
                0x35 => at += jumps(word >= step.k),
                0x45 => at += jumps(word & step.k != 0),
                0x05 => at += from,
                0x06 => return step.k != 0,
                other => panic!("{other:#x}"),
            }
        }
    }

    fn packet_to(address: IpAddr) -> Vec<u8> {
        match address {
            IpAddr::V4(v4) => [&[0x45; 16], v4.octets().as_slice()].concat(),
            IpAddr::V6(v6) => [&[0x60; 24], v6.octets().as_slice()].concat(),
        }
    }

    #[test]
    fn a_filter_takes_its_addresses_and_no_others_however_many() {
        let v4 = (1..=200).map(|last| IpAddr::from([198, 18, 2, last]));
        let v6 = (1..=200).map(|last| IpAddr::from([0xfd00, 0x198, 0x18, 2, 0, 0, 0, last]));
        let all: Vec<IpAddr> = v4.chain(v6).collect();
        for count in [0, 1, 2, 199, 201, 400] {
            let (mine, others) = all.split_at(count);
            let prefixes: Vec<IpNet> = mine.iter().copied().map(IpNet::from).collect();
            let program = program(&Wanted { addresses: &prefixes, ports: None });
            assert!(mine.iter().all(|address| accepts(&program, &packet_to(*address))), "{count}");
            assert!(!others.iter().any(|address| accepts(&program, &packet_to(*address))), "{count}");
            assert!(!accepts(&program, &[0; 40]) && !accepts(&program, &[0x45; 10]), "{count}");
        }
    }

    #[test]
    fn a_filter_of_a_prefix_takes_its_addresses_whatever_its_length() {
        for (prefix, inside, outside) in [
            ("198.18.2.0/24", ["198.18.2.0", "198.18.2.255"], ["198.18.1.255", "198.18.3.0"]),
            ("198.18.2.64/27", ["198.18.2.64", "198.18.2.95"], ["198.18.2.63", "198.18.2.96"]),
            (
                "fd00:198:18:2::/64",
                ["fd00:198:18:2::", "fd00:198:18:2:ffff::1"],
                ["fd00:198:18:1::1", "fd00:198:18:3::"],
            ),
            (
                "fd00:198:18:2::/120",
                ["fd00:198:18:2::1", "fd00:198:18:2::ff"],
                ["fd00:198:18:2::100", "fd00:198:18:3::1"],
            ),
        ] {
            let prefix: IpNet = prefix.parse().unwrap();
            let program = program(&Wanted { addresses: &[prefix], ports: None });
            let takes = |address: &str| accepts(&program, &packet_to(address.parse().unwrap()));
            assert!(inside.into_iter().all(takes), "{prefix}");
            assert!(!outside.into_iter().any(takes), "{prefix}");
        }
    }

    #[test]
    fn a_filter_leaves_out_what_a_prefix_sends_or_receives() {
        let prefixes = ["198.18.128.0/22", "fd00:198:18:4000::/64"].map(|prefix| prefix.parse().unwrap());
        let program = without(&prefixes);
        let frame = |ethertype: u16, source: IpAddr, destination: IpAddr| {
            let header = [&[2; 12], ethertype.to_be_bytes().as_slice()].concat();
            let ip = match source {
                IpAddr::V4(_) => vec![0x45; 12],
                IpAddr::V6(_) => vec![0x60; 8],
            };
            [header, ip, octets(source), octets(destination)].concat()
        };
        for (ethertype, others, flood) in [
            (0x0800, ["198.18.0.1", "198.18.132.1"], "198.18.131.9"),
            (0x86dd, ["fd00:198:18::1", "fd00:198:18:4001::1"], "fd00:198:18:4000::7"),
        ] {
            let (others, flood): ([IpAddr; 2], IpAddr) =
                (others.map(|other| other.parse().unwrap()), flood.parse().unwrap());
            assert!(accepts(&program, &frame(ethertype, others[0], others[1])));
            assert!(!accepts(&program, &frame(ethertype, flood, others[0])));
            assert!(!accepts(&program, &frame(ethertype, others[0], flood)));
            assert!(accepts(&program, &frame(0x0806, flood, others[0])), "another protocol");
        }
    }

    const V4: [u8; 4] = [198, 18, 2, 5];
    const V6: [u8; 16] = [0xfd, 0, 1, 0x98, 0, 0x18, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5];

    /// With `words` of IPv4 header.
    fn v4(protocol: u8, words: u8, fragment: u8, port: u16) -> Vec<u8> {
        let start = [0x40 | words, 0, 0, 0, 0, 0, 0, fragment, 64, protocol, 0, 0, 198, 18, 0, 1];
        let options = vec![0; usize::from(words) * 4 - 20];
        [start.as_slice(), &V4, &options, &[0, 80], &port.to_be_bytes()].concat()
    }

    fn v6(protocol: u8, port: u16) -> Vec<u8> {
        let start = [0x60, 0, 0, 0, 0, 0, protocol, 64];
        [start.as_slice(), &[0xfd; 16], &V6, &[0, 80], &port.to_be_bytes()].concat()
    }

    /// The message with its eight bytes, an IP header and the ports of the probe that it is about.
    fn quoting(mut message: Vec<u8>, header: usize, port: u16) -> Vec<u8> {
        message.extend(vec![0; 4 + header]);
        message.extend(port.to_be_bytes());
        message
    }

    fn arp(target: [u8; 4]) -> Vec<u8> {
        [&[0, 1, 8, 0, 6, 4, 0, 2], &[9; 16][..], &target].concat()
    }

    #[test]
    fn a_filter_of_ports_takes_its_own_replies_and_those_that_quote() {
        let addresses = [IpAddr::from(V4), IpAddr::from(V6)].map(IpNet::from);
        let program = program(&Wanted { addresses: &addresses, ports: Some(40_000..=40_010) });
        for protocol in [6, 17, 132] {
            for (port, wanted) in [(39_999, false), (40_000, true), (40_010, true), (40_011, false)] {
                assert_eq!(accepts(&program, &v4(protocol, 5, 0, port)), wanted, "{protocol} {port}");
                assert_eq!(accepts(&program, &v4(protocol, 7, 0, port)), wanted, "{protocol} {port}");
                assert_eq!(accepts(&program, &v6(protocol, port)), wanted, "{protocol} {port}");
            }
        }
        for (port, wanted) in [(39_999, false), (40_000, true), (40_010, true), (40_011, false)] {
            for words in [5, 7] {
                assert_eq!(accepts(&program, &quoting(v4(1, words, 0, 3), 20, port)), wanted, "{port}");
            }
            assert_eq!(accepts(&program, &quoting(v6(58, 3), 40, port)), wanted, "{port}");
        }
        assert!(!accepts(&program, &v4(1, 5, 0, 40_000)), "it quotes nothing");
        assert!(!accepts(&program, &v4(2, 5, 0, 40_000)) && !accepts(&program, &v6(1, 40_000)));
        assert!(!accepts(&program, &v4(6, 5, 1, 40_000)), "a later fragment has no ports");
        assert!(accepts(&program, &arp(V4)) && !accepts(&program, &arp([198, 18, 2, 6])));
    }
}
