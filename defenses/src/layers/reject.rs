//! A refusal, aloud, for everything but services.

use minijinja::context;
use scandrill_model::{Family, Loader, Step};
use strum::{Display, EnumString};

use super::{ALLOW, PROTOCOL, TOOL};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{append, load, rules_file, services};
use crate::settings::Settings;

/// Refuses what is not allowed.
pub struct Reject;

/// How a packet is refused, by iptables' IPv4 names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display, EnumString)]
#[strum(serialize_all = "kebab-case")]
enum Refusal {
    TcpReset,
    IcmpNetUnreachable,
    IcmpHostUnreachable,
    IcmpPortUnreachable,
    IcmpNetProhibited,
    IcmpHostProhibited,
    IcmpAdminProhibited,
}

const REFUSALS: &[&str] = &[
    "tcp-reset",
    "icmp-net-unreachable",
    "icmp-host-unreachable",
    "icmp-port-unreachable",
    "icmp-net-prohibited",
    "icmp-host-prohibited",
    "icmp-admin-prohibited",
];

impl Layer for Reject {
    fn name(&self) -> &'static str {
        "reject"
    }

    fn summary(&self) -> &'static str {
        "refuses every TCP and UDP port except services with a reset or an ICMP error, over both families"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            ALLOW,
            Parameter {
                name: "with",
                kind: Kind::OneOf(REFUSALS),
                default: Preset::Word("icmp-port-unreachable"),
                doc: "how, by IPv4's names; over IPv6 it is the nearest ICMPv6 error. tcp-reset refuses UDP with \
                      port unreachable, as a host without a firewall does",
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
        let tcp = (protocol != "udp").then_some(with);
        let udp = (protocol != "tcp").then_some(with.for_udp());
        let step = if settings.word("tool") == "nftables" {
            load(
                self.name(),
                Loader::Nft,
                rules_file!("reject.nft"),
                &context! { allow, refusals => nft(tcp, udp) },
            )
        } else {
            append(self.name(), settings, rules_file!("reject.rules"), |family| {
                context! {
                    allow => allow.clone(),
                    family => family.to_string(),
                    tcp_with => tcp.map(|with| with.iptables(family)),
                    udp_with => udp.map(|with| with.iptables(family)),
                }
            })
        };
        Ok(vec![step?])
    }
}

impl Reject {
    fn contradiction(&self, why: &str) -> DefenseError {
        DefenseError::Contradiction { layer: self.name().to_owned(), why: why.to_owned() }
    }
}

/// One nft statement for each protocol and family.
fn nft(tcp: Option<Refusal>, udp: Option<Refusal>) -> Vec<String> {
    let mut refusals = Vec::new();
    for (protocol, with) in [("tcp", tcp), ("udp", udp)] {
        let Some(with) = with else { continue };
        for (nfproto, family) in [("ipv4", Family::V4), ("ipv6", Family::V6)] {
            let how = with.nft(family);
            refusals.push(format!("meta nfproto {nfproto} meta l4proto {protocol} reject with {how}"));
        }
    }
    refusals
}

impl Refusal {
    fn for_udp(self) -> Self {
        if self == Self::TcpReset { Self::IcmpPortUnreachable } else { self }
    }

    /// The name that `--reject-with` of iptables or ip6tables takes.
    fn iptables(self, family: Family) -> String {
        match (family, self) {
            (Family::V4, _) | (_, Self::TcpReset) => self.to_string(),
            (Family::V6, Self::IcmpNetUnreachable) => "icmp6-no-route".to_owned(),
            (Family::V6, Self::IcmpHostUnreachable) => "icmp6-addr-unreachable".to_owned(),
            (Family::V6, Self::IcmpPortUnreachable) => "icmp6-port-unreachable".to_owned(),
            // ICMPv6 has one code for "prohibited" (RFC 4443, section 3.1).
            (Family::V6, Self::IcmpNetProhibited | Self::IcmpHostProhibited | Self::IcmpAdminProhibited) => {
                "icmp6-adm-prohibited".to_owned()
            }
        }
    }

    /// What follows `reject with` in nft.
    fn nft(self, family: Family) -> String {
        let name = self.to_string();
        let code = match (family, self) {
            (_, Self::TcpReset) => return "tcp reset".to_owned(),
            (Family::V4, _) => return format!("icmp type {}", name.trim_start_matches("icmp-")),
            (Family::V6, Self::IcmpNetUnreachable) => "no-route",
            (Family::V6, Self::IcmpHostUnreachable) => "addr-unreachable",
            (Family::V6, Self::IcmpPortUnreachable) => "port-unreachable",
            (Family::V6, Self::IcmpNetProhibited | Self::IcmpHostProhibited | Self::IcmpAdminProhibited) => {
                "admin-prohibited"
            }
        };
        format!("icmpv6 type {code}")
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
    }
}
