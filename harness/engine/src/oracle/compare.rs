//! One expectation beside what was seen: each comparison is a finding with its witnesses.

use std::collections::BTreeMap;

use scandrill_model::{
    Asks, BanCheck, BanExpectation, Bound, CellFacts, Finding, GreenExpectation, Millis, PortSet, PortState,
    Reading, Reason, RedExpectation, Reply, Stamp, StateSet, Technique, Verdict,
};

use super::observations::{Observations, RequestsSeen};

/// A scan that both witnesses agree on, ready to be compared.
pub struct ScanView<'a> {
    /// Who scanned.
    pub actor: &'a str,
    /// How.
    pub technique: Technique,
    /// What it was asked.
    pub ports: &'a PortSet,
    /// What it read, port by port.
    pub states: &'a BTreeMap<u16, PortState>,
    /// What the captures saw, port by port.
    pub cells: &'a BTreeMap<u16, CellFacts>,
    /// Ports that the undefended target answered.
    pub control: PortSet,
    /// Ports that are silent without any defense.
    pub silent: PortSet,
    /// Ports with a listener.
    pub served: PortSet,
    /// Everything that was seen in the case.
    pub seen: &'a Observations,
}

impl ScanView<'_> {
    fn finding(&self, subject: String, expected: String, observed: String, verdict: Verdict) -> Finding {
        let witnesses = self.witnesses();
        Finding { actor: self.actor.to_owned(), subject, expected, observed, verdict, witnesses }
    }

    /// `tcp-syn, ports 1-21,23-30`; a ping asks no port.
    fn subject(&self, ports: &PortSet) -> String {
        match self.technique.asks() {
            Asks::Host => self.technique.to_string(),
            Asks::Ports => format!("{}, ports {}", self.technique, shortened(ports)),
            Asks::Protocols => format!("{}, protocols {}", self.technique, shortened(ports)),
        }
    }

    fn witnesses(&self) -> Vec<String> {
        let probes: usize = self.cells.values().map(|cell| cell.probes.len()).sum();
        let answered = self.answered().len();
        let first = self.cells.values().filter_map(|cell| cell.probes.first()).min();
        let first = first.map_or_else(|| "never".to_owned(), |at| self.seen.when(*at));
        let mut witnesses = vec![
            format!("scanner: {}", summary(self.states)),
            format!(
                "captures: {probes} probes arrived, the first {first}; {answered} of {} ports answered",
                self.ports.len()
            ),
            format!(
                "control: {} of {} ports answered without the defense",
                self.control.len(),
                self.ports.len()
            ),
        ];
        let (late, _) = disagreements(self);
        witnesses.extend(
            late.first()
                .map(|first| format!("late: {} replies that the scanner did not hear; {first}", late.len())),
        );
        witnesses
    }

    fn answered(&self) -> PortSet {
        self.cells.values().filter(|cell| cell.reply.is_some()).map(|cell| cell.port).collect()
    }

    /// What a port is without a defense.
    fn kind(&self, port: u16) -> &'static str {
        match (self.technique.asks(), self.served.contains(port)) {
            (Asks::Host, _) => "hosts",
            (Asks::Protocols, _) => "protocols",
            (Asks::Ports, false) => "closed ports",
            (Asks::Ports, true) => "open ports",
        }
    }

    /// `tcp-xmas: 12 of 12 closed ports read closed`: how the ports of `group`, a part of `all`, read.
    fn reading(&self, group: &PortSet, all: &PortSet) -> String {
        let mut counts: BTreeMap<(&str, PortState), usize> = BTreeMap::new();
        for port in group.iter() {
            if let Some(state) = self.states.get(&port) {
                *counts.entry((self.kind(port), *state)).or_default() += 1;
            }
        }
        let share = |((kind, state), count): ((&str, PortState), usize)| {
            let of = all.iter().filter(|port| self.kind(*port) == kind).count();
            format!("{count} of {of} {kind} read {state}")
        };
        format!("{}: {}", self.technique, counts.into_iter().map(share).collect::<Vec<_>>().join(", "))
    }
}

/// `990 filtered, 2 open`.
fn summary(states: &BTreeMap<u16, PortState>) -> String {
    let mut counts: BTreeMap<PortState, usize> = BTreeMap::new();
    for state in states.values() {
        *counts.entry(*state).or_default() += 1;
    }
    counts.iter().map(|(state, count)| format!("{count} {state}")).collect::<Vec<_>>().join(", ")
}

/// Compares everything that is expected of one scan.
pub fn red(view: &ScanView<'_>, expect: &RedExpectation) -> Vec<Finding> {
    let mut findings: Vec<Finding> = expect
        .states
        .iter()
        .map(|(ports, allowed)| states(view, &ports.intersection(view.ports), allowed))
        .collect();
    let named: PortSet = expect.states.iter().flat_map(|(ports, _)| ports.iter()).collect();
    let rest = view.ports.without(&named);
    if let Some(allowed) = expect.rest.as_ref().filter(|_| !rest.is_empty()) {
        findings.push(match expect.answered {
            Some(_) => states_of_unanswered(view, &rest, allowed),
            None => states(view, &rest, allowed),
        });
    }
    findings.extend(expect.answered.map(|bound| answered(view, bound)));
    findings.extend(expect.ban.iter().flat_map(|ban| bans(view, ban)));
    findings
}

/// Each of `ports` must read as one of `allowed`.
fn states(view: &ScanView<'_>, ports: &PortSet, allowed: &StateSet) -> Finding {
    let wrong = |port: &u16| !view.states.get(port).is_some_and(|state| allowed.contains(*state));
    let wrong: PortSet = ports.iter().filter(wrong).collect();
    let subject = view.subject(ports);
    if !wrong.is_empty() {
        return misread(view, subject, allowed, &wrong, ports);
    }
    match unproven(view, ports) {
        Some(why) => view.finding(subject, allowed.to_string(), why, Verdict::Error),
        None => view.finding(subject, allowed.to_string(), view.reading(ports, ports), Verdict::Pass),
    }
}

/// The finding that `wrong`, a part of `all`, reads as nothing that is allowed; its ports are named where others read
/// right.
fn misread(
    view: &ScanView<'_>,
    subject: String,
    allowed: &StateSet,
    wrong: &PortSet,
    all: &PortSet,
) -> Finding {
    let mut finding = view.finding(subject, allowed.to_string(), view.reading(wrong, all), Verdict::Fail);
    if wrong != all {
        finding.witnesses.insert(0, format!("ports: {}", shortened(wrong)));
    }
    finding
}

/// Beside a count of answers, `rest` speaks of the ports that gave none; the others must read as they do without
/// a defense, or as `rest` allows (a refusal is an answer too).
fn states_of_unanswered(view: &ScanView<'_>, ports: &PortSet, allowed: &StateSet) -> Finding {
    let answered = view.answered();
    let true_state = |port: u16| {
        let state = view.states.get(&port).copied();
        let natural = if view.served.contains(port) { PortState::Open } else { PortState::Closed };
        state == Some(natural) || state == Some(PortState::Unfiltered)
    };
    let wrong: PortSet = ports
        .iter()
        .filter(|port| !view.states.get(port).is_some_and(|state| allowed.contains(*state)))
        .filter(|&port| !(answered.contains(port) && true_state(port)))
        .collect();
    let subject = format!("{}, ports that gave no answer", view.technique);
    let silent = ports.without(&answered);
    if !wrong.is_empty() {
        return misread(view, subject, allowed, &wrong, ports);
    }
    let proven = format!("{} of {} ports gave no answer", silent.len(), ports.len());
    let (observed, verdict) =
        unproven(view, &silent).map_or((proven, Verdict::Pass), |why| (why, Verdict::Error));
    view.finding(subject, allowed.to_string(), observed, verdict)
}

/// Silence shows something only where the undefended target answered, or is silent by nature.
fn unproven(view: &ScanView<'_>, ports: &PortSet) -> Option<String> {
    let silent = ports.without(&view.answered()).without(&view.silent);
    let unproven = silent.without(&view.control);
    (!unproven.is_empty()).then(|| {
        format!(
            "silence that shows nothing: without the defense, {} got no answer either",
            view.subject(&unproven)
        )
    })
}

/// A set of ports that fits on a line.
fn shortened(ports: &PortSet) -> String {
    let text = ports.to_string();
    match text.char_indices().nth(60) {
        None => text,
        Some((end, _)) => {
            let cut = text[..end].rfind(',').unwrap_or(end);
            format!("{},... ({} ports)", &text[..cut], ports.len())
        }
    }
}

fn answered(view: &ScanView<'_>, bound: Bound) -> Finding {
    let count = view.answered().len();
    let verdict = if bound.contains(count as u64) { Verdict::Pass } else { Verdict::Fail };
    let observed = format!("{}: {count} of {} ports answered", view.technique, view.ports.len());
    view.finding(format!("{}, answered ports", view.technique), bound.to_string(), observed, verdict)
}

fn bans(view: &ScanView<'_>, expect: &BanExpectation) -> Vec<Finding> {
    let looks = view.seen.bans.get(view.actor).map_or(&[][..], Vec::as_slice);
    let mut findings = vec![ban_landed(view, expect, looks.first())];
    if let Some(after) = expect.holds.or(expect.lifts) {
        findings.push(ban_later(view, expect, after, looks.get(1)));
    }
    if let Some(within) = expect.lands_within_probes {
        findings.push(ban_landing(view, within));
    }
    if let Some(within) = expect.enforced_within {
        findings.push(ban_enforced(view, within));
    }
    findings
}

/// A look and when it was.
type Look = (Stamp, BanCheck);

fn ban_landed(view: &ScanView<'_>, expect: &BanExpectation, look: Option<&Look>) -> Finding {
    let expected = if expect.lands { "the source is banned" } else { "the source is not banned" };
    ban_finding(view, expected.to_owned(), expect.lands, look)
}

fn ban_later(view: &ScanView<'_>, expect: &BanExpectation, after: Millis, look: Option<&Look>) -> Finding {
    let state = if expect.lifts.is_some() { "served again" } else { "still banned" };
    let expected = format!("the source is {state} {} ms after its last packet", after.0);
    ban_finding(view, expected, expect.lifts.is_none(), look)
}

/// What one look says, which compares the source with a fresh one.
fn ban_finding(view: &ScanView<'_>, expected: String, banned: bool, look: Option<&Look>) -> Finding {
    let subject = "ban of the source".to_owned();
    let Some((at, check)) = look else {
        return view.finding(subject, expected, "nobody looked".to_owned(), Verdict::Error);
    };
    let verdict = match (check.fresh.state == PortState::Open, check.is_banned() == banned) {
        (false, _) => Verdict::Error,
        (true, true) => Verdict::Pass,
        (true, false) => Verdict::Fail,
    };
    let mut finding = view.finding(subject, expected, look_in_words(check), verdict);
    finding.witnesses.push(format!("look: {}", view.seen.when(*at)));
    finding
}

fn look_in_words(check: &BanCheck) -> String {
    let read = |reading: &Reading| format!("{} ({})", reading.state, reading.reason.0);
    let when = match check.after.0 {
        0 => "right after its scan".to_owned(),
        after => format!("{after} ms after its last packet"),
    };
    let (own, fresh) = (read(&check.source), read(&check.fresh));
    format!("{when}, tcp/{} reads {own} to the source and {fresh} to a fresh one", check.port)
}

/// Every probe in the order of the wire, and whether it is the one that was answered.
fn probes_in_order(view: &ScanView<'_>) -> Vec<(Stamp, bool)> {
    let mut probes = Vec::new();
    for cell in view.cells.values() {
        let answered = cell.reply.and_then(|(at, _)| cell.probes.iter().rposition(|probe| *probe <= at));
        probes.extend(cell.probes.iter().enumerate().map(|(index, at)| (*at, Some(index) == answered)));
    }
    probes.sort_unstable();
    probes
}

fn ban_landing(view: &ScanView<'_>, within: u64) -> Finding {
    let probes = probes_in_order(view);
    let first_unanswered =
        probes.iter().rposition(|(_, answered)| *answered).map_or(1, |last| last as u64 + 2);
    let (landed, count) = (first_unanswered <= probes.len() as u64, probes.len());
    let observed = if landed {
        format!("{}: from probe {first_unanswered} on, nothing was answered ({count} probes)", view.technique)
    } else {
        format!("{}: the last of {count} probes was answered", view.technique)
    };
    let verdict = if landed && first_unanswered <= within { Verdict::Pass } else { Verdict::Fail };
    view.finding("landing of the ban".to_owned(), format!("within {within} probes"), observed, verdict)
}

fn ban_enforced(view: &ScanView<'_>, within: Millis) -> Finding {
    let probes = probes_in_order(view);
    let first = probes.first().map(|(at, _)| *at).unwrap_or_default();
    let last = probes.iter().rev().find(|(_, answered)| *answered).map_or(first, |(at, _)| *at);
    let took = Millis::from(last.since(first));
    let verdict = if took <= within { Verdict::Pass } else { Verdict::Fail };
    let observed = format!("the last answered probe came {} ms after the first probe", took.0);
    view.finding("enforcement of the ban".to_owned(), format!("within {} ms", within.0), observed, verdict)
}

/// Compares everything that is expected of one client.
pub fn green(
    actor: &str,
    requests: &RequestsSeen,
    expect: &GreenExpectation,
    seen: &Observations,
) -> Vec<Finding> {
    let total = requests.failures.len();
    let served = requests.failures.iter().filter(|failure| failure.is_none()).count();
    let observed = match requests.failures.iter().position(Option::is_some) {
        None => format!("{served} of {total} requests served"),
        Some(first) => {
            let why = requests.failures[first].as_deref().unwrap_or_default();
            format!("{served} of {total} requests served; request {} failed: {why}", first + 1)
        }
    };
    let count = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let share = if total == 0 { 0.0 } else { count(served) / count(total) };
    let nothing_said = *expect == GreenExpectation::default();
    let min = expect.success_min.or(nothing_said.then_some(1.0));
    let checks = [
        min.map(|min| (format!("at least {:.0} % served", min * 100.0), share >= min)),
        expect.success_max.map(|max| (format!("at most {:.0} % served", max * 100.0), share <= max)),
        expect.served.map(|bound| (format!("{bound} served"), bound.contains(served as u64))),
    ];
    let finding = |(expected, met): (String, bool)| Finding {
        actor: actor.to_owned(),
        subject: "requests".to_owned(),
        expected,
        observed: observed.clone(),
        verdict: if total == 0 {
            Verdict::Error
        } else if met {
            Verdict::Pass
        } else {
            Verdict::Fail
        },
        witnesses: vec![format!("client: last request over {}", seen.when(requests.at))],
    };
    checks.into_iter().flatten().map(finding).collect()
}

/// Where the scanner and the captures do not say the same. A reply that came too late for the scanner, or that its
/// kernel kept, is named as such; everything else cannot be judged.
pub fn disagreements(view: &ScanView<'_>) -> (Vec<String>, Vec<String>) {
    let (mut late, mut other) = (Vec::new(), Vec::new());
    for port in view.ports.iter() {
        let Some(cell) = view.cells.get(&port) else {
            other.push(format!("port {port}: the scanner reads it, and no probe of it is in the capture"));
            continue;
        };
        let (scanner_state, captures) = (view.states.get(&port).copied(), cell.state(view.technique));
        let scanner = scanner_state.as_ref();
        if scanner == Some(&captures) {
            continue;
        }
        let scanner = scanner.map_or_else(|| "nothing".to_owned(), PortState::to_string);
        let reason = Reason::of(view.technique, cell.reply.map(|(_, reply)| reply)).0;
        let line = format!("port {port}: the scanner reads {scanner}, the captures {captures} ({reason})");
        if is_late(cell) || kept_by_the_kernel(view.technique, cell, scanner_state) {
            late.push(line);
        } else {
            other.push(line);
        }
    }
    (late, other)
}

/// nmap's connect scan hears of an ICMP error from its kernel alone, which keeps it to itself where the error meets the
/// very call that sent the SYN (`tcp_v4_err`, `tcp_v6_err`: a socket that is in use gets a soft error). Whether nmap
/// learns it from a retransmitted SYN before it gives up is a matter of time.
fn kept_by_the_kernel(technique: Technique, cell: &CellFacts, scanner: Option<PortState>) -> bool {
    let refused = matches!(cell.reply, Some((_, Reply::Unreachable(_))));
    technique == Technique::TcpConnect && refused && scanner == Some(PortState::Filtered)
}

/// Later than any scanner waits on a link without delay.
const LATE: std::time::Duration = std::time::Duration::from_millis(100);

fn is_late(cell: &CellFacts) -> bool {
    let Some((at, _)) = cell.reply else { return false };
    let before = cell.probes.iter().rev().find(|probe| **probe <= at);
    before.is_some_and(|probe| at.since(*probe) > LATE)
}
