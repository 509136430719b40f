//! One expectation beside what was seen: each comparison is a finding with its witnesses.

use std::collections::BTreeSet;
use std::time::Duration;

use scandrill_model::{
    Allowed, BanCheck, BanExpectation, BanOutcome, Bound, Finding, GreenExpectation, Mark, Millis, PortSet,
    PortState, Reading, RedExpectation, Stamp, StateSet, SystemGuess, TimeBound, Verdict, state_of,
};

use super::observations::{Observations, RequestsSeen};
use super::time_line;
use super::timely::timely;
use super::view::{ScanView, shortened};

/// Compares everything that is expected of one scan.
pub fn red(view: &ScanView<'_>, expect: &RedExpectation) -> Vec<Finding> {
    let mut findings: Vec<Finding> = expect
        .states
        .iter()
        .map(|(ports, allowed)| each(view, &ports.intersection(view.ports), allowed))
        .collect();
    let named: PortSet = expect.states.iter().flat_map(|(ports, _)| ports.iter()).collect();
    let rest = view.ports.without(&named);
    if let Some(allowed) = expect.rest.as_ref().filter(|_| !rest.is_empty()) {
        findings.push(match expect.answered {
            Some(_) => states_of_unanswered(view, &rest, allowed),
            None => each(view, &rest, allowed),
        });
    }
    findings.extend(expect.answered.map(|bound| answered(view, bound)));
    findings.extend(expect.ttl.map(|bound| ttl(view, bound)));
    findings.extend(expect.os.as_deref().map(|name| system(view, name)));
    findings.extend(expect.os_accuracy.map(|bound| confidence(view, bound)));
    findings.extend(expect.ban.iter().flat_map(|ban| bans(view, ban)));
    findings.extend(expect.probes.map(|bound| probes(view, bound)));
    findings.extend(expect.took.map(|bound| took(view, bound)));
    findings
}

/// What the scan cost its sender in packets, by the captures.
fn probes(view: &ScanView<'_>, bound: Bound) -> Finding {
    let arrived: u64 = view.cells.values().map(|cell| cell.probes.len() as u64).sum();
    let verdict = if bound.contains(arrived) { Verdict::Pass } else { Verdict::Fail };
    let observed = format!("{}: {arrived} probes arrived for {} ports", view.technique, view.ports.len());
    view.finding(format!("{}, probes", view.technique), bound.to_string(), observed, verdict)
}

/// What the scan cost its sender in time.
fn took(view: &ScanView<'_>, bound: TimeBound) -> Finding {
    let took = view.seen.scans.get(view.actor).map(|scan| scan.took).unwrap_or_default();
    let verdict = if bound.contains(took) { Verdict::Pass } else { Verdict::Fail };
    let observed = format!("{}: {} ports took {} ms", view.technique, view.ports.len(), took.0);
    let finding = view.finding(format!("{}, time", view.technique), bound.to_string(), observed, verdict);
    timely(finding, view.seen)
}

/// Ports that read as nothing that is expected of them, each with what is.
pub fn wrong(view: &ScanView<'_>, expect: &RedExpectation) -> Vec<(PortSet, String)> {
    let of = |ports: &PortSet, allowed: &Allowed| match allowed {
        Allowed::States(states) => not_among(view, ports, states),
        Allowed::Silent => speaking(view, ports),
    };
    let mut all: Vec<(PortSet, String)> = expect
        .states
        .iter()
        .map(|(ports, allowed)| (of(&ports.intersection(view.ports), allowed), allowed.to_string()))
        .collect();
    let named: PortSet = expect.states.iter().flat_map(|(ports, _)| ports.iter()).collect();
    let rest = view.ports.without(&named);
    if let Some(allowed) = &expect.rest {
        let wrong = match expect.answered {
            Some(_) => misread_unanswered(view, &rest, allowed),
            None => of(&rest, allowed),
        };
        all.push((wrong, allowed.to_string()));
    }
    all
}

fn each(view: &ScanView<'_>, ports: &PortSet, allowed: &Allowed) -> Finding {
    match allowed {
        Allowed::States(allowed) => states(view, ports, allowed),
        Allowed::Silent => silent(view, ports),
    }
}

/// None of `ports` may give an answer that the scanner hears: both witnesses must say so. Why it is silent is not asked.
fn silent(view: &ScanView<'_>, ports: &PortSet) -> Finding {
    let wrong = speaking(view, ports);
    let expected = Allowed::Silent.to_string();
    if !wrong.is_empty() {
        return misread(view, view.subject(ports), expected, &wrong, ports);
    }
    let observed = format!("{}: none of {} asked gave an answer", view.technique, ports.len());
    view.finding(view.subject(ports), expected, observed, Verdict::Pass)
}

fn speaking(view: &ScanView<'_>, ports: &PortSet) -> PortSet {
    let answered = if view.answers_to.is_some() { PortSet::default() } else { view.answered() };
    let nothing = state_of(view.technique, None);
    let speaks = |port: &u16| answered.contains(*port) || view.states.get(port).copied() != Some(nothing);
    ports.iter().filter(speaks).collect()
}

fn not_among(view: &ScanView<'_>, ports: &PortSet, allowed: &StateSet) -> PortSet {
    let wrong = |port: &u16| !view.states.get(port).is_some_and(|state| allowed.contains(*state));
    ports.iter().filter(wrong).collect()
}

/// Each of `ports` must read as one of `allowed`.
fn states(view: &ScanView<'_>, ports: &PortSet, allowed: &StateSet) -> Finding {
    let wrong = not_among(view, ports, allowed);
    let subject = view.subject(ports);
    if !wrong.is_empty() {
        return misread(view, subject, allowed.to_string(), &wrong, ports);
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
    expected: String,
    wrong: &PortSet,
    all: &PortSet,
) -> Finding {
    let mut finding = view.finding(subject, expected, view.reading(wrong, all), Verdict::Fail);
    if wrong != all {
        finding.witnesses.insert(0, format!("ports: {}", shortened(wrong)));
    }
    finding
}

/// Beside a count of answers, `rest` speaks of the ports that gave none; the others must read as they do without
/// a defense, or as `rest` allows (a refusal is an answer too).
fn states_of_unanswered(view: &ScanView<'_>, ports: &PortSet, allowed: &Allowed) -> Finding {
    let wrong = misread_unanswered(view, ports, allowed);
    let subject = format!("{}, ports that gave no answer", view.technique);
    let silent = ports.without(&view.answered());
    if !wrong.is_empty() {
        return misread(view, subject, allowed.to_string(), &wrong, ports);
    }
    let proven = format!("{} of {} ports gave no answer", silent.len(), ports.len());
    let unproven = if *allowed == Allowed::Silent { None } else { unproven(view, &silent) };
    let (observed, verdict) = unproven.map_or((proven, Verdict::Pass), |why| (why, Verdict::Error));
    view.finding(subject, allowed.to_string(), observed, verdict)
}

fn misread_unanswered(view: &ScanView<'_>, ports: &PortSet, allowed: &Allowed) -> PortSet {
    let answered = view.answered();
    let may_read = |state: PortState| match allowed {
        Allowed::States(states) => states.contains(state),
        Allowed::Silent => state == state_of(view.technique, None),
    };
    let true_state = |port: u16| {
        let state = view.states.get(&port).copied();
        let natural = if view.served.contains(port) { PortState::Open } else { PortState::Closed };
        state == Some(natural) || state == Some(PortState::Unfiltered)
    };
    ports
        .iter()
        .filter(|port| !view.states.get(port).is_some_and(|state| may_read(*state)))
        .filter(|&port| !(answered.contains(port) && true_state(port)))
        .collect()
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

fn answered(view: &ScanView<'_>, bound: Bound) -> Finding {
    let count = view.answered().len();
    let verdict = if bound.contains(count as u64) { Verdict::Pass } else { Verdict::Fail };
    let observed = format!("{}: {count} of {} ports answered", view.technique, view.ports.len());
    view.finding(format!("{}, answered ports", view.technique), bound.to_string(), observed, verdict)
}

/// The replies' time to live, as the captures saw it and as the scanner says, where it says.
fn ttl(view: &ScanView<'_>, bound: Bound) -> Finding {
    let captured = view.cells.values().filter_map(|cell| cell.ttl);
    let told = view.result.groups.iter().filter_map(|group| group.ttl);
    let seen: BTreeSet<u8> = captured.chain(told).collect();
    let observed = match seen.len() {
        0 => "no reply has a time to live".to_owned(),
        _ => format!("replies have a time to live of {}", words(&seen)),
    };
    let verdict = match seen.iter().all(|ttl| bound.contains((*ttl).into())) {
        _ if seen.is_empty() => Verdict::Error,
        true => Verdict::Pass,
        false => Verdict::Fail,
    };
    view.finding(format!("{}, time to live", view.technique), bound.to_string(), observed, verdict)
}

fn words(numbers: &BTreeSet<u8>) -> String {
    numbers.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
}

/// How the best guess at the target's system begins.
fn system(view: &ScanView<'_>, name: &str) -> Finding {
    let best = view.result.detected.systems.first();
    let fits = best.is_some_and(|guess| guess.name.starts_with(name));
    let verdict = if fits { Verdict::Pass } else { Verdict::Fail };
    view.finding("the target's system".to_owned(), format!("begins with {name}"), told(best), verdict)
}

/// How sure the scanner is of its best guess.
fn confidence(view: &ScanView<'_>, bound: Bound) -> Finding {
    let best = view.result.detected.systems.first();
    let percent = best.map_or(0, |guess| guess.accuracy.into());
    let verdict = if bound.contains(percent) { Verdict::Pass } else { Verdict::Fail };
    let subject = "confidence in the guess at the target's system".to_owned();
    view.finding(subject, format!("{bound} %"), told(best), verdict)
}

fn told(best: Option<&SystemGuess>) -> String {
    best.map_or_else(
        || "no guess".to_owned(),
        |guess| format!("the best guess is {} ({} %)", guess.name, guess.accuracy),
    )
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
    findings.extend(expect.outcome.map(|outcome| ban_outcome(view, outcome)));
    findings
}

/// What the time line comes to, with the marks that say so.
fn ban_outcome(view: &ScanView<'_>, expected: BanOutcome) -> Finding {
    let marks = time_line::told(view);
    let observed = time_line::outcome(&marks);
    let mut looks = view.seen.bans.get(view.actor).into_iter().flatten();
    let verdict = match (looks.all(|(_, check)| check.fresh.state == PortState::Open), observed == expected) {
        (false, _) => Verdict::Error,
        (true, true) => Verdict::Pass,
        (true, false) => Verdict::Fail,
    };
    let subject = "outcome of the ban".to_owned();
    let mut finding = view.finding(subject, expected.to_string(), observed.to_string(), verdict);
    let line = |mark: &Mark| format!("{}: {}, {}", mark.milestone, view.seen.when(mark.at), mark.detail);
    finding.witnesses.extend(marks.iter().map(line));
    finding
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

/// A probe on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Probe {
    /// When it passed the target's end.
    pub at: Stamp,
    /// What it asked.
    pub port: u16,
    /// When its answer passed there; `None` is silence.
    pub answered: Option<Stamp>,
}

/// Every probe in the order of the wire.
pub fn probes_in_order(view: &ScanView<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for cell in view.cells.values() {
        let replied = cell.reply.map(|(at, _)| at);
        let answered = replied.and_then(|at| cell.probes.iter().rposition(|probe| *probe <= at));
        probes.extend(cell.probes.iter().enumerate().map(|(index, at)| Probe {
            at: *at,
            port: cell.port,
            answered: replied.filter(|_| Some(index) == answered),
        }));
    }
    probes.sort_unstable();
    probes
}

fn ban_landing(view: &ScanView<'_>, within: u64) -> Finding {
    let probes = probes_in_order(view);
    let first_unanswered =
        probes.iter().rposition(|probe| probe.answered.is_some()).map_or(1, |last| last as u64 + 2);
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
    let took = Millis::from(enforced_after(view));
    let verdict = if took <= within { Verdict::Pass } else { Verdict::Fail };
    let observed = format!("the last answered probe came {} ms after the first probe", took.0);
    let subject = "enforcement of the ban".to_owned();
    timely(view.finding(subject, format!("within {} ms", within.0), observed, verdict), view.seen)
}

/// From the first probe to the last answered one.
pub fn enforced_after(view: &ScanView<'_>) -> Duration {
    let probes = probes_in_order(view);
    let first = probes.first().map(|probe| probe.at).unwrap_or_default();
    probes
        .iter()
        .rev()
        .find(|probe| probe.answered.is_some())
        .map_or(Duration::ZERO, |last| last.at.since(first))
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
    let of_the_whole = GreenExpectation { latency_max: None, retransmissions_max: None, ..*expect };
    let nothing_said = of_the_whole == GreenExpectation::default();
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
    let latency = expect.latency_max.map(|max| latency(actor, requests, max, seen));
    checks.into_iter().flatten().map(finding).chain(latency).collect()
}

/// How long those requests took that were served.
fn latency(actor: &str, requests: &RequestsSeen, max: Millis, seen: &Observations) -> Finding {
    let both = requests.failures.iter().zip(&requests.latencies_us);
    let mut served: Vec<u64> = both.filter(|(failure, _)| failure.is_none()).map(|(_, us)| *us).collect();
    served.sort_unstable();
    let (slowest, median) = (served.last(), served.get(served.len() / 2));
    let (observed, verdict) = match (slowest, median) {
        (Some(slowest), Some(median)) => {
            let met = *slowest <= max.0.saturating_mul(1000);
            let told = format!(
                "of {} served requests the slowest took {}, the median {}",
                served.len(),
                in_ms(*slowest),
                in_ms(*median)
            );
            (told, if met { Verdict::Pass } else { Verdict::Fail })
        }
        _ => ("no request was served".to_owned(), Verdict::Error),
    };
    let finding = Finding {
        actor: actor.to_owned(),
        subject: "latency".to_owned(),
        expected: format!("at most {} ms", max.0),
        observed,
        verdict,
        witnesses: vec![format!("client: last request over {}", seen.when(requests.at))],
    };
    timely(finding, seen)
}

/// `1.234 ms`.
fn in_ms(us: u64) -> String {
    format!("{}.{:03} ms", us / 1000, us % 1000)
}
