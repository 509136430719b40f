//! What a drill without expectations has shown: each case's events, folded into what a user wants to know about the
//! rules. Data in, data out; the page puts it into words.

use std::collections::{BTreeMap, BTreeSet};

use scandrill_engine::{GreenPlan, Plan, Planned, Scanner, over};
use scandrill_model::{
    Asks, BanCheck, CaseReport, CellFacts, Event, Family, PortSet, PortState, ScanResult, Stamp, Technique,
    Verdict, What,
};

use super::battery::{Battery, NAMED, Service};

/// Everything that was seen.
#[derive(Debug, Default)]
pub struct Reading {
    /// What scanners read.
    pub scans: Vec<ScanSeen>,
    /// What clients got.
    pub clients: Vec<ClientSeen>,
    /// What could not be judged, with the cases it kept from being judged.
    pub problems: BTreeMap<String, Vec<String>>,
    /// What a reader should know beside all that.
    pub notes: BTreeSet<String>,
    /// Variables and sets that the rules match interfaces with, whose value is not known.
    pub unclear: Vec<String>,
    /// What is missing on this machine, with what mends it.
    pub skipped: BTreeMap<String, String>,
}

/// One scan.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanSeen {
    /// How.
    pub technique: Technique,
    /// By whom.
    pub scanner: Scanner,
    /// Over which IP version.
    pub family: Family,
    /// The source, as the rules name it; `None` is a stranger.
    pub source: Option<String>,
    /// Ports by what they read as.
    pub states: Vec<(PortState, PortSet)>,
    /// Ports whose true state was read although nothing is served there.
    pub leaks: PortSet,
    /// How it ended for the source.
    pub ban: Ban,
}

impl ScanSeen {
    fn reads_open(&self, service: Service) -> bool {
        let open = self.states.iter().find(|(state, _)| *state == PortState::Open);
        self.technique.protocol() == service.protocol
            && open.is_some_and(|(_, ports)| ports.contains(service.port))
    }
}

/// What became of a source that scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ban {
    /// It is still served as a fresh source is.
    None,
    /// It goes unserved where a fresh source is served; this many of its probes came before that.
    After(u64),
    /// A fresh source is not served either, so nobody can tell.
    Unclear,
    /// Nobody looked: there is no TCP service to look at.
    NotLooked,
}

/// One client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSeen {
    /// `busy user`.
    pub who: String,
    /// What it uses.
    pub service: Service,
    /// Over which IP version.
    pub family: Family,
    /// The attack it stood beside; `None` when nobody attacked.
    pub beside: Option<(Technique, Scanner)>,
    /// How many of its requests were served.
    pub served: usize,
    /// How many it made.
    pub made: usize,
    /// Its first request that was not served, counted from 1, and why not.
    pub first_failure: Option<(usize, String)>,
}

impl Reading {
    /// Folds the reports of cases that were planned.
    pub fn fold(&mut self, planned: &[Planned], cases: &[CaseReport], battery: &Battery) {
        for case in cases {
            if let Some(planned) = planned.iter().find(|planned| planned.plan.case == case.name) {
                self.see(&planned.plan, case, battery);
            }
        }
    }

    /// The services that any client has got over a family.
    pub fn served(&self, family: Family) -> impl Iterator<Item = Service> {
        let got = self.clients.iter().filter(move |client| client.family == family && client.served > 0);
        got.map(|client| client.service)
    }

    /// What strangers read.
    pub fn by_strangers(&self) -> impl Iterator<Item = &ScanSeen> {
        self.scans.iter().filter(|scan| scan.source.is_none())
    }

    /// Whether any stranger read what nobody should.
    pub fn leaks(&self) -> impl Iterator<Item = &ScanSeen> {
        self.by_strangers().filter(|scan| !scan.leaks.is_empty())
    }

    /// Clients that were refused something that is not kept for others.
    pub fn hurt(&self) -> impl Iterator<Item = &ClientSeen> {
        self.clients.iter().filter(|client| client.served < client.made && self.kept_for(client).is_empty())
    }

    /// The sources for whom a service is kept, by their names in the rules: they read it open, and of strangers
    /// nobody was ever served there.
    pub fn kept_for(&self, client: &ClientSeen) -> Vec<&str> {
        let same = |other: &&ClientSeen| other.service == client.service && other.family == client.family;
        if self.clients.iter().filter(same).any(|other| other.served > 0) {
            return Vec::new();
        }
        let readers =
            self.scans.iter().filter(|scan| scan.family == client.family && scan.reads_open(client.service));
        readers.filter_map(|scan| scan.source.as_deref()).collect()
    }

    fn see(&mut self, plan: &Plan, case: &CaseReport, battery: &Battery) {
        if let Some(skipped) = &case.skipped {
            self.skipped.insert(skipped.need.clone(), skipped.mend.clone());
            return;
        }
        let unproven = case.findings.iter().filter(|finding| is_unproven(finding.verdict, &finding.subject));
        let unproven = unproven.map(|finding| format!("{}: {}", finding.subject, finding.observed));
        for problem in case.problems.iter().cloned().chain(unproven) {
            self.problems.entry(problem).or_default().push(case.name.clone());
        }
        self.notes.extend(case.notes.iter().cloned());
        if case.problems.is_empty() {
            self.scans.extend(scan(plan, &case.events, battery));
            self.clients.extend(clients(plan, &case.events));
        }
    }

    /// The exit code: 3 what could not be judged, 4 what was missing, 1 a leak or a hurt client, else 0.
    pub fn exit_code(&self) -> u8 {
        if !self.problems.is_empty() || !self.unclear.is_empty() {
            3
        } else if self.leaks().next().is_some() || self.hurt().next().is_some() {
            1
        } else if self.scans.is_empty() {
            4
        } else {
            0
        }
    }
}

/// A look at a ban that shows nothing is told as such; every other thing that cannot be compared is a problem.
fn is_unproven(verdict: Verdict, subject: &str) -> bool {
    verdict == Verdict::Error && !subject.contains("ban")
}

fn scan(plan: &Plan, events: &[Event], battery: &Battery) -> Option<ScanSeen> {
    let red = plan.reds.first()?;
    let technique = red.scan.technique;
    let result = events.iter().find_map(scan_result)?;
    let cells = events.iter().find_map(scan_facts)?;
    let look = events.iter().find_map(ban_look);
    Some(ScanSeen {
        technique,
        scanner: red.scanner,
        family: plan.family,
        source: named(plan, battery),
        states: states(result),
        leaks: leaks(technique, result, &battery.services),
        ban: ban(look, cells),
    })
}

/// The name that the rules give to the source of a case, when it is one that they name.
fn named(plan: &Plan, battery: &Battery) -> Option<String> {
    let number: usize = plan.scenario.strip_prefix(NAMED)?.parse().ok()?;
    battery.named.get(number).map(|named| named.from.clone())
}

fn scan_result(event: &Event) -> Option<&ScanResult> {
    if let What::Scan { result, .. } = &event.what { Some(result) } else { None }
}

fn scan_facts(event: &Event) -> Option<&Vec<CellFacts>> {
    if let What::Facts { cells, .. } = &event.what { Some(cells) } else { None }
}

fn ban_look(event: &Event) -> Option<&BanCheck> {
    if let What::BanChecked { check, .. } = &event.what { Some(check) } else { None }
}

fn requests(event: &Event) -> Option<(&String, &Vec<Option<String>>)> {
    if let What::Requests { actor, failures, .. } = &event.what { Some((actor, failures)) } else { None }
}

fn states(result: &ScanResult) -> Vec<(PortState, PortSet)> {
    let mut states: BTreeMap<PortState, PortSet> = BTreeMap::new();
    for group in &result.groups {
        let ports = states.entry(group.state).or_default();
        *ports = ports.union(&group.ports);
    }
    states.into_iter().collect()
}

/// That a host answers pings is no secret about a port.
fn leaks(technique: Technique, result: &ScanResult, services: &[Service]) -> PortSet {
    if technique.asks() == Asks::Host {
        return PortSet::default();
    }
    let of_protocol = services.iter().filter(|service| service.protocol == technique.protocol());
    let served: PortSet = of_protocol.map(|service| service.port).collect();
    let read = result.groups.iter().filter(|group| group.state.is_read());
    read.flat_map(|group| group.ports.iter()).collect::<PortSet>().without(&served)
}

fn ban(look: Option<&BanCheck>, cells: &[CellFacts]) -> Ban {
    match look {
        None => Ban::NotLooked,
        Some(check) if check.is_banned() => Ban::After(probes_until_last_answer(cells)),
        Some(check) if check.fresh.state == PortState::Open => Ban::None,
        Some(_) => Ban::Unclear,
    }
}

/// How many probes the source had sent when it got its last answer.
fn probes_until_last_answer(cells: &[CellFacts]) -> u64 {
    let last: Option<Stamp> = cells.iter().filter_map(|cell| cell.reply.map(|(at, _)| at)).max();
    let probes = cells.iter().flat_map(|cell| &cell.probes);
    last.map_or(0, |last| probes.filter(|at| **at <= last).count() as u64)
}

fn clients(plan: &Plan, events: &[Event]) -> Vec<ClientSeen> {
    let beside = plan.reds.first().map(|red| (red.scan.technique, red.scanner));
    let seen = events.iter().filter_map(requests);
    seen.filter_map(|(actor, failures)| {
        let green = plan.greens.iter().find(|green| green.name == *actor)?;
        Some(ClientSeen {
            who: actor.split(" of ").next().unwrap_or(actor).to_owned(),
            service: service_of(green)?,
            family: plan.family,
            beside,
            served: failures.iter().filter(|failure| failure.is_none()).count(),
            made: failures.len(),
            first_failure: first_failure(failures),
        })
    })
    .collect()
}

/// What a client of this command's asks: one service.
fn service_of(green: &GreenPlan) -> Option<Service> {
    let errand = green.errands.first()?;
    Some(Service { protocol: over(errand.speaks), port: errand.port })
}

fn first_failure(failures: &[Option<String>]) -> Option<(usize, String)> {
    failures.iter().enumerate().find_map(|(index, failure)| Some((index + 1, failure.clone()?)))
}

#[cfg(test)]
mod tests {
    use PortState::{Filtered, Open};
    use scandrill_model::{CellRead, Millis, Reading as Read, Reason, Reply, TcpFlags};

    use super::*;

    fn result(cells: &[(u16, PortState)]) -> ScanResult {
        ScanResult::from_cells(
            cells.iter().map(|(port, state)| CellRead::new(*port, *state, Reason(String::new()))),
        )
    }

    #[test]
    fn a_leak_is_what_is_read_where_nothing_is_served() {
        let services = ["22".parse().unwrap(), "udp/53".parse().unwrap()];
        let seen = result(&[(22, PortState::Open), (53, PortState::Closed), (80, PortState::Filtered)]);
        assert_eq!(leaks(Technique::TcpSyn, &seen, &services).to_string(), "53");
        assert_eq!(leaks(Technique::Udp, &seen, &services).to_string(), "22");
        let ping = result(&[(0, PortState::Open)]);
        assert!(leaks(Technique::IcmpEcho, &ping, &services).is_empty());
    }

    #[test]
    fn a_ban_is_told_by_a_fresh_source_and_dated_by_the_last_answer() {
        let reset = Reply::Tcp { flags: TcpFlags::RST, window: 0 };
        let cell = |port, at, reply: Option<u64>| CellFacts {
            port,
            probes: vec![Stamp(at)],
            reply: reply.map(|at| (Stamp(at), reset)),
            ..CellFacts::new(port)
        };
        let cells = [cell(1, 10, Some(11)), cell(2, 20, Some(21)), cell(3, 30, None)];
        let look = |source, fresh| BanCheck {
            after: Millis(0),
            port: 22,
            source: Read { state: source, reason: Reason(String::new()) },
            fresh: Read { state: fresh, reason: Reason(String::new()) },
        };
        assert_eq!(ban(Some(&look(Filtered, Open)), &cells), Ban::After(2));
        assert_eq!(ban(Some(&look(Open, Open)), &cells), Ban::None);
        assert_eq!(ban(Some(&look(Filtered, Filtered)), &cells), Ban::Unclear);
        assert_eq!(ban(None, &cells), Ban::NotLooked);
    }
}
