//! One packet, followed: it is sent as it is asked for, once, and what the rules of each host on its way said of it is put
//! beside the lines of their texts.

use std::time::Duration;

use ipnet::IpNet;
use scandrill_defenses::lint::Lines;
use scandrill_lab::{Following, Lab, PacketSocket, Selector, Wanted, clock, in_words};
use scandrill_model::{Cause, PortSet, Protocol, Technique, What};
use scandrill_scanners::{Batch, Evasion, Scan, ScanPlan};

use super::log::{Log, Trouble, Troubled};
use super::{fate, host};
use crate::plan::Plan;
use crate::question::Question;

/// A lab's link has no delay of its own: an answer that is not there by then does not come.
const PATIENCE: Duration = Duration::from_millis(300);

/// Sends what is asked for, and tells the last packet's fate.
pub(super) async fn ask(plan: &Plan, lab: &Lab, log: &Log, question: &Question) -> Result<(), Trouble> {
    let last = question.source_port + question.count.saturating_sub(1);
    for source_port in question.source_port..last {
        send(plan, lab, question, source_port).await?;
    }
    let mut followed = Vec::new();
    for side in plan.sides() {
        let selector = selector(question, last, side.host == plan.face());
        let following = Following::start(host(lab, side.host)?, &[selector]).await;
        followed.push((side, following.trouble("following the packet")?));
    }
    let answer = send(plan, lab, question, last).await?;
    let mut ways = Vec::new();
    for (side, following) in followed {
        let told = following.stop().await.trouble("reading the packet's way")?;
        let lines = Lines::of(side.steps);
        ways.extend(told.packets.first().map(|traced| fate::cause(side.host, traced, &lines)));
    }
    let Some(cause) = ways.into_iter().reduce(one_way) else {
        let error =
            "it has not come to a hook: what is before all of them, such as ingress, took it".to_owned();
        return Err(Trouble { operation: "following the packet".to_owned(), error });
    };
    let cause = Box::new(asked_for(cause, question, last, answer.as_deref()));
    log.emit(What::Followed { cause });
    Ok(())
}

/// The packet with all that is known of it; behind an edge its target may be another.
fn selector(question: &Question, source_port: u16, is_faced: bool) -> Selector {
    let has_ports = question.protocol != Protocol::Icmp;
    let port = Some(question.port).filter(|_| has_ports && is_faced);
    Selector {
        source: IpNet::from(question.source),
        protocol: Some(question.protocol),
        flags: None,
        source_port: Some(source_port).filter(|_| has_ports),
        target: Some(question.target).filter(|_| is_faced),
        ports: port.into_iter().collect(),
        bound: None,
    }
}

/// The way over an edge and on to its target.
fn one_way(edge: Cause, target: Cause) -> Cause {
    let path = [edge.path, target.path].concat();
    Cause {
        decided_by: fate::decisive(&path).and_then(|hop| hop.rule.clone()),
        conntrack: edge.conntrack.or(target.conntrack),
        path,
        ..target
    }
}

/// It is told as it was asked for, with the answer to it.
fn asked_for(cause: Cause, question: &Question, source_port: u16, answer: Option<&str>) -> Cause {
    let word = fate::fate(&cause.path);
    let answer = answer.map_or_else(|| "no answer".to_owned(), |answer| format!("answered by {answer}"));
    Cause {
        packet: question.in_words(source_port),
        ports: PortSet::one(question.port),
        fate: format!("{word}, {answer}"),
        ..cause
    }
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
