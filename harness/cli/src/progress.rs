//! What people see while cases run: a bar on a terminal, a line a case elsewhere, nothing when asked to be quiet.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use scandrill_engine::Progress;
use scandrill_model::{CaseReport, Millis, Verdict};

use crate::console::Console;

/// Follows a run.
#[derive(Debug)]
pub struct Follower {
    shown: Shown,
    console: Console,
    /// Whether a case's verdict means something to whoever follows.
    verdicts: bool,
}

#[derive(Debug)]
enum Shown {
    /// Nothing.
    Nothing,
    /// One line for each case that has ended.
    Lines,
    /// A bar with the cases that run now; what did not pass stays above it.
    Bar { bar: ProgressBar, running: Mutex<BTreeSet<String>> },
}

impl Follower {
    /// Follows `cases` cases as this console shows it best.
    pub fn new(console: Console, quiet: bool, cases: usize) -> Self {
        let shown = match (quiet, console.watched()) {
            (true, _) => Shown::Nothing,
            (false, false) => Shown::Lines,
            (false, true) => Shown::Bar { bar: bar(console, cases), running: Mutex::default() },
        };
        Self { shown, console, verdicts: true }
    }

    /// The same for cases of which nothing is expected.
    pub fn without_verdicts(console: Console, quiet: bool, cases: usize) -> Self {
        Self { verdicts: false, ..Self::new(console, quiet, cases) }
    }

    /// To be told of each step.
    pub fn see(&self, progress: Progress<'_>) {
        match (&self.shown, progress) {
            (Shown::Lines, Progress::Finished(case)) => self.console.err(&self.line(case)),
            (Shown::Bar { bar, running }, Progress::Started(plan)) => {
                show(bar, running, |running| running.insert(plan.case.clone()));
            }
            (Shown::Bar { bar, running }, Progress::Finished(case)) => {
                if self.verdicts && case.verdict != Verdict::Pass {
                    bar.println(self.line(case));
                }
                bar.inc(1);
                show(bar, running, |running| running.remove(&case.name));
            }
            (Shown::Nothing, _) | (_, Progress::Event(_)) | (Shown::Lines, Progress::Started(_)) => {}
        }
    }

    /// `PASS  manual/recent[nmap,v6] 1.2 s`.
    fn line(&self, case: &CaseReport) -> String {
        let word = if self.verdicts { case.verdict.to_string().to_uppercase() } else { "done".to_owned() };
        let word = format!("{word:<5}");
        let colored = self.verdicts && self.console.colored_err();
        let word = if colored { format!("\x1b[{}m{word}\x1b[0m", color(case.verdict)) } else { word };
        format!("{word} {} {}", case.name, seconds(case.took))
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Shown::Bar { bar, .. } = &self.shown {
            bar.finish_and_clear();
        }
    }
}

fn bar(console: Console, cases: usize) -> ProgressBar {
    let template = if console.colored_err() {
        "{bar:24.green/dim} {pos}/{len} {elapsed} {wide_msg:.dim}"
    } else {
        "{bar:24} {pos}/{len} {elapsed} {wide_msg}"
    };
    let cases = u64::try_from(cases).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(cases), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("━╸─"));
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn show(
    bar: &ProgressBar,
    running: &Mutex<BTreeSet<String>>,
    change: impl FnOnce(&mut BTreeSet<String>) -> bool,
) {
    let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
    change(&mut running);
    bar.set_message(running.iter().map(String::as_str).collect::<Vec<_>>().join("  "));
}

/// The terminal's colour (ECMA-48, SGR) for a verdict.
fn color(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "32",
        Verdict::Skip => "33",
        Verdict::Fail => "31",
        Verdict::Error => "35",
    }
}

/// `1.2 s`.
fn seconds(took: Millis) -> String {
    format!("{}.{} s", took.0 / 1_000, took.0 % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_tenths_of_seconds() {
        assert_eq!(seconds(Millis(1_270)), "1.2 s");
        assert_eq!(seconds(Millis(61_040)), "61.0 s");
    }
}
