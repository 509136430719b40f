//! A source's time line in a sentence, for every kind of report.

use scandrill_model::{BanOutcome, Mark, Milestone, Sessions, TimeLine};

use crate::words::{micros, ports, thousands};

/// Letters that a sentence has for ports.
pub const PORTS: usize = 60;

/// When, in microseconds after the first probe.
pub fn after_start(line: &TimeLine, mark: &Mark) -> u64 {
    let start = line.first(Milestone::FirstProbe).or(line.marks.first()).map_or(mark.at, |first| first.at);
    u64::try_from(mark.at.since(start).as_micros()).unwrap_or(u64::MAX)
}

/// When it was banned and let in again, what leaked, and what became of open connections.
pub fn told(line: &TimeLine) -> String {
    let sessions = match line.sessions {
        Sessions::None => "",
        Sessions::Kept => "; open connections went on",
        Sessions::Cut => "; open connections were cut",
    };
    format!("{}; {}{sessions}", outcome(line), leaked(line))
}

/// When it was banned and let in again.
pub fn outcome(line: &TimeLine) -> String {
    match (line.outcome, line.time_to_ban_us) {
        (BanOutcome::NotBanned, _) => "never banned".to_owned(),
        (BanOutcome::DecidedNotEnforced, _) => "a ban was decided, and nothing was dropped".to_owned(),
        (BanOutcome::Enforced, None) => "banned".to_owned(),
        (BanOutcome::Lifted, None) => "banned, then let in again".to_owned(),
        (BanOutcome::Enforced, Some(us)) => format!("banned after {}", micros(us)),
        (BanOutcome::Lifted, Some(us)) => match line.first(Milestone::Lifted) {
            Some(mark) => {
                format!("banned after {}, let in again after {}", micros(us), micros(after_start(line, mark)))
            }
            None => format!("banned after {}, then let in again", micros(us)),
        },
    }
}

fn leaked(line: &TimeLine) -> String {
    match line.probes_leaked {
        0 => "nothing leaked".to_owned(),
        _ if line.ports_leaked.is_empty() => format!("{} probes answered", thousands(line.probes_leaked)),
        _ => {
            let noun = if line.ports_leaked.len() == 1 { "port" } else { "ports" };
            let answers = if line.probes_leaked == 1 { "answer" } else { "answers" };
            let leaked = ports(&line.ports_leaked, PORTS);
            format!("leaked {noun} {leaked} by {} {answers}", thousands(line.probes_leaked))
        }
    }
}
