//! The report as JUnit XML: a suite a scenario, a test case a case, its evidence as its output.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};
use scandrill_model::{CaseReport, Finding, RunReport, Verdict};

use crate::terminal::{case_details, scenarios};

/// The report as JUnit XML, suites in the order of the run.
#[expect(clippy::missing_panics_doc, reason = "memory takes every write")]
pub fn junit(report: &RunReport) -> String {
    let mut whole = Report::new("scandrill");
    whole.set_time(Duration::from(report.took));
    whole.add_test_suites(scenarios(report).into_iter().map(|(name, cases)| suite(report, name, &cases)));
    whole.to_string().expect("text in memory takes every write, and its strings are cleaned for XML")
}

fn suite(report: &RunReport, name: &str, cases: &[&CaseReport]) -> TestSuite {
    let mut suite = TestSuite::new(name);
    suite.set_time(cases.iter().map(|case| Duration::from(case.took)).sum());
    suite.add_property(Property::new("seed", report.seed.to_string()));
    for claim in report.claims.iter().filter(|claim| claim.scenario == name) {
        suite.add_property(Property::new("claim", format!("{} ({})", claim.text, claim.source)));
        suite.add_property(Property::new("claim.outcome", format!("{}: {}", claim.outcome, claim.evidence)));
    }
    suite.add_test_cases(cases.iter().map(|case| test_case(case)));
    suite
}

fn test_case(case: &CaseReport) -> TestCase {
    let mut test = TestCase::new(case.name.as_str(), status(case));
    test.set_classname(case.scenario.as_str());
    test.set_time(Duration::from(case.took));
    test.set_assertions(case.findings.len());
    test.set_system_out(evidence(case));
    test
}

fn status(case: &CaseReport) -> TestCaseStatus {
    let mut status = match case.verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Skip => TestCaseStatus::skipped(),
        Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Error => TestCaseStatus::non_success(NonSuccessKind::Error),
    };
    status.set_message(message(case));
    if case.verdict >= Verdict::Fail {
        status.set_type(case.verdict.to_string());
        status.set_description(case_details(case));
    }
    status
}

/// Why a case did not pass, in one line.
fn message(case: &CaseReport) -> String {
    let missing = case.skipped.iter().map(|skipped| format!("{} is missing: {}", skipped.need, skipped.mend));
    let problems = case.problems.iter().cloned();
    let findings = case.findings.iter().filter(|finding| finding.verdict == case.verdict).map(line);
    missing.chain(problems).chain(findings).next().unwrap_or_else(|| case.verdict.to_string())
}

fn line(finding: &Finding) -> String {
    format!("{}: expected {}, observed {}", finding.subject, finding.expected, finding.observed)
}

/// Everything that was compared, met or not, with its witnesses.
fn evidence(case: &CaseReport) -> String {
    let mut lines = Vec::new();
    for finding in &case.findings {
        lines.push(format!("{} {}: {}", finding.verdict, finding.actor, line(finding)));
        lines.extend(finding.witnesses.iter().map(|witness| format!("  {witness}")));
    }
    lines.extend(case.problems.iter().map(|problem| format!("problem: {problem}")));
    lines.extend(case.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(case.captures.iter().map(|path| format!("capture: {path}")));
    lines.push(format!("repeat: {}", case.repeat));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn each_verdict_has_its_element_and_its_evidence() {
        insta::assert_snapshot!(junit(&fixture::everything()));
    }

    #[test]
    fn terminal_escapes_of_a_tool_do_not_break_the_xml() {
        let mut report = fixture::everything();
        report.cases.last_mut().unwrap().problems =
            vec!["iptables: \u{1b}[31mbad\u{0} <rule> & ]]>".to_owned()];
        let xml = junit(&report);
        assert!(!xml.contains(['\u{1b}', '\u{0}']));
        assert!(xml.contains("&lt;rule&gt; &amp;"));
    }
}
