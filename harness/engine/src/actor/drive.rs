//! The built-in scanner at work: carries packets between techniques, which do no I/O, and sockets, which know no
//! technique. A large scan is shared by two threads: most of a probe's cost is the target's own stack, which answers
//! inside the sender's system call, so that two senders find two processors busy.

use futures::future::try_join_all;
use scandrill_lab::{Host, PacketSocket, Wanted, clock};
use scandrill_model::ScanResult;
use scandrill_scanners::{Batch, Scan, ScanPlan};

use crate::plan::Vantage;
use crate::run::{Trouble, Troubled, scanning};

/// So many threads share a large scan.
const THREADS: usize = 2;

/// One scan by the built-in scanner, on threads of its own inside the host.
pub async fn builtin(host: &Host, from: &Vantage, scan: &ScanPlan) -> Result<ScanResult, Trouble> {
    let shards = scan.shards(THREADS).into_iter().map(|plan| {
        let from = from.clone();
        host.blocking(move || drive(&from, &plan))
    });
    let parts = try_join_all(shards).await.trouble(scanning(scan.technique))?;
    Ok(ScanResult::merge(parts.into_iter().collect::<Result<_, _>>()?))
}

fn drive(from: &Vantage, plan: &ScanPlan) -> Result<ScanResult, Trouble> {
    let operation = scanning(plan.technique);
    let mut scan = Scan::new(plan).trouble(&operation)?;
    let wanted = Wanted { addresses: &[plan.source], ports: None };
    let mut socket = PacketSocket::open(&from.interface, from.next_hop, &wanted).trouble(&operation)?;
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
