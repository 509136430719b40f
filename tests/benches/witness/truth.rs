//! The lab's captures beside tcpdump, which reads the same packets in the same lab by a socket of its own.

use std::collections::BTreeMap;

use scandrill_model::{CaseReport, Milestone, Stamp, Verdict, What};

use crate::{Outcome, median, planned, ran};

const ROUNDS: u64 = 20;
/// The port whose first probe is the first to be dropped: the scan asks from 1001 on, and 99 packets pass.
const LANDS_AT: u16 = 1100;
/// What is promised of time stamps, and of a ban's time, in microseconds.
const STAMPS_MAX: f64 = 50.0;
const BAN_MAX: f64 = 1_000.0;

pub fn measure() -> Outcome<String> {
    let (mut stamps, mut bans) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let report = ran(&planned("yardstick", round)?)?;
        if report.verdict != Verdict::Pass {
            return Err(
                format!("the yardstick did not pass: {:#?} {:?}", report.findings, report.problems).into()
            );
        }
        let (dumped, captured) = (dumped(&report)?, captured(&report));
        for (port, own) in &captured {
            // tcpdump begins a little after it says so: of ports that it missed nothing is compared.
            let other = dumped.get(port).filter(|other| other.len() == own.len());
            let pairs = own.iter().zip(other.into_iter().flatten());
            stamps.extend(pairs.map(|(own, other)| apart(*own, *other)));
        }
        let first_dropped = dumped.get(&LANDS_AT).and_then(|stamps| stamps.first());
        bans.push(apart(landed(&report)?, *first_dropped.ok_or("tcpdump missed the ban")?));
    }
    let packets = stamps.len();
    let ((stamp, worst_stamp), (ban, worst_ban)) = (median(stamps), median(bans));
    let told = format!(
        "time stamps of {packets} packets are {stamp:.2} us from tcpdump's (median; worst {worst_stamp:.2})\n\
         the first dropped packet of {ROUNDS} bans is {ban:.2} us from where tcpdump has it (worst {worst_ban:.2})"
    );
    if stamp > STAMPS_MAX || worst_ban > BAN_MAX {
        return Err(told.into());
    }
    Ok(told)
}

/// When each port's probes passed, in their order.
type Passed = BTreeMap<u16, Vec<Stamp>>;

/// As tcpdump saw them.
fn dumped(report: &CaseReport) -> Outcome<Passed> {
    let output = report.events.iter().find_map(|event| {
        let What::Ran { output, left_out: 0, .. } = &event.what else { return None };
        Some(output)
    });
    let mut passed = Passed::new();
    for line in output.ok_or("tcpdump said nothing, or too much")?.lines() {
        let Some((time, packet)) = line.split_once(" IP 198.18.2.10.") else { continue };
        let (seconds, nanoseconds) = time.split_once('.').ok_or("a line without a time")?;
        let target =
            packet.split(' ').nth(2).and_then(|target| target.trim_end_matches(':').rsplit('.').next());
        let at = Stamp(seconds.parse::<u64>()? * 1_000_000_000 + nanoseconds.parse::<u64>()?);
        passed.entry(target.ok_or("a line without a port")?.parse()?).or_default().push(at);
    }
    Ok(passed)
}

/// As the lab's captures saw them.
fn captured(report: &CaseReport) -> Passed {
    let cells = report.events.iter().find_map(|event| {
        let What::Facts { cells, .. } = &event.what else { return None };
        Some(cells)
    });
    cells.into_iter().flatten().map(|cell| (cell.port, cell.probes.clone())).collect()
}

/// When the ban landed, by the time line.
fn landed(report: &CaseReport) -> Outcome<Stamp> {
    let mark = report.time_lines.iter().find_map(|line| line.first(Milestone::FirstDropped));
    Ok(mark.ok_or("no ban was seen to land")?.at)
}

/// Microseconds between two stamps.
fn apart(one: Stamp, other: Stamp) -> f64 {
    one.since(other).max(other.since(one)).as_secs_f64() * 1e6
}
