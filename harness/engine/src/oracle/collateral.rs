//! Who else was hurt: each client's requests folded by when they began, before, during or after the attack; and whether it was
//! banned, which only a fresh source beside it can show.

use scandrill_model::{
    BannedBy, Collateral, Finding, GreenExpectation, Latency, Phase, PhaseExpectation, Service, Stamp,
    Verdict, nearest_rank,
};
use strum::IntoEnumIterator;

use super::observations::{Observations, RequestsSeen};
use super::timely::timely;
use super::why;
use crate::plan::{GreenPlan, Plan};

/// What each client got; one that was never seen to act is left out.
pub fn of_all(plan: &Plan, seen: &Observations) -> Vec<Collateral> {
    let attack = attack(plan, seen);
    let acted = plan.greens.iter().filter_map(|green| Some((green, seen.requests.get(&green.name)?)));
    acted.map(|(green, requests)| of(green, requests, attack, seen)).collect()
}

fn of(green: &GreenPlan, requests: &RequestsSeen, attack: Option<Attack>, seen: &Observations) -> Collateral {
    Collateral {
        actor: green.name.clone(),
        role: green.client.clone(),
        source: green.source,
        phases: Phase::iter().filter_map(|phase| service(phase, requests, attack)).collect(),
        banned: match ban(requests, seen) {
            Ban::Banned(evidence) => Some(BannedBy { rule: why::stopped(&green.name, seen), evidence }),
            Ban::NotBanned(_) | Ban::Unclear(_) => None,
        },
    }
}

/// From the first attacker's beginning to the last one's end.
type Attack = (Stamp, Stamp);

fn attack(plan: &Plan, seen: &Observations) -> Option<Attack> {
    let attackers = plan.reds.iter().map(|red| &red.name).chain(plan.floods.iter().map(|flood| &flood.name));
    let attackers: Vec<&String> = attackers.collect();
    let begun = attackers.iter().filter_map(|name| seen.started.get(*name)).min()?;
    let ended = attackers.iter().filter_map(|name| seen.attack_ended.get(*name)).max()?;
    Some((*begun, *ended))
}

/// Where nobody attacks, everything is before.
fn phase_of(start: Stamp, attack: Option<Attack>) -> Phase {
    match attack {
        Some((begun, ended)) if start > ended && ended >= begun => Phase::After,
        Some((begun, _)) if start >= begun => Phase::During,
        Some(_) | None => Phase::Before,
    }
}

/// The requests that began in a phase; `None` where none did.
fn service(phase: Phase, requests: &RequestsSeen, attack: Option<Attack>) -> Option<Service> {
    let within = (0..requests.starts.len()).filter(|&at| phase_of(requests.starts[at], attack) == phase);
    let within: Vec<usize> = within.collect();
    if within.is_empty() {
        return None;
    }
    let mut failures: Vec<String> =
        within.iter().filter_map(|&at| requests.failures.get(at)?.clone()).collect();
    let failed = failures.len();
    failures.sort();
    failures.dedup();
    let is_served = |at: &&usize| requests.failures.get(**at).is_some_and(Option::is_none);
    let served = within.iter().filter(is_served);
    let latencies = served.filter_map(|&at| requests.latencies_us.get(at).copied()).collect();
    Some(Service {
        phase,
        requests: within.len() as u64,
        served: (within.len() - failed) as u64,
        latency: latency(latencies),
        retransmissions: within.iter().filter_map(|&at| requests.retransmissions.get(at)).sum(),
        failures,
    })
}

/// By nearest rank.
fn latency(mut served_us: Vec<u64>) -> Option<Latency> {
    served_us.sort_unstable();
    Some(Latency { p50_us: nearest_rank(&served_us, 50)?, p99_us: nearest_rank(&served_us, 99)? })
}

/// Whether a client was banned, with what shows it.
#[derive(Debug, PartialEq, Eq)]
enum Ban {
    Banned(String),
    NotBanned(String),
    Unclear(String),
}

/// A client is banned that was served, is served no more, and is so while a source is served that never asked before. Its
/// control was served in the same lab, else the case could not be judged at all.
fn ban(requests: &RequestsSeen, seen: &Observations) -> Ban {
    let Some(look) = &requests.look else { return Ban::Unclear("nobody looked".to_owned()) };
    let when = seen.when(look.at);
    let Some(failure) = &look.own else { return Ban::NotBanned(format!("still served {when}")) };
    if let Some(fresh) = &look.fresh {
        return Ban::Unclear(format!("not served {when} ({failure}), and a fresh source neither: {fresh}"));
    }
    let last_served = requests.failures.iter().rposition(Option::is_none);
    let first = last_served.map_or(0, |last| last + 1);
    let since = requests.starts.get(first).copied().unwrap_or(look.at);
    Ban::Banned(format!(
        "not served from request {} on, {}: {failure}; a fresh source was served {when}",
        first + 1,
        seen.when(since)
    ))
}

/// Compares what is expected of phases, retransmissions and bans.
pub fn compare(
    plan: &Plan,
    name: &str,
    requests: &RequestsSeen,
    expect: &GreenExpectation,
    seen: &Observations,
) -> Vec<Finding> {
    let attack = attack(plan, seen);
    let expected =
        [(Phase::Before, expect.before), (Phase::During, expect.during), (Phase::After, expect.after)];
    let of_phase = |(phase, expect): (Phase, Option<PhaseExpectation>)| {
        expect.map(|expect| of_phase(phase, &expect, service(phase, requests, attack).as_ref()))
    };
    let phases = expected.into_iter().filter_map(of_phase).flatten();
    let again = expect.retransmissions_max.map(|max| {
        let all: u64 = requests.retransmissions.iter().sum();
        Compared::new("retransmissions", at_most(max), format!("{all} sent again"), all <= max)
    });
    let banned = expect.banned.map(|banned| of_ban(banned, ban(requests, seen)));
    let witness = format!("client: last request over {}", seen.when(requests.at));
    phases.chain(again).chain(banned).map(|compared| compared.finding(name, &witness, seen)).collect()
}

/// One expectation of a client beside what was seen.
struct Compared {
    subject: String,
    expected: String,
    observed: String,
    verdict: Verdict,
    /// Whether a time is bounded.
    is_timed: bool,
}

impl Compared {
    fn new(subject: impl Into<String>, expected: String, observed: String, met: bool) -> Self {
        let verdict = if met { Verdict::Pass } else { Verdict::Fail };
        Self { subject: subject.into(), expected, observed, verdict, is_timed: false }
    }

    fn finding(self, actor: &str, witness: &str, seen: &Observations) -> Finding {
        let Self { subject, expected, observed, verdict, is_timed } = self;
        let (actor, witnesses) = (actor.to_owned(), vec![witness.to_owned()]);
        let finding = Finding { actor, subject, expected, observed, verdict, witnesses };
        if is_timed { timely(finding, seen) } else { finding }
    }
}

fn at_most(max: u64) -> String {
    format!("at most {max} segments sent again")
}

/// A phase without a request shows nothing.
fn of_phase(phase: Phase, expect: &PhaseExpectation, service: Option<&Service>) -> Vec<Compared> {
    let subject = format!("requests {phase} the attack");
    let Some(service) = service else {
        let (expected, observed) = ("requests made".to_owned(), "none was made then".to_owned());
        return vec![Compared {
            verdict: Verdict::Error,
            ..Compared::new(subject, expected, observed, false)
        }];
    };
    let share = ratio(service.served, service.requests);
    let why = service.failures.first().map(|why| format!(": {why}")).unwrap_or_default();
    let served = format!("{} of {} requests served{why}", service.served, service.requests);
    let p99_ms = service.latency.map(|latency| latency.p99_us.div_ceil(1000));
    let again = service.retransmissions;
    let checks = [
        expect.success_min.map(|min| (percent("at least", min), served.clone(), share >= min)),
        expect.success_max.map(|max| (percent("at most", max), served, share <= max)),
        expect.retransmissions_max.map(|max| (at_most(max), format!("{again} sent again"), again <= max)),
    ];
    let compared = |(expected, observed, met)| Compared::new(subject.clone(), expected, observed, met);
    let timed = expect.latency_p99_max.map(|max| {
        let observed = p99_ms.map_or_else(|| "none was served".to_owned(), |ms| format!("{ms} ms"));
        let met = p99_ms.is_some_and(|ms| ms <= max.0);
        let expected = format!("99 % within {} ms", max.0);
        Compared { is_timed: true, ..Compared::new(subject.clone(), expected, observed, met) }
    });
    checks.into_iter().flatten().map(compared).chain(timed).collect()
}

fn percent(bound: &str, share: f64) -> String {
    format!("{bound} {:.0} % served", share * 100.0)
}

fn ratio(part: u64, all: u64) -> f64 {
    let count = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    count(part) / count(all.max(1))
}

fn of_ban(expected: bool, seen: Ban) -> Compared {
    let words = if expected { "banned" } else { "not banned" }.to_owned();
    match seen {
        Ban::Banned(evidence) => Compared::new("ban", words, format!("banned: {evidence}"), expected),
        Ban::NotBanned(evidence) => Compared::new("ban", words, evidence, !expected),
        Ban::Unclear(why) => Compared { verdict: Verdict::Error, ..Compared::new("ban", words, why, false) },
    }
}

#[cfg(test)]
mod tests {
    use scandrill_model::ClientLook;

    use super::*;

    const ATTACK: Option<Attack> = Some((Stamp(100), Stamp(200)));

    fn served(starts: &[u64]) -> RequestsSeen {
        RequestsSeen {
            failures: vec![None; starts.len()],
            latencies_us: (1..=starts.len() as u64).map(|ms| ms * 1000).collect(),
            starts: starts.iter().copied().map(Stamp).collect(),
            retransmissions: vec![0; starts.len()],
            ..RequestsSeen::default()
        }
    }

    fn silence() -> String {
        "no answer within 2 s".to_owned()
    }

    fn looked(own: Option<String>, fresh: Option<String>) -> RequestsSeen {
        let mut requests = served(&[10, 110, 120, 210]);
        requests.failures = vec![None, None, Some(silence()), Some(silence())];
        requests.look = Some(ClientLook { at: Stamp(220), own, fresh });
        requests
    }

    #[test]
    fn a_request_belongs_to_the_phase_in_which_it_began() {
        let starts = [99, 100, 200, 201];
        let phases = starts.map(|start| phase_of(Stamp(start), ATTACK));
        assert_eq!(phases, [Phase::Before, Phase::During, Phase::During, Phase::After]);
        assert_eq!(phase_of(Stamp(201), None), Phase::Before);
    }

    #[test]
    fn requests_are_counted_by_phase_and_an_empty_phase_is_left_out() {
        let mut requests = served(&[10, 20, 110, 120, 130]);
        requests.failures[3] = Some(silence());
        requests.failures[4] = Some(silence());
        requests.retransmissions = vec![0, 1, 0, 1, 2];
        let during = service(Phase::During, &requests, ATTACK).unwrap();
        let expected = Service {
            phase: Phase::During,
            requests: 3,
            served: 1,
            latency: Some(Latency { p50_us: 3000, p99_us: 3000 }),
            retransmissions: 3,
            failures: vec!["no answer within 2 s".to_owned()],
        };
        assert_eq!(during, expected);
        assert_eq!(service(Phase::Before, &requests, ATTACK).unwrap().retransmissions, 1);
        assert_eq!(service(Phase::After, &requests, ATTACK), None);
    }

    #[test]
    fn latencies_are_told_by_nearest_rank() {
        let hundred = (1..=100).rev().collect();
        assert_eq!(latency(hundred), Some(Latency { p50_us: 50, p99_us: 99 }));
        assert_eq!(latency(vec![3, 1, 2]), Some(Latency { p50_us: 2, p99_us: 3 }));
        assert_eq!(latency(vec![7]), Some(Latency { p50_us: 7, p99_us: 7 }));
        assert_eq!(latency(Vec::new()), None);
    }

    #[test]
    fn only_a_fresh_source_shows_a_ban() {
        let seen = Observations::default();
        let Ban::Banned(evidence) = ban(&looked(Some(silence()), None), &seen) else { panic!("not banned") };
        assert!(evidence.starts_with("not served from request 3 on"), "{evidence}");
        assert!(matches!(ban(&looked(Some(silence()), Some(silence())), &seen), Ban::Unclear(_)));
        assert!(matches!(ban(&looked(None, None), &seen), Ban::NotBanned(_)));
        assert!(matches!(ban(&served(&[10]), &seen), Ban::Unclear(_)));
    }

    #[test]
    fn a_phase_without_a_request_is_not_judged() {
        let expect = PhaseExpectation { success_min: Some(0.0), ..PhaseExpectation::default() };
        let compared = of_phase(Phase::During, &expect, None);
        assert_eq!(compared.iter().map(|it| it.verdict).collect::<Vec<_>>(), [Verdict::Error]);
    }

    #[test]
    fn what_cannot_be_seen_is_an_error_whatever_is_expected() {
        for expected in [true, false] {
            assert_eq!(of_ban(expected, Ban::Unclear(String::new())).verdict, Verdict::Error);
        }
        assert_eq!(of_ban(false, Ban::Banned(String::new())).verdict, Verdict::Fail);
        assert_eq!(of_ban(true, Ban::NotBanned(String::new())).verdict, Verdict::Fail);
    }
}
