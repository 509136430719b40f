//! From a plan and a log to a verdict. What could not have been seen is an error, never a pass.

use scandrill_lab::{SCTP_LIBRARY, unpacked};
use scandrill_model::{
    Bound, CaseReport, Event, Finding, GreenExpectation, Moment, Need, OperatorExpectation, Outcome, Skipped,
    Verdict,
};
use scandrill_scanners::Sources;

use super::collateral;
use super::compare;
use super::load;
use super::matrix;
use super::observations::{Observations, ReadBackSeen};
use super::operator;
use super::time_line;
use super::view::{ScanView, disagreements};
use super::why;
use crate::plan::{Plan, RedPlan, TARGET, silent_by_nature};
use crate::scenario::Prediction;

/// What a case came to.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// Everything about the case but where its captures are and how to repeat it.
    pub report: CaseReport,
    /// What became of the claim in this case, with the evidence, where the scenario has one.
    pub claim: Option<(Outcome, String)>,
}

/// Judges one case by its log.
pub fn judge(plan: &Plan, events: Vec<Event>) -> Judgement {
    let seen = Observations::of(&events);
    let mut problems = seen.problems.clone();
    let skipped = seen.unmet.first().map(skipped);
    if skipped.is_none() {
        problems.extend(broken_preconditions(plan, &seen));
    }
    let views: Vec<(&RedPlan, Option<ScanView<'_>>)> =
        plan.reds.iter().map(|red| (red, view(plan, red, &seen))).collect();
    let collateral = collateral::of_all(plan, &seen);
    let mut findings = Vec::new();
    if skipped.is_none() && problems.is_empty() {
        for (red, view) in &views {
            problems.extend(witnesses_disagree(red, view.as_ref(), &seen));
            findings.extend(view.iter().flat_map(|view| compare::red(view, &red.expect)));
        }
        let others = others(plan, &seen);
        problems.extend(plan.floods.iter().filter_map(|flood| load::broken(flood, &seen)));
        for (actor, found) in others {
            match found {
                Some(found) => findings.extend(found),
                None => problems.push(format!("`{actor}` was never seen to act")),
            }
        }
    }
    let verdict = verdict(&findings, &problems, skipped.is_some());
    let claim = plan.claim.as_ref().map(|claim| {
        let judged = problems.is_empty() && skipped.is_none();
        let findings =
            if judged { predicted(plan, &claim.actor, &claim.predicts, &views, &seen) } else { Vec::new() };
        outcome(&findings)
    });
    let causes = why::causes(&views, &findings, &seen);
    let report = CaseReport {
        name: plan.case.clone(),
        scenario: plan.scenario.clone(),
        seed: plan.seed,
        verdict,
        took: seen.took,
        findings,
        problems,
        notes: seen.notes.clone(),
        skipped,
        matrix: matrix::matrix(&views, &seen),
        time_lines: time_line::time_lines(plan, &views, &seen),
        collateral,
        causes,
        rules: why::texts(plan, &seen),
        sysctls: plan.sysctls(),
        late_us: seen.late.and_then(|(_, late)| u64::try_from(late.as_micros()).ok()),
        captures: Vec::new(),
        repeat: String::new(),
        events,
    };
    Judgement { report, claim }
}

/// What was found of each actor that does not scan; `None` where it was not seen to act. A line for each kind.
fn others<'a>(plan: &'a Plan, seen: &'a Observations) -> Vec<(&'a str, Option<Vec<Finding>>)> {
    let greens =
        plan.greens.iter().map(|green| (&*green.name, of_green(plan, &green.name, &green.expect, seen)));
    let operators = plan.operators.iter().map(|one| (&*one.name, of_operator(&one.name, &one.expect, seen)));
    let counters = plan.counters.iter().map(|counter| {
        let found = of_counter(plan, &counter.name, Some(counter.expect), seen);
        (&*counter.name, found)
    });
    greens.chain(operators).chain(counters).collect()
}

fn of_counter(plan: &Plan, name: &str, expect: Option<Bound>, seen: &Observations) -> Option<Vec<Finding>> {
    let counter = plan.counters.iter().find(|counter| counter.name == name)?;
    let read = *seen.counters.get(name)?;
    Some(expect.map(|expect| load::counter(counter, read, expect, seen)).into_iter().collect())
}

fn of_green(plan: &Plan, name: &str, expect: &GreenExpectation, seen: &Observations) -> Option<Vec<Finding>> {
    let requests = seen.requests.get(name)?;
    let mut findings = compare::green(name, requests, expect, seen);
    findings.extend(collateral::compare(plan, name, requests, expect, seen));
    Some(findings)
}

fn of_operator(name: &str, expect: &OperatorExpectation, seen: &Observations) -> Option<Vec<Finding>> {
    seen.runs.get(name).map(|ran| operator::compare(name, ran, expect, seen))
}

fn verdict(findings: &[Finding], problems: &[String], skipped: bool) -> Verdict {
    let of_findings = findings.iter().map(|finding| finding.verdict).max().unwrap_or_default();
    let of_problems = if problems.is_empty() { Verdict::Pass } else { Verdict::Error };
    let of_needs = if skipped { Verdict::Skip } else { Verdict::Pass };
    of_findings.max(of_problems).max(of_needs)
}

/// What a missing need is called, and the command that mends it.
pub fn skipped(need: &Need) -> Skipped {
    match need {
        Need::Program(program) => Skipped {
            need: format!("the program `{program}`"),
            mend: match unpacked::package_of(program) {
                Some(package) => format!("./setup.sh, which unpacks {package} for labs alone"),
                None => format!("apt-get install {}", package_of(program)),
            },
        },
        Need::File(path) => Skipped {
            need: format!("`{path}`"),
            mend: "./setup.sh, which unpacks it for labs alone".to_owned(),
        },
        Need::UserIdRange => Skipped {
            need: "more than one user id in a lab".to_owned(),
            mend: "apt-get install uidmap && usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER"
                .to_owned(),
        },
        Need::Root => Skipped {
            need: "the machine's own root, for what a user namespace may not do".to_owned(),
            mend: "sudo scandrill run ...".to_owned(),
        },
        Need::Sctp => Skipped {
            need: format!("a kernel with SCTP or the library `{SCTP_LIBRARY}`"),
            mend: "apt-get install libusrsctp2".to_owned(),
        },
    }
}

/// The Debian package that has a program.
pub fn package_of(program: &str) -> &str {
    match program {
        "nft" => "nftables",
        "sysctl" => "procps",
        name if name.starts_with("iptables")
            || name.starts_with("ip6tables")
            || name.starts_with("xtables") =>
        {
            "iptables"
        }
        name => unpacked::package_of(name).unwrap_or(name),
    }
}

/// What must hold before anything that was seen may be believed.
fn broken_preconditions(plan: &Plan, seen: &Observations) -> Vec<String> {
    let mut broken = Vec::new();
    if !seen.ended && seen.problems.is_empty() {
        broken.push("the log ends before the case did".to_owned());
    }
    for (host, dropped) in &seen.lossy {
        broken.push(format!("the capture at {host} lost {dropped} packets"));
    }
    for read_back in &seen.read_backs {
        broken.extend(defense_amiss(plan, read_back));
    }
    broken.extend(canary_failures(plan, seen));
    broken.extend(clients_without_control(plan, seen));
    if seen.ended && seen.problems.is_empty() {
        broken.extend(missing_steps(plan, seen));
    }
    broken
}

/// What is amiss with a defense as it was read back. That of an edge is named as such.
fn defense_amiss(plan: &Plan, read_back: &ReadBackSeen) -> Vec<String> {
    let (host, when) = (read_back.host.as_str(), read_back.moment);
    let whose = if host == TARGET { String::new() } else { format!(" of the {host}") };
    let differences = read_back.differences.iter();
    let mut amiss: Vec<String> =
        differences.map(|what| format!("the defense{whose} as read back {when}: {what}")).collect();
    // Who changes a defense may take all of it away; the reference knows.
    let may_be_gone = plan.changes(host) && when == Moment::After;
    let defended = plan.sides().into_iter().any(|side| side.host == host && side.defended);
    if defended && read_back.items == 0 && !may_be_gone {
        amiss.push(format!(
            "read back {when}, the defense{whose} is not there: no rule, set or parameter of it is in the kernel"
        ));
    }
    amiss
}

/// A client that is not served shows nothing where it was not served without the defense either.
fn clients_without_control(plan: &Plan, seen: &Observations) -> Vec<String> {
    let why = |name: &String| match seen.control_requests.get(name) {
        Some(Some(failure)) => {
            Some(format!("without the defense, `{name}` was not served either: {failure}"))
        }
        None if seen.ended => Some(format!("`{name}` has no control")),
        Some(None) | None => None,
    };
    plan.greens.iter().filter_map(|green| why(&green.name)).collect()
}

fn canary_failures(plan: &Plan, seen: &Observations) -> Vec<String> {
    let Some(canary) = &plan.canary else { return Vec::new() };
    let must = |moment: &Moment| canary.under_defense || *moment == Moment::Removed;
    let failed = seen.canaries.iter().filter(|(moment, passed)| !passed && must(moment));
    let port = &canary.probe.scan.ports;
    failed
        .map(|(moment, _)| match moment {
            Moment::Before | Moment::After => format!(
                "the canary on tcp/{port} was not served {moment}: the defense shuts out everyone \
             (name a service that it does serve, as in canary = \"tcp/80\", or say canary = \"none\" if it must)"
            ),
            Moment::Removed => format!("the canary on tcp/{port} is not served although the defense is off"),
        })
        .collect()
}

fn missing_steps(plan: &Plan, seen: &Observations) -> Vec<String> {
    let mut missing = Vec::new();
    for moment in [Moment::Before, Moment::After] {
        let read_back = |host: &str| {
            seen.read_backs.iter().any(|read_back| read_back.moment == moment && read_back.host == host)
        };
        if plan.sides().iter().any(|side| !read_back(side.host)) {
            missing.push(format!("nobody read the defense back {moment}"));
        }
    }
    if plan.canary.is_some() && !seen.canaries.iter().any(|(moment, _)| *moment == Moment::Removed) {
        missing.push("no canary was sent after the defense was off".to_owned());
    }
    if !seen.removed {
        missing.push("the defense was not taken off".to_owned());
    }
    missing
}

/// What both witnesses saw of one scan; `None` where one of them saw none.
pub fn view<'a>(plan: &'a Plan, red: &'a RedPlan, seen: &'a Observations) -> Option<ScanView<'a>> {
    let scan = seen.scans.get(&red.name)?;
    let technique = red.scan.technique;
    let result = scan.result.as_ref()?;
    Some(ScanView {
        actor: &red.name,
        source: red.scan.source,
        technique,
        ports: &red.scan.ports,
        result,
        states: &scan.states,
        missed: &scan.missed,
        cells: scan.cells.as_ref()?,
        control: seen.control_answered(&red.name).intersection(&red.scan.ports),
        silent: silent_by_nature(&red.scan, &plan.met_by(technique)),
        answers_to: (red.scan.evasion.sources == Sources::Spoofed).then_some(red.scan.source),
        served: plan.served(technique),
        seen,
    })
}

fn witnesses_disagree(red: &RedPlan, view: Option<&ScanView<'_>>, seen: &Observations) -> Vec<String> {
    let (Some(view), Some(scan)) = (view, seen.scans.get(&red.name)) else {
        return vec![format!("`{}` has no scan that both witnesses saw", red.name)];
    };
    let mut problems = Vec::new();
    if scan.probes_sent != scan.probes_arrived {
        let (sent, arrived) = (scan.probes_sent, scan.probes_arrived);
        problems.push(format!("`{}` sent {sent} probes, and {arrived} arrived at the target", red.name));
    }
    let claimed = scan.result.as_ref().and_then(|result| result.probes_sent);
    problems.extend(claimed.and_then(|claimed| unaccounted(red, claimed, scan.probes_sent, seen)));
    let (_, other) = disagreements(view);
    if let Some(first) = other.first() {
        problems.push(format!("the witnesses of `{}` disagree on {} ports; {first}", red.name, other.len()));
    }
    problems
}

/// What the scanner says it sent must have left its end, but for what the link lost there on purpose.
fn unaccounted(red: &RedPlan, claimed: u64, captured: u64, seen: &Observations) -> Option<String> {
    let lost = seen.lost.get(&red.from.host).copied().unwrap_or_default();
    if (captured..=captured + lost).contains(&claimed) {
        return None;
    }
    let but = if lost > 0 { format!(", {lost} more packets were lost") } else { String::new() };
    Some(format!("`{}` says it sent {claimed} probes, and {captured} left its end{but}", red.name))
}

/// The findings of the author's own expectation.
fn predicted(
    plan: &Plan,
    actor: &str,
    predicts: &Prediction,
    views: &[(&RedPlan, Option<ScanView<'_>>)],
    seen: &Observations,
) -> Vec<Finding> {
    let findings = match predicts {
        Prediction::Red(expect) => {
            let view = views.iter().find(|(red, _)| red.name == actor).and_then(|(_, view)| view.as_ref());
            view.map(|view| compare::red(view, expect))
        }
        Prediction::Green(expect) => of_green(plan, actor, expect, seen),
        Prediction::Operator(expect) => of_operator(actor, expect, seen),
        Prediction::Counter(expect) => of_counter(plan, actor, *expect, seen),
    };
    findings.unwrap_or_default()
}

/// Held when all findings pass; the evidence is what decided.
fn outcome(findings: &[Finding]) -> (Outcome, String) {
    let worst = findings.iter().map(|finding| finding.verdict).max();
    let outcome = match worst {
        None | Some(Verdict::Error | Verdict::Skip) => Outcome::Undecided,
        Some(Verdict::Fail) => Outcome::Refuted,
        Some(Verdict::Pass) => Outcome::Held,
    };
    let decided = findings.iter().filter(|finding| Some(finding.verdict) == worst);
    let mut evidence: Vec<&str> = decided.map(|finding| finding.observed.as_str()).collect();
    evidence.dedup();
    (outcome, if evidence.is_empty() { "not judged".to_owned() } else { evidence.join("; ") })
}
