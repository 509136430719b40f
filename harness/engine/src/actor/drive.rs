//! The built-in scanner at work: carries packets between techniques, which do no I/O, and sockets, which know no
//! technique. A large scan is shared by two threads: most of a probe's cost is the target's own stack, which answers
//! inside the sender's system call, so that two senders find two processors busy. Replies are read from the socket, or,
//! where the kernel let a program be loaded, from the table that it writes; both give the same states.

use std::sync::Arc;

use futures::future::try_join_all;
use scandrill_lab::{Host, PacketSocket, VerdictConfig, VerdictSource, VerdictTable, Wanted, clock};
use scandrill_model::{ScanResult, Stamp, TcpFlags};
use scandrill_scanners::{Batch, Consult, Scan, ScanPlan, TRIES_MAX, Told};

use crate::plan::Vantage;
use crate::run::{Trouble, Troubled, scanning};

/// So many threads share a large scan.
const THREADS: u8 = 2;

/// Nothing wakes who waits for a table: it is looked at so often.
const GLANCE: std::time::Duration = std::time::Duration::from_millis(1);

/// One scan by the built-in scanner, by the table of verdicts where there is one and the scan is worth it.
pub async fn fastest(
    host: &Host,
    from: &Vantage,
    scan: &ScanPlan,
    verdicts: Option<&VerdictSource>,
) -> Result<ScanResult, Trouble> {
    match verdicts {
        Some(source) if is_worth_a_table(scan) => {
            match VerdictTable::map(source).trouble(scanning(scan.technique))? {
                Some(table) => by_table(host, from, scan, table).await,
                // Another scan has it.
                None => builtin(host, from, scan).await,
            }
        }
        _ => builtin(host, from, scan).await,
    }
}

/// Whether a scan is one that the kernel's program can read, and large enough to gain by it.
pub fn is_worth_a_table(scan: &ScanPlan) -> bool {
    scan.signature().is_some() && scan.shards(THREADS.into()).len() > 1
}

/// One scan by the built-in scanner, on threads of its own inside the host.
pub async fn builtin(host: &Host, from: &Vantage, scan: &ScanPlan) -> Result<ScanResult, Trouble> {
    let shards = scan.shards(THREADS.into()).into_iter().map(|plan| {
        let from = from.clone();
        host.blocking(move || drive(&from, &plan))
    });
    let parts = try_join_all(shards).await.trouble(scanning(scan.technique))?;
    Ok(ScanResult::merge(parts.into_iter().collect::<Result<_, _>>()?))
}

fn drive(from: &Vantage, plan: &ScanPlan) -> Result<ScanResult, Trouble> {
    let operation = scanning(plan.technique);
    let mut scan = Scan::new(plan).trouble(&operation)?;
    let wanted = Wanted { addresses: &[plan.sources()], ports: plan.source_ports() };
    let mut socket = PacketSocket::open(&from.interface, from.next_hop, &wanted).trouble(&operation)?;
    from.neighbours.iter().for_each(|(address, neighbour)| socket.reach(*address, *neighbour));
    let mut batch = Batch::default();
    while !scan.is_finished() {
        // What has come in counts before what is overdue: this thread may have waited for a processor itself.
        let received = socket.receive(|at, packet| scan.receive(at, packet)).trouble(&operation)?;
        scan.poll_transmit(clock::now(), &mut batch);
        socket.send(batch.iter()).trouble(&operation)?;
        let sent = batch.len();
        batch.clear();
        if let (0, 0, Some(until)) = (sent, received, scan.next_timeout()) {
            socket.wait_readable(until).trouble(&operation)?;
        }
    }
    match socket.dropped().trouble(&operation)? {
        0 => scan.finish().trouble(operation),
        lost => Err(Trouble { operation, error: format!("the scanner's socket lost {lost} packets") }),
    }
}

/// One scan whose replies the kernel's program writes into a table, which all threads read.
async fn by_table(
    host: &Host,
    from: &Vantage,
    scan: &ScanPlan,
    table: VerdictTable,
) -> Result<ScanResult, Trouble> {
    let operation = scanning(scan.technique);
    let table = Arc::new(table);
    let (vantage, plan, shared) = (from.clone(), scan.clone(), Arc::clone(&table));
    // It stays open while the scan runs: the program is on it.
    let listener = host.blocking(move || listen(&vantage, &plan, &shared)).await.trouble(&operation)??;
    let shards = scan.shards(THREADS.into()).into_iter().map(|plan| {
        let (from, table) = (from.clone(), Arc::clone(&table));
        host.blocking(move || drive_by_table(&from, &plan, &table))
    });
    let parts = try_join_all(shards).await.trouble(&operation)?;
    drop(listener);
    let mut result = ScanResult::merge(parts.into_iter().collect::<Result<_, _>>()?);
    let duplicates = scan.ports.iter().filter_map(|port| table.look(port)).map(|verdict| verdict.duplicates);
    result.duplicate_replies += duplicates.map(u64::from).sum::<u64>();
    Ok(result)
}

fn listen(from: &Vantage, plan: &ScanPlan, table: &VerdictTable) -> Result<PacketSocket, Trouble> {
    let operation = scanning(plan.technique);
    let signature = plan.signature().ok_or_else(|| Trouble {
        operation: operation.clone(),
        error: "its replies are not known by their numbers alone".to_owned(),
    })?;
    let acknowledging = plan.technique.probe_flags().is_some_and(|flags| flags.contains(TcpFlags::ACK));
    let config = VerdictConfig {
        source: plan.source,
        target: plan.target,
        protocol: plan.technique.protocol(),
        acknowledging,
        base_port: signature.base_port,
        tries: THREADS * TRIES_MAX,
        key: signature.key,
    };
    table.configure(&config).trouble(&operation)?;
    let wanted = Wanted { addresses: &[plan.sources()], ports: None };
    let socket = PacketSocket::open(&from.interface, from.next_hop, &wanted).trouble(&operation)?;
    table.attach(&socket).trouble(operation)?;
    Ok(socket)
}

fn drive_by_table(from: &Vantage, plan: &ScanPlan, table: &VerdictTable) -> Result<ScanResult, Trouble> {
    let operation = scanning(plan.technique);
    let mut scan = Scan::new(plan).trouble(&operation)?;
    let mut socket =
        PacketSocket::open(&from.interface, from.next_hop, &Wanted::default()).trouble(&operation)?;
    let first_try = plan.part * TRIES_MAX;
    let told = |port: u16| {
        let verdict = table.look(port)?;
        Some(Told {
            attempt: verdict.attempt.checked_sub(first_try)?,
            reply: verdict.reply,
            ttl: verdict.hops,
            opened: verdict.opened.map(|opened| (opened.sequence, opened.timestamp)),
        })
    };
    let mut batch = Batch::default();
    let mut which = Consult::Recent;
    while !scan.is_finished() {
        scan.consult(clock::now(), which, told);
        scan.poll_transmit(clock::now(), &mut batch);
        socket.send(batch.iter()).trouble(&operation)?;
        which = if batch.is_empty() { Consult::Awaited } else { Consult::Recent };
        if let (true, Some(until)) = (batch.is_empty(), scan.next_timeout()) {
            socket.wait_readable(until.min(glance_from(clock::now()))).trouble(&operation)?;
        }
        batch.clear();
    }
    scan.finish().trouble(operation)
}

fn glance_from(now: Stamp) -> Stamp {
    now + GLANCE
}
