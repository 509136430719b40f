//! Which bounds a scenario may set: milliseconds where it has the machine alone, and bounds on repeats where it has repeats.

use scandrill_model::{GreenExpectation, RedExpectation, RepeatsExpectation};

use super::expect::Located;
use super::words::Wrong;
use super::{Prediction, Scenario};

/// Milliseconds are bounded only where the case has the machine alone.
pub(super) fn check_bounds(scenario: &Scenario) -> Located<()> {
    check_repeats(scenario)?;
    if scenario.exclusive {
        return Ok(());
    }
    let of_red = |expect: &RedExpectation| {
        let enforced = expect.ban.is_some_and(|ban| {
            let of_repeats = |(_, _, bounds): (_, _, RepeatsExpectation)| bounds.enforced_within.is_some();
            ban.enforced_within.is_some() || ban.of_repeats().any(of_repeats)
        });
        let took = expect.took.is_some_and(|took| took.max.is_some());
        let help = "add `exclusive = true`, or bound probes with `lands_within_probes`";
        enforced.then_some(("enforced_within", help)).or(took.then_some(("took.max", EXCLUSIVE)))
    };
    let of_green = |expect: &GreenExpectation| {
        let mut phases = [expect.before, expect.during, expect.after].into_iter().flatten();
        let p99 = phases.any(|phase| phase.latency_p99_max.is_some());
        let latency = expect.latency_max.map(|_| "latency_max").or(p99.then_some("latency_p99_max"));
        latency.map(|key| (key, EXCLUSIVE))
    };
    let reds = scenario.reds.iter().map(|red| (&red.span, of_red(&red.expect)));
    let greens = scenario.greens.iter().map(|green| (&green.span, of_green(&green.expect)));
    let claim = scenario.claim.as_ref().map(|claim| match &claim.predicts {
        Prediction::Red(expect) => (&claim.span, of_red(expect)),
        Prediction::Green(expect) => (&claim.span, of_green(expect)),
        Prediction::Operator(_) | Prediction::Counter(_) => (&claim.span, None),
    });
    match reds.chain(greens).chain(claim).find_map(|(span, bounded)| Some((span, bounded?))) {
        Some((span, (key, help))) => {
            Err((span.clone(), Wrong::new(format!("`{key}` bounds milliseconds on a shared machine"), help)))
        }
        None => Ok(()),
    }
}

/// Bounds on repeats need repeats; a claim is judged case by case.
fn check_repeats(scenario: &Scenario) -> Located<()> {
    let first = |expect: &RedExpectation| Some(expect.ban?.of_repeats().next()?.0);
    let red = scenario.reds.iter().find_map(|red| Some((&red.span, first(&red.expect)?)));
    if let Some((span, word)) = red.filter(|_| scenario.repeat < 2) {
        let message = format!("`ban.{word}` bounds the repeats of a case that is not repeated");
        return Err((span.clone(), Wrong::new(message, "add `repeat = 20`")));
    }
    let claim = scenario.claim.as_ref().and_then(|claim| match &claim.predicts {
        Prediction::Red(expect) => Some((&claim.span, first(expect)?)),
        Prediction::Green(_) | Prediction::Operator(_) | Prediction::Counter(_) => None,
    });
    match claim {
        Some((span, word)) => {
            let message = format!("`ban.{word}` cannot be predicted: a claim is judged case by case");
            Err((span.clone(), Wrong::new(message, "put it into the `expect` of a red actor")))
        }
        None => Ok(()),
    }
}

/// What a bound in milliseconds asks for.
const EXCLUSIVE: &str = "add `exclusive = true`";
