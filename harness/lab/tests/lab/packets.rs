//! Packets and rules that show what the kernel's logger tells of each kind of packet, and how.

/// A rule that logs, and what is sent past it.
pub struct Case {
    pub what: &'static str,
    /// Commands that add one rule; `PREFIX` stands for the case's own word.
    pub rule: &'static str,
    pub sends: Sends,
}

/// What is sent.
pub enum Sends {
    /// Packets to the target, each of which is logged once.
    Packets(Vec<Vec<u8>>),
    /// Commands on a host, by which one packet is logged.
    Script(&'static str, &'static str),
}

impl Sends {
    /// How many packets are logged.
    pub fn count(&self) -> usize {
        match self {
            Self::Packets(packets) => packets.len(),
            Self::Script(..) => 1,
        }
    }
}

/// Takes off what other cases left, and makes the tables of those that need some.
pub const SETUP: &str = "
nft flush ruleset
iptables-legacy -t raw -F; ip6tables-legacy -t raw -F
nft add table inet t
nft add chain inet t in '{ type filter hook prerouting priority -300; }'
nft add chain inet t out '{ type filter hook output priority 0; }'
nft add table arp a
nft add chain arp a in '{ type filter hook input priority 0; }'
nft add chain arp a out '{ type filter hook output priority 0; }'
nft add table netdev n
nft add chain netdev n in '{ type filter hook ingress device eth0 priority 0; }'
nft add chain netdev n out '{ type filter hook egress device eth0 priority 0; }'
";

const PLAIN: &str = "iptables-nft -t raw -A PREROUTING -j LOG --log-prefix 'PREFIX '";
const FULL: &str = "iptables-nft -t raw -A PREROUTING -j LOG --log-prefix 'PREFIX ' --log-level debug \
                    --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid --log-macdecode";
const PLAIN_V6: &str = "ip6tables-nft -t raw -A PREROUTING -m hl --hl-eq 61 -j LOG --log-prefix 'PREFIX '";
const FULL_V6: &str = "ip6tables-nft -t raw -A PREROUTING -m hl --hl-eq 61 -j LOG --log-prefix 'PREFIX ' --log-level debug \
     --log-tcp-sequence --log-tcp-options --log-ip-options --log-uid --log-macdecode";

/// Numbers of IP protocols.
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const ESP: u8 = 50;
const AH: u8 = 51;
const ICMPV6: u8 = 58;
const NO_NEXT: u8 = 59;
const DESTINATION: u8 = 60;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;
const UNKNOWN: u8 = 253;

/// Everything that is recorded.
pub fn cases() -> Vec<Case> {
    [of_v4(), of_v6(), of_nft(), of_link()].into_iter().flatten().collect()
}

fn packets(what: &'static str, rule: &'static str, packets: Vec<Vec<u8>>) -> Case {
    Case { what, rule, sends: Sends::Packets(packets) }
}

fn script(what: &'static str, rule: &'static str, host: &'static str, script: &'static str) -> Case {
    Case { what, rule, sends: Sends::Script(host, script) }
}

/// IPv4 by iptables, on every way through a host.
fn of_v4() -> Vec<Case> {
    vec![
        packets("tcp", PLAIN, tcp_over_v4()),
        packets("tcp, everything told", FULL, tcp_over_v4()),
        packets(
            "tcp, sequence alone",
            "iptables-legacy -t raw -A PREROUTING -j LOG --log-prefix 'PREFIX ' --log-tcp-sequence",
            vec![v4(TCP, 0, &[], &tcp(0x5002, &[]))],
        ),
        packets(
            "tcp, options alone",
            "iptables-legacy -t raw -A PREROUTING -j LOG --log-prefix 'PREFIX ' --log-tcp-options --log-level 0",
            vec![v4(TCP, 0, &[], &tcp(0x6002, &[2, 4, 5, 0xb4]))],
        ),
        packets(
            "ip options alone, and a prefix without a blank",
            "iptables-legacy -t raw -A PREROUTING -j LOG --log-prefix PREFIX --log-ip-options",
            vec![v4(TCP, 0, &[1, 1, 1, 0], &tcp(0x5002, &[]))],
        ),
        packets(
            "addresses of the link",
            "iptables-legacy -t raw -A PREROUTING -j LOG --log-prefix 'PREFIX: \"x\" \\ ü ' --log-macdecode",
            vec![v4(UDP, 0, &[], &udp(8))],
        ),
        packets(
            "a long prefix",
            "iptables-nft -t raw -A PREROUTING -j LOG --log-prefix 'PREFIX 6789012345678901234567890'",
            vec![v4(UDP, 0, &[], &udp(8))],
        ),
        packets("udp", PLAIN, udp_over_v4()),
        packets("fragments", FULL, fragments()),
        packets("icmp", PLAIN, icmp_over_v4()),
        packets("icmp, everything told", FULL, icmp_over_v4()),
        packets("other protocols", PLAIN, others_over_v4()),
        packets(
            "a mark",
            "iptables-nft -t mangle -A PREROUTING -j MARK --set-mark 0x2a; iptables-nft -t mangle -A PREROUTING -j LOG --log-prefix 'PREFIX '",
            vec![v4(TCP, 0, &[], &tcp(0x5002, &[])), v4(UDP, 0, &[], &udp(4))],
        ),
        packets(
            "forwarded",
            "iptables-nft -A FORWARD -j LOG --log-prefix 'PREFIX ' --log-uid",
            vec![to([198, 18, 2, 9], v4(UDP, 0, &[], &udp(8)))],
        ),
        packets(
            "on its way out",
            "iptables-nft -t mangle -A POSTROUTING -j LOG --log-prefix 'PREFIX ' --log-macdecode",
            vec![to([198, 18, 2, 9], v4(UDP, 0, &[], &udp(8)))],
        ),
        script(
            "sent by a user",
            "iptables-nft -A OUTPUT -p udp -j LOG --log-prefix 'PREFIX ' --log-uid",
            "target",
            UDP_TO_RED,
        ),
        script(
            "on the loopback",
            "iptables-nft -A INPUT -i lo -p udp -j LOG --log-prefix 'PREFIX '",
            "target",
            UDP_TO_SELF,
        ),
        script(
            "on the loopback, decoded",
            "iptables-nft -A INPUT -i lo -p udp -j LOG --log-prefix 'PREFIX ' --log-macdecode --log-uid",
            "target",
            UDP_TO_SELF,
        ),
    ]
}

/// IPv6 by ip6tables.
fn of_v6() -> Vec<Case> {
    vec![
        packets("tcp over v6", PLAIN_V6, tcp_over_v6()),
        packets("tcp over v6, everything told", FULL_V6, tcp_over_v6()),
        packets("icmpv6", PLAIN_V6, icmp_over_v6()),
        packets("icmpv6, everything told", FULL_V6, icmp_over_v6()),
        packets("extension headers", PLAIN_V6, extensions()),
        packets("extension headers, everything told", FULL_V6, extensions()),
        packets(
            "other protocols over v6",
            "ip6tables-legacy -t raw -A PREROUTING -m hl --hl-eq 61 -j LOG --log-prefix 'PREFIX '",
            others_over_v6(),
        ),
        packets(
            "a mark over v6",
            "ip6tables-nft -t mangle -A PREROUTING -m hl --hl-eq 61 -j MARK --set-mark 7; ip6tables-nft -t mangle -A PREROUTING -m hl --hl-eq 61 -j LOG --log-prefix 'PREFIX '",
            vec![v6(UDP, &udp(8))],
        ),
        script(
            "sent by a user over v6",
            "ip6tables-nft -A OUTPUT -p udp -j LOG --log-prefix 'PREFIX ' --log-uid",
            "target",
            UDP_TO_RED_V6,
        ),
    ]
}

/// Both by nft.
fn of_nft() -> Vec<Case> {
    vec![
        packets(
            "nft",
            "nft add rule inet t in ip ttl 61 log prefix '\"PREFIX \"'",
            vec![v4(TCP, 0, &[1, 1, 1, 0], &tcp(0x6002, &[2, 4, 5, 0xb4]))],
        ),
        packets(
            "nft, everything told",
            "nft add rule inet t in ip ttl 61 log prefix '\"PREFIX \"' level debug flags all",
            vec![v4(TCP, 0, &[1, 1, 1, 0], &tcp(0x6002, &[2, 4, 5, 0xb4]))],
        ),
        packets(
            "nft over v6",
            "nft add rule inet t in ip6 hoplimit 61 log prefix '\"PREFIX \"' flags tcp sequence,options",
            vec![v6(TCP, &tcp(0x6002, &[2, 4, 5, 0xb4]))],
        ),
        packets(
            "nft, a long prefix",
            "nft add rule inet t in ip ttl 61 log prefix '\"PREFIX 6789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 1234567\"'",
            vec![v4(UDP, 0, &[], &udp(8))],
        ),
        script(
            "nft, sent by a user",
            "nft add rule inet t out meta l4proto udp log prefix '\"PREFIX \"' flags skuid",
            "target",
            UDP_TO_RED,
        ),
    ]
}

/// ARP, and what is seen on the link itself.
fn of_link() -> Vec<Case> {
    vec![
        packets("arp", "nft add rule arp a in log prefix '\"PREFIX \"'", arp()),
        packets("arp, decoded", "nft add rule arp a in log prefix '\"PREFIX \"' flags ether", arp()),
        script(
            "arp on its way out",
            "nft add rule arp a out log prefix '\"PREFIX \"' flags ether",
            "target",
            "ip neigh flush all; bash -c 'echo hi > /dev/udp/198.18.0.2/9'",
        ),
        packets(
            "from the link",
            "nft add rule netdev n in log prefix '\"PREFIX \"'",
            [arp(), vec![v4(UDP, 0, &[], &udp(8)), v6(UDP, &udp(8))]].concat(),
        ),
        packets(
            "inet, from the link",
            "nft add chain inet t link '{ type filter hook ingress device eth0 priority 0; }'
             nft add rule inet t link ip ttl 61 log prefix '\"PREFIX \"' flags skuid",
            vec![v4(UDP, 0, &[], &udp(8))],
        ),
        packets(
            "from the link, decoded",
            "nft add rule netdev n in log prefix '\"PREFIX \"' flags all",
            [arp(), vec![v4(UDP, 0, &[], &udp(8)), v6(UDP, &udp(8))]].concat(),
        ),
        script(
            "to the link",
            "nft add rule netdev n out meta l4proto udp log prefix '\"PREFIX \"' flags all",
            "target",
            UDP_TO_RED,
        ),
        script(
            "to the link over v6",
            "nft add rule netdev n out meta l4proto udp log prefix '\"PREFIX \"' flags all",
            "target",
            UDP_TO_RED_V6,
        ),
    ]
}

const UDP_TO_RED: &str = "bash -c 'echo hi > /dev/udp/198.18.0.2/9'";
const UDP_TO_RED_V6: &str = "bash -c 'echo hi > /dev/udp/fd00:198:18::2/9'";
const UDP_TO_SELF: &str = "bash -c 'echo hi > /dev/udp/127.0.0.1/9'";

fn tcp_over_v4() -> Vec<Vec<u8>> {
    let timestamps = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 1, 2, 3, 0, 0, 0, 0, 1, 3, 3, 7];
    let mut odd = v4(TCP, 0xe000, &[], &tcp(0x5fff, &[]));
    odd[1] = 0xff;
    vec![
        v4(TCP, 0x4000, &[], &tcp(0xa002, &timestamps)),
        v4(TCP, 0, &[], &tcp(0x5000, &[])),
        v4(TCP, 0, &[], &tcp(0x5e29, &[])),
        checked(odd),
        v4(TCP, 0, &[7, 7, 4, 198, 18, 0, 2, 0], &tcp(0x5011, &[])),
        v4(TCP, 0, &[], &tcp(0xf002, &[1])),
        v4(TCP, 0, &[], &tcp(0x5002, &[])[..10]),
        v4(TCP, 0, &[], &[]),
    ]
}

fn udp_over_v4() -> Vec<Vec<u8>> {
    vec![
        v4(UDP, 0, &[], &udp(8)),
        v4(UDP, 0, &[], &udp(600)),
        v4(UDP, 0, &[], &udp(0)[..4]),
        v4(UDP_LITE, 0, &[], &udp(8)),
        v4(UDP_LITE, 0, &[], &[0, 7]),
    ]
}

fn fragments() -> Vec<Vec<u8>> {
    let rest = [0x55; 16];
    let later = |protocol| v4(protocol, 0x2003, &[], &rest);
    let mut packets = vec![v4(UDP, 0x2000, &[], &udp(8)), v4(TCP, 0x2000, &[], &tcp(0x5002, &[])[..8])];
    packets.extend([UDP, TCP, ICMP, AH, ESP, SCTP, UDP_LITE].map(later));
    packets.push(v4(UDP, 0x1fff, &[], &rest));
    packets
}

fn icmp_over_v4() -> Vec<Vec<u8>> {
    let icmp = |kind: u8, code: u8, rest: [u8; 4], data: &[u8]| {
        let header = [kind, code, 0, 0, rest[0], rest[1], rest[2], rest[3]];
        v4(ICMP, 0, &[], &[&header[..], data].concat())
    };
    let none = [0; 4];
    let quoted = v4(TCP, 0x4000, &[], &tcp(0x6002, &[2, 4, 5, 0xb4]));
    let with_options = v4(UDP, 0, &[1, 1, 1, 0], &udp(8));
    let inner = icmp(3, 1, none, &quoted);
    let mut lying = v4(TCP, 0, &[], &[]);
    lying[0] = 0x4f;
    vec![
        icmp(8, 0, [0x12, 0x34, 0, 7], b"ping"),
        icmp(0, 0, [0x12, 0x34, 0, 7], &[]),
        icmp(13, 0, none, &[0; 12]),
        icmp(13, 0, none, &[0; 4]),
        icmp(17, 0, none, &[]),
        icmp(9, 0, none, &[]),
        icmp(40, 1, none, &[]),
        icmp(3, 3, none, &quoted),
        icmp(3, 3, none, &quoted[..28]),
        icmp(3, 4, [0, 0, 5, 0x14], &with_options),
        icmp(3, 1, none, &inner),
        icmp(3, 1, none, &lying),
        icmp(3, 1, none, &quoted[..12]),
        icmp(4, 0, none, &with_options),
        icmp(5, 1, [198, 18, 0, 9], &quoted),
        icmp(11, 0, none, &v4(UDP, 0x2003, &[], &[1, 2, 3, 4])),
        icmp(11, 0, none, &v4(SCTP, 0, &[], &[1, 2, 3, 4])),
        icmp(12, 0, [20, 0, 0, 0], &quoted),
        v4(ICMP, 0, &[], &[8, 0, 0, 0]),
    ]
}

fn others_over_v4() -> Vec<Vec<u8>> {
    let security = [6, 4, 0, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 1, 9, 9, 9, 9];
    vec![
        v4(AH, 0, &[], &security),
        v4(AH, 0, &[], &security[..8]),
        v4(ESP, 0, &[], &security),
        v4(ESP, 0, &[], &security[..4]),
        v4(SCTP, 0, &[], &security),
        v4(UNKNOWN, 0, &[], &[]),
    ]
}

fn tcp_over_v6() -> Vec<Vec<u8>> {
    let mut labelled = v6(TCP, &tcp(0x5fff, &[]));
    labelled[..4].copy_from_slice(&[0x6a, 0xbc, 0xde, 0xf1]);
    vec![
        v6(TCP, &tcp(0x6002, &[2, 4, 5, 0xb4])),
        labelled,
        v6(TCP, &tcp(0xf002, &[1])),
        v6(TCP, &tcp(0x5002, &[])[..12]),
        v6(UDP, &udp(8)),
        v6(UDP, &[0, 7]),
    ]
}

fn icmp_over_v6() -> Vec<Vec<u8>> {
    let icmp = |kind: u8, code: u8, rest: [u8; 4], data: &[u8]| {
        let header = [kind, code, 0, 0, rest[0], rest[1], rest[2], rest[3]];
        v6(ICMPV6, &[&header[..], data].concat())
    };
    let none = [0; 4];
    let quoted = v6(TCP, &tcp(0x6002, &[2, 4, 5, 0xb4]));
    let inner = icmp(1, 0, none, &quoted);
    vec![
        icmp(128, 0, [0x12, 0x34, 0, 7], b"ping"),
        icmp(129, 0, [0x12, 0x34, 0, 7], &[]),
        icmp(130, 0, none, &[0; 16]),
        icmp(135, 0, none, &[0; 16]),
        icmp(1, 4, none, &quoted),
        icmp(1, 4, none, &quoted[..48]),
        icmp(1, 0, none, &inner),
        icmp(2, 0, [0, 0, 5, 0], &v6(UDP, &udp(8))),
        icmp(3, 0, none, &quoted[..20]),
        icmp(4, 1, [0, 0, 0, 6], &v6(FRAGMENT, &[UDP, 0, 0, 9, 1, 2, 3, 4, 5])),
        v6(ICMPV6, &[128, 0, 0]),
    ]
}

fn extensions() -> Vec<Vec<u8>> {
    let padding = |next: u8| vec![next, 0, 1, 4, 0, 0, 0, 0];
    let security = |next: u8| {
        vec![next, 4, 0, 0, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    };
    let fragment = |next: u8, offset: u8, more: u8| vec![next, 0, 0, offset | more, 0xab, 0xcd, 0, 1];
    let routing = |next: u8| vec![next, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let datagram = udp(8);
    vec![
        v6(0, &[padding(UDP), datagram.clone()].concat()),
        v6(0, &[padding(ROUTING), routing(DESTINATION), padding(UDP), datagram.clone()].concat()),
        v6(AH, &[security(TCP), tcp(0x5002, &[])].concat()),
        v6(AH, &security(TCP)[..8]),
        v6(ESP, &security(0)),
        v6(ESP, &[0, 0, 0, 9]),
        v6(FRAGMENT, &[fragment(UDP, 0, 1), datagram.clone()].concat()),
        v6(FRAGMENT, &[fragment(UDP, 8, 1), datagram.clone()].concat()),
        v6(FRAGMENT, &[fragment(TCP, 16, 0), datagram.clone()].concat()),
        v6(FRAGMENT, &[fragment(ICMPV6, 16, 0), datagram.clone()].concat()),
        v6(FRAGMENT, &[fragment(DESTINATION, 16, 0), padding(UDP), datagram.clone()].concat()),
        v6(FRAGMENT, &[fragment(AH, 16, 0), security(UDP), datagram.clone()].concat()),
        v6(FRAGMENT, &[fragment(ESP, 16, 0), datagram.clone()].concat()),
        v6(FRAGMENT, &[UDP, 0, 0, 0]),
        v6(DESTINATION, &[UDP]),
        v6(NO_NEXT, &[]),
    ]
}

fn others_over_v6() -> Vec<Vec<u8>> {
    vec![
        v6(SCTP, &[0; 12]),
        v6(UNKNOWN, &[]),
        v6(UDP_LITE, &udp(8)),
        v6(135, &[59, 0, 0, 0, 0, 0, 0, 0]),
        v6(ICMP, &[8, 0, 0, 0, 0, 0, 0, 0]),
    ]
}

/// A request, a reply, one of another hardware, and one whose addresses are missing.
fn arp() -> Vec<Vec<u8>> {
    let message = |hardware: u8, operation: u8| {
        let header = [0, hardware, 8, 0, 6, 4, 0, operation];
        let sender = [2, 0, 0, 0, 0, 2, 198, 18, 0, 2];
        let asked = [0, 0, 0, 0, 0, 0, 198, 18, 0, 1];
        [&header[..], &sender, &asked].concat()
    };
    vec![message(1, 1), message(1, 2), message(6, 2)]
}

/// A datagram from red to the target.
pub fn udp_v4() -> Vec<u8> {
    v4(UDP, 0, &[], &udp(8))
}

/// A longer one.
pub fn long_udp_v4() -> Vec<u8> {
    v4(UDP, 0, &[], &udp(100))
}

/// The same over IPv6; its checksum is wrong.
pub fn udp_v6() -> Vec<u8> {
    v6(UDP, &udp(8))
}

/// A packet from red to the target.
fn v4(protocol: u8, fragment: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + options.len() + payload.len()).unwrap().to_be_bytes();
    let fragment = fragment.to_be_bytes();
    let first = 0x45 + u8::try_from(options.len() / 4).unwrap();
    let header = [
        &[first, 0, length[0], length[1], 0x12, 0x34, fragment[0], fragment[1], 61, protocol, 0, 0][..],
        &[198, 18, 0, 2, 198, 18, 0, 1],
        options,
        payload,
    ];
    checked(header.concat())
}

/// The same to another address.
fn to(address: [u8; 4], mut packet: Vec<u8>) -> Vec<u8> {
    packet[16..20].copy_from_slice(&address);
    checked(packet)
}

/// An IPv4 packet with its header's checksum right.
fn checked(mut packet: Vec<u8>) -> Vec<u8> {
    packet[10..12].fill(0);
    let header = &packet[..usize::from(packet[0] & 0xf) * 4];
    let mut sum: u32 = header.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[10..12].copy_from_slice(&(!u16::try_from(sum).unwrap()).to_be_bytes());
    packet
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let address = |last| [0xfd, 0, 1, 0x98, 0, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let header = [0x60, 0, 0, 0, length[0], length[1], next, 61];
    [&header[..], &address(2), &address(1), payload].concat()
}

/// A header of TCP: sixteen bits of data offset and flags, and options.
fn tcp(word: u16, options: &[u8]) -> Vec<u8> {
    let word = word.to_be_bytes();
    let fixed =
        [0x9c, 0x40, 0, 22, 0x89, 0xab, 0xcd, 0xef, 0xf0, 0, 0, 1, word[0], word[1], 4, 0, 0, 0, 0, 5];
    [&fixed[..], options].concat()
}

fn udp(data: u16) -> Vec<u8> {
    let length = (8 + data).to_be_bytes();
    let header = [0x9c, 0x40, 0, 53, length[0], length[1], 0, 0];
    [&header[..], &vec![0x55; data.into()]].concat()
}
