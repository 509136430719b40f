//! The addresses a lab may use, and nothing else may be scanned.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

/// The benchmarking range of RFC 2544: never routed on the Internet, and in no private-range allowlist.
pub const LAB_V4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15);

/// The unique local prefix (RFC 4193) that labs use for IPv6.
pub const LAB_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x198, 0x18, 0, 0, 0, 0, 0), 48);

/// Whether a packet may be sent to `address`: only inside the lab's own ranges.
pub fn is_lab_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => LAB_V4.contains(&v4),
        IpAddr::V6(v6) => LAB_V6.contains(&v6),
    }
}

/// An IP version. Each case runs over one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[derive(Serialize, Deserialize, JsonSchema, Display, EnumIter, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family an address belongs to.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lab_ranges_may_be_scanned() {
        for inside in ["198.18.0.1", "198.19.255.255", "fd00:198:18::1", "fd00:198:18:ffff::1"] {
            assert!(is_lab_address(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["198.17.255.255", "198.20.0.0", "127.0.0.1", "10.0.0.1", "fd00:198:19::1", "::1"] {
            assert!(!is_lab_address(outside.parse().unwrap()), "{outside}");
        }
    }
}
