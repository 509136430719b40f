//! A scenario file as it is written: what TOML gives, before it is understood. The comments here are the
//! descriptions in the published JSON Schema.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub use super::ban_file::{BanTable, BanValue, RepeatsTable};
pub use super::claim_file::{ClaimTable, PredictsTable};
pub use super::load_file::{CounterTable, FloodCount, FloodTable};

/// A value with its place in the file.
#[derive(Clone, Debug)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its byte range.
    pub span: Range<usize>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for At<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = toml::Spanned::<T>::deserialize(deserializer)?;
        Ok(Self { span: spanned.span(), value: spanned.into_inner() })
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
    fn inline_schema() -> bool {
        T::inline_schema()
    }
}

/// One value or a list of them.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// A single value.
    One(T),
    /// A list.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// The values, in order.
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}

/// A layer's table: its name under `layer`, its parameters beside it.
pub type LayerTable = BTreeMap<At<String>, toml::Value>;

impl PartialEq for At<String> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl Eq for At<String> {}
impl PartialOrd for At<String> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for At<String> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.value.cmp(&other.value)
    }
}

/// A scandrill scenario: a target with a defense, red actors that scan it, green clients that use it, and
/// what is expected to be seen.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScenarioFile {
    /// What the scenario shows, in one line.
    pub about: Option<String>,
    /// A sentence that is put to the test.
    pub claim: Option<ClaimTable>,
    /// IP versions to run it over, each in its own lab: "v4", "v6". Both by default.
    pub family: Option<At<OneOrMany<String>>>,
    /// What installs the layers that exist for both, each in its own lab: "iptables", "nftables". "iptables" by default.
    /// A layer that sets its own `tool` keeps it.
    pub tool: Option<At<OneOrMany<String>>>,
    /// iptables back ends to run it with, each in its own lab: "nft", "legacy". "nft" by default.
    pub backend: Option<At<OneOrMany<String>>>,
    /// How many times each case runs, each in its own lab with its own seed. 1 by default.
    pub repeat: Option<At<u32>>,
    /// Takes longer than people wait for; left out of the default run.
    #[serde(default)]
    pub slow: bool,
    /// Needs the whole machine, because it bounds milliseconds.
    #[serde(default)]
    pub exclusive: bool,
    /// The host that is attacked.
    #[serde(default)]
    pub target: TargetTable,
    /// A host between all others and the target. Scans and clients ask the target's address where it is a router, else
    /// its own. Captures and the control look at its outer side.
    pub edge: Option<At<EdgeTable>>,
    /// The link that all hosts share.
    #[serde(default)]
    pub link: LinkTable,
    /// Settings of single hosts, by name.
    #[serde(default)]
    pub hosts: BTreeMap<String, HostTable>,
    /// Attackers, one after the other unless `after` says otherwise.
    #[serde(default)]
    pub red: Vec<At<RedTable>>,
    /// Legitimate clients, beside the attackers unless `after` says otherwise.
    #[serde(default)]
    pub green: Vec<At<GreenTable>>,
    /// Administrators, who run a command on a host, at once with the others unless `after` says otherwise.
    #[serde(default)]
    pub operator: Vec<At<OperatorTable>>,
    /// Load: many packets of one kind, at once with the others unless `after` says otherwise.
    #[serde(default)]
    pub flood: Vec<At<FloodTable>>,
    /// What the kernel of a host counts while the actors act.
    #[serde(default)]
    pub counter: Vec<At<CounterTable>>,
}

/// The host that is attacked, and its defense.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, as in target.services = [\"tcp/22\"]")]
pub struct TargetTable {
    /// Listeners: "tcp/22", "tcp/80 http", "tcp/80 nginx", "tcp/80 waf", "tcp/9 tarpit", "udp/53 dns", "udp/7 echo", "udp/9 silent", "sctp/2905".
    #[serde(default)]
    pub services: Vec<At<String>>,
    /// Layers in order, such as { layer = "recent", seconds = 60 }; see `scandrill list --layers`.
    #[serde(default)]
    #[schemars(with = "Vec<BTreeMap<String, serde_json::Value>>")]
    pub defense: Vec<At<LayerTable>>,
    /// Your own rules: iptables-save format, an nft file or a shell script, by path from this file.
    pub rules: Option<At<OneOrMany<String>>>,
    /// "unlimited" (the default) lets the target answer every probe that deserves an ICMP error; "kernel"
    /// keeps the kernel's own limits.
    pub icmp: Option<At<String>>,
    /// The service, such as "tcp/22", that a source of its own must reach under the defense, so that silence
    /// means something; "none" where the defense shuts out everyone. By default the first TCP service. Behind an edge
    /// that is not a router it is one of the edge's ports.
    pub canary: Option<At<String>>,
    /// The name of the target's interface; "eth0" by default.
    pub interface: Option<At<String>>,
    /// Kernel parameters of the target before its defense is in.
    #[serde(default)]
    pub sysctls: BTreeMap<String, At<String>>,
}

/// The host between the others and the target, whose interface is "eth0" to them and "eth1" to the target.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, as in edge.forwards = \"nat\"")]
pub struct EdgeTable {
    /// "route": a router before the target's own address; "nat": what comes to the edge's ports is sent on to the target
    /// (DNAT); "haproxy", "nginx": a proxy that accepts connections and makes others to the target, speaking HTTP where
    /// the service does; nginx speaks nothing else. It is there, and forwards, before any defense is in.
    pub forwards: At<String>,
    /// What it forwards, e.g. "tcp/80", or "tcp/8080 to tcp/80"; by default each of the target's services. A router
    /// forwards everything.
    pub ports: Option<Vec<At<String>>>,
    /// With "nat": the target sees the edge's address as the source (masquerade). It sees the client's by default.
    pub masquerade: Option<At<bool>>,
    /// How a proxy tells the target for whom it asks: "nothing" (the default), "x-forwarded-for", or "proxy-protocol",
    /// which the target's service must understand.
    pub tells: Option<At<String>>,
    /// The edge's own layers in order, as the target's. What services a layer lets pass are those that are forwarded.
    #[serde(default)]
    #[schemars(with = "Vec<BTreeMap<String, serde_json::Value>>")]
    pub defense: Vec<At<LayerTable>>,
    /// Your own rules for the edge, as the target's.
    pub rules: Option<At<OneOrMany<String>>>,
}

/// The link that all hosts share.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, as in link.loss = \"5%\"")]
pub struct LinkTable {
    /// The share of all packets that is lost each way while the actors act, e.g. "5%" or "0.5%". None by default.
    pub loss: Option<At<String>>,
}

/// Settings of a host other than the target.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostTable {
    /// Kernel parameters.
    #[serde(default)]
    pub sysctls: BTreeMap<String, At<String>>,
    /// Further source ranges inside the lab's own ranges that the target routes to this host.
    #[serde(default)]
    pub ranges: Vec<At<String>>,
}

/// An attacker.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedTable {
    /// Its name: "red", "red-2", ... by default.
    pub name: Option<At<String>>,
    /// The host it works from, by default one of its own. Actors that name the same host share its address.
    pub host: Option<At<String>>,
    /// Its address, inside a range of its host; chosen by default.
    pub source: Option<At<String>>,
    /// How it probes, e.g. "tcp-syn".
    pub technique: At<String>,
    /// The flags of tcp-flags, e.g. "SYN,FIN", or "none".
    pub flags: Option<At<String>>,
    /// What it probes, e.g. "1-1000,8080"; of ip-protocol the protocols' numbers, 1 to 255. A technique that asks
    /// the host itself (ICMP, ARP) has none.
    pub ports: Option<At<String>>,
    /// "builtin" (the default), "nmap" or both; each scanner gets a case and a lab of its own.
    pub scanner: Option<At<OneOrMany<String>>>,
    /// nmap's timing template, "T0" to "T5"; "T4" by default.
    pub timing: Option<At<String>>,
    /// "random" (the default), "ascending", or "popular": at random, but often open ports first.
    pub order: Option<At<String>>,
    /// Probes per time, from "1/h" to "1000000/s"; as fast as the technique goes by default.
    pub rate: Option<At<String>>,
    /// Time from one probe to the next, e.g. "300ms": the other way to say `rate`.
    pub scan_delay: Option<At<String>>,
    /// By how many percent of itself each time between two probes is longer or shorter, at random; the mean stays.
    pub jitter: Option<At<u8>>,
    /// So many probes, then nothing for a while, and again: { probes = 20, pause = "2s" }.
    pub burst: Option<At<BurstTable>>,
    /// The source port of all probes; by default each try has its own.
    pub source_port: Option<At<u16>>,
    /// Others in whose name each probe is sent, too: how many, of addresses that nobody has, or a list of hosts and
    /// addresses.
    pub decoys: Option<At<Decoys>>,
    /// The addresses it sends from, one after the other, port by port: how many, or a prefix.
    pub sources: Option<At<SourcesValue>>,
    /// The host, or address, in whose name the scan is sent. Its answers go there, and the scanner hears none.
    pub spoof: Option<At<String>>,
    /// Splits each probe into IP fragments of so many bytes, a multiple of 8.
    pub fragment: Option<At<u16>>,
    /// The probes' time to live, or hop limit.
    pub ttl: Option<At<u8>>,
    /// Sends each probe with a wrong checksum, which no host takes.
    pub bad_checksum: Option<At<bool>>,
    /// So many random bytes more in each probe.
    pub data_length: Option<At<u16>>,
    /// Whose SYN it looks like: "nmap", "masscan", "zmap", "linux" or "no-mss"; the technique's own by default.
    pub syn: Option<At<String>>,
    /// The host through which technique idle looks: true (the default) for one that is added, "zombie", or the name of
    /// another.
    pub zombie: Option<At<ZombieValue>>,
    /// Ports that it touches in this order before it scans, from the address that it scans from: `["tcp/7000", "udp/8000"]`.
    pub knock: Option<At<Vec<String>>>,
    /// From one step of its knock to the next, and from the last to its scan, e.g. "1500ms"; "20ms" by default. Over TCP a
    /// step that takes longer than a second sends its SYN again, as that of a person who knocks with telnet does.
    pub knock_pace: Option<At<String>>,
    /// What nmap finds out beside the ports' states: "os", "services".
    pub detect: Option<At<OneOrMany<String>>>,
    /// Actors that must have finished before; by default the red actor before this one.
    pub after: Option<Vec<At<String>>>,
    /// What it is expected to read and to suffer. Every scanned port must be covered.
    pub expect: RedExpect,
}

/// Bursts of probes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, as in burst = { probes = 9, pause = \"60s\" }")]
pub struct BurstTable {
    /// Probes of a burst.
    pub probes: At<u32>,
    /// From the last probe of a burst to the first of the next, e.g. "2s".
    pub pause: At<String>,
}

/// Decoys: a number of them, or a list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number of decoys, or a list of hosts and addresses")]
pub enum Decoys {
    /// So many addresses that nobody has.
    Count(u8),
    /// Hosts by name, or addresses.
    Named(Vec<String>),
}

/// The addresses of a scanner that has many.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number of sources, or a prefix such as \"198.19.128.0/24\"")]
pub enum SourcesValue {
    /// So many, in a prefix of their own.
    Count(u32),
    /// Those of a prefix.
    Prefix(String),
}

/// The host whose IP identification an idle scan reads.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, or the name of a host")]
pub enum ZombieValue {
    /// A host of its own.
    Added(bool),
    /// This host.
    Host(String),
}

/// What a red actor is expected to see.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, as in expect.open = \"22\"")]
pub struct RedExpect {
    /// Ports that read open.
    pub open: Option<At<String>>,
    /// Ports that read closed.
    pub closed: Option<At<String>>,
    /// Ports that read filtered.
    pub filtered: Option<At<String>>,
    /// Ports that read unfiltered.
    pub unfiltered: Option<At<String>>,
    /// Ports that read open|filtered.
    #[serde(rename = "open|filtered")]
    pub open_filtered: Option<At<String>>,
    /// Ports that read closed|filtered.
    #[serde(rename = "closed|filtered")]
    pub closed_filtered: Option<At<String>>,
    /// Ports that give no answer, by nature or by a defense, whatever that state is called. It says nothing of a filter.
    pub silent: Option<At<String>>,
    /// The state, or states, or "silent", allowed for all other ports; beside `answered`, for those that gave no answer.
    pub rest: Option<At<OneOrMany<String>>>,
    /// How many ports give any answer: 9, or { min = 8, max = 10 }.
    pub answered: Option<At<Count>>,
    /// The time to live, or hop limit, of every reply: 64, or { min = 60, max = 64 }.
    pub ttl: Option<At<Count>>,
    /// How the best guess at the target's system begins, e.g. "Linux"; with detect = "os".
    pub os: Option<At<String>>,
    /// How sure nmap is of its best guess, in percent: { max = 92 }; 0 where it has none. With detect = "os".
    pub os_accuracy: Option<At<Count>>,
    /// Whether its source is banned afterwards: true, false, or a table of bounds.
    pub ban: Option<At<BanValue>>,
    /// How many of its probes arrive at the target, each try counted: 30, or { min = 30, max = 90 }.
    pub probes: Option<At<Count>>,
    /// How long the scan takes: { min = "2s", max = "4s" }; `max` only in an `exclusive` scenario.
    pub took: Option<TimeTable>,
}

/// Bounds of a length of time, both included.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, as in took = { min = \"2s\" }")]
pub struct TimeTable {
    /// Not shorter, e.g. "500ms".
    pub min: Option<At<String>>,
    /// Not longer, e.g. "2s"; only in an `exclusive` scenario.
    pub max: Option<At<String>>,
}

/// A count: exact, or within bounds.
#[derive(Clone, Debug, JsonSchema)]
#[schemars(untagged)]
pub enum Count {
    /// Exactly this many.
    Exactly(u64),
    /// Between two bounds, both included.
    Between(Bounds),
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CountVisitor)
    }
}

/// Written by hand, because an untagged enum would lose the place of a mistake inside its table.
struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a count such as 9, or { min = 8, max = 10 }")
    }
    fn visit_i64<E: de::Error>(self, count: i64) -> Result<Count, E> {
        let count =
            u64::try_from(count).map_err(|_| E::invalid_value(de::Unexpected::Signed(count), &self))?;
        Ok(Count::Exactly(count))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Count, A::Error> {
        Bounds::deserialize(MapAccessDeserializer::new(map)).map(Count::Between)
    }
}

/// Bounds of a count, both included.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// Not fewer.
    pub min: Option<u64>,
    /// Not more.
    pub max: Option<u64>,
}

/// A legitimate client.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GreenTable {
    /// Its name: "green", "green-2", ... by default.
    pub name: Option<At<String>>,
    /// The host it works from, by default one of its own.
    pub host: Option<At<String>>,
    /// Its address, inside a range of its host; chosen by default.
    pub source: Option<At<String>>,
    /// What it does: "http tcp/80", "tcp tcp/22", "udp udp/7", "dns udp/53" or "ping"; with "session tcp/22" all its
    /// requests are lines over one connection, each of which comes back. Or who it is: "browser tcp/80" loads pages, each
    /// over six connections at once; "api tcp/80" makes one new connection a second; "admin tcp/22" keeps a session;
    /// "monitor tcp/22" pings and connects once a minute; "crawler tcp/80" comes from eight addresses of its range in turn;
    /// "outbound tcp/443" is the target itself, which connects to a service of that port on a host of its own.
    pub client: At<String>,
    /// Requests per time, e.g. "1/s"; by default "10/s", or what the role says.
    pub rate: Option<At<String>>,
    /// How many requests it makes; 10 by default.
    pub count: Option<At<u32>>,
    /// Whether it makes `count` requests before the first attacker begins, goes on while attackers act, and makes `count`
    /// more once the last has ended; then a fresh source makes the same request beside it.
    #[serde(default)]
    pub throughout: bool,
    /// The attacker beside which it sits behind one translating gateway, so that the target sees one address for both.
    pub behind: Option<At<String>>,
    /// Ports that it touches in this order before its first request, from the same address: `["tcp/7000", "udp/8000"]`.
    pub knock: Option<At<Vec<String>>>,
    /// From one step of its knock to the next, and from the last to its first request, e.g. "1500ms"; "20ms" by default.
    /// Over TCP a step that takes longer than a second sends its SYN again, as that of a person who knocks with telnet does.
    pub knock_pace: Option<At<String>>,
    /// Actors that must have finished before; none by default.
    pub after: Option<Vec<At<String>>>,
    /// Actors that act between its first request and the second.
    #[serde(default)]
    pub around: Vec<At<String>>,
    /// What it is expected to get.
    #[serde(default)]
    pub expect: GreenExpect,
}

/// What a green client is expected to get. Without any key, every request must be served.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, as in expect.served = 5")]
pub struct GreenExpect {
    /// Smallest share of requests that are served, 0.0 to 1.0.
    pub success_min: Option<At<f64>>,
    /// Largest share of requests that are served, 0.0 to 1.0.
    pub success_max: Option<At<f64>>,
    /// How many requests are served: 9, or { min = 8, max = 10 }.
    pub served: Option<At<Count>>,
    /// No request that is served takes longer, e.g. "50ms"; only in an `exclusive` scenario.
    pub latency_max: Option<At<String>>,
    /// At most so many TCP segments of its are sent again.
    pub retransmissions_max: Option<At<u64>>,
    /// Whether it is banned: served at first and no more in the end, while a fresh source is served.
    pub banned: Option<At<bool>>,
    /// What it gets before the first attacker begins, as in expect.before.success_min = 1.0.
    pub before: Option<At<PhaseExpect>>,
    /// What it gets while attackers act.
    pub during: Option<At<PhaseExpect>>,
    /// What it gets once the last attacker has ended.
    pub after: Option<At<PhaseExpect>>,
}

/// What a green client is expected to get in one phase. It must have made a request then.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, as in expect.during.success_min = 0.99")]
pub struct PhaseExpect {
    /// Smallest share of requests that are served, 0.0 to 1.0.
    pub success_min: Option<At<f64>>,
    /// Largest share of requests that are served, 0.0 to 1.0.
    pub success_max: Option<At<f64>>,
    /// 99 in 100 served requests take no longer, e.g. "50ms"; only in an `exclusive` scenario.
    pub latency_p99_max: Option<At<String>>,
    /// At most so many TCP segments of its are sent again.
    pub retransmissions_max: Option<At<u64>>,
}

/// An administrator.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorTable {
    /// Its name: "operator", "operator-2", ... by default.
    pub name: Option<At<String>>,
    /// The host it works on, which may be "edge"; "target" by default.
    pub host: Option<At<String>>,
    /// What it types: commands of bash, of which the first that fails is the last. $TARGET, $RED, $RED_2, $GREEN and
    /// so on hold the actors' addresses, by their names, $EDGE and $EDGE_INSIDE an edge's to the others and to the
    /// target, $IPTABLES the case's program, iptables or ip6tables, and $TOOL
    /// its tool. It has a minute, and what it starts ends with it. It may
    /// write files in /etc, /run, /tmp and /var/log.
    pub run: Option<At<String>>,
    /// Boots the target, instead of `run`: "rules-first" runs `boot` before the links are up, "links-first" after. The
    /// target has a fresh network namespace then, in which its services run and nothing is left of rules, sets, their
    /// contents and connections. Files stay, but for those in /run and /tmp. `around` names who acts once the links are
    /// up: with "links-first" before `boot`. Probes that are sent while the target is down are an error.
    pub reboot: Option<At<String>>,
    /// What the target runs when it boots, to load rules; bash, as in `run`. Nothing by default.
    pub boot: Option<At<String>>,
    /// It changes the rules or sets of the target, or of the edge it works on. They are then compared with a reference in which the commands of all
    /// such operators were run again, in the same order, over the same files. Without it, a change is an error.
    #[serde(default)]
    pub changes: bool,
    /// Programs that its commands need, beside those of firewalls, and "root" for what only the machine's own root can
    /// do. Where one is missing, the case is skipped.
    #[serde(default)]
    pub needs: Vec<At<String>>,
    /// Actors that must have finished before; none by default.
    pub after: Option<Vec<At<String>>>,
    /// Actors that act while it runs: they start once it is ready, and when they have finished, it is interrupted as by
    /// Ctrl-C. Of a reboot: those that act once the links are up.
    #[serde(default)]
    pub around: Vec<At<String>>,
    /// A regular expression: it is ready once this is in its output. With `around` alone.
    pub ready: Option<At<String>>,
    /// What its commands must come to.
    #[serde(default)]
    pub expect: OperatorExpect,
}

/// What an operator's commands must come to.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "a table, as in expect.says = \"DROP\"")]
pub struct OperatorExpect {
    /// The exit code; 0 by default.
    pub exit: Option<At<i32>>,
    /// Regular expressions; each is found in what was written to standard output and standard error. ^ and $ are the
    /// beginning and the end of a line.
    pub says: Option<At<OneOrMany<String>>>,
    /// Regular expressions; none is found there.
    pub says_not: Option<At<OneOrMany<String>>>,
    /// The output is one number: 9, or { min = 8, max = 10 }.
    pub value: Option<At<Count>>,
}
