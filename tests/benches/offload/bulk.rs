//! One connection's throughput and an ordinary request's time, with GRO on and off. What arrives as one packet is walked
//! through the rules once, so how many segments there are in one decides.

use std::time::Duration;

use scandrill_tests::bench::{Counters, Net, Outcome, bulk, markdown, median, requests, told};

use crate::cell::{Link, build};

const ROUNDS: usize = 7;
const LENGTH: Duration = Duration::from_millis(100);
const REQUESTS: usize = 10;
/// Longer than any takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many rules each packet walks through.
const RULES: [u32; 2] = [0, 1_000];

const TSO_OFF: &[&str] = &["-K eth0 tso off"];
const GRO_ON: &[&str] = &["-K eth0 gro on"];

const LINKS: [(&str, Link); 4] = [
    ("sender's TSO on, GRO off (a veth's own)", Link { rps: "", target: &[], red: &[] }),
    ("sender's TSO on, GRO on", Link { rps: "", target: GRO_ON, red: &[] }),
    ("sender's TSO off, GRO off", Link { rps: "", target: &[], red: TSO_OFF }),
    ("sender's TSO off, GRO on", Link { rps: "", target: GRO_ON, red: TSO_OFF }),
];

struct Cell {
    name: String,
    net: Net,
    counters: Counters,
    gbps: Vec<f64>,
    segments: Vec<f64>,
    requests: Vec<f64>,
}

/// Measures all cells.
pub async fn table() -> Outcome<String> {
    let mut cells = Vec::new();
    for rules in RULES {
        for (name, link) in LINKS {
            cells.push(Cell::build(format!("{name}, {rules} rules"), link, rules).await?);
        }
    }
    for _ in 0..ROUNDS {
        for cell in &mut cells {
            cell.turn().await?;
        }
    }
    let heading = ["one connection", "Gbit/s", "ratio", "segments a packet", "a request, ms"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for group in cells.chunks(LINKS.len()) {
        let first = median(&group[0].gbps);
        rows.extend(group.iter().map(|cell| cell.row(first)));
    }
    for cell in cells {
        cell.net.remove().await?;
    }
    Ok(markdown(&rows))
}

impl Cell {
    async fn build(name: String, link: Link, rules: u32) -> Outcome<Self> {
        let net = build(link, rules).await?;
        let counters = Counters::open(&net.target).await?;
        Ok(Self { name, net, counters, gbps: vec![], segments: vec![], requests: vec![] })
    }

    async fn turn(&mut self) -> Outcome<()> {
        let before = self.received()?;
        self.gbps.push(bulk(&self.net, LENGTH).await? / 1e9);
        let after = self.received()?;
        self.segments.push((after.0 - before.0) / (after.1 - before.1));
        for request in requests(&self.net, REQUESTS, PATIENCE).await? {
            self.requests.push(request.ok_or("an ordinary request was not served")?.as_secs_f64() * 1e3);
        }
        Ok(())
    }

    /// Segments and packets: the kernel counts each segment by its ECN bits, and each packet as received.
    fn received(&mut self) -> Outcome<(f64, f64)> {
        let segments = self.counters.read("IpExt", "InNoECTPkts")?;
        let packets = self.counters.read("Ip", "InReceives")?;
        Ok((f64::from(u32::try_from(segments)?), f64::from(u32::try_from(packets)?)))
    }

    fn row(&self, first: f64) -> Vec<String> {
        let gbps = median(&self.gbps);
        let figures = [gbps, gbps / first, median(&self.segments), median(&self.requests)];
        std::iter::once(self.name.clone()).chain(figures.map(told)).collect()
    }
}
