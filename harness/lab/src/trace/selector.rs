//! Which packets are followed, in nftables' words.

use std::fmt::Write as _;
use std::net::IpAddr;

use ipnet::IpNet;
use scandrill_model::{Family, Protocol, TcpFlags};

/// The table that marks what is followed. The reading back of a defense leaves it out.
pub(crate) const TABLE: &str = "scandrill-trace";
/// The chain whose rule is the first in each trace.
pub(super) const FIRST: &str = "first";
/// The chain that asks conntrack.
pub(super) const TRACKED: &str = "tracked";

/// The states of conntrack, each the name of an empty chain of the table's.
const STATES: [&str; 5] = ["new", "established", "related", "invalid", "untracked"];

/// Packets that come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    /// Where they come from.
    pub source: IpNet,
    /// Their protocol, of ICMP echo requests; `None`: any.
    pub protocol: Option<Protocol>,
    /// TCP's flags, all of them.
    pub flags: Option<TcpFlags>,
    /// Their source port.
    pub source_port: Option<u16>,
    /// Where they go.
    pub target: Option<IpAddr>,
    /// The ports that they ask, of a protocol that has some; empty: any.
    pub ports: Vec<u16>,
    /// How many of them; `None`: all.
    pub bound: Option<FollowBound>,
}

/// How many packets are followed: so many at once, and so many a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowBound {
    /// At once.
    pub burst: u32,
    /// A second.
    pub per_second: u32,
}

impl Selector {
    pub(super) fn family(&self) -> Family {
        Family::of(self.source.addr())
    }

    fn nft(&self) -> String {
        let family = if self.family() == Family::V4 { "ip" } else { "ip6" };
        let mut text = format!("{family} saddr {}", self.source);
        let mut and = |what: String| {
            // Writing to a string does not fail.
            let _ = write!(text, " {what}");
        };
        if let Some(target) = self.target {
            and(format!("{family} daddr {target}"));
        }
        match self.protocol {
            Some(Protocol::Icmp) if self.family() == Family::V4 => and("icmp type echo-request".to_owned()),
            Some(Protocol::Icmp) => and("icmpv6 type echo-request".to_owned()),
            Some(protocol @ (Protocol::Tcp | Protocol::Udp | Protocol::Sctp)) => {
                and(format!("meta l4proto {protocol}"));
                if let Some(port) = self.source_port {
                    and(format!("{protocol} sport {port}"));
                }
                if !self.ports.is_empty() {
                    let ports: Vec<String> = self.ports.iter().map(u16::to_string).collect();
                    and(format!("{protocol} dport {{ {} }}", ports.join(", ")));
                }
                if let Some(TcpFlags(flags)) = self.flags {
                    // The byte of the flags, without ECN's two.
                    and(format!("@th,104,8 & 0x3f == {flags:#x}"));
                }
            }
            Some(Protocol::Ip | Protocol::Arp) | None => {}
        }
        text
    }

    fn bounded(&self) -> String {
        let bound = self.bound.map_or_else(String::new, |FollowBound { burst, per_second }| {
            format!(" limit rate {per_second}/second burst {burst} packets")
        });
        self.nft() + &bound
    }
}

/// The table that marks packets, and asks conntrack about them. No chain of anybody's comes before its first.
pub(super) fn table(selectors: &[Selector], asks_conntrack: bool) -> String {
    let mut text = format!(
        "table inet {TABLE} {{\nchain {FIRST} {{\ntype filter hook prerouting priority -2147483648\n"
    );
    for selector in selectors {
        // Who is followed already is not counted once more.
        let _ = writeln!(text, "{} meta nftrace set 1 accept", selector.bounded());
    }
    text.push_str("}\n");
    if asks_conntrack {
        for state in STATES {
            let _ = writeln!(text, "chain {state} {{ }}");
        }
        let goto = STATES.map(|state| format!("{state} : goto {state}")).join(", ");
        let _ = writeln!(text, "chain {TRACKED} {{\ntype filter hook prerouting priority -199");
        let mut asked: Vec<String> = selectors.iter().map(Selector::nft).collect();
        asked.dedup();
        for selector in asked {
            let _ = writeln!(text, "{selector} ct state vmap {{ {goto} }}");
        }
        text.push_str("}\n");
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Selector {
        Selector {
            source: "198.18.2.10/32".parse().unwrap(),
            protocol: Some(Protocol::Tcp),
            flags: Some(TcpFlags::SYN),
            source_port: Some(20_000),
            target: Some("198.18.0.1".parse().unwrap()),
            ports: vec![22, 80],
            bound: None,
        }
    }

    #[test]
    fn packets_are_chosen_by_all_that_is_known_of_them() {
        assert_eq!(
            one().nft(),
            "ip saddr 198.18.2.10/32 ip daddr 198.18.0.1 meta l4proto tcp tcp sport 20000 tcp dport { 22, 80 } \
             @th,104,8 & 0x3f == 0x2"
        );
        let echo = Selector {
            source: "fd00:198:18:2::a/128".parse().unwrap(),
            protocol: Some(Protocol::Icmp),
            target: None,
            ..one()
        };
        assert_eq!(echo.nft(), "ip6 saddr fd00:198:18:2::a/128 icmpv6 type echo-request");
        let any = Selector { protocol: None, target: None, ..one() };
        assert_eq!(any.nft(), "ip saddr 198.18.2.10/32");
    }

    #[test]
    fn conntrack_is_asked_only_where_rules_ask_it() {
        let bounded = Selector { bound: Some(FollowBound { burst: 24, per_second: 40 }), ..one() };
        let text = table(&[bounded], false);
        assert!(
            text.contains(" limit rate 40/second burst 24 packets meta nftrace set 1 accept\n"),
            "{text}"
        );
        assert!(!text.contains("ct state"), "{text}");
        assert!(table(&[one()], true).contains("0x2 ct state vmap { new : goto new, established"));
    }
}
