//! One packet, followed: it is sent as it is asked for, once, and what the rules of each host on its way said of it is put
//! beside the lines of their texts.

use std::time::Duration;

use scandrill_defenses::lint::Lines;
use scandrill_lab::{Lab, PacketSocket, Passed, Selector, Trace, Traced, Wanted, clock, in_words};
use scandrill_model::{Cause, HookVerdict, Hop, PortSet, Protocol, RuleAt, Technique, What};
use scandrill_scanners::{Batch, Evasion, Scan, ScanPlan};

use super::host;
use super::log::{Log, Trouble, Troubled};
use crate::plan::{EDGE, Plan, SidePlan};
use crate::question::Question;

/// A lab's link has no delay of its own: an answer that is not there by then does not come.
const PATIENCE: Duration = Duration::from_millis(300);

/// Sends what is asked for, and tells the last packet's fate.
pub(super) async fn ask(plan: &Plan, lab: &Lab, log: &Log, question: &Question) -> Result<(), Trouble> {
    let last = question.source_port + question.count.saturating_sub(1);
    for source_port in question.source_port..last {
        send(plan, lab, question, source_port).await?;
    }
    let mut traces = Vec::new();
    for side in plan.sides() {
        let selector = Selector {
            protocol: question.protocol,
            source: question.source,
            source_port: last,
            target: (side.host == plan.face()).then_some((question.target, question.port)),
        };
        let trace = Trace::start(host(lab, side.host)?, selector, plan.backend).await;
        traces.push((side, trace.trouble("following the packet")?));
    }
    let answer = send(plan, lab, question, last).await?;
    let mut seen = Vec::new();
    for (side, trace) in traces {
        let told = trace.stop().await.trouble("reading the packet's way")?;
        seen.extend(told.map(|way| (side, way)));
    }
    if seen.is_empty() {
        let error =
            "it has not come to a hook: what is before all of them, such as ingress, took it".to_owned();
        return Err(Trouble { operation: "following the packet".to_owned(), error });
    }
    let cause = Box::new(told(question, last, answer.as_deref(), &seen));
    log.emit(What::Followed { cause });
    Ok(())
}

/// Sends one packet and waits for its answer, which is given in words.
async fn send(
    plan: &Plan,
    lab: &Lab,
    question: &Question,
    source_port: u16,
) -> Result<Option<String>, Trouble> {
    let scan = scan(plan, question, source_port);
    let (from, port) = (question.from.clone(), (question.protocol != Protocol::Icmp).then_some(source_port));
    let work = move || {
        let operation = "sending the packet";
        let (mut scan, addresses) = (Scan::new(&scan).trouble(operation)?, [scan.sources()]);
        let wanted = Wanted { addresses: &addresses, ports: port.map(|port| port..=port) };
        let mut socket = PacketSocket::open(&from.interface, from.next_hop, &wanted).trouble(operation)?;
        let mut batch = Batch::default();
        scan.poll_transmit(clock::now(), &mut batch);
        socket.send(batch.iter()).trouble(operation)?;
        let until = clock::now() + PATIENCE;
        let mut answer = None;
        while answer.is_none() && clock::now() < until {
            socket.wait_readable(until).trouble(operation)?;
            socket
                .receive(|_, packet| {
                    answer = answer.take().or_else(|| answer_in_words(packet));
                })
                .trouble(operation)?;
        }
        Ok(answer)
    };
    host(lab, &question.from.host)?.blocking(work).await.trouble("sending the packet")?
}

/// What it is, without what its sender's link has yet to fill in; `None` where a neighbour is only looked for.
fn answer_in_words(packet: &[u8]) -> Option<String> {
    let words = in_words(packet);
    let is_answer = !words.contains("who has ");
    is_answer.then(|| words.split(';').next().unwrap_or_default().to_owned())
}

/// The built-in scanner's probe of that form; of its tries the first is sent alone.
fn scan(plan: &Plan, question: &Question, source_port: u16) -> ScanPlan {
    let (technique, evasion) = match question.protocol {
        Protocol::Icmp => (Technique::IcmpEcho, Evasion::default()),
        Protocol::Udp => (Technique::Udp, Evasion { source_port: Some(source_port), ..Evasion::default() }),
        Protocol::Tcp | Protocol::Sctp | Protocol::Ip | Protocol::Arp => (
            Technique::TcpFlags(question.flags),
            Evasion { source_port: Some(source_port), ..Evasion::default() },
        ),
    };
    let seed = plan.seed ^ u64::from(source_port);
    let ports = PortSet::one(question.port);
    ScanPlan { evasion, ..ScanPlan::new(technique, question.source, question.target, ports, seed) }
}

fn told(
    question: &Question,
    source_port: u16,
    answer: Option<&str>,
    seen: &[(SidePlan<'_>, Traced)],
) -> Cause {
    let mut path = Vec::new();
    for (side, traced) in seen {
        let lines = Lines::of(side.steps);
        path.extend(traced.path.iter().map(|passed| hop(side.host, passed, &lines)));
    }
    let ended = path.iter().rev().find(|hop| ends(hop.verdict));
    let accepted = || path.iter().rev().find(|hop| hop.verdict == HookVerdict::Accept);
    let decided = ended.or_else(accepted);
    let word = match decided.map(|hop| hop.verdict) {
        Some(HookVerdict::Drop) => "dropped",
        Some(HookVerdict::Reject) => "rejected",
        Some(HookVerdict::Stolen) => "taken",
        Some(HookVerdict::Accept) => "accepted",
        Some(HookVerdict::Continue | HookVerdict::Jump | HookVerdict::Return) | None => "left to the host",
    };
    let answer = answer.map_or_else(|| "no answer".to_owned(), |answer| format!("answered by {answer}"));
    let by_legacy = seen.iter().any(|(_, traced)| traced.by_legacy);
    Cause {
        actor: None,
        packet: question.in_words(source_port),
        port: question.port,
        conntrack: seen.iter().find_map(|(_, traced)| traced.conntrack.clone()),
        decided_by: decided.and_then(|hop| hop.rule.clone()),
        fate: format!("{word}, {answer}"),
        witness: if by_legacy { "xtables TRACE" } else { "nftables trace" }.to_owned(),
        path,
    }
}

fn ends(verdict: HookVerdict) -> bool {
    matches!(verdict, HookVerdict::Drop | HookVerdict::Reject | HookVerdict::Stolen)
}

fn hop(host: &str, passed: &Passed, lines: &Lines) -> Hop {
    let Passed { hook, family, table, chain, rule, of, text, verdict } = passed;
    let line = rule.and_then(|place| lines.at(family, table, chain, place, *of));
    let rule = match line {
        Some(line) => RuleAt { file: Some(line.file), line: u32::try_from(line.line).ok(), rule: line.text },
        None => RuleAt { file: None, line: None, rule: text.clone() },
    };
    let place = if host == EDGE { format!("{host} ") } else { String::new() };
    Hop {
        hook: format!("{place}{hook}"),
        chain: format!("{family} {table} {chain}"),
        rule: Some(rule),
        verdict: *verdict,
    }
}
