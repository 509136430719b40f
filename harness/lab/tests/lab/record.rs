//! Records what a kernel's own logger says of packets, beside what NFLOG says of the same ones. `tests/record-kernel-log.sh`
//! runs it, as root, while the logger may speak for every network namespace; all packets stay between two hosts of a lab.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;

use libtest_mimic::{Failed, Trial};
use nix::fcntl::OFlag;
use nix::net::if_::if_nameindex;
use scandrill_lab::{
    During, Host, Inside, Lab, LabError, NflogReader, PacketSocket, Wanted, Worker, WorkerOptions, wait,
};
use scandrill_model::LabPlan;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::inside::{Done, PATIENCE, within};
use crate::packets::{self, Case, Sends};
use crate::plans::{self, shell};
use crate::wire::TARGET_MAC;

/// Set by the script, since recording needs what no test has.
const ASKED_FOR: &str = "SCANDRILL_RECORD_KERNEL_LOG";
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/kernel-log/linux-6.18.json");
/// The groups of rewritten rules.
const GROUPS: std::ops::RangeInclusive<u16> = 0xff00..=0xffff;

/// One packet, as both tell it.
#[derive(Debug, Serialize, Deserialize)]
struct Recorded {
    what: String,
    interfaces: BTreeMap<u32, String>,
    message: String,
    #[serde(default)]
    line: String,
}

pub fn trials() -> Vec<Trial> {
    if std::env::var_os(ASKED_FOR).is_some() { vec![Trial::test("record", record)] } else { Vec::new() }
}

/// On the machine: starts the lab, and puts the kernel's lines to the packets that it tells of.
fn record() -> Result<(), Failed> {
    let mut kernel =
        OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open("/dev/kmsg")?;
    kernel.seek(SeekFrom::End(0))?;
    let mut worker = Worker::start(b"record", &WorkerOptions::default())?;
    let mut events = String::new();
    worker.take_events().read_to_string(&mut events)?;
    let ended = worker.wait()?;
    if ended.code != Some(0) {
        return Err(format!("{events}{}", ended.stderr).into());
    }
    let mut recorded: Vec<Recorded> = events.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    put_lines(&mut recorded, &logged(&mut kernel)?)?;
    let text = serde_json::to_string_pretty(&recorded)? + "\n";
    fs::write(RECORDED, text)?;
    Ok(())
}

/// The lines of the kernel's log since it was opened; each record is one read (Documentation/ABI/testing/dev-kmsg).
fn logged(kernel: &mut File) -> Result<Vec<String>, Failed> {
    let mut lines = Vec::new();
    let mut record = [0; 8192];
    while let Ok(length @ 1..) = kernel.read(&mut record) {
        let text = std::str::from_utf8(&record[..length])?;
        let (_, message) = text.split_once(';').ok_or("a record of the kernel's log without a message")?;
        lines.push(unescaped(message.lines().next().unwrap_or_default()));
    }
    Ok(lines)
}

/// Letters that are not printable are `\x` and two digits there.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut parts = text.split("\\x");
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend(part[2..].bytes());
    }
    String::from_utf8(bytes).unwrap()
}

/// The packets of a case are told in one order by both; its prefix is its own.
fn put_lines(recorded: &mut [Recorded], lines: &[String]) -> Result<(), Failed> {
    let mut next: BTreeMap<String, usize> = BTreeMap::new();
    for one in recorded {
        let prefix = one.what.split(' ').next().unwrap_or_default().to_owned();
        let mut of_case = lines.iter().filter(|line| line.starts_with(&prefix));
        let place = next.entry(prefix.clone()).or_default();
        let line = of_case.nth(*place).ok_or_else(|| format!("no line for {}", one.what))?;
        one.line.clone_from(line);
        *place += 1;
    }
    Ok(())
}

/// In the lab: each case's rule twice, once by the real tool and once by what stands in for it.
pub fn record_in_lab(mut inside: Inside) -> Done {
    within(async {
        let mut plan: LabPlan = plans::pair();
        plan.hosts[0].sysctls.push(plans::sysctl("net.ipv4.ip_forward", "1"));
        let lab = Lab::build(&plan).await?;
        for (number, case) in packets::cases().into_iter().enumerate() {
            let prefix = format!("g{number:03}");
            for one in record_case(&lab, &prefix, case).await? {
                inside.events.write_all((serde_json::to_string(&one)? + "\n").as_bytes())?;
            }
        }
        Ok(lab.remove().await?)
    })
}

async fn record_case(
    lab: &Lab,
    prefix: &str,
    case: Case,
) -> Result<Vec<Recorded>, Box<dyn std::error::Error>> {
    let (target, red) = (lab.host("target")?, lab.host("red")?);
    let rule = case.rule.replace("PREFIX", prefix);
    let real = format!("PATH=/run/scandrill/real:$PATH\n{}\n{rule}", packets::SETUP);
    run(target, &real).await?;
    run(target, &rule).await?;
    let expected = case.sends.count();
    let (opened, is_open) = oneshot::channel();
    let hearing = target.blocking(move || heard(expected, opened));
    let acting = async {
        is_open.await?;
        match case.sends {
            Sends::Packets(packets) => red.blocking(move || send(&packets)).await??,
            Sends::Script(host, script) => run(lab.host(host)?, script).await?,
        }
        Ok::<_, Box<dyn std::error::Error>>(())
    };
    let (heard, acted) = tokio::join!(hearing, acting);
    acted?;
    let (messages, interfaces) = heard?.map_err(|error| format!("{prefix} {}: {error}", case.what))?;
    let hex = |message: &[u8]| message.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let recorded = messages.iter().map(|message| Recorded {
        what: format!("{prefix} {}", case.what),
        interfaces: interfaces.clone(),
        message: hex(message),
        line: String::new(),
    });
    Ok(recorded.collect())
}

/// NFLOG messages, and the names of interfaces by their numbers.
type Heard = (Vec<Vec<u8>>, BTreeMap<u32, String>);

/// Hears so many messages, on a thread in the target.
fn heard(expected: usize, opened: oneshot::Sender<()>) -> Result<Heard, LabError> {
    let mut reader = NflogReader::open(GROUPS).during(|| "listening".to_owned())?;
    opened.send(()).ok();
    let mut messages: Vec<Vec<u8>> = Vec::new();
    wait::until_blocking("the packets of a rule", PATIENCE, || {
        reader.receive(|message| messages.push(message.to_owned())).during(|| "reading".to_owned())?;
        Ok((messages.len() >= expected).then_some(()))
    })?;
    let interfaces = if_nameindex().during(|| "listing interfaces".to_owned())?;
    let names =
        interfaces.iter().map(|one| (one.index(), one.name().to_string_lossy().into_owned())).collect();
    Ok((messages, names))
}

fn send(packets: &[Vec<u8>]) -> Result<(), LabError> {
    let mut socket = PacketSocket::open("eth0", TARGET_MAC, &Wanted::default())?;
    socket.send(packets.iter().map(Vec::as_slice))
}

async fn run(host: &Host, script: &str) -> Result<(), LabError> {
    let command = shell(&format!("set -e\n{script}"));
    host.output(&command, None, PATIENCE).await?.success(&command).map(drop)
}
