//! What a capture's packets came to, for whoever opens it: where each scan began and was answered last, what became of a source
//! when, and each probe that read what it should not have read.

use scandrill_lab::Comments;
use scandrill_model::{CaseReport, Clock, Mark, PortSet, Stamp, TimeLine, Witness};

use super::compare::wrong;
use super::judge::view;
use super::observations::Observations;
use super::view::ScanView;
use crate::plan::{Plan, RedPlan};

/// Ports that are told one by one; of a scan of all ports that went wrong, the verdict itself says enough.
const PORTS_MAX: usize = 1_000;

/// Comments on the captures of a judged case, whose report still holds its events.
pub fn comments(plan: &Plan, report: &CaseReport) -> Comments {
    let seen = Observations::of(&report.events);
    let mut comments = Comments { file: Some(summary(report)), ..Comments::default() };
    for red in &plan.reds {
        if let Some(view) = view(plan, red, &seen) {
            of_scan(plan, red, &view, &mut comments);
        }
    }
    for line in &report.time_lines {
        line.marks.iter().for_each(|mark| of_mark(line, mark, &mut comments));
    }
    comments
}

/// The case's verdict with what it rests on, in a few lines.
fn summary(report: &CaseReport) -> String {
    let mut lines = vec![format!("{}: {}", report.name, report.verdict)];
    lines.extend(report.problems.iter().cloned());
    lines.extend(report.findings.iter().map(|finding| {
        let (subject, expected, observed) = (&finding.subject, &finding.expected, &finding.observed);
        format!("{}: {}: {subject}: expected {expected}, observed {observed}", finding.verdict, finding.actor)
    }));
    lines.push(report.repeat.clone());
    lines.join("\n")
}

fn of_scan(plan: &Plan, red: &RedPlan, view: &ScanView<'_>, comments: &mut Comments) {
    let mut say = |at: Stamp, text: String| {
        comments.packets.entry((plan.face().to_owned(), at)).or_default().push(text);
    };
    let (name, technique) = (&red.name, view.technique);
    if let Some(first) = view.cells.values().flat_map(|cell| &cell.probes).min() {
        say(*first, format!("{name}: first probe ({technique})"));
    }
    if let Some(last) = view.cells.values().filter_map(|cell| cell.reply).map(|(at, _)| at).max() {
        say(last, format!("{name}: last answer ({technique})"));
    }
    for (ports, expected) in wrong(view, &red.expect) {
        each_wrong(view, &ports, &expected, &mut |at, text| say(at, format!("{name}: {text}")));
    }
}

/// The probe that was answered, or the last one that was not; and the answer.
fn each_wrong(view: &ScanView<'_>, ports: &PortSet, expected: &str, say: &mut dyn FnMut(Stamp, String)) {
    for port in ports.iter().take(PORTS_MAX) {
        let (Some(cell), Some(read)) = (view.cells.get(&port), view.states.get(&port)) else { continue };
        let verdict = format!("fail: port {port}: expected {expected}, read {read}");
        let answered = cell.reply.map(|(at, _)| at);
        let probe = cell.probes.iter().rfind(|probe| answered.is_none_or(|at| **probe <= at));
        if let Some(probe) = probe {
            say(*probe, verdict.clone());
        }
        if let Some(at) = answered {
            say(at, verdict);
        }
    }
}

/// A point in time at which a packet passed.
fn of_mark(line: &TimeLine, mark: &Mark, comments: &mut Comments) {
    if let (Witness::Capture(host), Clock::Packet) = (&mark.witness, mark.clock) {
        let what = mark.milestone.to_string().replace('-', " ");
        let text = format!("{} from {}: {what}", line.actor, line.source);
        comments.packets.entry((host.clone(), mark.at)).or_default().push(text);
    }
}
