//! Whose packets a layer counts or bans together: one address, or all that share its first bits.

use std::net::{Ipv4Addr, Ipv6Addr};

use minijinja::{Value, context};
use scandrill_model::Family;

use crate::layer::{Kind, Parameter, Preset};
use crate::settings::Settings;

/// How many bits of an IPv4 address are looked at.
pub(super) const PREFIX4: Parameter = Parameter {
    name: "prefix4",
    kind: Kind::Number { min: 1, max: 32 },
    default: Preset::Number(32),
    doc: "how many bits of an IPv4 address tell one from another: 24 takes a whole /24 for one",
};

/// How many bits of an IPv6 address are looked at.
pub(super) const PREFIX6: Parameter = Parameter {
    name: "prefix6",
    kind: Kind::Number { min: 1, max: 128 },
    default: Preset::Number(128),
    doc: "how many bits of an IPv6 address tell one from another: 64 takes what a provider hands out for one",
};

/// The bits that are looked at, as a number; all of them by default.
pub(super) fn prefix(settings: &Settings, family: Family) -> u64 {
    settings.number(if family == Family::V4 { PREFIX4.name } else { PREFIX6.name })
}

/// The prefix as a netmask; `None` where every bit is looked at.
pub(super) fn mask(settings: &Settings, family: Family) -> Option<String> {
    let bits = u32::try_from(prefix(settings, family)).unwrap_or(u32::MAX);
    match family {
        Family::V4 => {
            let rest = 32_u32.checked_sub(bits).filter(|rest| *rest > 0)?;
            Some(Ipv4Addr::from(u32::MAX.checked_shl(rest).unwrap_or(0)).to_string())
        }
        Family::V6 => {
            let rest = 128_u32.checked_sub(bits).filter(|rest| *rest > 0)?;
            Some(Ipv6Addr::from(u128::MAX.checked_shl(rest).unwrap_or(0)).to_string())
        }
    }
}

/// An address of a packet as an nft expression: `side` is `saddr` or `daddr`.
pub(super) fn nft(settings: &Settings, family: Family, side: &str) -> String {
    let address = format!("{} {side}", header(family));
    match mask(settings, family) {
        Some(mask) => format!("{address} & {mask}"),
        None => address,
    }
}

/// What a file for both families is rendered with: `families`, and what is the same for both.
pub(super) fn both(values: impl Fn(Family) -> Value) -> Value {
    context! { families => [Family::V4, Family::V6].map(&values).to_vec(), ..values(Family::V4) }
}

/// The IP header's name in nft.
pub(super) fn header(family: Family) -> &'static str {
    if family == Family::V4 { "ip" } else { "ip6" }
}

/// The family's number, which ends the names of its sets and chains.
pub(super) fn digit(family: Family) -> u8 {
    if family == Family::V4 { 4 } else { 6 }
}
