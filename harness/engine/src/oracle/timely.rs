//! Whether the machine had time enough for what is bounded in time: what it kept waiting may have been late for no other
//! reason.

use std::time::Duration;

use scandrill_model::{Finding, Verdict};

use super::observations::Observations;

/// A machine that keeps a thread waiting for longer is too busy to judge times by. Alone on two processors, threads woke 1.7 ms
/// late at most beside scans of all ports, and up to 12 ms beside floods and many scanners.
pub const LATE_MAX: Duration = Duration::from_millis(10);

/// A finding about time: one that is not met is not judged where the machine was too busy.
pub fn timely(finding: Finding, seen: &Observations) -> Finding {
    let Some((at, late)) = seen.late else { return finding };
    let mut finding = judged(finding, late);
    finding.witnesses.push(format!("machine: threads woke at most {} late, {}", in_ms(late), seen.when(at)));
    finding
}

/// The same, where it is known how late threads woke at most.
pub fn judged(mut finding: Finding, late: Duration) -> Finding {
    if finding.verdict == Verdict::Fail && late > LATE_MAX {
        finding.verdict = Verdict::Error;
        finding.observed.extend([
            "; the machine was too busy to judge it: it kept threads waiting for ",
            &in_ms(late),
            ", and ",
            &in_ms(LATE_MAX),
            " are allowed",
        ]);
    }
    finding
}

fn in_ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use scandrill_model::Stamp;

    use super::*;

    fn finding(verdict: Verdict) -> Finding {
        Finding {
            actor: "red".to_owned(),
            subject: "time".to_owned(),
            expected: "at most 5 ms".to_owned(),
            observed: "took 9 ms".to_owned(),
            verdict,
            witnesses: Vec::new(),
        }
    }

    fn after(late_ms: u64, verdict: Verdict) -> Verdict {
        let late = Some((Stamp::default(), Duration::from_millis(late_ms)));
        timely(finding(verdict), &Observations { late, ..Observations::default() }).verdict
    }

    #[test]
    fn a_busy_machine_fails_nobody_and_passes_whoever_was_quick_enough_all_the_same() {
        assert_eq!(after(11, Verdict::Fail), Verdict::Error);
        assert_eq!(after(10, Verdict::Fail), Verdict::Fail);
        assert_eq!(after(11, Verdict::Pass), Verdict::Pass);
    }
}
