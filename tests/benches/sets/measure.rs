//! Measures all cells: each in a lab of its own, all labs there at once, taking turns.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use scandrill_lab::clock;
use scandrill_tests::bench::{Net, Outcome, Until, bulk, flood, median, requests, reset, run, timed};
use serde::{Deserialize, Serialize};
use strum::IntoEnumIterator;

use crate::cells::{FRESH, REFUSED, SIZES, Way};

/// How often each cell has its turn.
const ROUNDS: usize = 5;
/// How long a flood or a bulk connection lasts.
const LENGTH: Duration = Duration::from_millis(50);
/// How many ordinary requests there are in a turn.
const REQUESTS: usize = 8;
/// Longer than any of them takes.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often one address more is added.
const ADDED: u32 = 5;

/// What one cell showed; medians.
#[derive(Serialize, Deserialize)]
pub struct Measured {
    /// Whose cell it is.
    pub way: Way,
    /// How many addresses it refuses.
    pub size: u32,
    /// Packets a second from someone whom it does not refuse.
    pub passed_pps: f64,
    /// The same from the one whom its last entry refuses; nobody where there is no entry.
    pub refused_pps: Option<f64>,
    /// Milliseconds of an ordinary request.
    pub request_ms: f64,
    /// Gigabits a second of one connection.
    pub bulk_gbps: f64,
    /// Milliseconds in which it was loaded; once.
    pub load_ms: f64,
    /// Milliseconds in which one more address was added.
    pub add_ms: f64,
}

/// A cell in its lab, with what it has shown so far.
struct Cell {
    way: Way,
    size: u32,
    net: Net,
    load_ms: f64,
    passed: Vec<f64>,
    refused: Vec<f64>,
    requests: Vec<f64>,
    bulk: Vec<f64>,
    added: Vec<f64>,
}

/// Measures them all.
pub async fn all() -> Outcome<Vec<Measured>> {
    let mut cells = Vec::new();
    for size in SIZES {
        for way in Way::iter() {
            cells.push(Cell::load(way, size).await?);
        }
    }
    for _ in 0..ROUNDS {
        for cell in &mut cells {
            cell.turn().await?;
        }
    }
    for number in 0..ADDED {
        for cell in &mut cells {
            let added = timed(&cell.net.target, &cell.way.add(number), None).await?;
            cell.added.push(millis(added));
        }
    }
    let mut measured = Vec::new();
    for cell in cells {
        measured.push(cell.tell());
        cell.net.remove().await?;
    }
    Ok(measured)
}

impl Cell {
    async fn load(way: Way, size: u32) -> Outcome<Self> {
        let net = Net::build(&[], &[]).await?;
        let start = clock::now();
        for call in way.load(size) {
            run(&net.target, &call.command, Some(call.input)).await?;
        }
        let load_ms = millis(clock::elapsed(start));
        let (passed, refused, requests, bulk, added) = Default::default();
        Ok(Self { way, size, net, load_ms, passed, refused, requests, bulk, added })
    }

    async fn turn(&mut self) -> Outcome<()> {
        self.passed.push(rate(&self.net, FRESH).await?);
        if self.size > 0 {
            self.refused.push(rate(&self.net, REFUSED).await?);
        }
        for request in requests(&self.net, REQUESTS, PATIENCE).await? {
            self.requests.push(millis(request.ok_or("an ordinary request was not served")?));
        }
        self.bulk.push(bulk(&self.net, LENGTH).await? / 1e9);
        Ok(())
    }

    fn tell(&self) -> Measured {
        Measured {
            way: self.way,
            size: self.size,
            passed_pps: median(&self.passed),
            refused_pps: (self.size > 0).then(|| median(&self.refused)),
            request_ms: median(&self.requests),
            bulk_gbps: median(&self.bulk),
            load_ms: self.load_ms,
            add_ms: median(&self.added),
        }
    }
}

async fn rate(net: &Net, source: Ipv4Addr) -> Outcome<f64> {
    let packets = Arc::new(vec![reset(source)?; 64]);
    Ok(flood(net, &[packets], Until::Passed(LENGTH)).await?.rate())
}

fn millis(length: Duration) -> f64 {
    length.as_secs_f64() * 1e3
}
