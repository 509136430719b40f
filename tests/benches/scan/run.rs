//! Runs the scanners of a row in turn, and tells what they took.

use std::fmt::Write as _;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use scandrill_engine::{builtin, fastest};
use scandrill_lab::{Capture, VerdictSource, clock, nudging};
use scandrill_model::ScanResult;
use scandrill_scanners::{Nic, ScanPlan, foreign_scanner};

use crate::Outcome;
use crate::lab::{Bench, KERNEL, vantage};
use crate::rows::{Peer, Row};

/// Who scans, and under whose eyes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Table,
    Plain,
    TableWatched,
    Peer(Peer),
    PeerWatched(Peer),
}

/// One run.
struct Run {
    took: Duration,
    /// Time of processors, the target's and the captures' included.
    busy: Duration,
    /// Ports that read otherwise than they are.
    wrong: usize,
    probes: Option<u64>,
}

/// Runs a row to its end.
pub fn row(row: &Row, verdicts: Option<&VerdictSource>) -> Outcome<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure(row, verdicts))
}

async fn measure(row: &Row, verdicts: Option<&VerdictSource>) -> Outcome<String> {
    let bench = Bench::build(row).await?;
    let peers = row.peers.iter().map(|peer| Way::Peer(*peer));
    let watched = row.peers.iter().filter(|peer| **peer == Peer::Nmap && row.watches_nmap);
    let peers = peers.chain(watched.map(|peer| Way::PeerWatched(*peer)));
    let own = [Way::Table, Way::Plain, Way::TableWatched];
    let own = own.into_iter().filter(|way| verdicts.is_some() || *way == Way::Plain);
    let mut runs: Vec<(Way, Vec<Run>)> = own.chain(peers).map(|way| (way, Vec::new())).collect();
    for round in 0..row.rounds {
        for (number, (way, runs)) in runs.iter_mut().enumerate() {
            let run = one(&bench, row, *way, (round * 8 + number) as u64, verdicts).await?;
            let is_ours = matches!(way, Way::Table | Way::Plain | Way::TableWatched);
            if is_ours && run.wrong > row.missed_max {
                return Err(format!("{}: {} ports are wrong in round {round}", row.name, run.wrong).into());
            }
            runs.push(run);
        }
    }
    bench.lab.remove().await?;
    Ok(tell(row, runs))
}

async fn one(
    bench: &Bench,
    row: &Row,
    way: Way,
    round: u64,
    verdicts: Option<&VerdictSource>,
) -> Outcome<Run> {
    let mut captures = Vec::new();
    if matches!(way, Way::TableWatched | Way::PeerWatched(_)) {
        for host in ["target", "red"] {
            captures.push(Capture::start(bench.lab.host(host)?, "eth0", 4 * 65_536).await?);
        }
    }
    let (busy, start) = (busy()?, clock::now());
    let result = scan(bench, row, way, round, verdicts).await?;
    let took = clock::now().since(start);
    let busy = self::busy()?.saturating_sub(busy);
    for capture in captures {
        capture.stop().await?;
    }
    let open = row.open();
    let is_wrong = |(port, state): &(u16, _)| *state != row.truth(open.contains(*port));
    let wrong = result.states().into_iter().filter(is_wrong).count();
    let asked = row.plan(round).ports.len();
    let unread = asked - result.states().len();
    Ok(Run { took, busy, wrong: wrong + unread, probes: result.probes_sent })
}

async fn scan(
    bench: &Bench,
    row: &Row,
    way: Way,
    round: u64,
    verdicts: Option<&VerdictSource>,
) -> Outcome<ScanResult> {
    let (red, from) = (bench.red()?, vantage());
    let trouble = |trouble: scandrill_engine::Trouble| format!("{}: {}", trouble.operation, trouble.error);
    Ok(match way {
        Way::Table | Way::TableWatched => {
            fastest(red, &from, &row.plan(round), verdicts).await.map_err(trouble)?
        }
        Way::Plain => builtin(red, &from, &row.plan(round)).await.map_err(trouble)?,
        Way::Peer(peer) | Way::PeerWatched(peer) => foreign(bench, peer, row.plan_for(peer, round)).await?,
    })
}

/// nmap sends from the kernel's address, masscan from one of its own.
async fn foreign(bench: &Bench, peer: Peer, plan: ScanPlan) -> Outcome<ScanResult> {
    let name = if peer == Peer::Masscan { "masscan" } else { "nmap" };
    let source = if peer == Peer::Masscan { plan.source } else { KERNEL.parse()? };
    let (plan, from) = (ScanPlan { source, ..plan }, vantage());
    let scanner = foreign_scanner(name).ok_or("no such scanner")?;
    let nic = Nic { interface: from.interface, address: from.mac, next_hop: from.next_hop };
    let commands = scanner.commands(&plan, &nic);
    let [command] = commands.as_slice() else { return Err("more than one command".into()) };
    let red = bench.red()?;
    let run = red.output(command, None, Duration::from_secs(600));
    let finished = if scanner.habits().needs_frames { nudging(red, "eth0", run).await? } else { run.await? };
    Ok(scanner.parse(&[finished.stdout], &plan)?)
}

/// Time of processors that this process and its ended children have had.
fn busy() -> Outcome<Duration> {
    let mut busy = Duration::ZERO;
    for who in [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN] {
        let usage = getrusage(who)?;
        for time in [usage.user_time(), usage.system_time()] {
            busy += Duration::from_secs(u64::try_from(time.tv_sec())?);
            busy += Duration::from_micros(u64::try_from(time.tv_usec())?);
        }
    }
    Ok(busy)
}

fn tell(row: &Row, runs: Vec<(Way, Vec<Run>)>) -> String {
    let ports = row.plan(0).ports.len();
    let mut report = format!("{}: {ports} ports, {} rounds\n", row.name, row.rounds);
    let mut first = None;
    for (way, mut runs) in runs {
        report.extend(row.interval.map(|interval| off_pace(interval, ports, &runs)));
        runs.sort_by_key(|run| run.took);
        let median = &runs[runs.len() / 2];
        let (best, worst) = (runs[0].took, runs[runs.len() - 1].took);
        let wrong: Vec<usize> = runs.iter().map(|run| run.wrong).filter(|wrong| *wrong > 0).collect();
        let against = *first.get_or_insert(median.took);
        let each = median.busy.as_secs_f64() * 1e6 / f64::from(u32::try_from(ports).unwrap_or(u32::MAX));
        let ratio = median.took.as_secs_f64() / against.as_secs_f64();
        // Writing to a string does not fail.
        let _ = writeln!(
            report,
            "  {:<34} {:>8.3} s (best {:.3}, worst {:.3})  x {ratio:<6.2} {each:>6.2} µs of a processor a port, {} \
             probes; {}",
            name(way),
            median.took.as_secs_f64(),
            best.as_secs_f64(),
            worst.as_secs_f64(),
            median.probes.map_or_else(|| "?".to_owned(), |probes| probes.to_string()),
            if wrong.is_empty() { "none wrong".to_owned() } else { format!("wrong in some runs: {wrong:?}") },
        );
    }
    report
}

/// How far the mean interval of each run is from the one that was asked for; starting up counts as a part of it.
fn off_pace(interval: Duration, ports: usize, runs: &[Run]) -> String {
    let asked = interval * u32::try_from(ports - 1).unwrap_or(u32::MAX);
    let off = runs.iter().map(|run| (run.took.as_secs_f64() / asked.as_secs_f64() - 1.0) * 100.0);
    let off: Vec<String> = off.map(|percent| format!("{percent:+.2} %")).collect();
    format!("  off the pace, run by run: {}\n", off.join(", "))
}

fn name(way: Way) -> String {
    let of_peer = |peer| match peer {
        Peer::Nmap => "nmap -T4",
        Peer::HastyNmap => "nmap -T5 --min-rate 100000",
        Peer::Masscan => "masscan",
    };
    match way {
        Way::Table => "built-in".to_owned(),
        Way::Plain => "built-in, the plain way".to_owned(),
        Way::TableWatched => "built-in, captures on".to_owned(),
        Way::Peer(peer) => of_peer(peer).to_owned(),
        Way::PeerWatched(peer) => format!("{}, captures on", of_peer(peer)),
    }
}
