//! By what a reply is known to be ours: each probe has a source port that says which try it is, and numbers that
//! only the seed's owner can compute, so that nothing has to be remembered and no stranger's packet is believed.

use std::net::IpAddr;
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use rand::Rng;

use crate::evasion::Sources;
use crate::lanes::TRIES_MAX;
use crate::plan::ScanPlan;

/// The key of one scan.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    key: u64,
    source_ports: SourcePorts,
    /// The first try's number: parts of one scan share its key, and count their tries apart.
    first_try: u8,
    own: IpAddr,
    pool: Option<Arc<Pool>>,
}

/// By what the replies to a scan are known, for whoever reads them elsewhere: try number `n` at a port has the source
/// port `base_port + n`, and SplitMix64 of `key ^ (port << 8 | n)` as sequence number (high half) and acknowledgement
/// number (low half).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// The scan's key.
    pub key: u64,
    /// The first try's source port.
    pub base_port: u16,
}

/// What identifies one probe on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The asked port, or protocol.
    pub port: u16,
    /// Which try, from 0; the ICMP sequence number.
    pub attempt: u8,
    /// Where it comes from, and where its reply must come back to.
    pub source: IpAddr,
    /// Source port, or ICMP identifier.
    pub source_port: u16,
    /// TCP sequence number, or SCTP's initiate tag.
    pub sequence: u32,
    /// TCP acknowledgement number, where the probe has one.
    pub acknowledgement: u32,
}

/// How a probe's source port comes about.
#[derive(Clone, Copy, Debug)]
enum SourcePorts {
    /// The base for the first try, the next for the next.
    PerTry(u16),
    /// The same for all.
    Fixed(u16),
}

/// Many sources: the first port of the plan has the first, the next port the next, and so around.
#[derive(Debug)]
struct Pool {
    sources: Sources,
    /// Each range of the plan's ports, and how many ports there are before it.
    ranks: Vec<(RangeInclusive<u16>, u32)>,
}

/// Source ports start in Linux's ephemeral range (net.ipv4.ip_local_port_range), with room for every try above.
const FIRST_PORT: u16 = 32_768;
const PORTS: u16 = 28_000;

impl Identity {
    /// A new key for a plan.
    pub(crate) fn new(plan: &ScanPlan, random: &mut impl Rng) -> Self {
        let key = random.next_u64();
        let offset = u16::try_from(random.next_u64() % u64::from(PORTS)).unwrap_or_default();
        let per_try = SourcePorts::PerTry(FIRST_PORT + offset);
        Self {
            key,
            source_ports: plan.evasion.source_port.map_or(per_try, SourcePorts::Fixed),
            first_try: plan.part * TRIES_MAX,
            own: plan.source,
            pool: Pool::new(plan).map(Arc::new),
        }
    }

    /// By what a kernel program may know replies.
    pub(crate) fn signature(&self) -> Signature {
        match self.source_ports {
            SourcePorts::PerTry(port) | SourcePorts::Fixed(port) => {
                Signature { key: self.key, base_port: port }
            }
        }
    }

    /// The mark of try `attempt` at `port`.
    pub(crate) fn mark(&self, port: u16, attempt: u8) -> Mark {
        let number = self.first_try + attempt;
        let mixed = mix(self.key ^ (u64::from(port) << 8 | u64::from(number)));
        Mark {
            port,
            attempt,
            source: self.pool.as_ref().map_or(self.own, |pool| pool.source(self.own, port, attempt)),
            source_port: match self.source_ports {
                SourcePorts::PerTry(base) => base + u16::from(number),
                SourcePorts::Fixed(port) => port,
            },
            sequence: u32::try_from(mixed >> 32).unwrap_or_default(),
            acknowledgement: u32::try_from(mixed & u64::from(u32::MAX)).unwrap_or_default(),
        }
    }

    /// Every source port that a probe of this scan can have.
    pub(crate) fn source_ports(&self) -> RangeInclusive<u16> {
        match self.source_ports {
            SourcePorts::PerTry(base) => {
                let first = base + u16::from(self.first_try);
                first..=first + u16::from(TRIES_MAX - 1)
            }
            SourcePorts::Fixed(port) => port..=port,
        }
    }

    /// The probes that left from `source` with `source_port` for `port`: at most one, unless all tries share their
    /// source port.
    pub(crate) fn candidates(
        &self,
        source: IpAddr,
        source_port: u16,
        port: u16,
    ) -> impl Iterator<Item = Mark> + '_ {
        let tries = if self.is_own(source) { self.tries(source_port) } else { 0..0 };
        tries.map(move |attempt| self.mark(port, attempt)).filter(move |mark| mark.source == source)
    }

    /// Every try at `port` from `source`, whatever its source port.
    pub(crate) fn all_tries(&self, source: IpAddr, port: u16) -> impl Iterator<Item = Mark> + '_ {
        (0..TRIES_MAX).map(move |attempt| self.mark(port, attempt)).filter(move |mark| mark.source == source)
    }

    /// Rules out most strangers at once.
    fn is_own(&self, source: IpAddr) -> bool {
        self.pool.is_some() || source == self.own
    }

    fn tries(&self, source_port: u16) -> Range<u8> {
        match self.source_ports {
            SourcePorts::PerTry(base) => {
                match u8::try_from(source_port.wrapping_sub(base + u16::from(self.first_try))) {
                    Ok(attempt) if attempt < TRIES_MAX => attempt..attempt + 1,
                    _ => 0..0,
                }
            }
            SourcePorts::Fixed(port) if port == source_port => 0..TRIES_MAX,
            SourcePorts::Fixed(_) => 0..0,
        }
    }
}

impl Pool {
    /// `None` where there is one source only.
    fn new(plan: &ScanPlan) -> Option<Self> {
        let sources = match &plan.evasion.sources {
            Sources::Own | Sources::Spoofed => return None,
            pool @ Sources::Pool { .. } => pool.clone(),
        };
        let mut before = 0;
        let cells = plan.cells();
        let ranks = cells.ranges().map(|range| {
            let rank = before;
            before += u32::from(range.end() - range.start()) + 1;
            (range, rank)
        });
        Some(Self { sources, ranks: ranks.collect() })
    }

    /// By the port's place in the plan, not its number, so that any set of ports spreads evenly.
    fn source(&self, own: IpAddr, port: u16, attempt: u8) -> IpAddr {
        let after = self.ranks.partition_point(|(range, _)| *range.start() <= port);
        let rank = match after.checked_sub(1).and_then(|at| self.ranks.get(at)) {
            Some((range, before)) => before + u32::from(port - range.start()),
            None => u32::from(port),
        };
        self.sources.address(own, rank + u32::from(attempt))
    }
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, 2014): one bit in changes half of the bits out.
fn mix(mut value: u64) -> u64 {
    value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use scandrill_model::{PortSet, Technique};

    use super::*;

    fn plan(ports: PortSet) -> ScanPlan {
        let (source, target) = ("198.18.0.7".parse().unwrap(), "198.18.0.1".parse().unwrap());
        ScanPlan::new(Technique::TcpSyn, source, target, ports, 1)
    }

    fn identity(plan: &ScanPlan, seed: u64) -> Identity {
        Identity::new(plan, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    #[test]
    fn a_probe_is_found_again_by_its_ports_alone() {
        let plan = plan(PortSet::one(443));
        for seed in 0..100 {
            let identity = identity(&plan, seed);
            for attempt in 0..TRIES_MAX {
                let mark = identity.mark(443, attempt);
                let found: Vec<Mark> = identity.candidates(plan.source, mark.source_port, 443).collect();
                assert_eq!(found, [mark]);
                assert!(identity.source_ports().contains(&mark.source_port));
            }
            for stranger in [FIRST_PORT - 1, identity.source_ports().end() + 1] {
                assert_eq!(identity.candidates(plan.source, stranger, 443).next(), None);
            }
        }
    }

    #[test]
    fn no_two_probes_of_a_scan_have_the_same_number() {
        let identity = identity(&plan(PortSet::one(1)), 1);
        let probes =
            (0..=u16::MAX).map(|port| identity.mark(port, 0)).map(|m| (m.sequence, m.acknowledgement));
        assert_eq!(probes.collect::<BTreeSet<_>>().len(), 65_536);
    }

    #[test]
    fn a_pool_spreads_evenly_over_any_set_of_ports() {
        let multiples = (1..=250).map(|number| number * 256).collect();
        for ports in ["1-1000".parse().unwrap(), multiples] {
            let mut plan = plan(ports);
            plan.evasion.sources = Sources::Pool { prefix: "198.19.0.0/16".parse().unwrap(), count: 256 };
            let identity = identity(&plan, 1);
            let mut shares = BTreeMap::new();
            for port in plan.ports.iter() {
                *shares.entry(identity.mark(port, 0).source).or_insert(0_usize) += 1;
            }
            assert!(shares.values().all(|share| *share <= plan.ports.len().div_ceil(256)), "{shares:?}");
            assert_ne!(identity.mark(512, 0).source, identity.mark(512, 1).source);
        }
    }
}
