//! Loss must cost probes, never truth: on a link that loses packets each way, every port reads as it does on one that
//! does not. nmap is not asked here: it takes minutes, and gives up answers for lost.

use libtest_mimic::{Failed, Trial};
use scandrill_model::{Family, PortState, Technique};
use strum::IntoEnumIterator;

use crate::drill;

/// So many percent are lost each way; and so many of the open ports may be missed.
const LOSSES: [(u8, usize); 2] = [(5, 0), (20, 1)];

/// A listener each.
const OPEN: std::ops::RangeInclusive<u16> = 1_001..=2_000;

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for (percent, missed_max) in LOSSES {
        for technique in [Technique::TcpSyn, Technique::TcpConnect, Technique::TcpFin, Technique::Udp] {
            trials.extend(Family::iter().map(|family| {
                let name = format!("loss-{percent}/{technique}/{family}");
                Trial::test(name.clone(), move || read_all(&name, technique, family, percent, missed_max))
            }));
        }
    }
    trials
}

fn read_all(
    name: &str,
    technique: Technique,
    family: Family,
    percent: u8,
    missed_max: usize,
) -> Result<(), Failed> {
    let services: Vec<String> = OPEN.map(|port| format!("\"{}\"", service(technique, port))).collect();
    let target = format!("[target]\nservices = [\"tcp/22\", {}]\n", services.join(", "));
    let red = drill::red("red", "builtin", technique, "501-2500", "");
    let text = format!("{target}[link]\nloss = \"{percent}%\"\n{red}");
    let case = drill::run(&drill::planned(name, family, &text)?)?;
    let reads = drill::reads(drill::result(&case, "red")?);
    let wrong: Vec<_> = reads
        .values()
        .filter(|read| read.state != true_state(technique, OPEN.contains(&read.port)))
        .collect();
    let missed = wrong.iter().filter(|read| OPEN.contains(&read.port)).count();
    // A closed port that is silent five times over is as rare as an open one.
    if reads.len() == 2_000 && missed <= missed_max && wrong.len() - missed <= missed_max {
        return Ok(());
    }
    Err(format!("{} of {} wrong, the first {:?}", wrong.len(), reads.len(), wrong.first()).into())
}

fn service(technique: Technique, port: u16) -> String {
    if technique == Technique::Udp { format!("udp/{port} echo") } else { format!("tcp/{port}") }
}

fn true_state(technique: Technique, is_open: bool) -> PortState {
    match (technique, is_open) {
        (_, false) => PortState::Closed,
        // A listener ignores what opens nothing.
        (Technique::TcpFin, true) => PortState::OpenFiltered,
        (_, true) => PortState::Open,
    }
}
