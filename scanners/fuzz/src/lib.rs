//! What is done with any bytes: each function feeds them to one parser and panics where what comes out cannot be. Both
//! the fuzzers and an ordinary test call these.
#![forbid(unsafe_code)]

use std::net::IpAddr;
use std::time::Duration;

use scandrill_lab::{CapturedPacket, decode as decode_captured};
use scandrill_model::{Family, PortSet, ScanResult, Stamp, Technique};
use scandrill_scanners::{
    Batch, Evasion, Scan, ScanError, ScanPlan, Sources, Sweep, Zombie, foreign_scanner,
};
use strum::IntoEnumIterator;

/// A scan of a technique, IP version and evasion that the first byte chooses, and the packets that the rest is: each
/// with its length in two bytes and, in a third, the milliseconds after which it comes.
pub fn scan(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let plan = plan_of(*choice);
    let Some(scan) = Scan::new(&plan).ok().filter(|_| plan.technique != Technique::Idle) else { return };
    check(&play(scan, rest).finish().expect("a scan of ports has a result"), &plan);
}

/// The same with an idle scan, of which a zombie may be no good.
pub fn idle(bytes: &[u8]) {
    let plan = plan_for(Technique::Idle, Family::V4);
    let Ok(scan) = Scan::new(&plan) else { return };
    match play(scan, bytes).finish() {
        Ok(result) => check(&result, &plan),
        Err(error) => assert!(matches!(error, ScanError::Zombie { .. }), "{error}"),
    }
}

/// The same with scans of three targets at once.
pub fn sweep(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let plans = targets(*choice).to_vec();
    // A zombie's failure ends a whole sweep.
    let Some(sweep) = Sweep::new(plans.clone()).ok().filter(|_| plans[0].technique != Technique::Idle) else {
        return;
    };
    let results = play(sweep, rest).finish().expect("scans of ports have results");
    for plan in &plans {
        check(&results[&plan.target], plan);
    }
}

/// nmap's XML, whatever was asked.
pub fn nmap(bytes: &[u8]) {
    foreign("nmap", bytes);
}

/// masscan's XML, whatever was asked.
pub fn masscan(bytes: &[u8]) {
    foreign("masscan", bytes);
}

/// zmap's lines, whatever was asked.
pub fn zmap(bytes: &[u8]) {
    foreign("zmap", bytes);
}

/// A captured frame.
pub fn decode(bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("a frame");
    decode_captured(&CapturedPacket { at: Stamp(0), outgoing: false, bytes: bytes.into(), length });
}

/// The plan that a byte stands for; `Scan::new` refuses some of them.
pub fn plan_of(choice: u8) -> ScanPlan {
    let techniques: Vec<Technique> = Technique::iter().collect();
    let choice = usize::from(choice);
    let (technique, choice) = (techniques[choice % techniques.len()], choice / techniques.len());
    let family = if choice.is_multiple_of(2) { Family::V4 } else { Family::V6 };
    let mut plan = plan_for(technique, family);
    let host = |number| address(family, number);
    plan.evasion = match choice / 2 {
        0 => Evasion::default(),
        1 => Evasion { source_port: Some(53), decoys: vec![host(99)], ..Evasion::default() },
        2 => {
            let text = if family == Family::V4 { "198.18.3.0/24" } else { "fd00:198:18:3::/64" };
            let prefix = text.parse().expect("a prefix");
            Evasion { sources: Sources::Pool { prefix, count: 3 }, ..Evasion::default() }
        }
        _ => Evasion { data_length: 9, fragment: Some(8), ttl: Some(3), ..Evasion::default() },
    };
    plan
}

/// The plans of a sweep that a byte stands for.
pub fn targets(choice: u8) -> [ScanPlan; 3] {
    let plan = plan_of(choice);
    [1, 2, 3].map(|number| {
        let target = address(Family::of(plan.target), number);
        ScanPlan { target, ..plan.clone() }
    })
}

/// Always of the same seed, so that a fuzzer can learn the numbers that replies must have.
pub fn plan_for(technique: Technique, family: Family) -> ScanPlan {
    let ports = PortSet::from_iter([22, 53, 80, 132, 1, 6, 17, 2, 44, 58]);
    let mut plan = ScanPlan::new(technique, address(family, 7), address(family, 1), ports, 1);
    plan.link = Some([2, 0, 0, 0, 0, 7]);
    plan.zombie = Some(Zombie { address: address(family, 9), port: 999 });
    plan
}

fn address(family: Family, number: u8) -> IpAddr {
    match family {
        Family::V4 => [198, 18, 0, number].into(),
        Family::V6 => [0xfd00, 0x198, 0x18, 0, 0, 0, 0, number.into()].into(),
    }
}

/// Something that is polled and handed packets.
trait Player {
    fn poll(&mut self, now: Stamp, batch: &mut Batch);
    fn take(&mut self, now: Stamp, packet: &[u8]);
    fn next(&mut self) -> Option<Stamp>;
}

impl Player for Scan {
    fn poll(&mut self, now: Stamp, batch: &mut Batch) {
        self.poll_transmit(now, batch);
    }
    fn take(&mut self, now: Stamp, packet: &[u8]) {
        self.receive(now, packet);
    }
    fn next(&mut self) -> Option<Stamp> {
        self.next_timeout()
    }
}

impl Player for Sweep {
    fn poll(&mut self, now: Stamp, batch: &mut Batch) {
        self.poll_transmit(now, batch).expect("scans of ports have results");
    }
    fn take(&mut self, now: Stamp, packet: &[u8]) {
        self.receive(now, packet);
    }
    fn next(&mut self) -> Option<Stamp> {
        self.next_timeout()
    }
}

/// Hands it the packets, then nothing until it has come to its end, which it must.
fn play<P: Player>(mut player: P, mut bytes: &[u8]) -> P {
    let (mut now, mut batch) = (Stamp(1_700_000_000_000_000_000), Batch::default());
    while let [high, low, millis, rest @ ..] = bytes {
        player.poll(now, &mut batch);
        batch.clear();
        let length = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
        let (packet, rest) = rest.split_at(length);
        now = now + Duration::from_millis(u64::from(*millis));
        player.take(now, packet);
        bytes = rest;
    }
    for _ in 0..STEPS_MAX {
        player.poll(now, &mut batch);
        batch.clear();
        match player.next() {
            None => return player,
            Some(next) => now = now.max(next),
        }
    }
    panic!("it does not come to its end");
}

/// Ten cells of three targets, each asked at most 16 times, end long before.
const STEPS_MAX: usize = 10_000;

/// Each cell is in exactly one group.
fn check(result: &ScanResult, plan: &ScanPlan) {
    let ports = |group: &scandrill_model::StateGroup| group.ports.len();
    assert_eq!(result.groups.iter().map(ports).sum::<usize>(), plan.cells().len());
    assert!(result.states().keys().copied().eq(plan.cells().iter()));
}

fn foreign(name: &str, report: &[u8]) {
    let scanner = foreign_scanner(name).expect("a registered scanner");
    for technique in Technique::iter() {
        for family in [Family::V4, Family::V6] {
            let host = |number| address(family, number);
            let ports = if name == "zmap" { PortSet::one(22) } else { "1-1000".parse().expect("ports") };
            let plan = ScanPlan::new(technique, host(2), host(1), ports, 1);
            if let Ok(result) = scanner.parse(&[report.to_vec()], &plan) {
                assert!(result.states().keys().all(|port| plan.cells().contains(*port)), "{result:?}");
            }
        }
    }
}
