//! What the fuzzers do, with their seeds and with some thousand inputs of chance: so that they are kept alive, and what
//! they once found stays found. The seeds of the scans are real replies of the simulated target.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use scandrill_model::{Family, Stamp, Technique};
use scandrill_scanners::{Batch, Evasion, Scan, ScanPlan};

#[path = "../../scanners/fuzz/src/lib.rs"]
mod fuzzers;

use crate::fragments::Fragments;
use crate::packet::Sent;
use crate::policy::Policy;
use crate::target::{Faults, Target};
use crate::world::host;
use crate::zombie::{Counter, Zombie};

/// Each fuzzer, and the folder with its seeds.
/// What is fuzzed, by its target's name.
type Fuzzer = (&'static str, fn(&[u8]));

const FUZZERS: [Fuzzer; 7] = [
    ("fuzz/seeds/scan", fuzzers::scan),
    ("fuzz/seeds/idle", fuzzers::idle),
    ("fuzz/seeds/sweep", fuzzers::sweep),
    ("fuzz/seeds/decode", fuzzers::decode),
    ("testdata", fuzzers::nmap),
    ("testdata", fuzzers::masscan),
    ("testdata", fuzzers::zmap),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scanners").join(name)
}

fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| fs::read(entry.expect("a seed").path()).expect("a file")).collect()
}

static SEEDS: LazyLock<BTreeMap<&str, Vec<Vec<u8>>>> =
    LazyLock::new(|| FUZZERS.iter().map(|(name, _)| (*name, seeds(&folder(name)))).collect());

#[test]
fn no_seed_crashes_a_fuzzer() {
    for (name, fuzzer) in FUZZERS {
        assert!(!SEEDS[name].is_empty(), "{name}");
        SEEDS[name].iter().for_each(|seed| fuzzer(seed));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_crash_a_fuzzer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, fuzzer) in FUZZERS {
            fuzzer(&bytes);
        }
    }

    #[test]
    fn no_spoilt_seed_crashes_a_fuzzer(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        with in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        for (name, fuzzer) in FUZZERS {
            let mut seed = which.get(&SEEDS[name]).clone();
            let at = at.index(seed.len().max(1));
            seed.splice(at..(at + with.len()).min(seed.len()), with.iter().copied());
            fuzzer(&seed);
        }
    }
}

/// Every technique over both IP versions, without and with each of three sets of evasions.
#[test]
fn the_seeds_are_replies_that_are_believed() {
    let mut seeds = BTreeMap::new();
    for choice in 0..136 {
        let plan = fuzzers::plan_of(choice);
        if plan.technique == Technique::Idle || Scan::new(&plan).is_err() {
            continue;
        }
        let seed = [vec![choice], records(&replies(&plan))].concat();
        seeds.insert(format!("scan/{choice:03}"), seed);
        if plan.evasion == Evasion::default() {
            let sweep: Vec<Vec<u8>> = fuzzers::targets(choice).iter().flat_map(replies).collect();
            seeds.insert(format!("sweep/{choice:03}"), [vec![choice], records(&sweep)].concat());
            for frame in replies(&plan).iter().take(1) {
                seeds.insert(format!("decode/{choice:03}"), ethernet(frame));
            }
        }
    }
    seeds.insert("idle/counting".to_owned(), records(&resets()));
    let folder = folder("fuzz/seeds");
    if std::env::var_os("SCANDRILL_BLESS").is_some() {
        for (name, seed) in &seeds {
            fs::create_dir_all(folder.join(name).parent().expect("a folder")).expect("a folder");
            fs::write(folder.join(name), seed).expect("a file");
        }
    }
    for (name, seed) in seeds {
        let kept = fs::read(folder.join(&name)).unwrap_or_default();
        assert!(kept == seed, "{name} is not what a scan is answered: SCANDRILL_BLESS=1 writes it");
    }
}

fn replies(plan: &ScanPlan) -> Vec<Vec<u8>> {
    let policies = [Policy::Open, Policy::Closed].into_iter().cycle();
    let policies: BTreeMap<u16, Policy> = plan.cells().iter().zip(policies).collect();
    let mut target = Target::new(plan.technique, policies, Faults::default(), 1);
    let (mut scan, mut batch) = (Scan::new(plan).expect("a plan"), Batch::default());
    scan.poll_transmit(Stamp(1), &mut batch);
    let mut fragments = Fragments::default();
    let whole = batch.iter().filter_map(|packet| fragments.take(packet, plan.evasion.fragment));
    let replies: Vec<Vec<u8>> = whole
        .flat_map(|packet| target.receive(Stamp(1), &Sent::read(&packet), false))
        .map(|reply| reply.1)
        .collect();
    for reply in &replies {
        scan.receive(Stamp(2), reply);
    }
    let silent = [Technique::TcpNull, Technique::TcpFin, Technique::TcpXmas];
    let answered = scan.finish().expect("a result").answered();
    assert!(!answered.is_empty() || silent.contains(&plan.technique), "{plan:?}");
    replies
}

/// The resets of a zombie that a scan with nothing open learns from.
fn resets() -> Vec<Vec<u8>> {
    let plan = fuzzers::plan_for(Technique::Idle, Family::V4);
    let (mut scan, mut batch, mut now) = (Scan::new(&plan).expect("a plan"), Batch::default(), Stamp(1));
    let mut zombie = Zombie::new(host(Family::V4, 9), Counter::ByOne, None, 1);
    let mut resets = Vec::new();
    while let Some(next) = scan.next_timeout() {
        now = now.max(next);
        scan.poll_transmit(now, &mut batch);
        let asked: Vec<Vec<u8>> = batch.iter().map(<[u8]>::to_vec).collect();
        batch.clear();
        // What goes to the target, nothing of which is open, reaches nobody here.
        for query in asked.iter().filter(|packet| packet[19] == 9) {
            let reset = zombie.receive(now, query).expect("a reset");
            now = now + Duration::from_millis(1);
            scan.receive(now, &reset);
            resets.push(reset);
        }
    }
    assert!(scan.finish().is_ok());
    resets
}

/// As the fuzzers read them: a length, some time, the packet.
fn records(packets: &[Vec<u8>]) -> Vec<u8> {
    let record = |packet: &Vec<u8>| {
        let length = u16::try_from(packet.len()).expect("a packet").to_be_bytes();
        [&length[..], &[1], packet].concat()
    };
    packets.iter().flat_map(record).collect()
}

fn ethernet(packet: &[u8]) -> Vec<u8> {
    let kind = match packet[0] >> 4 {
        4 => [0x08, 0x00],
        6 => [0x86, 0xdd],
        _ => [0x08, 0x06],
    };
    [&[2, 0, 0, 0, 0, 7, 2, 0, 0, 0, 0, 1][..], &kind, packet].concat()
}
