//! What changed, thing by thing.

use std::collections::{BTreeMap, BTreeSet};

use scandrill_model::{
    CaseReport, Collateral, Outcome, Phase, PortSet, RunReport, Service, TimeLine, Verdict,
};

use super::{Change, Way};
use crate::ban::PORTS;
use crate::words::{self, micros, percent, thousands};

/// Times of two runs differ by what else the machine does: a time that is not twice the other is the same...
const TIMES: u64 = 2;
/// ... and so is one that differs by less than this.
const APART_US: u64 = 1_000;

fn change(
    way: Way,
    subject: &str,
    what: impl Into<String>,
    old: impl Into<String>,
    new: impl Into<String>,
) -> Change {
    Change { way, subject: subject.to_owned(), what: what.into(), old: old.into(), new: new.into() }
}

/// Cases, and how many are in both runs.
pub fn of_cases(old: &RunReport, new: &RunReport) -> (Vec<Change>, usize) {
    let (before, now) = (by_name(old), by_name(new));
    let mut changes = Vec::new();
    let mut common = 0;
    for (name, case) in &before {
        match now.get(name) {
            None => changes.push(change(Way::Neither, name, "verdict", case.verdict.to_string(), "not run")),
            Some(other) => {
                common += 1;
                changes.extend(of_case(case, other));
            }
        }
    }
    let added = now.iter().filter(|(name, _)| !before.contains_key(*name));
    changes.extend(
        added.map(|(name, case)| change(Way::Neither, name, "verdict", "not run", case.verdict.to_string())),
    );
    (changes, common)
}

fn by_name(report: &RunReport) -> BTreeMap<&str, &CaseReport> {
    report.cases.iter().map(|case| (case.name.as_str(), case)).collect()
}

fn of_case(old: &CaseReport, new: &CaseReport) -> Vec<Change> {
    let mut changes: Vec<Change> = verdict(old, new).into_iter().collect();
    // What was not judged shows nothing, whatever it left behind.
    if old.verdict.max(new.verdict) == Verdict::Error || [old.verdict, new.verdict].contains(&Verdict::Skip) {
        return changes;
    }
    changes.extend(leaks(old, new));
    for (key, line) in bans(old) {
        changes.extend(bans(new).get(&key).and_then(|other| ban(&new.name, line, other)));
    }
    for client in &old.collateral {
        let other = new.collateral.iter().find(|other| other.actor == client.actor);
        changes.extend(other.into_iter().flat_map(|other| hurt(&new.name, client, other)));
    }
    changes
}

fn verdict(old: &CaseReport, new: &CaseReport) -> Option<Change> {
    let way = match (old.verdict, new.verdict) {
        (was, is) if was == is => return None,
        (Verdict::Skip, _) | (_, Verdict::Skip) => Way::Neither,
        (was, is) if is > was => Way::Worse,
        _ => Way::Better,
    };
    Some(change(way, &new.name, "verdict", old.verdict.to_string(), new.verdict.to_string()))
}

/// Ports that each actor learnt of, by their number: which ones they are is the order's doing.
fn leaks(old: &CaseReport, new: &CaseReport) -> Vec<Change> {
    let (before, now) = (leaked(old), leaked(new));
    let actors: BTreeSet<&&str> = before.keys().chain(now.keys()).collect();
    let none = PortSet::default();
    let of = |actor: &&str| {
        let (was, is) = (before.get(*actor).unwrap_or(&none), now.get(*actor).unwrap_or(&none));
        let way = match is.len().cmp(&was.len()) {
            std::cmp::Ordering::Equal => return None,
            std::cmp::Ordering::Greater => Way::Worse,
            std::cmp::Ordering::Less => Way::Better,
        };
        Some(change(way, &new.name, format!("{actor}: ports leaked"), ports(was), ports(is)))
    };
    actors.into_iter().filter_map(of).collect()
}

fn leaked(case: &CaseReport) -> BTreeMap<&str, PortSet> {
    let lines = case.time_lines.iter().map(|line| (line.actor.as_str(), &line.ports_leaked));
    let rows = case.matrix.iter().flat_map(|row| row.cells.iter().map(move |cell| (row, cell)));
    let cells = rows.filter(|(_, cell)| cell.leaked).map(|(row, cell)| (row.actor.as_str(), &cell.ports));
    let mut all: BTreeMap<&str, PortSet> = BTreeMap::new();
    for (actor, ports) in lines.chain(cells).filter(|(_, ports)| !ports.is_empty()) {
        let known = all.entry(actor).or_default();
        *known = known.union(ports);
    }
    all
}

fn ports(ports: &PortSet) -> String {
    let number = thousands(ports.len() as u64);
    if ports.is_empty() { "none".to_owned() } else { format!("{number} ({})", words::ports(ports, PORTS)) }
}

fn bans(case: &CaseReport) -> BTreeMap<(&str, String), &TimeLine> {
    case.time_lines.iter().map(|line| ((line.actor.as_str(), line.source.to_string()), line)).collect()
}

fn ban(case: &str, old: &TimeLine, new: &TimeLine) -> Option<Change> {
    let told = |us: Option<u64>| us.map_or_else(|| "never".to_owned(), micros);
    let way = match (old.time_to_ban_us, new.time_to_ban_us) {
        (None, None) => return None,
        (Some(_), None) => Way::Worse,
        (None, Some(_)) => Way::Better,
        (Some(was), Some(is)) => slower(was, is)?,
    };
    let what = format!("{}: time to ban", new.actor);
    Some(change(way, case, what, told(old.time_to_ban_us), told(new.time_to_ban_us)))
}

/// Which way a time went; `None` where it is the same.
fn slower(old: u64, new: u64) -> Option<Way> {
    let (short, long) = (old.min(new), old.max(new));
    let differs = long - short >= APART_US && long >= short.saturating_mul(TIMES);
    differs.then_some(if new > old { Way::Worse } else { Way::Better })
}

/// A client's service.
fn hurt(case: &str, old: &Collateral, new: &Collateral) -> Vec<Change> {
    let mut changes = Vec::new();
    let told = |banned: bool| if banned { "banned" } else { "not banned" };
    let (was, is) = (old.banned.is_some(), new.banned.is_some());
    if was != is {
        let way = if is { Way::Worse } else { Way::Better };
        changes.push(change(way, case, format!("{}: ban of a client", new.actor), told(was), told(is)));
    }
    for phase in [Phase::Before, Phase::During, Phase::After] {
        let of =
            |client: &'_ Collateral| client.phases.iter().find(|service| service.phase == phase).cloned();
        if let (Some(was), Some(is)) = (of(old), of(new)) {
            changes.extend(served(case, &new.actor, &was, &is));
        }
    }
    changes
}

fn served(case: &str, actor: &str, old: &Service, new: &Service) -> Vec<Change> {
    let share = |service: &Service, other: &Service| u128::from(service.served) * u128::from(other.requests);
    let way = match share(new, old).cmp(&share(old, new)) {
        std::cmp::Ordering::Less => Some(Way::Worse),
        std::cmp::Ordering::Greater => Some(Way::Better),
        std::cmp::Ordering::Equal => None,
    };
    let told = |service: &Service| {
        format!("{} of {}", percent(service.served, service.requests), thousands(service.requests))
    };
    let served = way.map(|way| {
        change(way, case, format!("{actor}: served {} the attack", new.phase), told(old), told(new))
    });
    let late = old.latency.zip(new.latency).and_then(|(was, is)| {
        let way = slower(was.p99_us, is.p99_us)?;
        let what = format!("{actor}: 99 in 100 served {} the attack within", new.phase);
        Some(change(way, case, what, micros(was.p99_us), micros(is.p99_us)))
    });
    served.into_iter().chain(late).collect()
}

/// Claims that both runs judged.
pub fn of_claims(old: &RunReport, new: &RunReport) -> Vec<Change> {
    let of = |claim: &scandrill_model::ClaimReport| {
        let was = old.claims.iter().find(|was| was.scenario == claim.scenario && was.text == claim.text)?;
        let way = match (was.outcome, claim.outcome) {
            (was, is) if was == is => return None,
            (Outcome::Held, Outcome::Refuted) => Way::Worse,
            (Outcome::Refuted, Outcome::Held) => Way::Better,
            _ => Way::Neither,
        };
        let what = format!("claim: {}", claim.text);
        Some(change(way, &claim.scenario, what, was.outcome.to_string(), claim.outcome.to_string()))
    };
    new.claims.iter().filter_map(of).collect()
}

/// Rules by their own words, so that one that moved is the same.
pub fn of_rules(old: &RunReport, new: &RunReport) -> Vec<Change> {
    let (before, now) = (by_name(old), by_name(new));
    let both = |report: &'_ RunReport| -> Vec<usize> {
        let common = |case: &CaseReport| {
            before.contains_key(case.name.as_str()) && now.contains_key(case.name.as_str())
        };
        (0..report.cases.len()).filter(|index| common(&report.cases[*index])).collect()
    };
    let (was, is) = (matched(old, &both(old)), matched(new, &both(new)));
    let of = |((file, rule), packets): (&(String, String), &u64)| {
        let before = *was.get(&(file.clone(), rule.clone()))?;
        let way = match (before, *packets) {
            (0, 0) => return None,
            (0, _) => Way::Better,
            (_, 0) => Way::Worse,
            (_, _) => return None,
        };
        let told = |packets: u64| {
            if packets == 0 { "never matched".to_owned() } else { format!("matched {}", thousands(packets)) }
        };
        Some(change(way, file, format!("rule: {rule}"), told(before), told(*packets)))
    };
    is.iter().filter_map(of).collect()
}

/// Packets by file and rule, of rules that are counted in all of these cases.
fn matched(report: &RunReport, cases: &[usize]) -> BTreeMap<(String, String), u64> {
    let mut all: BTreeMap<(String, String), Option<u64>> = BTreeMap::new();
    for text in cases.iter().flat_map(|index| &report.cases[*index].rules) {
        let lines: Vec<&str> = text.text.lines().collect();
        for rule in &text.rules {
            let words = lines.get(rule.line.saturating_sub(1) as usize).map_or("", |line| line.trim());
            let sum = all.entry((text.file.clone(), words.to_owned())).or_insert(Some(0));
            *sum = sum.zip(rule.packets).map(|(sum, more)| sum + more);
        }
    }
    all.into_iter().filter_map(|(key, packets)| Some((key, packets?))).collect()
}

/// What the two ran on, where it differs.
pub fn of_places(old: &RunReport, new: &RunReport) -> Vec<Change> {
    let facts = |report: &RunReport| {
        let mut facts = report.environment.tools.clone();
        facts.insert("kernel".to_owned(), report.environment.kernel.clone());
        facts.insert("scandrill".to_owned(), report.scandrill.clone());
        facts.insert("seed".to_owned(), report.seed.to_string());
        facts
    };
    let (was, is) = (facts(old), facts(new));
    let differ = was
        .iter()
        .filter_map(|(name, was)| Some((name, was, is.get(name)?)))
        .filter(|(_, was, is)| was != is);
    differ.map(|(name, was, is)| change(Way::Neither, name, "version", was, is)).collect()
}
