//! The user's address ranges and distinct ranges of the lab for them. A range inside another stays inside it; the
//! same address is the same everywhere; nobody in a lab has an address of these ranges unless a scenario says so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use scandrill_model::{LAB_V4, LAB_V6};

use super::words::Word;
use super::{Change, Mapping, Onto, Why};
use crate::rules::Format;

/// The half of the lab's second IPv4 block that no address plan uses.
const ROOM_V4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 19, 128, 0), 17);

/// The half of the lab's IPv6 prefix that no address plan uses.
const ROOM_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x198, 0x18, 0x8000, 0, 0, 0, 0), 49);

/// All addresses that are routed on the Internet.
const GLOBAL_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Where each range went.
pub struct Addresses {
    own: BTreeSet<IpNet>,
    target: (Ipv4Addr, Ipv6Addr),
    ranges: BTreeMap<IpNet, Option<IpNet>>,
}

/// An address or range as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Literal {
    /// Where in its line.
    span: Range<usize>,
    /// The range, or the smallest that holds both ends.
    net: IpNet,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `10.0.0.1`.
    Bare,
    /// `10.0.0.0/8`.
    Prefix,
    /// `10.0.0.1-10.0.0.9`.
    FromTo(IpAddr, IpAddr),
}

impl Addresses {
    /// Gives every range that the rules name a place in the lab, the widest first.
    pub fn of(files: &[(Vec<Vec<Word>>, Format)], onto: &Onto) -> Self {
        let words = files.iter().flat_map(|(lines, _)| lines.iter().flatten());
        let named = words.filter_map(literal).map(|literal| literal.net);
        let mut named: Vec<IpNet> = named.filter(|net| !stays(*net)).collect();
        named.sort_by_key(|net| (room_len(*net), net.prefix_len(), *net));
        named.dedup();
        let own: BTreeSet<IpNet> =
            files.iter().flat_map(|(lines, format)| own_addresses(lines, *format)).collect();
        let mut rooms = Rooms::default();
        for net in named.into_iter().filter(|net| !own.contains(net) && *net != IpNet::V6(GLOBAL_V6)) {
            rooms.place(net);
        }
        Self { own, target: onto.target, ranges: rooms.placed }
    }

    /// What changes in a line.
    pub fn changes(&self, words: &[Word]) -> Vec<Change> {
        words.iter().filter_map(literal).filter_map(|literal| self.change(literal)).collect()
    }

    fn change(&self, literal: Literal) -> Option<Change> {
        if stays(literal.net) {
            return None;
        }
        let from = literal.as_told();
        let (to, why) = if self.own.contains(&literal.net) {
            let target = if literal.net.addr().is_ipv4() {
                IpAddr::V4(self.target.0)
            } else {
                IpAddr::V6(self.target.1)
            };
            (literal.rewritten(IpNet::from(target)), Why::OwnAddress)
        } else if literal.net == IpNet::V6(GLOBAL_V6) {
            (LAB_V6.to_string(), Why::Everyone)
        } else {
            match self.ranges.get(&literal.net)? {
                None => (literal.as_told(), Why::NoRoom),
                Some(room) => {
                    let shorter = room.prefix_len() > literal.net.prefix_len();
                    (literal.rewritten(*room), if shorter { Why::ShortenedRange } else { Why::Range })
                }
            }
        };
        let told =
            Mapping { from, to: to.strip_suffix(literal.host_suffix()).unwrap_or(&to).to_owned(), why };
        Some(Change { span: literal.span, to, told: Some(told) })
    }
}

impl Literal {
    /// A single address is told alike however it is written.
    fn as_told(&self) -> String {
        match self.form {
            Form::Prefix if self.host_suffix().is_empty() => self.net.to_string(),
            Form::Bare | Form::Prefix => self.net.addr().to_string(),
            Form::FromTo(first, last) => format!("{first}-{last}"),
        }
    }

    /// The prefix of a single address, when it is written.
    fn host_suffix(&self) -> &'static str {
        match (self.form, self.net, self.net.prefix_len()) {
            (Form::Prefix, IpNet::V4(_), 32) => "/32",
            (Form::Prefix, IpNet::V6(_), 128) => "/128",
            _ => "",
        }
    }

    /// The same form in another range.
    fn rewritten(&self, room: IpNet) -> String {
        match self.form {
            Form::Bare => room.addr().to_string(),
            Form::Prefix => room.to_string(),
            Form::FromTo(..) if room.prefix_len() > self.net.prefix_len() => {
                format!("{}-{}", room.network(), room.broadcast())
            }
            Form::FromTo(first, last) => {
                let moved = |address| {
                    to_address(number(room.network()) + number(address) - number(self.net.network()), room)
                };
                format!("{}-{}", moved(first), moved(last))
            }
        }
    }
}

/// The lab's room and what is in it.
#[derive(Default)]
struct Rooms {
    placed: BTreeMap<IpNet, Option<IpNet>>,
    taken: BTreeSet<IpNet>,
    next: (u128, u128),
}

impl Rooms {
    fn place(&mut self, net: IpNet) {
        let holders = self.placed.iter().filter(|(holder, _)| holder.contains(&net));
        let holder = holders
            .max_by_key(|(holder, _)| holder.prefix_len())
            .and_then(|(holder, room)| Some((*holder, (*room)?)));
        let room = match holder {
            Some((holder, room)) => self.inside(net, holder, room),
            None => self.new_room(net),
        };
        self.taken.extend(room);
        self.placed.insert(net, room);
    }

    /// The same distance from the start as it had, or the next place that is free.
    fn inside(&self, net: IpNet, holder: IpNet, room: IpNet) -> Option<IpNet> {
        let len = room_len(net).max(room.prefix_len());
        let (size, all) = (size(len, room), size(room.prefix_len(), room));
        let wanted = (number(net.network()) - number(holder.network())) % all / size;
        // A range with thousands of entries in a shortened one: sharing a place is told by both mapping to it.
        let places = (0..(all / size).min(4096)).map(|step| (wanted + step) % (all / size));
        let at = |place: u128| IpNet::new(to_address(number(room.network()) + place * size, room), len).ok();
        let mut places = places.filter_map(at);
        let first = places.next();
        first
            .filter(|first| !self.taken.contains(first))
            .or_else(|| places.find(|place| !self.taken.contains(place)))
            .or(first)
    }

    /// A range of its own, aligned; nothing when the lab is full.
    fn new_room(&mut self, net: IpNet) -> Option<IpNet> {
        let (all, free) = match net {
            IpNet::V4(_) => (IpNet::V4(ROOM_V4), &mut self.next.0),
            IpNet::V6(_) => (IpNet::V6(ROOM_V6), &mut self.next.1),
        };
        let len = room_len(net);
        let size = size(len, all);
        let start = free.div_ceil(size) * size;
        if start + size > self::size(all.prefix_len(), all) {
            return None;
        }
        *free = start + size;
        IpNet::new(to_address(number(all.network()) + start, all), len).ok()
    }
}

/// The prefix length that a range gets: its own where it fits, else an ordinary network's.
fn room_len(net: IpNet) -> u8 {
    match (net, net.prefix_len()) {
        (IpNet::V4(_), 0..20) => 24,
        (IpNet::V6(_), 0..56) => 64,
        (_, len) => len,
    }
}

fn size(len: u8, of: IpNet) -> u128 {
    1 << (of.max_prefix_len() - len)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Back from a number, in the family of `like`.
fn to_address(number: u128, like: IpNet) -> IpAddr {
    match like {
        IpNet::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(number).unwrap_or(u32::MAX))),
        IpNet::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

/// What means the same in the lab: everyone, the host itself, the link, groups, and the lab's own ranges. (All of
/// 198.18.0.0/15 is an entry of lists of reserved ranges, which must not drop a whole lab: it is mapped.)
fn stays(net: IpNet) -> bool {
    match net {
        IpNet::V4(v4) => {
            let address = v4.network();
            v4.prefix_len() < 8
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                // Netmasks, and what no host may have (RFC 1112, section 4).
                || address.octets()[0] >= 240
                || address.is_unspecified()
                || (LAB_V4.contains(&v4) && v4 != LAB_V4)
        }
        IpNet::V6(v6) => {
            let address = v6.network();
            (v6.prefix_len() < 7 && v6 != GLOBAL_V6)
                || address.is_loopback()
                || address.is_unspecified()
                || address.is_unicast_link_local()
                || address.is_multicast()
                || LAB_V6.contains(&v6)
        }
    }
}

fn literal(word: &Word) -> Option<Literal> {
    let text = address_part(word.text);
    let span = word.span.start..word.span.start + text.len();
    if let Some((first, last)) = text.split_once('-') {
        let (first, last): (IpAddr, IpAddr) = (first.parse().ok()?, last.parse().ok()?);
        return Some(Literal { span, net: around(first, last)?, form: Form::FromTo(first, last) });
    }
    let Some((address, len)) = text.split_once('/') else {
        let address: IpAddr = text.parse().ok()?;
        return Some(Literal { span, net: IpNet::from(address), form: Form::Bare });
    };
    let address: IpAddr = address.parse().ok()?;
    let net = match len.parse::<Ipv4Addr>() {
        Ok(mask) => IpNet::with_netmask(address, IpAddr::V4(mask)).ok()?,
        Err(_) => IpNet::new(address, len.parse().ok()?).ok()?,
    };
    Some(Literal { span, net: net.trunc(), form: Form::Prefix })
}

/// The address of `172.17.0.2:80`; a colon in anything else belongs to IPv6.
fn address_part(text: &str) -> &str {
    match text.split_once(':') {
        Some((address, _)) if address.contains('.') && !address.is_empty() => address,
        _ => text,
    }
}

/// The smallest range that holds both; nothing when they are of two families or upside down.
fn around(first: IpAddr, last: IpAddr) -> Option<IpNet> {
    if first.is_ipv4() != last.is_ipv4() || first > last {
        return None;
    }
    let mut net = IpNet::from(first);
    while !net.contains(&last) {
        net = net.supernet()?;
    }
    Some(net)
}

/// The host's own addresses: single destinations in rules for what comes in.
fn own_addresses(lines: &[Vec<Word>], format: Format) -> BTreeSet<IpNet> {
    let incoming = incoming(lines, format);
    let of_incoming = lines.iter().zip(incoming).filter(|(_, incoming)| *incoming).map(|(words, _)| words);
    of_incoming.flat_map(|words| destinations(words)).filter(|net| !stays(*net)).collect()
}

/// One address after its keyword, or an nft set of them.
fn destinations<'a>(words: &'a [Word]) -> impl Iterator<Item = IpNet> + 'a {
    const BEFORE_DESTINATION: [&str; 4] = ["-d", "--destination", "--dst", "daddr"];
    let starts = (0..words.len()).filter(|&at| BEFORE_DESTINATION.contains(&words[at].text));
    let nets = starts.flat_map(|at| words[at + 1..].iter().map_while(literal)).map(|literal| literal.net);
    nets.filter(|net| net.prefix_len() == net.max_prefix_len())
}

/// For each line, whether it is about what comes in to the host itself.
fn incoming(lines: &[Vec<Word>], format: Format) -> Vec<bool> {
    let is_input = |name: &str| name.to_ascii_lowercase().contains("input");
    if format != Format::Nft {
        let in_chain = |words: &Vec<Word>| {
            let chain =
                words.windows(2).find(|pair| ["-A", "-I", "--append", "--insert"].contains(&pair[0].text));
            chain.is_some_and(|pair| is_input(pair[1].text))
        };
        return lines.iter().map(in_chain).collect();
    }
    // The hook of a chain is named in its first lines, after its name.
    let mut inside = false;
    let follow = |words: &Vec<Word>| {
        if let Some(pair) = words.windows(2).find(|pair| ["chain", "hook"].contains(&pair[0].text)) {
            let named = is_input(pair[1].text);
            inside = if pair[0].text == "chain" { named } else { named || inside };
        }
        inside
    };
    lines.iter().map(follow).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literals(text: &str) -> Vec<(IpNet, Form)> {
        let words = super::super::words::words(text, Format::IptablesSave);
        words.iter().filter_map(literal).map(|literal| (literal.net, literal.form)).collect()
    }

    #[test]
    fn addresses_are_told_from_ports_times_and_counters() {
        for none in [
            "--dports 22,80,1024:65535",
            "--timestart 10:00:00",
            ":INPUT DROP [12:3456]",
            "--mac 00:11:22:33:44:55",
            "0x10/0xff",
            "1/2",
            "22",
        ] {
            assert_eq!(literals(none), [], "{none}");
        }
        let to = literals("--to-destination 172.17.0.2:80");
        assert_eq!(to, [("172.17.0.2/32".parse().unwrap(), Form::Bare)]);
        assert_eq!(literals("-s 10.1.2.3/255.255.0.0"), [("10.1.0.0/16".parse().unwrap(), Form::Prefix)]);
        assert_eq!(literals("--src-range 10.0.0.5-10.0.0.9")[0].0, "10.0.0.0/28".parse().unwrap());
    }

    #[test]
    fn ranges_stay_inside_each_other_and_apart_from_others() {
        let mut rooms = Rooms::default();
        let nets = [
            "10.0.0.0/8",
            "192.168.0.0/16",
            "203.0.113.0/24",
            "10.1.2.3/32",
            "10.9.2.3/32",
            "198.51.100.7/32",
        ];
        let nets: Vec<IpNet> = nets.iter().map(|net| net.parse().unwrap()).collect();
        for net in &nets {
            rooms.place(*net);
        }
        let room = |index: usize| rooms.placed[&nets[index]].unwrap();
        assert!(room(0).contains(&room(3)) && room(0).contains(&room(4)));
        assert_ne!(room(3), room(4));
        for (a, b) in [(0, 1), (0, 2), (1, 2), (2, 5), (0, 5)] {
            assert!(!room(a).contains(&room(b)) && !room(b).contains(&room(a)), "{a} {b}");
        }
        assert_eq!(room(2).prefix_len(), 24);
    }

    #[test]
    fn a_full_lab_says_so_and_goes_on() {
        let mut rooms = Rooms::default();
        let nets: Vec<IpNet> = (0..=255)
            .map(|third| IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(203, 0, third, 0), 24)))
            .collect();
        for net in &nets {
            rooms.place(*net);
        }
        assert_eq!(rooms.placed.values().flatten().count(), 128);
        assert!(rooms.placed.values().flatten().all(|room| IpNet::V4(ROOM_V4).contains(room)));
    }
}
