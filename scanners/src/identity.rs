//! By what a reply is known to be ours: each probe has a source port that says which try it is, and numbers that
//! only the seed's owner can compute, so that nothing has to be remembered and no stranger's packet is believed.

use rand::Rng;

/// The key of one scan.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    key: u64,
    base_port: u16,
    /// The first try's number: parts of one scan share its key, and count their tries apart.
    first_try: u8,
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
    /// The asked port.
    pub port: u16,
    /// Source port, or ICMP identifier.
    pub source_port: u16,
    /// Which try, from 0; the ICMP sequence number.
    pub attempt: u8,
    /// TCP sequence number.
    pub sequence: u32,
    /// TCP acknowledgement number, where the probe has one.
    pub acknowledgement: u32,
}

/// Source ports start in Linux's ephemeral range (net.ipv4.ip_local_port_range), with room for every try above.
const FIRST_PORT: u16 = 32_768;
const PORTS: u16 = 28_000;

impl Identity {
    /// A new key.
    pub(crate) fn new(plan: &crate::ScanPlan, random: &mut impl Rng) -> Self {
        let key = random.next_u64();
        let offset = u16::try_from(random.next_u64() % u64::from(PORTS)).unwrap_or_default();
        Self { key, base_port: FIRST_PORT + offset, first_try: plan.part * crate::lanes::TRIES_MAX }
    }

    /// By what a kernel program may know replies.
    pub(crate) fn signature(&self) -> Signature {
        Signature { key: self.key, base_port: self.base_port }
    }

    /// The mark of try `attempt` at `port`.
    pub(crate) fn mark(&self, port: u16, attempt: u8) -> Mark {
        let number = self.first_try + attempt;
        let mixed = mix(self.key ^ (u64::from(port) << 8 | u64::from(number)));
        Mark {
            port,
            source_port: self.base_port + u16::from(number),
            attempt,
            sequence: u32::try_from(mixed >> 32).unwrap_or_default(),
            acknowledgement: u32::try_from(mixed & u64::from(u32::MAX)).unwrap_or_default(),
        }
    }

    /// The mark of the probe that left from `source_port` for `port`, if any try has that source port.
    pub(crate) fn find(&self, source_port: u16, port: u16) -> Option<Mark> {
        let number = u8::try_from(source_port.checked_sub(self.base_port)?).ok()?;
        let attempt =
            number.checked_sub(self.first_try).filter(|attempt| *attempt < crate::lanes::TRIES_MAX)?;
        Some(self.mark(port, attempt))
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
    use std::collections::BTreeSet;

    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn any_plan() -> crate::ScanPlan {
        let (source, target) = ([198, 18, 0, 2].into(), [198, 18, 0, 1].into());
        crate::ScanPlan::new(
            scandrill_model::Technique::TcpSyn,
            source,
            target,
            scandrill_model::PortSet::one(1),
            1,
        )
    }

    #[test]
    fn a_probe_is_found_again_by_its_ports_alone() {
        for seed in 0..100 {
            let identity = Identity::new(&any_plan(), &mut ChaCha8Rng::seed_from_u64(seed));
            for attempt in 0..=10 {
                let mark = identity.mark(443, attempt);
                assert_eq!(identity.find(mark.source_port, 443), Some(mark));
            }
            assert_eq!(identity.find(FIRST_PORT - 1, 443), None);
        }
    }

    #[test]
    fn no_two_probes_of_a_scan_have_the_same_number() {
        let identity = Identity::new(&any_plan(), &mut ChaCha8Rng::seed_from_u64(1));
        let probes =
            (0..=u16::MAX).map(|port| identity.mark(port, 0)).map(|m| (m.sequence, m.acknowledgement));
        assert_eq!(probes.collect::<BTreeSet<_>>().len(), 65_536);
    }
}
