//! What one probe costs: a SYN to each closed port of an undefended target over a veth pair, in batches as the scanner
//! sends them, with the resets read from the socket or from the table of verdicts, by one thread or two. What is made
//! before and read after is not timed; so this is the floor of a scan. `cargo bench -p scandrill-lab --bench probe`;
//! the table needs root.
#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use etherparse::{PacketBuilder, TcpOptionElement};
use nix::sys::resource::{UsageWho, getrusage};
use scandrill_lab::{
    Inside, Lab, PacketSocket, VerdictConfig, VerdictSource, VerdictTable, Wanted, Worker, WorkerOptions,
    clock,
};
use scandrill_model::{HostPlan, InterfacePlan, LabPlan, Protocol, RoutePlan, Segment, Wire};

/// How often each is done; they take turns.
const ROUNDS: usize = 20;
/// All ports but 0.
const PORTS: usize = 65_535;
const BATCH: usize = 64;
const SOURCE: Ipv4Addr = Ipv4Addr::new(198, 18, 2, 5);
const TARGET: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const TARGET_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const BASE_PORT: u16 = 40_000;
const KEY: u64 = 42;
/// Longer than any round takes.
const PATIENCE: Duration = Duration::from_secs(5);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    scandrill_lab::dispatch(work);
    match measure() {
        Ok(report) => {
            print!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Outcome<String> {
    let mut worker = Worker::start(&[], &WorkerOptions { verdicts: true, ..WorkerOptions::default() })?;
    let mut report = String::new();
    worker.take_events().read_to_string(&mut report)?;
    let ended = worker.wait()?;
    if ended.code == Some(0) { Ok(report) } else { Err(ended.stderr.into()) }
}

fn work(_: Vec<u8>, mut inside: Inside) -> u8 {
    let report = compare(inside.verdicts.as_ref()).unwrap_or_else(|error| format!("{error}\n"));
    u8::from(inside.events.write_all(report.as_bytes()).is_err())
}

/// How replies are read.
#[derive(Clone, Copy, Debug)]
enum Path {
    Plain,
    Table,
}

/// What one round took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    wall: Duration,
    user: Duration,
    system: Duration,
    lost: u64,
}

fn compare(verdicts: Option<&VerdictSource>) -> Outcome<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ways = [(Path::Plain, 1), (Path::Plain, 2), (Path::Table, 1), (Path::Table, 2)];
    let ways = ways.into_iter().filter(|(path, _)| verdicts.is_some() || matches!(path, Path::Plain));
    let mut costs: Vec<_> = ways.map(|way| (way, Vec::new())).collect();
    for _ in 0..ROUNDS {
        for ((path, threads), costs) in &mut costs {
            costs.push(runtime.block_on(round(*path, *threads, verdicts))?);
        }
    }
    let mut report = format!("{PORTS} probes, batches of {BATCH}, medians of {ROUNDS}\n");
    for ((path, threads), mut costs) in costs {
        costs.sort_unstable();
        let lost: u64 = costs.iter().map(|cost| cost.lost).sum();
        let Cost { wall, user, system, .. } = costs[ROUNDS / 2];
        let each = (user + system).as_secs_f64() * 1e6 / f64::from(u16::MAX);
        writeln!(
            report,
            "{path:?}, threads: {threads}: {wall:.1?} (best {:.1?}, worst {:.1?}), user {user:.1?}, system {system:.1?}, \
             {each:.2} µs of a processor a probe, {lost} replies lost in all",
            costs[0].wall,
            costs[ROUNDS - 1].wall,
        )?;
    }
    Ok(report)
}

async fn round(path: Path, threads: usize, verdicts: Option<&VerdictSource>) -> Outcome<Cost> {
    let lab = Lab::build(&plan()?).await?;
    let table = match path {
        Path::Plain => None,
        Path::Table => verdicts.map(VerdictTable::map).transpose()?.flatten(),
    };
    let cost = lab.host("red")?.blocking(move || scan(threads, table.as_ref())).await??;
    lab.remove().await?;
    Ok(cost)
}

/// Each thread has every so-manieth port.
fn scan(threads: usize, table: Option<&VerdictTable>) -> Outcome<Cost> {
    let mut shares = Vec::new();
    for thread in 0..threads {
        let source_port = BASE_PORT + u16::try_from(thread * usize::from(table.is_none()))?;
        let ports = (1..=u16::MAX).skip(thread).step_by(threads);
        let packets: Vec<_> = ports.map(|port| syn(port, source_port)).collect::<Outcome<_>>()?;
        let wanted = Wanted {
            addresses: &[std::net::IpAddr::from(SOURCE).into()],
            ports: Some(source_port..=source_port),
        };
        // One socket receives for the table.
        let wanted = if table.is_some() && thread > 0 { Wanted::default() } else { wanted };
        shares.push((PacketSocket::open("eth0", TARGET_MAC, &wanted)?, packets));
    }
    if let Some(table) = table {
        table.configure(&config())?;
        table.attach(&shares[0].0)?;
    }
    let before = getrusage(UsageWho::RUSAGE_SELF)?;
    let start = clock::now();
    let lost = std::thread::scope(|scope| {
        let work =
            shares.iter_mut().map(|(socket, packets)| scope.spawn(move || drive(socket, packets, table)));
        let running: Vec<_> = work.collect();
        running.into_iter().map(|it| it.join().map_err(|_| "a thread panicked")?).sum::<Outcome<u64>>()
    })?;
    let wall = clock::elapsed(start);
    let after = getrusage(UsageWho::RUSAGE_SELF)?;
    let lost = lost + table.map_or(0, missing);
    let spent = |after: nix::sys::time::TimeVal, before: nix::sys::time::TimeVal| {
        Duration::from_micros(
            u64::try_from(nix::sys::time::TimeValLike::num_microseconds(&(after - before))).unwrap_or(0),
        )
    };
    Ok(Cost {
        wall,
        user: spent(after.user_time(), before.user_time()),
        system: spent(after.system_time(), before.system_time()),
        lost,
    })
}

/// Sends a share and takes in what comes; gives how many replies did not.
fn drive(socket: &mut PacketSocket, packets: &[Vec<u8>], table: Option<&VerdictTable>) -> Outcome<u64> {
    let mut received = 0;
    for batch in packets.chunks(BATCH) {
        socket.send(batch.iter().map(Vec::as_slice))?;
        if table.is_none() {
            received += socket.receive(|_, _| {})?;
        }
    }
    if table.is_some() {
        return Ok(0);
    }
    let until = clock::now() + PATIENCE;
    while received < packets.len() && clock::now() < until && socket.dropped()? == 0 {
        socket.wait_readable(until)?;
        received += socket.receive(|_, _| {})?;
    }
    Ok(u64::try_from(packets.len() - received)?)
}

/// How many ports have no verdict.
fn missing(table: &VerdictTable) -> u64 {
    (1..=u16::MAX).filter(|port| table.look(*port).is_none()).fold(0, |count, _| count + 1)
}

fn config() -> VerdictConfig {
    VerdictConfig {
        source: SOURCE.into(),
        target: TARGET.into(),
        protocol: Protocol::Tcp,
        acknowledging: false,
        base_port: BASE_PORT,
        tries: 1,
        key: KEY,
    }
}

fn syn(port: u16, source_port: u16) -> Outcome<Vec<u8>> {
    let mut value = (KEY ^ (u64::from(port) << 8)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^= value >> 31;
    let mut bytes = Vec::new();
    PacketBuilder::ipv4(SOURCE.octets(), TARGET.octets(), 64)
        .tcp(source_port, port, u32::try_from(value >> 32)?, 1024)
        .syn()
        .options(&[TcpOptionElement::MaximumSegmentSize(1460)])?
        .write(&mut bytes, b"")?;
    Ok(bytes)
}

fn plan() -> Outcome<LabPlan> {
    let host = |name: &str| HostPlan { name: name.to_owned(), ..HostPlan::default() };
    let route = RoutePlan { to: "198.18.2.0/24".parse()?, via: "198.18.0.2".parse()? };
    let target = HostPlan { routes: vec![route], ..host("target") };
    let interfaces = vec![end("target", 1)?, end("red", 2)?];
    Ok(LabPlan { hosts: vec![target, host("red")], segments: vec![Segment { wire: Wire::Veth, interfaces }] })
}

fn end(host: &str, number: u8) -> Outcome<InterfacePlan> {
    Ok(InterfacePlan {
        loss: scandrill_model::PerMille::NONE,
        host: host.to_owned(),
        name: "eth0".to_owned(),
        mac: [2, 0, 0, 0, 0, number],
        addresses: vec![format!("198.18.0.{number}/24").parse()?],
    })
}
