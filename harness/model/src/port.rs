//! Transport protocols and sets of ports.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString};
use thiserror::Error;

/// A protocol that a service listens on or a probe is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
    /// ICMP or ICMPv6, by the case's family. It has no ports; its one cell is port 0.
    Icmp,
    /// IP itself: its "ports" are protocol numbers.
    Ip,
    /// ARP, or neighbour discovery over IPv6. It has no ports; its one cell is port 0.
    Arp,
}

/// A set of ports, kept as sorted ranges that neither touch nor overlap. Its text is nmap's: `22,80,1000-2000`.
/// Port 0 stands for "no port" (ICMP); it and the empty set exist in records, but no user can write them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct PortSet(Vec<(u16, u16)>);

/// Why a text is not a set of ports.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PortError {
    /// Not a number from 1 to 65535.
    #[error("`{0}` is not a port; ports are numbers from 1 to 65535")]
    NotAPort(String),
    /// A range that ends before it starts.
    #[error("port range {first}-{last} is upside down; write {last}-{first}")]
    UpsideDown {
        /// The number before the dash.
        first: u16,
        /// The number after the dash.
        last: u16,
    },
}

impl PortSet {
    /// The set of one port.
    pub fn one(port: u16) -> Self {
        Self(vec![(port, port)])
    }

    /// All ports of all ranges, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().flat_map(|&(first, last)| first..=last)
    }

    /// The ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u16>> + '_ {
        self.0.iter().map(|&(first, last)| first..=last)
    }

    /// How many ports the set holds.
    pub fn len(&self) -> usize {
        self.0.iter().map(|&(first, last)| usize::from(last - first) + 1).sum()
    }

    /// Whether the set holds no port.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `port` is in the set.
    pub fn contains(&self, port: u16) -> bool {
        let after = self.0.partition_point(|&(first, _)| first <= port);
        after > 0 && self.0[after - 1].1 >= port
    }

    /// The ports in either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.iter().chain(other.iter()).collect()
    }

    /// The ports of this set that are not in `other`.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.iter().filter(|&port| !other.contains(port)).collect()
    }

    /// The ports in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.iter().filter(|&port| other.contains(port)).collect()
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let mut ports: Vec<u16> = ports.into_iter().collect();
        ports.sort_unstable();
        ports.dedup();
        let mut ranges: Vec<(u16, u16)> = Vec::new();
        for port in ports {
            match ranges.last_mut() {
                Some(range) if u32::from(range.1) + 1 == u32::from(port) => range.1 = port,
                _ => ranges.push((port, port)),
            }
        }
        Self(ranges)
    }
}

impl FromStr for PortSet {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        parse(text, 1)
    }
}

fn parse(text: &str, lowest: u16) -> Result<PortSet, PortError> {
    let mut ports = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (port(first, lowest)?, port(last, lowest)?);
        if first > last {
            return Err(PortError::UpsideDown { first, last });
        }
        ports.extend(first..=last);
    }
    Ok(ports.into_iter().collect())
}

fn port(text: &str, lowest: u16) -> Result<u16, PortError> {
    let number = text.trim().parse().ok().filter(|&port| port >= lowest);
    number.ok_or_else(|| PortError::NotAPort(text.trim().to_owned()))
}

impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, &(first, last)) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl TryFrom<String> for PortSet {
    type Error = PortError;
    fn try_from(text: String) -> Result<Self, PortError> {
        if text.is_empty() { Ok(Self::default()) } else { parse(&text, 0) }
    }
}

impl From<PortSet> for String {
    fn from(ports: PortSet) -> Self {
        ports.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_written_as_nmap_does() {
        for (text, canonical) in
            [("22", "22"), ("80,22", "22,80"), ("1-3,4,9", "1-4,9"), ("5-9,7-12", "5-12")]
        {
            assert_eq!(text.parse::<PortSet>().unwrap().to_string(), canonical);
        }
    }

    #[test]
    fn a_wrong_set_says_what_would_be_right() {
        let upside_down = "100-1".parse::<PortSet>().unwrap_err().to_string();
        assert_eq!(upside_down, "port range 100-1 is upside down; write 1-100");
        for wrong in ["", "0", "65536", "http", "1-", "-5", "1,,2"] {
            assert!(wrong.parse::<PortSet>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sets_combine() {
        let (low, high): (PortSet, PortSet) = ("1-10".parse().unwrap(), "8-12".parse().unwrap());
        assert_eq!(low.union(&high).to_string(), "1-12");
        assert_eq!(low.without(&high).to_string(), "1-7");
        assert_eq!(low.intersection(&high).to_string(), "8-10");
        assert!(low.contains(10) && !low.contains(11));
        assert_eq!("1-65535".parse::<PortSet>().unwrap().len(), 65_535);
    }
}
