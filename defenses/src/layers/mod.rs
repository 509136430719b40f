//! The registry of layers: one file each, one line here.

mod address;
mod allowlist;
mod crowdsec;
mod crowdsec_bouncer;
mod drop;
mod fail2ban;
mod fingerprint;
mod firewalld;
mod fwknopd;
mod hardened;
mod knock;
mod knockd;
mod limit;
mod log;
mod manual;
mod none;
mod offload;
mod portsentry;
mod psad;
mod rate_limit;
mod recent;
mod reject;
mod sshguard;
mod stealth;
mod syn_filter;
mod synproxy;
mod sysctl;
mod tarpit;
mod trap;
mod ufw;

pub use self::sysctl::is_of_the_machine;
use crate::layer::{Kind, Layer, Parameter, Preset};

static LAYERS: &[&dyn Layer] = &[
    &none::None,
    &sysctl::Sysctl,
    &offload::Offload,
    &recent::Recent,
    &drop::Drop,
    &allowlist::Allowlist,
    &syn_filter::SynFilter,
    &stealth::Stealth,
    &fingerprint::Fingerprint,
    &reject::Reject,
    &rate_limit::RateLimit,
    &limit::Limit,
    &log::Log,
    &trap::Trap,
    &fail2ban::Fail2ban,
    &psad::Psad,
    &portsentry::Portsentry,
    &sshguard::Sshguard,
    &crowdsec::Crowdsec,
    &crowdsec_bouncer::CrowdsecBouncer,
    &ufw::Ufw,
    &firewalld::Firewalld,
    &synproxy::Synproxy,
    &tarpit::Tarpit,
    &knock::Knock,
    &knockd::Knockd,
    &fwknopd::Fwknopd,
    &manual::SYN_COOKIES,
    &manual::RECENT,
    &manual::STEALTH,
    &manual::ICMP_LIMIT,
    &manual::UDP_LIMIT,
    &manual::TTL,
    &manual::DROP_POLICY,
    &manual::AS_WRITTEN,
    &hardened::Nftables,
    &hardened::Iptables,
];

/// All layers, in the order in which they are listed.
pub fn layers() -> &'static [&'static dyn Layer] {
    LAYERS
}

/// The layer of that name.
pub fn find(name: &str) -> Option<&'static dyn Layer> {
    layers().iter().copied().find(|layer| layer.name() == name)
}

/// Which services a layer lets pass.
const ALLOW: Parameter = Parameter {
    name: "allow",
    kind: Kind::Services,
    default: Preset::Word("services"),
    doc: "what stays reachable: the target's services, or a list like [\"tcp/22\", \"udp/53\"]",
};

/// Which program installs a layer that exists for both.
const TOOL: Parameter = Parameter {
    name: "tool",
    kind: Kind::OneOf(&["iptables", "nftables"]),
    default: Preset::Tool,
    doc: "what installs it: iptables and ip6tables of the case's back end, or one nftables table",
};

/// Which packets a layer acts on.
const CHAIN: Parameter = Parameter {
    name: "chain",
    kind: Kind::OneOf(&["input", "forward"]),
    default: Preset::Word("input"),
    doc: "which packets it sees: those to the host itself, or those that it forwards, with the ports to which they are \
          translated",
};

/// Which protocols a layer acts on.
const PROTOCOL: Parameter = Parameter {
    name: "protocol",
    kind: Kind::OneOf(&["all", "tcp", "udp"]),
    default: Preset::Word("all"),
    doc: "what it acts on",
};

#[cfg(test)]
mod tests;
