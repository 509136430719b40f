//! Why packets met their fate in a drill: some of each actor's are followed through the rules of each host that has a
//! defense, few enough to change nothing; and what each rule matched is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use scandrill_defenses::lint::Lines;
use scandrill_lab::{FollowBound, Following, Lab, Matched, Selector, Told, Traced};
use scandrill_model::{
    Asks, Cause, Clock, Family, Mark, Milestone, PortSet, Protocol, TcpFlags, Technique, TextLine, What,
    Witness,
};

use super::fate::cause;
use super::log::{Log, Trouble, Troubled};
use super::{Window, host};
use crate::actor::Deed;
use crate::plan::{GreenPlan, Plan, RedPlan, SidePlan, TARGET};

/// Of ports that are alone in what they are or in what is expected of them.
const SINGLED_OUT: FollowBound = FollowBound { burst: 16, per_second: 20 };
/// Of all others. The kernel keeps what it tells of forty packets or so for who reads it late.
const OTHERS: FollowBound = FollowBound { burst: 24, per_second: 40 };
/// Of a client's.
const CLIENT_S: FollowBound = FollowBound { burst: 6, per_second: 4 };
/// More ports than these are not singled out.
const PORTS: usize = 12;
/// More ways than these are not told of one case.
const WAYS: usize = 64;

/// A host's packets are followed.
#[must_use = "who follows packets tells what was seen"]
pub(super) struct Followed<'a> {
    side: SidePlan<'a>,
    following: Following,
}

/// Follows packets, from its return on.
pub(super) async fn start<'a>(plan: &'a Plan, lab: &Lab) -> Result<Vec<Followed<'a>>, Trouble> {
    let mut all = Vec::new();
    let selectors = selectors(plan);
    for side in plan.sides() {
        if plan.followed && !side.steps.is_empty() {
            let following = Following::start(host(lab, side.host)?, &selectors).await;
            all.push(Followed { side, following: following.trouble("following packets")? });
        }
    }
    Ok(all)
}

/// Ends it, and tells each way that packets went, and what the rules matched.
pub(super) async fn tell(
    all: Vec<Followed<'_>>,
    plan: &Plan,
    deeds: &[Deed<'_>],
    log: &Log,
) -> Result<(), Trouble> {
    for Followed { side, following } in all {
        let Told { packets, matched } = following.stop().await.trouble("following packets")?;
        let lines = Lines::of(side.steps);
        for cause in ways(plan, deeds, side, &packets, &lines) {
            log.emit(What::Followed { cause: Box::new(cause) });
        }
        for (source, mark) in thresholds(plan, side, &packets, &lines) {
            log.emit(What::Marked { source, mark });
        }
        for (text, rules) in counts(&matched, &lines, plan.family) {
            log.emit(What::Matched { host: side.host.to_owned(), text, rules });
        }
    }
    Ok(())
}

/// Packets of all actors: of each attacker those of some ports, and others.
fn selectors(plan: &Plan) -> Vec<Selector> {
    let reds = plan.reds.iter().filter(|red| red.scan.technique != Technique::Arp);
    reds.flat_map(|red| of_red(plan, red)).chain(plan.greens.iter().flat_map(of_client)).collect()
}

fn of_red(plan: &Plan, red: &RedPlan) -> Vec<Selector> {
    let technique = red.scan.technique;
    let protocol = match technique.protocol() {
        protocol @ (Protocol::Tcp | Protocol::Udp | Protocol::Sctp) => Some(protocol),
        Protocol::Icmp | Protocol::Ip | Protocol::Arp => None,
    };
    let source = match red.scan.zombie {
        Some(zombie) => IpNet::from(zombie.address),
        None => red.scan.sources(),
    };
    let others = Selector {
        source,
        protocol,
        flags: technique.probe_flags().filter(|_| protocol == Some(Protocol::Tcp)),
        source_port: None,
        target: None,
        ports: Vec::new(),
        bound: Some(OTHERS),
    };
    let ports = if protocol.is_some() { singled_out(plan, red) } else { Vec::new() };
    let singled_out = Selector { ports, bound: Some(SINGLED_OUT), ..others.clone() };
    [singled_out, others]
        .into_iter()
        .filter(|one| !one.ports.is_empty() || one.bound == Some(OTHERS))
        .collect()
}

/// Of a scan's ports the ones with a listener, and the first and the last of each part of what is expected.
fn singled_out(plan: &Plan, red: &RedPlan) -> Vec<u16> {
    let asked = &red.scan.ports;
    let served = plan.served(red.scan.technique).intersection(asked);
    let named: PortSet = red.expect.states.iter().flat_map(|(ports, _)| ports.iter()).collect();
    let groups = red.expect.states.iter().map(|(of, _)| of.intersection(asked));
    let ends = groups.chain([asked.without(&named)]).flat_map(|group| {
        let (first, last) = (group.iter().next(), group.iter().last());
        first.into_iter().chain(last).collect::<Vec<_>>()
    });
    let all: PortSet = served.iter().take(PORTS / 2).chain(ends).collect();
    all.iter().take(PORTS).collect()
}

/// A client's connections as they begin, its datagrams and its pings; to an outbound client, the answers.
fn of_client(green: &GreenPlan) -> Vec<Selector> {
    let one = |protocol, flags| Selector {
        source: IpNet::from(peer(green)),
        protocol: Some(protocol),
        flags,
        source_port: None,
        target: None,
        ports: Vec::new(),
        bound: Some(CLIENT_S),
    };
    let connecting = if green.host == TARGET { TcpFlags::SYN | TcpFlags::ACK } else { TcpFlags::SYN };
    vec![one(Protocol::Tcp, Some(connecting)), one(Protocol::Udp, None), one(Protocol::Icmp, None)]
}

/// Whose packets the target gets.
fn peer(green: &GreenPlan) -> IpAddr {
    if green.host == TARGET { green.target } else { green.source }
}

/// Each way that an actor's packets went, in the order in which the first of them came.
fn ways(
    plan: &Plan,
    deeds: &[Deed<'_>],
    side: SidePlan<'_>,
    packets: &[Traced],
    lines: &Lines,
) -> Vec<Cause> {
    let mut ways: Vec<Cause> = Vec::new();
    for traced in packets {
        let mut cause = cause(side.host, traced, lines);
        cause.actor = sender(plan, deeds, traced);
        if let Some(way) = ways.iter_mut().find(|way| is_same_way(way, &cause)) {
            way.packets += 1;
            way.ports = way.ports.iter().chain(cause.ports.iter()).collect();
        } else if ways.len() < WAYS {
            ways.push(cause);
        }
    }
    ways
}

fn is_same_way(one: &Cause, other: &Cause) -> bool {
    (&one.actor, &one.conntrack, &one.path) == (&other.actor, &other.conntrack, &other.path)
}

/// Whose packet it is: of attackers with this source the last who had begun by then and asks this port, or any; else a
/// client.
fn sender(plan: &Plan, deeds: &[Deed<'_>], traced: &Traced) -> Option<String> {
    let source = traced.packet.source;
    let began = |red: &RedPlan| deeds.iter().find_map(|deed| window_of(deed, red)).map(|(from, _)| from);
    let of_source = |red: &&RedPlan| {
        red.scan.sources().contains(&source) || red.scan.zombie.is_some_and(|zombie| zombie.address == source)
    };
    let asks = |red: &&RedPlan| {
        red.scan.technique.asks() != Asks::Ports || red.scan.ports.contains(traced.packet.port())
    };
    let reds = || plan.reds.iter().filter(of_source);
    let asking = reds().filter(asks).filter(|red| began(red).is_none_or(|from| from <= traced.at));
    let client = || plan.greens.iter().find(|green| peer(green) == source).map(|green| &green.name);
    let red = asking.max_by_key(|red| began(red)).map(|red| &red.name);
    red.or_else(client).or_else(|| reds().next().map(|red| &red.name)).cloned()
}

fn window_of(deed: &Deed<'_>, red: &RedPlan) -> Option<Window> {
    match deed {
        Deed::Scanned(scanned, window) if scanned.name == red.name => Some(*window),
        Deed::Scanned(..) | Deed::Operated(..) | Deed::Told => None,
    }
}

/// Of each attacker the first packet that met a rule's memory of it, where nothing before it can have been missed.
fn thresholds(plan: &Plan, side: SidePlan<'_>, packets: &[Traced], lines: &Lines) -> Vec<(IpAddr, Mark)> {
    let sources: BTreeSet<IpAddr> = plan.reds.iter().map(|red| red.scan.source).collect();
    let of_source = |source: IpAddr| {
        let own = packets.iter().filter(|traced| traced.packet.source == source);
        // Up to there, each of them was followed.
        let own = own.take(usize::try_from(OTHERS.burst).unwrap_or_default());
        let mut fates = own.map(|traced| (traced, cause(side.host, traced, lines)));
        let (traced, dropped) = fates.find(|(_, cause)| cause.is_stopped())?;
        let rule = dropped.decided_by.filter(|rule| remembers(&rule.rule))?;
        let mark = Mark {
            milestone: Milestone::Threshold,
            at: traced.at,
            witness: Witness::Kernel(dropped.witness),
            clock: Clock::Told,
            detail: format!("{} met {}", dropped.packet, rule.rule),
        };
        Some((source, mark))
    };
    sources.into_iter().filter_map(of_source).collect()
}

/// Whether a rule's match depends on what came before.
fn remembers(rule: &str) -> bool {
    const WORDS: [&str; 7] = ["recent", "limit", "hashlimit", "connlimit", "set", "quota", "count"];
    rule.split_whitespace().any(|word| WORDS.contains(&word) || word.starts_with('@'))
}

/// What each rule matched that stands in a text, by text and line. Rules of the other IP version were put to no test here.
fn counts(matched: &[Matched], lines: &Lines, family: Family) -> BTreeMap<usize, Vec<TextLine>> {
    let other = match family {
        Family::V4 => "ip6",
        Family::V6 => "ip",
    };
    let mut texts: BTreeMap<usize, BTreeMap<u32, Option<u64>>> = BTreeMap::new();
    for Matched { chain, place, packets } in matched.iter().filter(|rule| rule.chain.family != other) {
        let line = lines.at(&chain.family, &chain.table, &chain.chain, place.at, place.of);
        let Some((text, number)) =
            line.and_then(|line| Some((line.text_index, u32::try_from(line.line).ok()?)))
        else {
            continue;
        };
        let sum = texts.entry(text).or_default().entry(number).or_insert(Some(0));
        *sum = sum.zip(*packets).map(|(sum, more)| sum + more);
    }
    let listed = |lines: BTreeMap<u32, Option<u64>>| {
        lines.into_iter().map(|(line, packets)| TextLine { line, packets }).collect()
    };
    texts.into_iter().map(|(text, lines)| (text, listed(lines))).collect()
}

#[cfg(test)]
mod tests {
    use scandrill_lab::{ChainName, RulePlace};
    use scandrill_model::{Backend, Loader, Step};

    use super::*;

    #[test]
    fn rules_of_the_other_ip_version_are_not_counted() {
        let restore = |family| Step::Load {
            loader: Loader::IptablesRestore { family, backend: Backend::Nft },
            text: "*filter\n-A INPUT -j DROP\nCOMMIT\n".to_owned(),
            origin: "own".to_owned(),
        };
        let lines = Lines::of(&[restore(Family::V4), restore(Family::V6)]);
        let matched = ["ip", "ip6"].map(|family| Matched {
            chain: ChainName {
                family: family.to_owned(),
                table: "filter".to_owned(),
                chain: "INPUT".to_owned(),
            },
            place: RulePlace { at: 0, of: 1 },
            packets: Some(0),
        });
        let counted = |family| counts(&matched, &lines, family);
        let rule = vec![TextLine { line: 2, packets: Some(0) }];
        assert_eq!(counted(Family::V4), BTreeMap::from([(0, rule.clone())]));
        assert_eq!(counted(Family::V6), BTreeMap::from([(1, rule)]));
    }

    #[test]
    fn a_limit_is_told_from_a_filter() {
        for rule in [
            "iptables -A INPUT -m recent --update --seconds 60 --hitcount 10 -j DROP",
            "ip saddr @banned4 drop",
            "-A scandrill-trap -m set --match-set scandrill-trap4 src -j DROP",
            "tcp flags syn limit rate over 5/second drop",
        ] {
            assert!(remembers(rule), "{rule}");
        }
        for rule in ["policy drop", "tcp dport 23 drop", "-A INPUT -p tcp --dport 23 -j REJECT"] {
            assert!(!remembers(rule), "{rule}");
        }
    }
}
