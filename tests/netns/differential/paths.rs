//! The two ways of reading replies, in two labs of one plan: packets from a socket, and a program in the kernel that
//! writes what they say into a table. A port must read the same, down to the reply's time to live and the number of
//! probes.

use libtest_mimic::{Failed, Trial};
use scandrill_lab::VerdictSource;
use scandrill_model::{CellRead, Family, PortState, Technique};
use strum::IntoEnumIterator;

use crate::drill;

pub fn trials() -> Vec<Trial> {
    // Known by its name: who may not load BPF sees these tests as ignored.
    let (cannot_be, name) = match VerdictSource::load() {
        Some(_) => (false, "both-paths"),
        None => (true, "both-paths-without-bpf"),
    };
    let techniques = [Technique::TcpSyn, Technique::TcpConnect, Technique::TcpFin, Technique::Udp];
    let mut trials = Vec::new();
    for technique in techniques {
        trials.extend(Family::iter().map(|family| {
            let trial = Trial::test(format!("{name}/{technique}/{family}"), move || agree(technique, family));
            trial.with_ignored_flag(cannot_be)
        }));
    }
    trials
}

/// Ports that are open, closed, dropped, refused by ICMP and by a reset.
fn agree(technique: Technique, family: Family) -> Result<(), Failed> {
    let services = "\"tcp/22\", \"tcp/80 http\", \"udp/7 echo\", \"udp/53 dns\"";
    let target = format!("[target]\nservices = [{services}]\nrules = \"mixed.nft\"\ncanary = \"none\"\n");
    let text = format!("{target}{}", drill::red("red", "builtin", technique, "1-6000", ""));
    let planned = drill::planned(&format!("both-paths/{technique}"), family, &text)?;
    if !planned.plan.verdicts {
        return Err("the plan asks for no verdicts, so that nothing is compared".into());
    }
    let mut without = planned.clone();
    without.plan.verdicts = false;
    // Its captures have a folder of their own.
    without.plan.case.push_str("-by-packets");
    let (by_table, by_packets) = (drill::run(&planned)?, drill::run(&without)?);
    let by_table = drill::reads(drill::result(&by_table, "red")?);
    let by_packets = drill::reads(drill::result(&by_packets, "red")?);
    let pairs = by_table.values().zip(by_packets.values());
    let lines: Vec<String> = pairs
        .filter(|(table, packets)| comparable(technique, table) != comparable(technique, packets))
        .map(|(table, packets)| format!("table   {table:?}\npackets {packets:?}"))
        .collect();
    if lines.is_empty() && by_table.len() == 6_000 { Ok(()) } else { Err(lines.join("\n").into()) }
}

/// How soon a datagram is answered that a process must answer is for the scheduler to say, and so is whether it is sent
/// once more meanwhile. All else the target's kernel answers itself.
fn comparable(technique: Technique, read: &CellRead) -> CellRead {
    let by_a_process = technique == Technique::Udp && read.state == PortState::Open;
    CellRead { probes: read.probes.filter(|_| !by_a_process), ..read.clone() }
}

/// The rules of that target, for whoever reads its scenario.
pub const MIXED: &str = r"table inet mixed {
	chain input {
		type filter hook input priority filter; policy accept;
		meta l4proto { tcp, udp } th dport 100-140 drop
		meta l4proto { tcp, udp } th dport 2000-2500 reject with icmpx type admin-prohibited
		tcp dport 4000-4500 reject with tcp reset
	}
}
";
