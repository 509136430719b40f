//! Load and counters of a scenario file as they are written. The comments here are the descriptions in the published JSON
//! Schema, as in `file`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::{At, Count, SourcesValue};

/// Load on the target, bounded in number. It is judged by what it does to others, and by counters; captures leave it out.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FloodTable {
    /// Its name: "flood", "flood-2", ... by default.
    pub name: Option<At<String>>,
    /// The host it comes from, by default one of its own.
    pub host: Option<At<String>>,
    /// What is sent: "syn", "ack", "udp", "echo", or "handshakes", which completes each handshake and sends nothing more.
    /// No kernel owns the sources, so nobody resets what answers them.
    pub sends: At<String>,
    /// Where it goes, such as "tcp/80" or "udp/53"; "echo" has no port.
    pub to: Option<At<String>>,
    /// The addresses it comes from, one after the other: how many, in a prefix of their own, or a prefix. By default one
    /// address of its own.
    pub sources: Option<At<SourcesValue>>,
    /// The host, or address, in whose name all of it is sent.
    pub spoof: Option<At<String>>,
    /// At most so many packets; or "110% of nf_conntrack_max", by what this machine's table of connections holds.
    pub count: At<FloodCount>,
    /// Packets per time, e.g. "5000/s"; by default as fast as they go.
    pub rate: Option<At<String>>,
    /// Actors around whom it lasts: they begin once it is under way, and it ends when all of them have finished. It must
    /// not run out of packets before.
    #[serde(default)]
    pub around: Vec<At<String>>,
    /// Actors that must have finished before; none by default.
    #[serde(default)]
    pub after: Vec<At<String>>,
}

/// How many packets a flood has.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a number of packets, or a share such as \"110% of nf_conntrack_max\""
)]
pub enum FloodCount {
    /// So many.
    Packets(u64),
    /// A share of what the machine's table of connections holds.
    Share(String),
}

/// A counter of a host's kernel: how much it grows from right before the actors act to right after.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CounterTable {
    /// Its name: "counter", "counter-2", ... by default.
    pub name: Option<At<String>>,
    /// What is counted: a counter of /proc/net/netstat, snmp or snmp6, such as "TcpExt.ListenDrops", "Tcp.OutRsts" or
    /// "Ip6.InReceives"; or of /proc/net/stat/nf_conntrack, such as "conntrack.drop". "conntrack.count" is how many
    /// connections are tracked afterwards, "conntrack.percent" how full their table is then.
    pub counts: At<String>,
    /// Whose kernel's; "target" by default.
    pub host: Option<At<String>>,
    /// By how much it grows: 9, or { min = 8, max = 10 }.
    pub expect: At<Count>,
}
