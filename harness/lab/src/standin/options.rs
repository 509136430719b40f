//! How a rule wants its packets logged, beside its prefix: a level and what of the packet is told. Rewritten rules carry
//! both in the number of the group that they log to, so that prefixes stay as they were typed, at their full length.

use std::ops::RangeInclusive;

/// The groups of rewritten rules, the last of all; administrators take low ones.
pub(crate) const GROUPS: RangeInclusive<u16> = 0xff00..=0xffff;

/// The options of a `LOG` target or of nft's `log` without a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogOptions {
    /// 0 emerg to 7 debug (syslog(3)).
    level: u8,
    flags: u8,
}

/// What is told of a packet only where it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    TcpSequence = 1,
    TcpOptions = 2,
    IpOptions = 4,
    Owner = 8,
    MacDecode = 16,
}

/// Each flag with its name after iptables' `--log-`, and after nft's `flags`.
pub(super) const FLAGS: [(Flag, &str, &str); 5] = [
    (Flag::TcpSequence, "tcp-sequence", "tcp sequence"),
    (Flag::TcpOptions, "tcp-options", "tcp options"),
    (Flag::IpOptions, "ip-options", "ip options"),
    (Flag::Owner, "uid", "skuid"),
    (Flag::MacDecode, "macdecode", "ether"),
];

/// The levels by number, as nft and `iptables -L` call them.
pub(super) const LEVELS: [&str; 8] = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

/// What both tools take where no level is named.
const WARN: u8 = 4;

impl Default for LogOptions {
    fn default() -> Self {
        Self { level: WARN, flags: 0 }
    }
}

impl LogOptions {
    /// The same with another level, of which there are eight.
    pub(super) fn with_level(self, level: u8) -> Option<Self> {
        usize::from(level).lt(&LEVELS.len()).then_some(Self { level, ..self })
    }

    pub(super) fn with(self, flag: Flag) -> Self {
        Self { flags: self.flags | flag as u8, ..self }
    }

    pub(super) fn level(self) -> u8 {
        self.level
    }

    /// Its name; `None` where it is the one that is taken anyway.
    pub(super) fn named_level(self) -> Option<&'static str> {
        if self.level == WARN { None } else { LEVELS.get(usize::from(self.level)).copied() }
    }

    pub(crate) fn has(self, flag: Flag) -> bool {
        self.flags & flag as u8 != 0
    }

    /// The group that stands for these options.
    pub(crate) fn group(self) -> u16 {
        GROUPS.start() | u16::from(self.flags) << 3 | u16::from(self.level)
    }

    /// The options that a group stands for; `None` where it is somebody else's.
    pub(crate) fn of_group(group: u16) -> Option<Self> {
        let [high, low] = group.to_be_bytes();
        (GROUPS.start().to_be_bytes()[0] == high).then_some(Self { level: low & 7, flags: low >> 3 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_group_stands_for_its_own_options() {
        for group in GROUPS {
            assert_eq!(LogOptions::of_group(group).unwrap().group(), group);
        }
        assert_eq!(LogOptions::of_group(GROUPS.start() - 1), None);
        assert_eq!(LogOptions::default().group(), 65284);
        assert_eq!(LogOptions::default().with_level(8), None);
    }
}
