//! What a match compares with, and whether one comparison takes in all of another's packets or none of them. Both
//! answers are given only where they are certain.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The values that a match takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Names, each by its text; one that ends in `+` or `*` stands for all that begin so.
    Words(BTreeSet<String>),
    /// Ports or addresses, as pairs of first and last.
    Ranges(Vec<(u128, u128)>),
    /// The bits of `mask` are those of `value`.
    Bits {
        /// Which bits are looked at.
        mask: u16,
        /// What they must be.
        value: u16,
    },
}

/// TCP's flags in the order of their bits.
const FLAGS: [(&str, u16); 8] =
    [("fin", 1), ("syn", 2), ("rst", 4), ("psh", 8), ("ack", 16), ("urg", 32), ("ecn", 64), ("cwr", 128)];

/// What iptables means by `ALL`.
const ALL_FLAGS: u16 = 0x3f;

impl Values {
    /// Names.
    pub fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Words(words.into_iter().map(str::to_owned).collect())
    }

    /// Ports where all of them are numbers, else names.
    pub fn ports<'a>(texts: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        let ranges: Option<Vec<_>> = texts.clone().into_iter().map(port_range).collect();
        ranges.map_or_else(|| Self::words(texts), Self::Ranges)
    }

    /// Addresses where all of them are written as such, else names.
    pub fn addresses<'a>(texts: impl IntoIterator<Item = &'a str> + Clone) -> Self {
        let ranges: Option<Vec<_>> = texts.clone().into_iter().map(address_range).collect();
        ranges.map_or_else(|| Self::words(texts), Self::Ranges)
    }

    /// TCP flags: of those in `mask`, just those in `set`. Both are lists such as `SYN,ACK`.
    pub fn flags(mask: &str, set: &str) -> Option<Self> {
        let mask = flag_bits(mask)?;
        Some(Self::Bits { mask, value: flag_bits(set)? & mask })
    }

    /// Whether all that `other` takes is taken here, for certain.
    pub fn takes_all_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Words(mine), Self::Words(others)) => {
                others.iter().all(|other| mine.iter().any(|own| is_like(own, other)))
            }
            (Self::Ranges(mine), Self::Ranges(others)) => {
                others.iter().all(|other| mine.iter().any(|own| own.0 <= other.0 && other.1 <= own.1))
            }
            (Self::Bits { mask, value }, Self::Bits { mask: other_mask, value: other }) => {
                mask & other_mask == *mask && other & mask == *value
            }
            (Self::Words(_) | Self::Ranges(_) | Self::Bits { .. }, _) => false,
        }
    }

    /// Whether nothing that `other` takes is taken here, for certain.
    pub fn is_apart_from(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Words(mine), Self::Words(others)) => {
                !mine.iter().any(|own| others.iter().any(|other| is_like(own, other) || is_like(other, own)))
            }
            (Self::Ranges(mine), Self::Ranges(others)) => {
                !mine.iter().any(|own| others.iter().any(|other| own.0 <= other.1 && other.0 <= own.1))
            }
            (Self::Bits { mask, value }, Self::Bits { mask: other_mask, value: other }) => {
                let both = mask & other_mask;
                value & both != other & both
            }
            (Self::Words(_) | Self::Ranges(_) | Self::Bits { .. }, _) => false,
        }
    }
}

/// `eth+` of iptables and `eth*` of nft are like `eth0`.
fn is_like(pattern: &str, word: &str) -> bool {
    match pattern.strip_suffix(['+', '*']) {
        Some(start) => word.starts_with(start),
        None => pattern == word,
    }
}

/// `22`, `1:1023` and `1-1023`.
fn port_range(text: &str) -> Option<(u128, u128)> {
    let (first, last) = text.split_once([':', '-']).unwrap_or((text, text));
    let first = if first.is_empty() { 0 } else { first.parse::<u16>().ok()? };
    let last = if last.is_empty() { u16::MAX } else { last.parse::<u16>().ok()? };
    Some((first.into(), last.into()))
}

/// `10.0.0.1`, `10.0.0.0/8`, `10.0.0.0/255.0.0.0` and `10.0.0.1-10.0.0.9`, and IPv6's.
fn address_range(text: &str) -> Option<(u128, u128)> {
    if let Some((first, last)) = text.split_once('-') {
        return Some((address(first)?.0, address(last)?.0));
    }
    let Some((start, length)) = text.split_once('/') else {
        let (start, _) = address(text)?;
        return Some((start, start));
    };
    let (start, bits) = address(start)?;
    let length = match length.parse::<u32>() {
        Ok(length) => length,
        Err(_) => u32::from(length.parse::<Ipv4Addr>().ok()?).leading_ones(),
    };
    let free = bits.checked_sub(length)?;
    let rest = 1u128.checked_shl(free).map_or(u128::MAX, |size| size - 1);
    Some((start & !rest, start | rest))
}

/// An address as a number, and how many bits it has.
fn address(text: &str) -> Option<(u128, u32)> {
    let text = text.trim_matches(['[', ']']);
    if let Ok(v4) = text.parse::<Ipv4Addr>() {
        return Some((u32::from(v4).into(), 32));
    }
    text.parse::<Ipv6Addr>().ok().map(|v6| (v6.into(), 128))
}

fn flag_bits(list: &str) -> Option<u16> {
    let names = list.split([',', '|', ' ', '(', ')']).filter(|name| !name.is_empty());
    names.map(|name| flag(&name.to_ascii_lowercase())).try_fold(0, |bits, flag| Some(bits | flag?))
}

fn flag(name: &str) -> Option<u16> {
    match name {
        "all" => Some(ALL_FLAGS),
        "none" | "0x0" | "0" => Some(0),
        _ => FLAGS.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_range_takes_in_a_narrower_one() {
        for (wide, narrow) in [
            ("10.0.0.0/8", "10.1.0.0/16"),
            ("0.0.0.0/0", "192.0.2.1"),
            ("10.0.0.0/255.0.0.0", "10.0.0.1-10.0.0.9"),
            ("2001:db8::/32", "2001:db8:1::/48"),
            ("::/0", "2001:db8::1"),
        ] {
            let (wide, narrow) = (Values::addresses([wide]), Values::addresses([narrow]));
            assert!(wide.takes_all_of(&narrow) && !narrow.takes_all_of(&wide), "{wide:?} {narrow:?}");
        }
        assert!(Values::ports([":1023"]).takes_all_of(&Values::ports(["22", "80-90"])));
        assert!(Values::ports(["22", "80"]).is_apart_from(&Values::ports(["1000:2000"])));
    }

    #[test]
    fn flags_are_compared_by_their_bits() {
        let bare = Values::flags("SYN,RST,ACK", "NONE").unwrap();
        let null = Values::flags("ALL", "NONE").unwrap();
        let syn = Values::flags("fin | syn | rst | ack", "syn").unwrap();
        assert!(bare.takes_all_of(&null) && !null.takes_all_of(&bare));
        assert!(syn.is_apart_from(&bare) && !null.is_apart_from(&bare));
    }

    #[test]
    fn what_is_not_certain_is_not_said() {
        let (ports, name) = (Values::ports(["22"]), Values::ports(["ssh"]));
        assert!(!ports.takes_all_of(&name) && !ports.is_apart_from(&name));
        assert!(Values::words(["eth+"]).takes_all_of(&Values::words(["eth0"])));
        assert!(!Values::words(["eth0"]).is_apart_from(&Values::words(["eth+"])));
    }
}
