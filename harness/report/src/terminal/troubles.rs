//! Everything that did not pass: what was expected, what was seen, by whom, and the line that repeats it.

use std::collections::BTreeMap;

use scandrill_model::{CaseReport, Finding, RunReport, Skipped, Verdict};

use super::evidence;
use super::text::{HEADING, QUIET, clean, count, fill, paint, verdict, width, wrap};
use super::{Colour, Style};

/// Columns that every label takes at least, so that a block's labels are aligned.
pub(super) const LABEL: usize = "capture".len();
/// How many skipped cases are named one by one.
const NAMED: usize = 4;

/// The section; nothing when all passed.
pub(super) fn lines(report: &RunReport, style: Style) -> Vec<String> {
    let failed = report.cases.iter().filter(|case| case.verdict >= Verdict::Fail);
    let mut blocks: Vec<Vec<String>> = failed.map(|case| case_lines(case, style)).collect();
    blocks.extend(skipped(report).into_iter().map(|(skipped, cases)| skip_lines(skipped, &cases, style)));
    blocks.join(&String::new())
}

/// One case that did not pass, in plain lines as long as they need to be.
pub fn case_details(case: &CaseReport) -> String {
    let style = Style { width: usize::from(u16::MAX), colour: Colour::Off, ..Style::default() };
    case_lines(case, style).join("\n")
}

fn case_lines(case: &CaseReport, style: Style) -> Vec<String> {
    let mut lines = vec![title(case.verdict, &clean(&case.name), style)];
    for finding in case.findings.iter().filter(|finding| finding.verdict >= Verdict::Fail) {
        lines.extend(finding_lines(finding, style));
    }
    lines.extend(evidence::of_case(case, style));
    let mut facts = Facts::default();
    facts.extend("problem", &case.problems);
    lines.extend(facts.lines(2, style));
    lines.extend(case.captures.iter().map(|path| to_copy("capture", path, style)));
    lines.push(to_copy("repeat", &case.repeat, style));
    lines
}

/// `FAIL  manual/xmas[nmap,v4]`.
fn title(worst: Verdict, what: &str, style: Style) -> String {
    let (word, colour) = verdict(worst);
    format!("{}  {}", paint(word, colour, style.colour), paint(what, HEADING, style.colour))
}

/// What is to be copied stands on one line, however long.
fn to_copy(label: &str, text: &str, style: Style) -> String {
    format!("  {}{}  {}", paint(label, QUIET, style.colour), fill(label, LABEL), clean(text))
}

fn finding_lines(finding: &Finding, style: Style) -> Vec<String> {
    let about = format!("{}: {}", finding.actor, finding.subject);
    let mut lines: Vec<String> =
        wrap(&about, style.columns() - 2).into_iter().map(|line| format!("  {line}")).collect();
    let mut facts = Facts::default();
    facts.push("expected", &finding.expected);
    facts.push("observed", &finding.observed);
    for witness in &finding.witnesses {
        match witness.split_once(": ") {
            Some((who, said)) if width(who) <= Facts::LABEL_MAX => facts.push(who, said),
            Some(_) | None => facts.push("witness", witness),
        }
    }
    lines.extend(facts.lines(4, style));
    lines
}

/// Labelled sentences, aligned.
#[derive(Default)]
struct Facts(Vec<(String, String)>);

impl Facts {
    /// The longest word before a witness's sentence that is taken as its label.
    const LABEL_MAX: usize = 10;

    fn push(&mut self, label: &str, text: &str) {
        self.0.push((clean(label), text.to_owned()));
    }

    fn extend(&mut self, label: &str, texts: &[String]) {
        for text in texts {
            self.push(label, text);
        }
    }

    fn lines(&self, indent: usize, style: Style) -> Vec<String> {
        let labels = self.0.iter().map(|(label, _)| width(label)).max().unwrap_or_default().max(LABEL);
        let columns = style.columns().saturating_sub(indent + labels + 2);
        let mut lines = Vec::new();
        for (label, text) in &self.0 {
            for (row, part) in wrap(text, columns).iter().enumerate() {
                let label = if row == 0 { label.as_str() } else { "" };
                let shown = paint(label, QUIET, style.colour) + &fill(label, labels);
                lines.push(format!("{:indent$}{shown}  {part}", ""));
            }
        }
        lines
    }
}

/// Skipped cases by what they lack.
pub fn skipped(report: &RunReport) -> BTreeMap<(&str, &str), Vec<&CaseReport>> {
    let mut by_need: BTreeMap<(&str, &str), Vec<&CaseReport>> = BTreeMap::new();
    for case in report.cases.iter().filter(|case| case.verdict == Verdict::Skip) {
        let Skipped { need, mend } = case.skipped.as_ref().unwrap_or(&UNKNOWN);
        by_need.entry((need, mend)).or_default().push(case);
    }
    by_need
}

/// A skipped case that does not say what it lacks.
static UNKNOWN: Skipped = Skipped { need: String::new(), mend: String::new() };

fn skip_lines((need, mend): (&str, &str), cases: &[&CaseReport], style: Style) -> Vec<String> {
    let named: Vec<&str> = cases.iter().take(NAMED).map(|case| case.name.as_str()).collect();
    let more = match cases.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let mut facts = Facts::default();
    facts.push("missing", need);
    facts.push("cases", &format!("{}{more}", named.join(", ")));
    let mut lines = vec![title(Verdict::Skip, &count(cases.len(), "case"), style)];
    lines.extend(facts.lines(2, style));
    lines.push(to_copy("mend", mend, style));
    lines
}
