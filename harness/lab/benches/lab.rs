//! What a lab costs: two hosts with a veth pair and addresses, built and gone, by the lab and by a shell script
//! of `ip` commands doing the same, side by side in one worker; and what it costs to isolate that. `cargo bench -p scandrill-lab`.
#![expect(clippy::print_stdout, reason = "a benchmark prints its numbers")]

use std::error::Error;
use std::io::{Read, Write as _};
use std::process::{Command, ExitCode};
use std::time::Duration;

use scandrill_lab::{Inside, Lab, Worker, WorkerOptions, clock, machine};
use scandrill_model::{HostPlan, InterfacePlan, LabPlan, Segment, Wire};

/// How often each is done.
const ROUNDS: usize = 200;

const SCRIPT: &str = "
ip netns add target && ip netns add red
ip -n target link add eth0 type veth peer name eth0 netns red
for host in target red; do ip -n $host link set lo up; ip -n $host link set eth0 up; done
ip -n target addr add 198.18.0.1/24 dev eth0
ip -n target addr add fd00:198:18::1/64 dev eth0 nodad
ip -n red addr add 198.18.0.2/24 dev eth0
ip -n red addr add fd00:198:18::2/64 dev eth0 nodad
ip netns del target; ip netns del red
";

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

fn measure() -> Result<String, Box<dyn Error>> {
    let mut worker = Worker::start(&[], &WorkerOptions::default())?;
    let mut report = String::new();
    worker.take_events().read_to_string(&mut report)?;
    let ended = worker.wait()?;
    if ended.code != Some(0) {
        return Err(ended.stderr.into());
    }
    let isolated = times(|| machine::check_isolation().map_err(|unable| unable.why.into()))?;
    Ok(report + &line("isolation, made and gone", &isolated))
}

fn line(name: &str, times: &[Duration]) -> String {
    format!(
        "{name}: median {:?}, p5 {:?}, p95 {:?}\n",
        times[ROUNDS / 2],
        times[ROUNDS / 20],
        times[ROUNDS * 95 / 100]
    )
}

fn work(_: Vec<u8>, mut inside: Inside) -> u8 {
    let report = compare().unwrap_or_else(|error| format!("{error}\n"));
    u8::from(inside.events.write_all(report.as_bytes()).is_err())
}

fn compare() -> Result<String, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let plan = plan()?;
    let lab = times(|| runtime.block_on(async { Ok(Lab::build(&plan).await?.remove().await?) }))?;
    let script = times(by_script)?;
    let ratio = script[ROUNDS / 2].as_secs_f64() / lab[ROUNDS / 2].as_secs_f64();
    let mut report = format!("a lab is {ratio:.1} times faster than the script (medians of {ROUNDS})\n");
    for (name, times) in [("lab", lab), ("script of ip commands", script)] {
        report += &line(name, &times);
    }
    Ok(report)
}

fn times(mut once: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = clock::now();
        once()?;
        times.push(clock::elapsed(start));
    }
    times.sort_unstable();
    Ok(times)
}

#[expect(clippy::disallowed_methods, reason = "the script that the lab is compared with")]
fn by_script() -> Result<(), Box<dyn Error>> {
    let status = Command::new("sh").args(["-e", "-c", SCRIPT]).status()?;
    if status.success() { Ok(()) } else { Err(format!("the script ended with {status}").into()) }
}

fn plan() -> Result<LabPlan, Box<dyn Error>> {
    let host = |name: &str| HostPlan { name: name.to_owned(), ..HostPlan::default() };
    let interfaces = vec![end("target", 1)?, end("red", 2)?];
    let segments = vec![Segment { wire: Wire::Veth, interfaces }];
    Ok(LabPlan { hosts: vec![host("target"), host("red")], segments })
}

fn end(host: &str, number: u8) -> Result<InterfacePlan, Box<dyn Error>> {
    Ok(InterfacePlan {
        host: host.to_owned(),
        name: "eth0".to_owned(),
        mac: [2, 0, 0, 0, 0, number],
        addresses: vec![
            format!("198.18.0.{number}/24").parse()?,
            format!("fd00:198:18::{number}/64").parse()?,
        ],
        ..InterfacePlan::default()
    })
}
