//! From an `expect` table to an expectation: which keys exclude each other, and which ports are covered.

use std::ops::Range;

use regex::{Regex, RegexBuilder};
use scandrill_model::{
    Allowed, BanExpectation, BanOutcome, Bound, GreenExpectation, OperatorExpectation, PhaseExpectation,
    PortSet, PortState, RedExpectation, RepeatsExpectation, StateSet, TimeBound,
};

use super::file::{
    At, BanTable, BanValue, Count, GreenExpect, OneOrMany, OperatorExpect, PhaseExpect, PredictsTable,
    RedExpect, RepeatsTable, TimeTable,
};
use super::words::{Wrong, length, word};
use super::{Kind, Prediction};

/// A mistake with its place.
pub type Located<T> = Result<T, (Range<usize>, Wrong)>;

/// Applies `read` to a value and keeps its place for the error.
pub fn at<T, U>(value: &At<T>, read: impl FnOnce(&T) -> Result<U, Wrong>) -> Located<U> {
    read(&value.value).map_err(|wrong| (value.span.clone(), wrong))
}

/// Understands an author's prediction. Its keys are those of one kind of actor, and of that `kind` where an actor is
/// named; without keys it is what each actor of the kind must come to if nothing is said.
pub fn prediction(table: &At<PredictsTable>, kind: Option<Kind>) -> Located<Prediction> {
    let (mut empty, mut said) = (Vec::new(), Vec::new());
    for part in Prediction::parts(&table.value)? {
        if part.is_empty() { &mut empty } else { &mut said }.push(part);
    }
    let wrong = |message: String, help: &str| Err((table.span.clone(), Wrong::new(message, help)));
    match (said.pop(), kind) {
        (Some(_), _) if !said.is_empty() => {
            wrong("a prediction is about one actor".to_owned(), "keep the keys of one kind of actor")
        }
        (Some(one), Some(kind)) if one.kind() != kind => wrong(
            format!("these are the keys of a [[{}]], and a [[{kind}]] is named", one.kind()),
            "name another actor, or leave `actor` out for the first of that kind",
        ),
        (Some(one), _) => Ok(one),
        (None, kind) => {
            let kind = kind.unwrap_or(Kind::Red);
            let one = empty.into_iter().find(|part| part.kind() == kind);
            Ok(one.unwrap_or_else(|| Prediction::Red(RedExpectation::default())))
        }
    }
}

/// Understands a red actor's expectation.
pub fn red(table: &RedExpect) -> Located<RedExpectation> {
    let mut expect = RedExpectation::default();
    let one = |state| Allowed::States(StateSet(vec![state]));
    let by_state = [
        (&table.open, one(PortState::Open)),
        (&table.closed, one(PortState::Closed)),
        (&table.filtered, one(PortState::Filtered)),
        (&table.unfiltered, one(PortState::Unfiltered)),
        (&table.open_filtered, one(PortState::OpenFiltered)),
        (&table.closed_filtered, one(PortState::ClosedFiltered)),
        (&table.silent, Allowed::Silent),
    ];
    let mut named = PortSet::default();
    for (ports, allowed) in by_state {
        let Some(text) = ports else { continue };
        let ports = at(text, |text| port_set(text))?;
        let twice = named.intersection(&ports);
        if !twice.is_empty() {
            let wrong = Wrong::new(format!("port {twice} is expected in two states"), "name each port once");
            return Err((text.span.clone(), wrong));
        }
        named = named.union(&ports);
        expect.states.push((ports, allowed));
    }
    expect.rest = table.rest.as_ref().map(|rest| at(rest, allowed)).transpose()?;
    expect.ttl = table.ttl.as_ref().map(|ttl| at(ttl, bound)).transpose()?;
    expect.os = table.os.as_ref().map(|os| os.value.clone());
    expect.os_accuracy = table.os_accuracy.as_ref().map(|count| at(count, bound)).transpose()?;
    expect.answered = table.answered.as_ref().map(|count| at(count, bound)).transpose()?;
    expect.ban = table.ban.as_ref().map(ban).transpose()?;
    expect.probes = table.probes.as_ref().map(|count| at(count, bound)).transpose()?;
    expect.took = table.took.as_ref().map(time_bound).transpose()?;
    Ok(expect)
}

/// Understands a green client's expectation.
pub fn green(table: &GreenExpect) -> Located<GreenExpectation> {
    let phase = |table: &Option<At<PhaseExpect>>| table.as_ref().map(phase).transpose();
    Ok(GreenExpectation {
        success_min: table.success_min.as_ref().map(|value| at(value, |&value| share(value))).transpose()?,
        success_max: table.success_max.as_ref().map(|value| at(value, |&value| share(value))).transpose()?,
        served: table.served.as_ref().map(|count| at(count, bound)).transpose()?,
        latency_max: table.latency_max.as_ref().map(|text| at(text, |text| length(text))).transpose()?,
        retransmissions_max: table.retransmissions_max.as_ref().map(|count| count.value),
        banned: table.banned.as_ref().map(|banned| banned.value),
        before: phase(&table.before)?,
        during: phase(&table.during)?,
        after: phase(&table.after)?,
    })
}

fn phase(table: &At<PhaseExpect>) -> Located<PhaseExpectation> {
    let span = &table.span;
    let table = &table.value;
    let expect = PhaseExpectation {
        success_min: table.success_min.as_ref().map(|value| at(value, |&value| share(value))).transpose()?,
        success_max: table.success_max.as_ref().map(|value| at(value, |&value| share(value))).transpose()?,
        latency_p99_max: table
            .latency_p99_max
            .as_ref()
            .map(|text| at(text, |text| length(text)))
            .transpose()?,
        retransmissions_max: table.retransmissions_max.as_ref().map(|count| count.value),
    };
    if expect == PhaseExpectation::default() {
        let help = "add a key such as success_min = 1.0, or leave it out";
        return Err((span.clone(), Wrong::new("nothing is expected of this phase", help)));
    }
    Ok(expect)
}

fn share(value: f64) -> Result<f64, Wrong> {
    match value {
        0.0..=1.0 => Ok(value),
        _ => Err(Wrong::new(format!("{value} is not a share"), "write a number from 0.0 to 1.0")),
    }
}

/// Understands what an operator's commands must come to.
pub fn operator(table: &OperatorExpect) -> Located<OperatorExpectation> {
    let all = |texts: &Option<At<OneOrMany<String>>>| match texts {
        Some(texts) => {
            at(texts, |texts| texts.clone().into_vec().iter().map(|text| is_pattern(text)).collect())
        }
        None => Ok(Vec::new()),
    };
    Ok(OperatorExpectation {
        exit: table.exit.as_ref().map(|exit| exit.value),
        says: all(&table.says)?,
        says_not: all(&table.says_not)?,
        value: table.value.as_ref().map(|count| at(count, bound)).transpose()?,
    })
}

/// A regular expression, in which ^ and $ are the beginning and the end of a line.
pub fn pattern(text: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(text).multi_line(true).build()
}

pub fn is_pattern(text: &str) -> Result<String, Wrong> {
    let Err(error) = pattern(text) else { return Ok(text.to_owned()) };
    let why = error.to_string();
    let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
    let message = format!("`{text}` is not a regular expression: {why}");
    Err(Wrong::new(message, "a \\ before a sign makes it mean itself"))
}

/// Reads a set of ports.
pub fn port_set(text: &str) -> Result<PortSet, Wrong> {
    text.parse().map_err(|error: scandrill_model::PortError| Wrong { message: error.to_string(), help: None })
}

fn allowed(value: &OneOrMany<String>) -> Result<Allowed, Wrong> {
    let words = value.clone().into_vec();
    if words == ["silent"] {
        return Ok(Allowed::Silent);
    }
    if words.iter().any(|text| text == "silent") {
        return Err(Wrong::new(
            "`silent` stands alone",
            "name the state that silence reads as, such as `filtered`",
        ));
    }
    let states: Result<Vec<PortState>, Wrong> = words.iter().map(|text| word("port state", text)).collect();
    states.map(|states| Allowed::States(StateSet(states)))
}

/// Reads the bounds of a count.
pub fn bound(count: &Count) -> Result<Bound, Wrong> {
    match count {
        Count::Exactly(count) => Ok(Bound { min: *count, max: *count }),
        Count::Between(bounds) => {
            let (min, max) = (bounds.min.unwrap_or(0), bounds.max.unwrap_or(u64::MAX));
            if min > max {
                let help = format!("write min = {max}, max = {min}");
                return Err(Wrong::new(format!("no count is at least {min} and at most {max}"), help));
            }
            Ok(Bound { min, max })
        }
    }
}

fn time_bound(table: &TimeTable) -> Located<TimeBound> {
    let time =
        |value: &Option<At<String>>| value.as_ref().map(|text| at(text, |text| length(text))).transpose();
    let (min, max) = (time(&table.min)?.unwrap_or_default(), time(&table.max)?);
    if let (Some(text), Some(max)) = (&table.max, max.filter(|max| *max < min)) {
        let message = format!("nothing takes at least {} ms and at most {} ms", min.0, max.0);
        return Err((text.span.clone(), Wrong::new(message, "write the shorter time as `min`")));
    }
    Ok(TimeBound { min, max })
}

fn ban(value: &At<BanValue>) -> Located<BanExpectation> {
    match &value.value {
        BanValue::Lands(lands) => Ok(BanExpectation { lands: *lands, ..BanExpectation::default() }),
        BanValue::Within(table) => ban_within(table),
    }
}

fn ban_within(table: &BanTable) -> Located<BanExpectation> {
    let time =
        |value: &Option<At<String>>| value.as_ref().map(|text| at(text, |text| length(text))).transpose();
    if let (Some(_), Some(lifts)) = (&table.holds, &table.lifts) {
        let help = "looking may refresh a ban: put them into two scenarios";
        return Err((lifts.span.clone(), Wrong::new("`holds` and `lifts` cannot be seen in one case", help)));
    }
    let repeats = |bounds: &Option<At<RepeatsTable>>| {
        let read = |bounds: &At<RepeatsTable>| {
            let enforced_within = time(&bounds.value.enforced_within)?;
            Ok(RepeatsExpectation { enforced_within, leaked: bounds.value.leaked })
        };
        bounds.as_ref().map(read).transpose()
    };
    let outcome = table.outcome.as_ref().map(|outcome| outcome.value);
    Ok(BanExpectation {
        lands: outcome.is_none_or(|outcome| matches!(outcome, BanOutcome::Enforced | BanOutcome::Lifted)),
        lands_within_probes: table.lands_within_probes,
        enforced_within: time(&table.enforced_within)?,
        holds: time(&table.holds)?,
        lifts: time(&table.lifts)?,
        outcome,
        p50: repeats(&table.p50)?,
        p95: repeats(&table.p95)?,
        every: repeats(&table.every)?,
    })
}
