//! Whether the filter's work spreads over processors: packets a second refused by a chain of rules, sent by one thread
//! or two, with one receive queue or two, and by RPS; and what share of the packets the busiest processor had, counted by
//! rules before that chain.

use std::sync::Arc;
use std::time::Duration;

use scandrill_lab::machine;
use scandrill_tests::bench::{
    Net, Outcome, Packet, Until, flood, markdown, median, requests, reset, run, told,
};

use crate::cell::{Link, build};

const ROUNDS: usize = 7;
const LENGTH: Duration = Duration::from_millis(100);
const REQUESTS: usize = 10;
/// Longer than any takes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many rules each packet walks through.
const RULES: u32 = 1_000;
/// How many sources each sender has: a queue is chosen by them.
const SOURCES: u8 = 64;

/// How packets come.
struct Way {
    name: &'static str,
    senders: u8,
    link: Link,
}

const ONE_QUEUE: &[&str] = &["-K eth0 gro on"];
const TWO_QUEUES: &[&str] = &["-K eth0 gro on", "-L eth0 rx 2"];
const SEGMENTS: &[&str] = &["-K eth0 tso off"];
const TWO_SENDING: &[&str] = &["-K eth0 tso off", "-L eth0 tx 2"];

const WAYS: [Way; 6] = [
    Way { name: "1 sender", senders: 1, link: Link { rps: "", target: &[], red: &[] } },
    Way { name: "1 sender, RPS to 2 processors", senders: 1, link: Link { rps: "3", target: &[], red: &[] } },
    Way { name: "2 senders", senders: 2, link: Link { rps: "", target: &[], red: &[] } },
    Way { name: "2 senders, RPS to 1 processor", senders: 2, link: Link { rps: "1", target: &[], red: &[] } },
    Way {
        name: "2 senders, GRO, 1 receive queue",
        senders: 2,
        link: Link { rps: "", target: ONE_QUEUE, red: SEGMENTS },
    },
    Way {
        name: "2 senders, GRO, 2 receive queues",
        senders: 2,
        link: Link { rps: "", target: TWO_QUEUES, red: TWO_SENDING },
    },
];

struct Cell {
    way: &'static Way,
    net: Net,
    shares: Vec<Arc<Vec<Packet>>>,
    rates: Vec<f64>,
    requests: Vec<f64>,
}

/// Measures all ways.
pub async fn table() -> Outcome<String> {
    let mut cells = Vec::new();
    for way in &WAYS {
        cells.push(Cell::build(way).await?);
    }
    for _ in 0..ROUNDS {
        for cell in &mut cells {
            cell.turn().await?;
        }
    }
    let title = format!("refused by the last of {RULES} rules");
    let figures = ["packets a second", "ratio", "a request meanwhile, ms", "share of the busiest processor"];
    let mut rows = vec![std::iter::once(title).chain(figures.map(str::to_owned)).collect()];
    let first = median(&cells[0].rates);
    for cell in cells {
        rows.push(cell.row(first).await?);
        cell.net.remove().await?;
    }
    Ok(markdown(&rows))
}

impl Cell {
    async fn build(way: &'static Way) -> Outcome<Self> {
        let net = build(way.link, RULES).await?;
        run(&net.target, "nft -f -", Some(count_by_processor())).await?;
        let share = |sender: u8| {
            let packets = (0..SOURCES).map(|number| reset([198, 18, 128 + sender, number].into()));
            Ok(Arc::new(packets.collect::<Outcome<Vec<_>>>()?))
        };
        let shares = (0..way.senders).map(share).collect::<Outcome<Vec<_>>>()?;
        Ok(Self { way, net, shares, rates: vec![], requests: vec![] })
    }

    async fn turn(&mut self) -> Outcome<()> {
        self.rates.push(flood(&self.net, &self.shares, Until::Passed(LENGTH)).await?.rate());
        let (flooded, asked) = tokio::join!(
            flood(&self.net, &self.shares, Until::Passed(LENGTH)),
            requests(&self.net, REQUESTS, PATIENCE)
        );
        flooded?;
        for request in asked? {
            self.requests.push(request.ok_or("an ordinary request was not served")?.as_secs_f64() * 1e3);
        }
        Ok(())
    }

    async fn row(&self, first: f64) -> Outcome<Vec<String>> {
        let rate = median(&self.rates);
        let figures = [rate, rate / first, median(&self.requests), share_of_busiest(&self.net).await?];
        Ok(std::iter::once(self.way.name.to_owned()).chain(figures.map(told)).collect())
    }
}

/// A counter for each processor, before all other rules.
fn count_by_processor() -> String {
    let processors = 0..machine::cores();
    let counters: Vec<String> =
        processors.clone().map(|number| format!("counter on{number} {{ }}\n")).collect();
    let rules: Vec<String> =
        processors.map(|number| format!("meta cpu {number} counter name on{number}\n")).collect();
    let chain = "chain input {\ntype filter hook input priority -10\n";
    format!("table ip spread {{\n{}{chain}{}}}\n}}\n", counters.concat(), rules.concat())
}

async fn share_of_busiest(net: &Net) -> Outcome<f64> {
    let listed = run(&net.target, "nft list counters table ip spread", None).await?;
    let text = String::from_utf8(listed.stdout)?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let counts = words.windows(2).filter(|pair| pair[0] == "packets").map(|pair| pair[1].parse());
    let counts: Vec<f64> = counts.collect::<Result<_, _>>()?;
    Ok(counts.iter().copied().fold(0.0, f64::max) / counts.iter().sum::<f64>())
}
