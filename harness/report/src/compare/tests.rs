//! Each kind of change, both ways.

use scandrill_model::{Outcome, Phase, Verdict};

use super::*;
use crate::fixture;
use crate::terminal::Style;

/// The fixture, with `worsen` done to it.
fn worsened(worsen: impl FnOnce(&mut RunReport)) -> (RunReport, RunReport) {
    let old = fixture::everything();
    let mut new = old.clone();
    worsen(&mut new);
    (old, new)
}

/// What `worsen` does is told as worse, and the way back as better; nothing else is told.
#[track_caller]
fn told(worsen: impl FnOnce(&mut RunReport), what: &str, was: &str, is: &str) {
    let (old, new) = worsened(worsen);
    for (before, now, way, told_was, told_is) in
        [(&old, &new, Way::Worse, was, is), (&new, &old, Way::Better, is, was)]
    {
        let comparison = compare(before, now);
        let seen: Vec<(Way, &str, &str, &str)> = comparison
            .changes
            .iter()
            .map(|change| (change.way, change.what.as_str(), change.old.as_str(), change.new.as_str()))
            .collect();
        assert_eq!(seen, [(way, what, told_was, told_is)]);
    }
}

#[test]
fn a_run_beside_itself_is_no_change() {
    let report = fixture::everything();
    let comparison = compare(&report, &report);
    assert_eq!((comparison.changes, comparison.differs, comparison.common), (vec![], vec![], 7));
}

#[test]
fn verdicts() {
    told(|run| run.cases[0].verdict = Verdict::Fail, "verdict", "pass", "fail");
    let (old, new) = worsened(|run| run.cases[0].verdict = Verdict::Skip);
    assert_eq!(compare(&old, &new).count(Way::Neither), 1);
}

#[test]
fn claims() {
    told(
        |run| run.claims[1].outcome = Outcome::Refuted,
        "claim: packets without a flag are dropped before they tell anything",
        "held",
        "refuted",
    );
}

#[test]
fn leaked_ports_by_their_number() {
    let more = |run: &mut RunReport| run.cases[1].time_lines[0].ports_leaked = "1-12".parse().unwrap();
    told(more, "red: ports leaked", "9 (1-9)", "12 (1-12)");
    // As many others are no change: which they are is the order's doing.
    let (old, new) = worsened(|run| {
        run.cases[1].time_lines[0].ports_leaked = "101-109".parse().unwrap();
        run.cases[1].matrix[0].cells[0].ports = "101-109".parse().unwrap();
    });
    assert_eq!(compare(&old, &new).changes, []);
}

#[test]
fn time_to_ban() {
    told(
        |run| run.cases[1].time_lines[0].time_to_ban_us = Some(2_400),
        "red: time to ban",
        "815 us",
        "2.40 ms",
    );
    told(|run| run.cases[1].time_lines[0].time_to_ban_us = None, "red: time to ban", "815 us", "never");
    let (old, new) = worsened(|run| run.cases[1].time_lines[0].time_to_ban_us = Some(1_700));
    assert_eq!(compare(&old, &new).changes, [], "less than a millisecond is what else the machine does");
}

#[test]
fn clients() {
    let service = |run: &mut RunReport| {
        let phases = &mut run.cases[1].collateral[0].phases;
        phases.iter_mut().find(|service| service.phase == Phase::During).unwrap().served = 60;
    };
    told(service, "browser: served during the attack", "99.1 % of 120", "50 % of 120");
    let banned = |run: &mut RunReport| {
        let by = run.cases[1].collateral[1].banned.clone();
        run.cases[1].collateral[0].banned = by;
    };
    told(banned, "browser: ban of a client", "not banned", "banned");
}

#[test]
fn rules_by_their_words_wherever_they_stand() {
    let idle = |run: &mut RunReport| {
        let rules = &mut run.cases[1].rules[0];
        rules.rules[1].packets = Some(0);
        rules.text = format!("# a line more\n{}", rules.text);
        rules.rules.iter_mut().for_each(|rule| rule.line += 1);
    };
    told(idle, "rule: -A INPUT -p icmp -j ACCEPT", "matched 2", "never matched");
}

#[test]
fn a_run_of_fewer_cases_has_lost_nothing_but_these() {
    let (old, new) = worsened(|run| run.cases.truncate(1));
    let comparison = compare(&old, &new);
    assert_eq!((comparison.count(Way::Worse), comparison.count(Way::Neither), comparison.common), (0, 6, 1));
}

#[test]
fn the_forms_tell_the_same() {
    let (old, new) = worsened(|run| {
        run.cases[0].verdict = Verdict::Fail;
        run.claims[0].outcome = Outcome::Held;
        run.cases[1].time_lines[0].time_to_ban_us = None;
        run.environment.kernel = "6.12.0 <b>".to_owned();
        run.cases.pop();
    });
    let comparison = compare(&old, &new);
    insta::assert_snapshot!(terminal(&comparison, &Style::default()));
    insta::assert_snapshot!(markdown(&comparison));
    let page = html(&comparison);
    assert!(
        page.contains("6.12.0 &lt;b&gt;") && page.contains("2 worse, 1 better, 1 neither; 6 cases in both")
    );
}
