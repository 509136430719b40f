//! What an operator's commands came to, beside what they must.

use scandrill_model::{Bound, Finding, OperatorExpectation, Verdict};

use super::observations::{Observations, RunSeen};
use crate::actor::operator::in_words;
use crate::scenario::pattern;

/// How many lines of what was said are told as evidence, from its beginning and from its end.
const TOLD: usize = 6;

/// Compares everything that is expected of one operator. Of whom nothing is said, the commands must succeed.
pub fn compare(
    actor: &str,
    ran: &RunSeen,
    expect: &OperatorExpectation,
    seen: &Observations,
) -> Vec<Finding> {
    let nothing_said = *expect == OperatorExpectation::default();
    let exit = expect.exit.or(nothing_said.then_some(0)).map(|code| end(ran, code));
    let says = expect.says.iter().map(|text| speech(ran, text, true));
    let says_not = expect.says_not.iter().map(|text| speech(ran, text, false));
    let value = expect.value.map(|bound| number(ran, bound));
    let compared = exit.into_iter().chain(says).chain(says_not).chain(value);
    let finding = |Compared { subject, expected, observed, verdict }| Finding {
        actor: actor.to_owned(),
        subject,
        expected,
        observed,
        verdict,
        witnesses: witnesses(ran, seen),
    };
    compared.map(finding).collect()
}

/// A finding but for whose it is.
struct Compared {
    subject: String,
    expected: String,
    observed: String,
    verdict: Verdict,
}

fn met(met: bool) -> Verdict {
    if met { Verdict::Pass } else { Verdict::Fail }
}

fn end(ran: &RunSeen, code: i32) -> Compared {
    Compared {
        subject: "end of its commands".to_owned(),
        expected: in_words(Some(code)),
        observed: in_words(ran.exit),
        verdict: met(ran.exit == Some(code)),
    }
}

/// Whether the text is found, where it must be or must not be. Of an output that was cut, what is not found may have
/// been left out.
fn speech(ran: &RunSeen, text: &str, must: bool) -> Compared {
    let subject = "what its commands say".to_owned();
    let expected = if must { format!("`{text}`") } else { format!("nothing of `{text}`") };
    let regex = match pattern(text) {
        Ok(regex) => regex,
        Err(error) => {
            return Compared { subject, expected, observed: error.to_string(), verdict: Verdict::Error };
        }
    };
    let line = regex.find(&ran.output).map(|found| line_of(&ran.output, found.start()));
    let observed = line.map_or_else(
        || format!("nothing of it in {}", lines(&ran.output)),
        |line| format!("the commands say `{line}`"),
    );
    let verdict = match line {
        None if ran.left_out > 0 => Verdict::Error,
        line => met(line.is_some() == must),
    };
    Compared { subject, expected, observed, verdict }
}

/// The line of a text around one of its bytes.
fn line_of(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |before| before + 1);
    text[start..].lines().next().unwrap_or_default()
}

fn lines(text: &str) -> String {
    match text.lines().count() {
        1 => "1 line".to_owned(),
        count => format!("{count} lines"),
    }
}

fn number(ran: &RunSeen, bound: Bound) -> Compared {
    let told = ran.output.trim();
    let number: Option<u64> = told.parse().ok();
    let observed = match number {
        Some(number) => format!("the commands say {number}"),
        None => format!("the commands say no number in {}", lines(&ran.output)),
    };
    Compared {
        subject: "the number that its commands say".to_owned(),
        expected: bound.to_string(),
        observed,
        verdict: met(number.is_some_and(|number| bound.contains(number))),
    }
}

/// When they ended, and what they said, line by line.
fn witnesses(ran: &RunSeen, seen: &Observations) -> Vec<String> {
    let all: Vec<&str> = ran.output.lines().collect();
    let left_out = all.len().saturating_sub(2 * TOLD);
    let told = |line: &&str| format!("output: {line}");
    let mut witnesses = vec![format!("operator: its commands ended {}", seen.when(ran.at))];
    if left_out == 0 {
        witnesses.extend(all.iter().map(told));
    } else {
        witnesses.extend(all[..TOLD].iter().map(told));
        witnesses.push(format!("output: ... {left_out} lines more ..."));
        witnesses.extend(all[all.len() - TOLD..].iter().map(told));
    }
    if ran.left_out > 0 {
        witnesses.push(format!("output: ... {} bytes more, which were not kept", ran.left_out));
    }
    witnesses
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ran(output: &str) -> RunSeen {
        RunSeen { exit: Some(0), output: output.to_owned(), ..RunSeen::default() }
    }

    fn verdicts(ran: &RunSeen, expect: &OperatorExpectation) -> Vec<Verdict> {
        let findings = compare("operator", ran, expect, &Observations::default());
        findings.into_iter().map(|finding| finding.verdict).collect()
    }

    #[test]
    fn a_pattern_is_looked_for_line_by_line() {
        let says = OperatorExpectation { says: vec!["^two$".to_owned()], ..OperatorExpectation::default() };
        assert_eq!(verdicts(&ran("one\ntwo\nthree\n"), &says), [Verdict::Pass]);
        assert_eq!(verdicts(&ran("one two\n"), &says), [Verdict::Fail]);
        let says_not =
            OperatorExpectation { says_not: vec!["^two$".to_owned()], ..OperatorExpectation::default() };
        assert_eq!(verdicts(&ran("one\ntwo\nthree\n"), &says_not), [Verdict::Fail]);
        assert_eq!(verdicts(&ran("one two\n"), &says_not), [Verdict::Pass]);
    }

    #[test]
    fn what_was_not_kept_may_have_said_it() {
        let cut = RunSeen { left_out: 1, ..ran("one\n") };
        for expect in [
            OperatorExpectation { says: vec!["two".to_owned()], ..OperatorExpectation::default() },
            OperatorExpectation { says_not: vec!["two".to_owned()], ..OperatorExpectation::default() },
        ] {
            assert_eq!(verdicts(&cut, &expect), [Verdict::Error]);
        }
    }

    #[test]
    fn a_value_is_all_that_is_said() {
        let bound = Bound { min: 9, max: 10 };
        let expect = OperatorExpectation { value: Some(bound), ..OperatorExpectation::default() };
        for (output, verdict) in
            [(" 9\n", Verdict::Pass), ("11", Verdict::Fail), ("9 lines", Verdict::Fail), ("", Verdict::Fail)]
        {
            assert_eq!(verdicts(&ran(output), &expect), [verdict], "{output}");
        }
    }

    #[test]
    fn who_is_told_nothing_must_succeed() {
        let failed = RunSeen { exit: Some(2), ..ran("no\n") };
        assert_eq!(verdicts(&failed, &OperatorExpectation::default()), [Verdict::Fail]);
        let only_says = OperatorExpectation { says: vec!["no".to_owned()], ..OperatorExpectation::default() };
        assert_eq!(verdicts(&failed, &only_says), [Verdict::Pass]);
    }
}
