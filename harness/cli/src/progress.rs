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
pub enum Follower {
    /// Says nothing.
    Quiet,
    /// One line for each case that has ended.
    Lines(Console),
    /// A bar with the cases that run now; what did not pass stays above it.
    Bar {
        /// Where it is drawn.
        console: Console,
        /// The bar.
        bar: ProgressBar,
        /// The cases that run now.
        running: Mutex<BTreeSet<String>>,
    },
}

impl Follower {
    /// Follows `cases` cases as this console shows it best.
    pub fn new(console: Console, quiet: bool, cases: usize) -> Self {
        match (quiet, console.watched()) {
            (true, _) => Self::Quiet,
            (false, false) => Self::Lines(console),
            (false, true) => Self::Bar { console, bar: bar(console, cases), running: Mutex::default() },
        }
    }

    /// To be told of each step.
    pub fn see(&self, progress: Progress<'_>) {
        match (self, progress) {
            (Self::Lines(console), Progress::Finished(case)) => {
                console.err(&line(case, console.colored_err()));
            }
            (Self::Bar { bar, running, .. }, Progress::Started(case)) => {
                show(bar, running, |running| running.insert(case.to_owned()));
            }
            (Self::Bar { bar, running, console }, Progress::Finished(case)) => {
                if case.verdict != Verdict::Pass {
                    bar.println(line(case, console.colored_err()));
                }
                bar.inc(1);
                show(bar, running, |running| running.remove(&case.name));
            }
            (Self::Quiet, _) | (Self::Lines(_), Progress::Started(_)) => {}
        }
    }

    /// Takes the bar away.
    pub fn end(&self) {
        if let Self::Bar { bar, .. } = self {
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

/// `PASS manual/recent[nmap,v6] 1.2 s`.
fn line(case: &CaseReport, colored: bool) -> String {
    let word = case.verdict.to_string().to_uppercase();
    let word =
        if colored { format!("\x1b[{}m{word:<5}\x1b[0m", color(case.verdict)) } else { format!("{word:<5}") };
    format!("{word} {} {}", case.name, seconds(case.took))
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
