//! When a source was banned: the captures' probes, the looks at the ban, and whoever was seen to decide, on one line. Only where
//! the ban was looked at, beside a fresh source.

use scandrill_model::{
    BanCheck, BanOutcome, Clock, Mark, Milestone, PortState, ProbeBin, Sessions, Speaks, Stamp, TimeLine,
    Witness, state_of,
};

use super::compare::{Probe, probes_in_order};
use super::observations::Observations;
use super::view::ScanView;
use crate::plan::{Plan, RedPlan};

/// The time lines of all attackers that were seen.
pub fn time_lines(
    plan: &Plan,
    views: &[(&RedPlan, Option<ScanView<'_>>)],
    seen: &Observations,
) -> Vec<TimeLine> {
    let of = |(red, view): &(&RedPlan, Option<ScanView<'_>>)| {
        let same = views.iter().filter(|(other, _)| other.scan.source == red.scan.source);
        let scans: Vec<&ScanView<'_>> = same.filter_map(|(_, view)| view.as_ref()).collect();
        time_line(plan, red, view.as_ref()?, &scans, seen)
    };
    views.iter().filter_map(of).collect()
}

/// The time line of the source of `red`, whose ban was looked at; `scans` are all that its source made.
fn time_line(
    plan: &Plan,
    red: &RedPlan,
    view: &ScanView<'_>,
    scans: &[&ScanView<'_>],
    seen: &Observations,
) -> Option<TimeLine> {
    let source = red.scan.source;
    // Silence alone shows no ban, and what names a source may as well let it in.
    // A look at which a fresh source goes unserved, too, shows nothing.
    let (looked, check) = seen.bans.get(&red.name)?.first()?;
    if check.fresh.state != PortState::Open {
        return None;
    }
    let mut probes: Vec<Probe> = scans.iter().flat_map(|scan| told_something(scan)).collect();
    probes.retain(|probe| probe.at < *looked);
    probes.sort_unstable();
    let mut marks = told(view);
    let outcome = outcome(&marks);
    let by_capture = |milestone, probe: &Probe, at| Mark {
        milestone,
        at,
        witness: Witness::Capture(plan.face().to_owned()),
        clock: Clock::Packet,
        detail: format!("port {}", probe.port),
    };
    let banned = matches!(outcome, BanOutcome::Enforced | BanOutcome::Lifted);
    let dropped = if banned { first_dropped(view, &probes) } else { None };
    marks.extend(probes.first().map(|first| by_capture(Milestone::FirstProbe, first, first.at)));
    let answered = probes.iter().filter_map(|probe| Some((probe.answered?, probe)));
    let last = answered.clone().max_by_key(|(at, _)| *at);
    marks.extend(last.map(|(at, probe)| by_capture(Milestone::LastAnswered, probe, at)));
    marks.extend(dropped.map(|probe| by_capture(Milestone::FirstDropped, probe, probe.at)));
    marks.sort_by_key(|mark| (mark.at, mark.milestone));
    let since_first = |at: Stamp| us(at, probes.first()?.at);
    Some(TimeLine {
        actor: red.name.clone(),
        source,
        outcome,
        marks,
        probes: bins(&probes),
        probes_leaked: answered.count() as u64,
        ports_leaked: probes
            .iter()
            .filter(|probe| probe.answered.is_some())
            .map(|probe| probe.port)
            .collect(),
        time_to_ban_us: dropped.and_then(|probe| since_first(probe.at)),
        sessions: if banned { sessions(plan, red, seen) } else { Sessions::None },
    })
}

/// The probes in the order of the wire. A refusal that reads filtered tells red nothing of the port, so it counts as none.
fn told_something(view: &ScanView<'_>) -> Vec<Probe> {
    let tells = |port: u16| {
        let reply = view.cells.get(&port).and_then(|cell| cell.reply).map(|(_, reply)| reply);
        matches!(state_of(view.technique, reply), PortState::Open | PortState::Closed | PortState::Unfiltered)
    };
    let mut probes = probes_in_order(view);
    for probe in probes.iter_mut().filter(|probe| !tells(probe.port)) {
        probe.answered = None;
    }
    probes
}

/// What was told of a scan's source, and what was seen of its ban.
pub fn told(view: &ScanView<'_>) -> Vec<Mark> {
    let told = view.seen.marks.iter().filter(|(source, _)| *source == view.source);
    told.map(|(_, mark)| mark.clone()).chain(looks(view, view.seen)).collect()
}

/// The ban as it was looked at, each time beside a fresh source.
fn looks(view: &ScanView<'_>, seen: &Observations) -> Vec<Mark> {
    let mut banned = false;
    let mut marks = Vec::new();
    for (at, check) in seen.bans.get(view.actor).into_iter().flatten() {
        let Some(milestone) = seen_of(check, banned) else { continue };
        banned |= check.is_banned();
        let (own, fresh) = (check.source.state, check.fresh.state);
        let detail = format!("tcp/{} reads {own} to it and {fresh} to a fresh source", check.port);
        marks.push(Mark { milestone, at: *at, witness: Witness::Scanner, clock: Clock::Told, detail });
    }
    marks
}

/// What a look at a ban shows, after others that showed it `banned` or not. One at which a fresh source goes unserved, too, shows
/// nothing.
fn seen_of(check: &BanCheck, banned: bool) -> Option<Milestone> {
    let served = check.source.state == PortState::Open;
    match (check.is_banned(), banned && served) {
        (true, _) => Some(Milestone::Held),
        (false, true) => Some(Milestone::Lifted),
        (false, false) => None,
    }
}

/// What marks come to.
pub fn outcome(marks: &[Mark]) -> BanOutcome {
    let is_there = |milestone| marks.iter().any(|mark| mark.milestone == milestone);
    match (is_there(Milestone::Held), is_there(Milestone::Lifted), is_there(Milestone::Decided)) {
        (_, true, _) => BanOutcome::Lifted,
        (true, false, _) => BanOutcome::Enforced,
        (false, false, true) => BanOutcome::DecidedNotEnforced,
        (false, false, false) => BanOutcome::NotBanned,
    }
}

/// The first probe after the last answered one to a port that would have answered.
fn first_dropped<'a>(view: &ScanView<'_>, probes: &'a [Probe]) -> Option<&'a Probe> {
    let after = probes.iter().rposition(|probe| probe.answered.is_some()).map_or(0, |last| last + 1);
    probes[after..].iter().find(|probe| view.control.contains(probe.port))
}

fn us(at: Stamp, start: Stamp) -> Option<u64> {
    u64::try_from(at.since(start).as_micros()).ok()
}

/// Probes against time.
fn bins(probes: &[Probe]) -> Vec<ProbeBin> {
    let (Some(first), Some(last)) = (probes.first(), probes.last()) else { return Vec::new() };
    let span = us(last.at, first.at).unwrap_or_default();
    let width = span / TimeLine::BINS as u64 + 1;
    let count = usize::try_from(span / width).map_or(TimeLine::BINS, |last| last + 1);
    let mut bins: Vec<ProbeBin> =
        (0..count as u64).map(|index| ProbeBin { from_us: index * width, ..ProbeBin::default() }).collect();
    for probe in probes {
        let index = us(probe.at, first.at).unwrap_or_default() / width;
        let Some(bin) = usize::try_from(index).ok().and_then(|index| bins.get_mut(index)) else { continue };
        match probe.answered {
            Some(_) => bin.answered += 1,
            None => bin.unanswered += 1,
        }
    }
    bins
}

/// What became of connections from the banned address: clients' that hold one open from its host.
fn sessions(plan: &Plan, red: &RedPlan, seen: &Observations) -> Sessions {
    let held = plan
        .greens
        .iter()
        .filter(|green| green.errands.iter().any(|errand| errand.speaks == Speaks::Session));
    let from_here = held.filter(|green| green.source == red.scan.source);
    let cut = from_here.filter_map(|green| seen.requests.get(&green.name));
    let ends: Vec<bool> = cut.map(|requests| requests.failures.iter().any(Option::is_some)).collect();
    match ends[..] {
        [] => Sessions::None,
        _ if ends.contains(&true) => Sessions::Cut,
        _ => Sessions::Kept,
    }
}

#[cfg(test)]
mod tests {
    use scandrill_model::{Millis, Reading, Reason};

    use super::*;

    fn probe(at: u64, answered: bool) -> Probe {
        Probe { at: Stamp(at), port: 1, answered: answered.then_some(Stamp(at + 1)) }
    }

    #[test]
    fn every_probe_is_in_one_bin_and_there_are_never_too_many() {
        for span in [0, 1, 59_000, 60_000, 61_000, 7_777_777_000] {
            let probes: Vec<Probe> = (0..=100).map(|step| probe(step * span / 100, step % 2 == 0)).collect();
            let bins = bins(&probes);
            assert!((1..=TimeLine::BINS).contains(&bins.len()), "{span}: {} bins", bins.len());
            assert_eq!(bins.iter().map(|bin| bin.answered).sum::<u64>(), 51);
            assert_eq!(bins.iter().map(|bin| bin.unanswered).sum::<u64>(), 50);
        }
        assert_eq!(bins(&[]), []);
    }

    #[test]
    fn a_look_without_a_fresh_source_that_is_served_shows_neither_ban_nor_lift() {
        let reading = |state| Reading { state, reason: Reason("-".to_owned()) };
        let look = |source, fresh| BanCheck {
            after: Millis(0),
            port: 22,
            source: reading(source),
            fresh: reading(fresh),
        };
        let (open, filtered) = (PortState::Open, PortState::Filtered);
        assert_eq!(seen_of(&look(filtered, open), false), Some(Milestone::Held));
        assert_eq!(seen_of(&look(open, open), true), Some(Milestone::Lifted));
        assert_eq!(seen_of(&look(filtered, filtered), true), None);
        assert_eq!(seen_of(&look(filtered, filtered), false), None);
        assert_eq!(seen_of(&look(open, open), false), None);
    }

    #[test]
    fn what_was_decided_and_never_seen_is_not_enforced() {
        let mark = |milestone| Mark {
            milestone,
            at: Stamp(1),
            witness: Witness::Scanner,
            clock: Clock::Told,
            detail: String::new(),
        };
        let of =
            |milestones: &[Milestone]| outcome(&milestones.iter().copied().map(mark).collect::<Vec<_>>());
        assert_eq!(of(&[Milestone::Logged]), BanOutcome::NotBanned);
        assert_eq!(of(&[Milestone::Logged, Milestone::Decided]), BanOutcome::DecidedNotEnforced);
        assert_eq!(of(&[Milestone::Decided, Milestone::Held]), BanOutcome::Enforced);
        assert_eq!(of(&[Milestone::Held, Milestone::Lifted]), BanOutcome::Lifted);
    }
}
