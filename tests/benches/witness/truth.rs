//! The lab's captures beside tcpdump, which reads the same packets in the same lab by a socket of its own.

use scandrill_model::{CaseReport, Milestone, Stamp, Verdict, What};

use crate::{Outcome, median, planned, ran};

const ROUNDS: u64 = 20;
/// The packet at which the yardstick's ban lands, counted from 1.
const LANDS_AT: usize = 100;
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
        let dumped = dumped(&report)?;
        stamps.extend(arrivals(&report).into_iter().zip(&dumped).map(|(own, other)| apart(own, *other)));
        let first_dropped = dumped.get(LANDS_AT - 1).ok_or("tcpdump saw too few packets")?;
        bans.push(apart(landed(&report)?, *first_dropped));
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

/// When tcpdump saw each packet.
fn dumped(report: &CaseReport) -> Outcome<Vec<Stamp>> {
    let output = report.events.iter().find_map(|event| match &event.what {
        What::Ran { output, left_out: 0, .. } => Some(output),
        _ => None,
    });
    let lines = output.ok_or("tcpdump said nothing, or too much")?.lines();
    let stamps = lines.filter(|line| line.contains(" IP 198.18.2.10.")).map(|line| {
        let (seconds, rest) = line.split_once('.').ok_or("a line without a time")?;
        let nanoseconds: String = rest.chars().take(9).collect();
        Ok(Stamp(seconds.parse::<u64>()? * 1_000_000_000 + nanoseconds.parse::<u64>()?))
    });
    stamps.collect()
}

/// When the captures saw each probe of the scan, in their order.
fn arrivals(report: &CaseReport) -> Vec<Stamp> {
    let cells = report.events.iter().find_map(|event| match &event.what {
        What::Facts { cells, .. } => Some(cells),
        _ => None,
    });
    let mut all: Vec<Stamp> = cells.into_iter().flatten().flat_map(|cell| cell.probes.clone()).collect();
    all.sort_unstable();
    all
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
