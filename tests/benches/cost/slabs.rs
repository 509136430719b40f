//! How much memory the kernel has given to objects of each kind: `/proc/slabinfo` (slabinfo(5)). It is the whole machine's,
//! and holds no table that is larger than a few pages.

use std::collections::BTreeMap;
use std::fs;

use scandrill_tests::bench::Outcome;

/// Where entries may be: memory by size, and connections.
const KINDS: [&str; 2] = ["kmalloc-", "nf_conntrack"];

/// The objects of one size or kind.
#[derive(Clone, Copy)]
struct Cache {
    /// How many are in use.
    objects: f64,
    /// How large each is, in bytes.
    size: f64,
}

/// The kernel's memory at a moment.
pub struct Memory {
    caches: BTreeMap<String, Cache>,
}

/// What has come of one moment and another, for each of a number of entries.
pub struct Growth {
    /// Bytes in caches.
    pub slabs: f64,
    /// The caches' names.
    pub caches: Vec<String>,
}

impl Memory {
    /// Looks.
    pub fn now() -> Outcome<Self> {
        let text = fs::read_to_string("/proc/slabinfo")
            .map_err(|error| format!("read /proc/slabinfo: {error}; only root may"))?;
        // Two lines of heading.
        Ok(Self { caches: text.lines().skip(2).filter_map(cache).collect() })
    }

    /// What `entries` entries have taken since `before`: all caches of a kind that they may be in which have grown by an
    /// object or more for every eighth entry, which what else the machine does seldom makes them.
    pub fn since(&self, before: &Self, entries: f64) -> Growth {
        let kinds = self.caches.iter().filter(|(name, _)| KINDS.iter().any(|kind| name.starts_with(kind)));
        let grown = kinds.filter_map(|(name, now)| {
            let more = now.objects - before.caches.get(name).map_or(0.0, |before| before.objects);
            (more >= entries / 8.0).then(|| (name.clone(), more * now.size / entries))
        });
        let (caches, bytes): (Vec<String>, Vec<f64>) = grown.unzip();
        Growth { slabs: bytes.iter().sum(), caches }
    }
}

/// `name active_objs num_objs objsize ...`
fn cache(line: &str) -> Option<(String, Cache)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let number = |at: usize| words.get(at)?.parse().ok();
    Some(((*words.first()?).to_owned(), Cache { objects: number(1)?, size: number(3)? }))
}
