//! How long a lab of two hosts takes, built and gone, beside the same made by a shell script of `ip` commands: both
//! inside one throw-away set of namespaces, in one run, alternating.
//!
//! `cargo bench -p scandrill-tests --bench lab`

use std::io::{Read, Write};
use std::time::Duration;

use ipnet::IpNet;
use scandrill_lab::{Inside, Lab, Worker, WorkerOptions, clock, dispatch};
use scandrill_model::{CommandLine, HostPlan, InterfacePlan, LabPlan, Segment, Wire};

/// How many labs of each kind.
const ROUNDS: usize = 200;

/// The same lab for a shell: two namespaces, a veth pair, an IPv4 and an IPv6 address at each end, links up.
const SCRIPT: &str = "
ip netns add a && ip netns add b &&
ip link add eth0 netns a type veth peer name eth0 netns b &&
ip -n a address add 198.18.0.1/24 dev eth0 && ip -n a address add fd00:198:18::1/64 dev eth0 nodad &&
ip -n b address add 198.18.0.2/24 dev eth0 && ip -n b address add fd00:198:18::2/64 dev eth0 nodad &&
ip -n a link set lo up && ip -n b link set lo up && ip -n a link set eth0 up && ip -n b link set eth0 up
ip netns del a && ip netns del b
";

fn main() {
    dispatch(work);
    let mut worker = Worker::start(b"{}", &WorkerOptions::default()).expect("this machine allows namespaces");
    let mut told = String::new();
    worker.take_events().read_to_string(&mut told).expect("the worker's pipe is read");
    let exit = worker.wait().expect("the worker ends");
    assert_eq!(exit.code, Some(0), "{}{told}", exit.stderr);
    println!("{told}");
}

fn work(_job: Vec<u8>, mut inside: Inside) -> u8 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let told = runtime.expect("a runtime").block_on(measure());
    inside.events.write_all(told.as_bytes()).map_or(1, |()| 0)
}

async fn measure() -> String {
    let mut shell = Lab::build(&LabPlan { hosts: vec![host("shell")], segments: vec![] }).await.expect("a host");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = clock::now();
        let lab = Lab::build(&plan()).await.expect("the lab is built");
        lab.remove().await.expect("the lab is removed");
        ours.push(clock::now().since(start));
        let start = clock::now();
        script(&mut shell).await;
        theirs.push(clock::now().since(start));
    }
    let (ours, theirs) = (Spread::of(ours), Spread::of(theirs));
    let ratio = theirs.median.as_secs_f64() / ours.median.as_secs_f64();
    format!("lab of two hosts, built and gone, {ROUNDS} rounds\n  in process  {ours}\n  ip script   {theirs}\n  ratio       {ratio:.1} times faster (medians)\n")
}

async fn script(shell: &mut Lab) {
    let command = CommandLine { program: "sh".into(), args: vec!["-ec".into(), SCRIPT.into()] };
    let host = shell.host("shell").expect("the host is there");
    let finished = host.output(&command, None, Duration::from_secs(10)).await.expect("sh runs");
    assert_eq!(finished.status, Some(0), "{}", String::from_utf8_lossy(&finished.stderr));
}

fn host(name: &str) -> HostPlan {
    HostPlan { name: name.to_owned(), ..HostPlan::default() }
}

fn plan() -> LabPlan {
    let end = |host: &str, number: u8| InterfacePlan {
        host: host.to_owned(),
        name: "eth0".to_owned(),
        mac: [2, 0, 0, 0, 0, number],
        addresses: [format!("198.18.0.{number}/24"), format!("fd00:198:18::{number}/64")]
            .map(|address| address.parse::<IpNet>().expect("an address"))
            .into(),
    };
    LabPlan {
        hosts: vec![host("a"), host("b")],
        segments: vec![Segment { wire: Wire::Veth, interfaces: vec![end("a", 1), end("b", 2)] }],
    }
}

/// Median and 95th percentile of some lengths of time.
struct Spread {
    median: Duration,
    p95: Duration,
}

impl Spread {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { median: times[times.len() / 2], p95: times[times.len() * 95 / 100] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "median {:.2} ms, p95 {:.2} ms", self.median.as_secs_f64() * 1e3, self.p95.as_secs_f64() * 1e3)
    }
}
