//! A flood of SYNs from addresses that never answer: what each costs the target, and who is still served meanwhile.

use std::net::Ipv4Addr;
use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use scandrill_tests::bench::{
    Net, Outcome, Packet, Until, flood, markdown, median, requests, run, syn, told,
};

/// How often each has its turn.
const ROUNDS: usize = 7;
/// How long a flood lasts whose cost is measured.
const LENGTH: Duration = Duration::from_millis(100);
/// How long one lasts while others ask: longer than they wait in all.
const WHILE_ASKED: Duration = Duration::from_millis(300);
/// How many ask in a turn.
const REQUESTS: usize = 10;
/// How long each waits; less than the second after which a client sends its SYN again (RFC 6298, section 2).
const PATIENCE: Duration = Duration::from_millis(25);
/// How many different SYNs there are.
const SYNS: u32 = 16_384;

/// The target's service, whose queue has room for 1024 (BACKLOG of the lab's services).
const SERVED: u16 = 22;
/// A port where nobody listens.
const CLOSED: u16 = 9;

/// How the target meets a SYN.
struct Way {
    name: &'static str,
    cookies: &'static str,
    port: u16,
    rules: &'static str,
}

const DROP: &str =
    "table ip bench { chain input { type filter hook input priority 0; ip saddr 198.18.128.0/17 drop; }; }\n";

const WAYS: [Way; 5] = [
    Way { name: "a full queue, tcp_syncookies = 0", cookies: "0", port: SERVED, rules: "" },
    Way { name: "a full queue, tcp_syncookies = 1", cookies: "1", port: SERVED, rules: "" },
    Way { name: "tcp_syncookies = 2", cookies: "2", port: SERVED, rules: "" },
    Way { name: "a closed port, a reset each", cookies: "1", port: CLOSED, rules: "" },
    Way { name: "dropped by a rule", cookies: "1", port: SERVED, rules: DROP },
];

/// A way in its lab, with what it has shown.
struct Cell {
    way: &'static Way,
    net: Net,
    syns: Arc<Vec<Packet>>,
    cost: Vec<f64>,
    rate: Vec<f64>,
    served: Vec<f64>,
    asked: usize,
}

/// Measures all ways.
pub async fn compare() -> Outcome<String> {
    let mut cells = Vec::new();
    for way in &WAYS {
        cells.push(Cell::build(way).await?);
    }
    for _ in 0..ROUNDS {
        for cell in &mut cells {
            cell.turn().await?;
        }
    }
    let heading = ["a flood of SYNs", "µs of a processor a SYN", "ratio", "SYNs a second", "served", "in ms"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let first = median(&cells[0].cost);
    rows.extend(cells.iter().map(|cell| cell.row(first)));
    for cell in cells {
        cell.net.remove().await?;
    }
    Ok(markdown(&rows))
}

impl Cell {
    async fn build(way: &'static Way) -> Outcome<Self> {
        let net = Net::build(&[("net.ipv4.tcp_syncookies", way.cookies)], &[]).await?;
        if !way.rules.is_empty() {
            run(&net.target, "nft -f -", Some(way.rules.to_owned())).await?;
        }
        let base = u32::from(Ipv4Addr::new(198, 18, 128, 0));
        // Each from another address, in no order.
        let one = |number: u32| {
            let source = Ipv4Addr::from(base + (number.wrapping_mul(40_503) & 0x7fff));
            syn(source, u16::try_from(1_024 + number % 60_000)?, way.port)
        };
        let syns = Arc::new((0..SYNS).map(one).collect::<Outcome<Vec<_>>>()?);
        Ok(Self { way, net, syns, cost: vec![], rate: vec![], served: vec![], asked: 0 })
    }

    async fn turn(&mut self) -> Outcome<()> {
        let flooded = flood(&self.net, from_ref(&self.syns), Until::Passed(LENGTH)).await?;
        self.cost.push(flooded.cost());
        self.rate.push(flooded.rate());
        let (flooded, asked) = tokio::join!(
            flood(&self.net, from_ref(&self.syns), Until::Passed(WHILE_ASKED)),
            requests(&self.net, REQUESTS, PATIENCE)
        );
        flooded?;
        self.asked += REQUESTS;
        self.served.extend(asked?.into_iter().flatten().map(|took| took.as_secs_f64() * 1e3));
        Ok(())
    }

    fn row(&self, first: f64) -> Vec<String> {
        let cost = median(&self.cost);
        let latency = if self.served.is_empty() { String::new() } else { told(median(&self.served)) };
        vec![
            self.way.name.to_owned(),
            told(cost),
            told(cost / first),
            told(median(&self.rate)),
            format!("{} of {}", self.served.len(), self.asked),
            latency,
        ]
    }
}
