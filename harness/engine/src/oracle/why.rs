//! Which rules decided, what matters most first; and what the rules of the texts came to.

use scandrill_model::{Cause, Finding, PortSet, RuleAt, RuleText, TextLine, Verdict};

use super::compare;
use super::observations::Observations;
use super::view::ScanView;
use crate::plan::{Plan, RedPlan, SidePlan};

/// The ways that packets went, those first whose fate a finding is about.
pub fn causes(
    views: &[(&RedPlan, Option<ScanView<'_>>)],
    findings: &[Finding],
    seen: &Observations,
) -> Vec<Cause> {
    let failed = |actor: &str| {
        findings.iter().any(|finding| finding.actor == actor && finding.verdict >= Verdict::Fail)
    };
    let wrong = |actor: &str| -> PortSet {
        let view = views.iter().find(|(red, _)| red.name == actor);
        let of_view = view.and_then(|(red, view)| Some(compare::wrong(view.as_ref()?, &red.expect)));
        of_view.into_iter().flatten().flat_map(|(ports, _)| ports.iter().collect::<Vec<_>>()).collect()
    };
    let mut causes = seen.causes.clone();
    let rank = |cause: &Cause| match cause.actor.as_deref() {
        Some(actor) if !cause.ports.intersection(&wrong(actor)).is_empty() => 0,
        Some(actor) if failed(actor) => 1,
        Some(_) | None => 2,
    };
    // Of these, what a rule stopped tells more than what all let through.
    causes.sort_by_cached_key(|cause| (rank(cause), !cause.is_stopped()));
    causes
}

/// The rule that a client's packets met last where they were not let through.
pub fn stopped(client: &str, seen: &Observations) -> Option<RuleAt> {
    let mut own = seen.causes.iter().filter(|cause| cause.actor.as_deref() == Some(client));
    own.rfind(|cause| cause.is_stopped()).and_then(|cause| cause.decided_by.clone())
}

/// The texts of all hosts, with what was seen of their rules.
pub fn texts(plan: &Plan, seen: &Observations) -> Vec<RuleText> {
    let rules = |host: &str, index: usize| -> Vec<TextLine> {
        seen.matched.get(&(host.to_owned(), index)).cloned().unwrap_or_default()
    };
    let of_side = |side: &SidePlan<'_>| -> Vec<RuleText> {
        let texts = side.texts().into_iter().enumerate();
        let told = texts.map(|(index, (file, text))| {
            let host = side.host.to_owned();
            RuleText { rules: rules(side.host, index), host, file, text }
        });
        told.collect()
    };
    plan.sides().iter().flat_map(of_side).collect()
}
