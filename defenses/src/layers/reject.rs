//! A refusal, aloud, for everything but services.

use minijinja::context;
use scandrill_model::{Family, Step};
use strum::{Display, EnumString};

use super::{ALLOW, PROTOCOL, TOOL};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, services, twins};
use crate::settings::Settings;

/// Refuses what is not allowed.
pub struct Reject;

/// How a packet is refused, by iptables' IPv4 names, and by ip6tables' where IPv4 has no such refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "kebab-case")]
enum Refusal {
    TcpReset,
    IcmpNetUnreachable,
    IcmpHostUnreachable,
    IcmpProtoUnreachable,
    IcmpPortUnreachable,
    IcmpNetProhibited,
    IcmpHostProhibited,
    IcmpAdminProhibited,
    #[strum(serialize = "icmp6-policy-fail")]
    Icmp6PolicyFail,
    #[strum(serialize = "icmp6-reject-route")]
    Icmp6RejectRoute,
}

const REFUSALS: &[&str] = &[
    "tcp-reset",
    "icmp-net-unreachable",
    "icmp-host-unreachable",
    "icmp-proto-unreachable",
    "icmp-port-unreachable",
    "icmp-net-prohibited",
    "icmp-host-prohibited",
    "icmp-admin-prohibited",
    "icmp6-policy-fail",
    "icmp6-reject-route",
];

impl Layer for Reject {
    fn name(&self) -> &'static str {
        "reject"
    }

    fn summary(&self) -> &'static str {
        "refuses everything except services with a reset or an ICMP error, over both families"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            ALLOW,
            Parameter {
                name: "with",
                kind: Kind::OneOf(REFUSALS),
                default: Preset::Word("icmp-port-unreachable"),
                doc: "how, by IPv4's names; over IPv6 it is the nearest ICMPv6 error, and the other way round with \
                      those that IPv6 alone has. tcp-reset refuses all but TCP with port unreachable, as a host \
                      without a firewall does with UDP",
            },
            PROTOCOL,
            TOOL,
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let with: Refusal =
            settings.word("with").parse().map_err(|_| self.contradiction("no such refusal"))?;
        let protocol = settings.word("protocol");
        if protocol == "udp" && with == Refusal::TcpReset {
            return Err(
                self.contradiction("`tcp-reset` refuses TCP; with protocol = \"udp\" name an ICMP error")
            );
        }
        let allow = services(&settings.services("allow"));
        let refusals = refusals(protocol, with);
        let step = install(self.name(), settings, twins!("reject"), |family| {
            let refusals = family.map_or_else(|| nft(&refusals), |family| iptables(&refusals, family));
            context! { allow => allow.clone(), protocol, refusals }
        });
        Ok(vec![step?])
    }
}

impl Reject {
    fn contradiction(&self, why: &str) -> DefenseError {
        DefenseError::Contradiction { layer: self.name().to_owned(), why: why.to_owned() }
    }
}

/// What is refused, one after the other, and how: a protocol, or with `all` whatever is left.
type Refusals<'a> = Vec<(&'a str, Refusal)>;

fn refusals(protocol: &str, with: Refusal) -> Refusals<'_> {
    match (protocol, with) {
        ("all", Refusal::TcpReset) => vec![("tcp", with), ("all", Refusal::IcmpPortUnreachable)],
        (protocol, with) => vec![(protocol, with)],
    }
}

/// What follows the chain's name in a rule of iptables or ip6tables.
fn iptables(refusals: &Refusals<'_>, family: Family) -> Vec<String> {
    let rule = |(protocol, with): &(&str, Refusal)| {
        let of_protocol = if *protocol == "all" { String::new() } else { format!("-p {protocol} ") };
        format!("{of_protocol}-j REJECT --reject-with {}", with.iptables(family))
    };
    refusals.iter().map(rule).collect()
}

/// One nft statement for each protocol and family.
fn nft(refusals: &Refusals<'_>) -> Vec<String> {
    let families = [("ipv4", Family::V4), ("ipv6", Family::V6)];
    let rule = |protocol: &str, with: Refusal, (nfproto, family): (&str, Family)| {
        let of_protocol = if protocol == "all" { String::new() } else { format!("meta l4proto {protocol} ") };
        format!("meta nfproto {nfproto} {of_protocol}reject with {}", with.nft(family))
    };
    let rules =
        refusals.iter().flat_map(|(protocol, with)| families.map(|family| rule(protocol, *with, family)));
    rules.collect()
}

impl Refusal {
    /// The name that `--reject-with` of iptables or ip6tables takes.
    fn iptables(self, family: Family) -> String {
        let nearest = self.nearest(family);
        match (family, nearest) {
            (Family::V4, _) | (_, Self::TcpReset | Self::Icmp6PolicyFail | Self::Icmp6RejectRoute) => {
                nearest.to_string()
            }
            (Family::V6, Self::IcmpNetUnreachable) => "icmp6-no-route".to_owned(),
            (Family::V6, Self::IcmpHostUnreachable) => "icmp6-addr-unreachable".to_owned(),
            (Family::V6, Self::IcmpPortUnreachable | Self::IcmpProtoUnreachable) => {
                "icmp6-port-unreachable".to_owned()
            }
            // ICMPv6 has one code for "prohibited" (RFC 4443, section 3.1).
            (Family::V6, Self::IcmpNetProhibited | Self::IcmpHostProhibited | Self::IcmpAdminProhibited) => {
                "icmp6-adm-prohibited".to_owned()
            }
        }
    }

    /// What follows `reject with` in nft.
    fn nft(self, family: Family) -> String {
        let nearest = self.nearest(family);
        let name = nearest.to_string();
        let code = match (family, nearest) {
            (_, Self::TcpReset) => return "tcp reset".to_owned(),
            (Family::V4, Self::IcmpProtoUnreachable) => return "icmp type prot-unreachable".to_owned(),
            (Family::V4, _) => return format!("icmp type {}", name.trim_start_matches("icmp-")),
            (Family::V6, Self::Icmp6PolicyFail) => "policy-fail",
            (Family::V6, Self::Icmp6RejectRoute) => "reject-route",
            (Family::V6, Self::IcmpNetUnreachable) => "no-route",
            (Family::V6, Self::IcmpHostUnreachable) => "addr-unreachable",
            (Family::V6, Self::IcmpPortUnreachable | Self::IcmpProtoUnreachable) => "port-unreachable",
            (Family::V6, Self::IcmpNetProhibited | Self::IcmpHostProhibited | Self::IcmpAdminProhibited) => {
                "admin-prohibited"
            }
        };
        format!("icmpv6 type {code}")
    }

    /// What comes nearest over IPv4 to the two that IPv6 alone has.
    fn nearest(self, family: Family) -> Self {
        match (family, self) {
            (Family::V4, Self::Icmp6PolicyFail) => Self::IcmpAdminProhibited,
            (Family::V4, Self::Icmp6RejectRoute) => Self::IcmpNetUnreachable,
            (_, itself) => itself,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_that_can_be_named_is_known() {
        for name in REFUSALS {
            assert_eq!(name.parse::<Refusal>().unwrap().to_string(), *name);
        }
    }

    #[test]
    fn a_refusal_has_its_twin_in_the_other_family() {
        assert_eq!(Refusal::IcmpHostProhibited.iptables(Family::V6), "icmp6-adm-prohibited");
        assert_eq!(Refusal::IcmpHostProhibited.nft(Family::V4), "icmp type host-prohibited");
        assert_eq!(Refusal::TcpReset.nft(Family::V6), "tcp reset");
        assert_eq!(Refusal::IcmpProtoUnreachable.nft(Family::V4), "icmp type prot-unreachable");
        assert_eq!(Refusal::Icmp6RejectRoute.iptables(Family::V4), "icmp-net-unreachable");
        assert_eq!(Refusal::Icmp6PolicyFail.nft(Family::V4), "icmp type admin-prohibited");
    }
}
