//! How a scan hides, as data: nmap's evasions (reference guide, "Firewall/IDS Evasion and Spoofing") and the shapes of
//! other scanners' SYNs. What they do to a packet's bytes is in `packet`; which source a probe has is here.

use std::net::IpAddr;

use ipnet::IpNet;
use pnet_packet::tcp::TcpOption;
use scandrill_model::{Asks, Family, Protocol, TcpFlags, Technique, is_lab_address};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use crate::error::ScanError;
use crate::technique::{TcpShape, linux_syn};

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

/// More would not fit into an Ethernet frame (nmap warns of more, too).
const DATA_LENGTH_MAX: u16 = 1_400;

impl Evasion {
    /// Refuses what a technique cannot do, and addresses outside the lab.
    pub(crate) fn check(&self, technique: Technique, family: Family) -> Result<(), ScanError> {
        match self.objection(technique, family) {
            Some((evasion, why)) => Err(ScanError::Evasion { technique, evasion, why }),
            None => Ok(()),
        }
    }

    /// The first evasion that cannot be, and why.
    fn objection(&self, technique: Technique, family: Family) -> Option<(&'static str, &'static str)> {
        let has_ports = technique.asks() == Asks::Ports && technique != Technique::Idle;
        let on_link = technique == Technique::Arp;
        let connects = technique == Technique::TcpConnect;
        let idle = technique == Technique::Idle;
        let is_syn = technique.probe_flags() == Some(TcpFlags::SYN);
        let decoys = !self.decoys.is_empty();
        let strange = self.decoys.iter().any(|decoy| !is_lab_address(*decoy) || Family::of(*decoy) != family);
        let objections = [
            (
                self.source_port.is_some() && !has_ports,
                "source-port",
                "its probes have no source port to choose",
            ),
            (decoys && (on_link || idle), "decoys", "its probes go out in one name only"),
            (decoys && connects, "decoys", "only the scanner itself can complete a connection"),
            (decoys && strange, "decoys", "a decoy is outside the lab's ranges or of the other IP version"),
            (self.sources != Sources::Own && idle, "sources", "its probes have the zombie's address already"),
            (self.sources == Sources::Spoofed && connects, "sources", "a connection needs the replies"),
            (
                !self.sources.are_within_lab(family),
                "sources",
                "the pool has addresses outside its prefix or the lab",
            ),
            (self.fragment.is_some() && (on_link || idle), "fragment", "its packets are not fragmented"),
            (
                self.fragment.is_some_and(|size| size == 0 || size % 8 != 0),
                "fragment",
                "its size is no multiple of 8",
            ),
            (self.ttl.is_some() && on_link, "ttl", "its packets stay on the link"),
            (self.ttl == Some(0), "ttl", "a packet with none does not leave"),
            (
                self.bad_checksum && (on_link || idle || connects),
                "bad-checksum",
                "nobody would go on with it",
            ),
            (self.data_length > 0 && on_link, "data-length", "its packets have a fixed length"),
            (
                self.data_length > 0 && technique.protocol() == Protocol::Sctp,
                "data-length",
                "an INIT must be the only chunk of its packet",
            ),
            (
                self.data_length > 0 && (connects || idle),
                "data-length",
                "its SYN must be answered like any other",
            ),
            (
                self.data_length > DATA_LENGTH_MAX,
                "data-length",
                "more than 1400 bytes do not fit into a frame",
            ),
            (self.syn != SynShape::Own && !is_syn, "syn", "its probes are not SYNs"),
        ];
        objections.into_iter().find(|(holds, ..)| *holds).map(|(_, evasion, why)| (evasion, why))
    }
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

    /// Whether a pool lies within its prefix, the lab, and one IP version.
    fn are_within_lab(&self, family: Family) -> bool {
        let Self::Pool { prefix, .. } = self else { return true };
        let last = self.address(prefix.network(), self.count() - 1);
        let inside = is_lab_address(prefix.network()) && is_lab_address(last);
        inside && prefix.contains(&last) && Family::of(prefix.network()) == family
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
    /// masscan: window 1025, MSS 1460 (templ-pkt.c, whose comment says 1024).
    Masscan,
    /// zmap, since 2.1: window 65535, MSS 1460 (module_tcp_synscan.c, packet.c).
    Zmap,
    /// Linux's connect(2): window 64240; MSS, SACK, time stamps, window scale.
    Linux,
    /// nmap's without its MSS option, which no real connection lacks.
    NoMss,
}

impl SynShape {
    /// Its window and options; `None` leaves them to the technique.
    pub(crate) fn shape(self) -> Option<TcpShape> {
        let mss = || vec![TcpOption::mss(1460)];
        let (window, options) = match self {
            Self::Own => return None,
            Self::Linux => return Some(linux_syn()),
            Self::Nmap => (1_024, mss()),
            Self::Masscan => (1_025, mss()),
            Self::Zmap => (65_535, mss()),
            Self::NoMss => (1_024, Vec::new()),
        };
        Some(TcpShape { window, options })
    }
}
