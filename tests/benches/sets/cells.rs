//! The ways to refuse addresses: what is loaded for n of them, and what adds one more.

use std::iter::once;
use std::net::Ipv4Addr;

use scandrill_tests::bench::stranger;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter};

/// How many addresses are refused.
pub const SIZES: [u32; 6] = [0, 10, 100, 1_000, 10_000, 100_000];

/// How many go to nftables at once: a transaction must fit into the buffer of a socket, which only the machine's own root
/// may make larger (by default 212,992 bytes, net.core.wmem_default).
const AT_ONCE: usize = 500;

/// Whom the last entry of each cell refuses.
pub const REFUSED: Ipv4Addr = Ipv4Addr::new(198, 18, 200, 66);
/// Whom none does.
pub const FRESH: Ipv4Addr = Ipv4Addr::new(198, 18, 200, 77);

/// A way.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, EnumIter)]
pub enum Way {
    /// An nftables set, one rule.
    #[strum(to_string = "nft set")]
    NftSet,
    /// An ipset of type hash:ip, one rule of iptables-nft.
    #[strum(to_string = "ipset hash:ip")]
    Ipset,
    /// A chain of rules in nftables' own words.
    #[strum(to_string = "nft, a rule each")]
    NftChain,
    /// A chain of iptables-nft.
    #[strum(to_string = "iptables-nft, a rule each")]
    IptablesNft,
    /// A chain of iptables-legacy.
    #[strum(to_string = "iptables-legacy, a rule each")]
    IptablesLegacy,
}

/// A program and what it reads.
pub struct Call {
    /// Words, with a blank between them.
    pub command: String,
    /// Its standard input.
    pub input: String,
}

fn call(command: impl Into<String>, input: String) -> Call {
    Call { command: command.into(), input }
}

impl Way {
    /// What loads it, anew, for `size` addresses, one call after the other.
    pub fn load(self, size: u32) -> Vec<Call> {
        let all: Vec<Ipv4Addr> = addresses(size).collect();
        match self {
            Self::NftSet => {
                let parts = all.chunks(AT_ONCE).map(|part| call("nft -f -", nft_elements(part)));
                once(call("nft -f -", NFT_SET.to_owned())).chain(parts).collect()
            }
            Self::Ipset => {
                let rule = "-A INPUT -m set --match-set refused src -j DROP\n";
                vec![call("ipset restore", ipset(&all)), call("iptables-nft-restore", iptables(rule))]
            }
            Self::NftChain => {
                let parts = all.chunks(AT_ONCE).map(|part| call("nft -f -", nft_rules(part)));
                once(call("nft -f -", NFT_CHAIN.to_owned())).chain(parts).collect()
            }
            Self::IptablesNft => {
                let parts = all.chunks(AT_ONCE).map(|part| iptables(&rules(part)));
                parts.map(|text| call("iptables-nft-restore --noflush", text)).collect()
            }
            Self::IptablesLegacy => vec![call("iptables-legacy-restore", iptables(&rules(&all)))],
        }
    }

    /// What adds the `number`th address beyond those that were loaded.
    pub fn add(self, number: u32) -> String {
        let address = stranger(10_000_000 + number);
        match self {
            Self::NftSet => format!("nft add element inet bench refused {{ {address} }}"),
            Self::Ipset => format!("ipset add refused {address}"),
            Self::NftChain => format!("nft add rule inet bench input ip saddr {address} drop"),
            Self::IptablesNft => format!("iptables-nft -A INPUT -s {address} -j DROP"),
            Self::IptablesLegacy => format!("iptables-legacy -A INPUT -s {address} -j DROP"),
        }
    }
}

/// `size` addresses, each once, in no order; the last one is [`REFUSED`].
fn addresses(size: u32) -> impl Iterator<Item = Ipv4Addr> {
    let strangers = (1..size).map(stranger);
    strangers.chain((size > 0).then_some(REFUSED))
}

const NFT_SET: &str = "table inet bench {
  set refused {
    type ipv4_addr
  }
  chain input {
    type filter hook input priority 0
    ip saddr @refused drop
  }
}
";

const NFT_CHAIN: &str = "table inet bench {
  chain input {
    type filter hook input priority 0
  }
}
";

fn nft_elements(addresses: &[Ipv4Addr]) -> String {
    let elements: Vec<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
    format!("add element inet bench refused {{ {} }}\n", elements.join(", "))
}

fn nft_rules(addresses: &[Ipv4Addr]) -> String {
    lines(addresses, |address| format!("add rule inet bench input ip saddr {address} drop\n"))
}

fn ipset(addresses: &[Ipv4Addr]) -> String {
    let create = "create refused hash:ip maxelem 200000\n".to_owned();
    create + &lines(addresses, |address| format!("add refused {address}\n"))
}

fn rules(addresses: &[Ipv4Addr]) -> String {
    lines(addresses, |address| format!("-A INPUT -s {address} -j DROP\n"))
}

fn lines(addresses: &[Ipv4Addr], line: impl Fn(&Ipv4Addr) -> String) -> String {
    addresses.iter().map(line).collect()
}

fn iptables(rules: &str) -> String {
    format!("*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n{rules}COMMIT\n")
}
