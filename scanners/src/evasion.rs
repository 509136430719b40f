//! How a scan hides, as data: nmap's evasions (reference guide, "Firewall/IDS Evasion and Spoofing") and the shapes of
//! other scanners' SYNs. What they do to a packet's bytes is in `packet`; which source a probe has is here.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

/// Everything that a scan does to look otherwise than it would by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evasion {
    /// The source port of all probes (nmap -g); by default each try has its own.
    pub source_port: Option<u16>,
    /// Addresses that seem to send each probe, too, in this order around the scanner's own (nmap -D).
    pub decoys: Vec<IpAddr>,
    /// Which addresses the scanner sends from.
    pub sources: Sources,
    /// Splits each packet's IP payload into pieces of so many bytes, a multiple of eight (nmap -f: 8, --mtu).
    pub fragment: Option<u16>,
    /// The probes' time to live or hop limit (nmap --ttl).
    pub ttl: Option<u8>,
    /// A wrong checksum in the transport header (nmap --badsum).
    pub bad_checksum: bool,
    /// So many random bytes behind the transport header (nmap --data-length).
    pub data_length: u16,
    /// Whose SYN it looks like.
    pub syn: SynShape,
}

/// Which addresses a scanner sends from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sources {
    /// The plan's source alone.
    #[default]
    Own,
    /// Somebody else's: the plan's source is an address whose replies never come back (nmap -S).
    Spoofed,
    /// The hosts of a prefix in turn, port by port; replies to each come back. A port's next try has the next source.
    Pool {
        /// The prefix.
        prefix: IpNet,
        /// How many of its addresses are used, from its second one on; at least one.
        count: u32,
    },
}

impl Sources {
    /// How many addresses there are.
    pub(crate) fn count(&self) -> u32 {
        match self {
            Self::Own | Self::Spoofed => 1,
            Self::Pool { count, .. } => (*count).max(1),
        }
    }

    /// The `index`th address, counted around; `own` where there is no pool.
    pub(crate) fn address(&self, own: IpAddr, index: u32) -> IpAddr {
        let Self::Pool { prefix, .. } = self else { return own };
        let offset = u128::from(index % self.count()) + 1;
        match prefix.network() {
            IpAddr::V4(network) => {
                IpAddr::V4((u32::from(network) + u32::try_from(offset).unwrap_or(u32::MAX)).into())
            }
            IpAddr::V6(network) => IpAddr::V6((u128::from(network) + offset).into()),
        }
    }
}

/// Whose SYN a probe looks like: its options and its window. Defenses tell scanners by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[derive(Serialize, Deserialize, Display, EnumIter, EnumString)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SynShape {
    /// The technique's own: nmap's for tcp-syn, Linux's for tcp-connect.
    #[default]
    Own,
    /// nmap -sS: window 1024, MSS 1460.
    Nmap,
    /// masscan: window 1024, MSS 1460.
    Masscan,
    /// zmap: window 65535, no option.
    Zmap,
    /// Linux's connect(2): window 64240; MSS, SACK, time stamps, window scale.
    Linux,
    /// nmap's without its MSS option, which no real connection lacks.
    NoMss,
}
