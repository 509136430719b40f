//! What benchmarks of a firewall have in common: a worker to run in, a small network, load, and counters of the
//! kernel's. Figures are medians of rounds in which everybody takes turns, so that whatever else the machine does meets
//! all alike.

mod bulk;
mod counters;
mod flood;
mod net;

use std::error::Error;
use std::io::{Read, Write};
use std::net::Ipv4Addr;

use scandrill_lab::{Inside, Worker, WorkerOptions};

pub use bulk::bulk;
pub use counters::Counters;
pub use flood::{Flooded, Packet, Until, datagram, flood, reset, syn};
pub use net::{Net, RED, SOURCES, TARGET, requests, run, timed};

/// What a benchmark gives, or why it could not.
pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Runs `job` in a worker of its own, and gives what it [`answer`]ed.
pub fn in_worker(job: &[u8]) -> Outcome<String> {
    let mut worker = Worker::start(job, &WorkerOptions::default())?;
    let mut report = String::new();
    worker.take_events().read_to_string(&mut report)?;
    let ended = worker.wait()?;
    if ended.code == Some(0) { Ok(report) } else { Err(format!("{report}{}", ended.stderr).into()) }
}

/// The worker's end of it: does `work` and hands its report, or its error, to the runner.
pub fn answer<F: Future<Output = Outcome<String>>>(work: impl FnOnce() -> F, mut inside: Inside) -> u8 {
    let (report, code) = match block_on(work) {
        Ok(report) => (report, 0),
        Err(error) => (error.to_string(), 1),
    };
    u8::from(inside.events.write_all(report.as_bytes()).is_err()).max(code)
}

/// Runs a worker's work to its end.
pub fn block_on<F: Future<Output = Outcome<String>>>(work: impl FnOnce() -> F) -> Outcome<String> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work())
}

/// The middle one of `values`; of an even number the upper one.
///
/// # Panics
/// Where there are none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// How many processes wanted a processor over the last minute, on average (proc_loadavg(5)), for the record of how
/// busy the machine was.
pub fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// The `number`th address of 10.0.0.0/8, in no order, for rules and sets to be filled with: no host of a lab has one. The
/// multiplier is odd, so no two numbers below 2^24 give the same.
pub fn stranger(number: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0000 | (number.wrapping_mul(2_654_435_761) & 0x00ff_ffff))
}

/// A table in Markdown; the first row is its heading.
pub fn markdown(rows: &[Vec<String>]) -> String {
    let mut lines: Vec<String> = rows.iter().map(|row| format!("| {} |", row.join(" | "))).collect();
    let columns = rows.first().map_or(0, Vec::len);
    lines.insert(1.min(lines.len()), format!("|{}", "---|".repeat(columns)));
    lines.join("\n") + "\n"
}

/// A figure with as many digits as it deserves.
pub fn told(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
