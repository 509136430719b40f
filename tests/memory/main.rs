//! What a scan remembers, counted by the allocator of this one program: at most 16 bytes a port beyond a fixed base, and
//! nothing that grows with the number of targets but their plans and results.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use peak_alloc::PeakAlloc;
use scandrill_model::{PortSet, Stamp, Technique};
use scandrill_scanners::{Batch, Scan, ScanPlan, Sweep};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// One count at a time: the tests of a program share its allocator.
static COUNTING: Mutex<()> = Mutex::new(());

/// Batches, forms of packets, keys: what a scan of one port needs, too.
const BASE: usize = 64 * 1024;
/// Of each port.
const PORT: usize = 16;
/// And so many more while its result is made: sets of ports that lie scattered.
const RESULT: usize = 8;
/// Of each target that is not being asked: its plan, and what was read of it.
const TARGET: usize = 1_024;

/// The most that was allocated at once while `work` ran, beyond what was there.
fn peak_of(work: impl FnOnce()) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    work();
    ALLOCATOR.peak_usage().saturating_sub(before)
}

fn plan(target: u8, ports: &str) -> ScanPlan {
    let address = |last: u8| IpAddr::from([198, 18, 0, last]);
    let ports = ports.parse::<PortSet>().expect("ports");
    let source = IpAddr::from([198, 18, 2, 7]);
    ScanPlan::new(Technique::TcpSyn, source, address(target), ports, 1)
}

/// Turns a SYN over IPv4 into the reset that a closed port gives: addresses and ports change sides, the sequence number
/// is acknowledged (RFC 9293, section 3.10.7.1). In place, so that nothing is allocated here.
fn reset(packet: &[u8], reply: &mut [u8; 40]) {
    reply.copy_from_slice(&packet[..40]);
    reply[12..16].copy_from_slice(&packet[16..20]);
    reply[16..20].copy_from_slice(&packet[12..16]);
    reply[20..22].copy_from_slice(&packet[22..24]);
    reply[22..24].copy_from_slice(&packet[20..22]);
    let asked = u32::from_be_bytes([packet[24], packet[25], packet[26], packet[27]]);
    reply[28..32].copy_from_slice(&asked.wrapping_add(1).to_be_bytes());
    reply[32] = 5 << 4;
    reply[33] = 0x14;
}

/// Which ports answer.
type Answers = fn(u16) -> bool;

fn port(packet: &[u8]) -> u16 {
    u16::from_be_bytes([packet[22], packet[23]])
}

/// Runs a scan, and says what it allocated at most until its end, and with its result.
fn peaks(ports: &str, answers: Answers) -> (usize, usize) {
    let plan = plan(1, ports);
    let mut running = 0;
    let whole = peak_of(|| {
        let mut scan = Scan::new(&plan).expect("a plan");
        let (mut batch, mut now, mut reply) = (Batch::default(), Stamp(1_000_000_000), [0; 40]);
        while !scan.is_finished() {
            scan.poll_transmit(now, &mut batch);
            for packet in batch.iter().filter(|packet| answers(port(packet))) {
                reset(packet, &mut reply);
                scan.receive(now, &reply);
            }
            if batch.is_empty() {
                now = scan.next_timeout().map_or(now, |next| next.max(now));
            }
            batch.clear();
        }
        running = ALLOCATOR.peak_usage();
        let result = scan.finish().expect("a result");
        assert_eq!(result.states().len(), plan.ports.len());
    });
    (running, whole)
}

#[test]
fn a_scan_of_all_ports_remembers_sixteen_bytes_of_each() {
    let _alone = COUNTING.lock().expect("nobody fails while counting");
    let cases: [(&str, Answers); 3] = [
        ("all answer", |_| true),
        ("all are silent and asked again", |_| false),
        ("every third answers", |port| port.is_multiple_of(3)),
    ];
    for (what, answers) in cases {
        let start = ALLOCATOR.current_usage();
        let (running, whole) = peaks("1-65535", answers);
        let running = running.saturating_sub(start);
        let most = BASE + 65_535 * PORT;
        assert!(running <= most, "{what}: {running} bytes, {most} at most");
        assert!(whole <= most + 65_535 * RESULT, "{what}: {whole} bytes with its result");
    }
}

#[test]
fn a_sweep_remembers_plans_and_results_but_not_scans_of_all_targets() {
    let _alone = COUNTING.lock().expect("nobody fails while counting");
    let of = |targets: u8| {
        peak_of(|| {
            let plans = (0..targets).map(|target| plan(target, "1-1000")).collect();
            let mut sweep = Sweep::new(plans).expect("plans");
            let (mut batch, mut now, mut reply) = (Batch::default(), Stamp(1_000_000_000), [0; 40]);
            while !sweep.is_finished() {
                sweep.poll_transmit(now, &mut batch).expect("scans of ports do not fail");
                for packet in batch.iter() {
                    reset(packet, &mut reply);
                    sweep.receive(now, &reply);
                }
                if batch.is_empty() {
                    now = sweep.next_timeout().map_or(now, |next| next.max(now)) + Duration::from_nanos(1);
                }
                batch.clear();
            }
            assert_eq!(sweep.finish().expect("results").len(), usize::from(targets));
        })
    };
    let (few, many) = (of(50), of(250));
    assert!(many - few <= 200 * TARGET, "{few} bytes for 50 targets, {many} for 250");
}
