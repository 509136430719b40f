//! Scenarios as tests of `cargo test` and cargo-nextest: one test a case, by libtest-mimic, so that names, filters,
//! `--list` and `--ignored` are what everyone knows.

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, PoisonError, RwLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use scandrill_engine::{Case, Planned, RunOptions, expand, plan_all, run_case};
use scandrill_model::Verdict;

use crate::captures::Captures;
use crate::commands::run::{jobs, seed_of_now};
use crate::failure::plain;
use crate::selection::understand;
use crate::sources::{Found, find};

/// Makes the run's seed: the same cases with the same random choices.
const SEED: &str = "SCANDRILL_SEED";
/// With `1`, a test whose need is not met fails; otherwise it is ignored.
const STRICT: &str = "SCANDRILL_STRICT";
/// A folder for the captures of what failed.
const PCAP: &str = "SCANDRILL_PCAP";

/// Runs the scenarios of a folder as tests, one a case, with libtest's own command line. It is the whole `main` of a
/// test file with `harness = false`. The folder is looked for from where tests run: the package's own folder.
///
/// Slow scenarios are ignored tests: `--ignored` or `--include-ignored` runs them. A case whose needs this machine
/// does not meet is ignored when it runs, and fails with `SCANDRILL_STRICT=1`. `SCANDRILL_SEED=N` repeats a run;
/// `SCANDRILL_PCAP=DIR` says where the captures of failures go.
pub fn test_folder(folder: impl AsRef<Path>) -> ExitCode {
    crate::dispatch();
    let run = TestRun::new();
    let trials = run.trials(folder.as_ref());
    run.finish(trials)
}

/// What the tests of one process share. For test files that have more to run than one folder; they call
/// [`crate::dispatch`] first.
#[derive(Debug)]
pub struct TestRun {
    shared: Arc<Shared>,
    /// Slow cases run like others.
    slow_too: bool,
}

#[derive(Debug)]
struct Shared {
    seed: u64,
    strict: bool,
    captures: Option<Captures>,
    /// Cases that need the whole machine hold it alone.
    machine: RwLock<()>,
}

impl Default for TestRun {
    fn default() -> Self {
        Self::new()
    }
}

impl TestRun {
    /// Reads the environment.
    pub fn new() -> Self {
        let seed = env::var(SEED).ok().and_then(|text| text.trim().parse().ok());
        let pcap = env::var_os(PCAP).map(PathBuf::from);
        let shared = Shared {
            seed: seed.unwrap_or_else(seed_of_now),
            strict: env::var(STRICT).is_ok_and(|value| value == "1"),
            captures: Captures::in_folder(pcap.as_deref()).ok(),
            machine: RwLock::new(()),
        };
        Self { shared: Arc::new(shared), slow_too: false }
    }

    /// Slow scenarios are tests like others.
    #[must_use]
    pub fn with_slow(mut self) -> Self {
        self.slow_too = true;
        self
    }

    /// One test for each case of each scenario in `folder`; a file that is wrong is a test that fails. Exclusive ones
    /// come first, while nothing has begun that they would have to wait for.
    pub fn trials(&self, folder: &Path) -> Vec<Trial> {
        let found = match find(&[folder.display().to_string()]) {
            Ok(found) => found,
            Err(failure) => return vec![failing(folder.display().to_string(), failure.to_string())],
        };
        let (mut alone, mut together) = (Vec::new(), Vec::new());
        for one in &found {
            match self.plan(one) {
                Ok(planned) => {
                    let (exclusive, others): (Vec<_>, Vec<_>) =
                        planned.into_iter().partition(|one| one.plan.exclusive);
                    alone.extend(exclusive.into_iter().map(|one| self.of_case(one)));
                    together.extend(others.into_iter().map(|one| self.of_case(one)));
                }
                Err(wrong) => together.push(failing(one.name.clone(), wrong)),
            }
        }
        alone.into_iter().chain(together).collect()
    }

    /// A scenario's cases, or what is wrong with it.
    fn plan(&self, found: &Found) -> Result<Vec<Planned>, String> {
        let scenario = Arc::new(understand(found).map_err(|bad| plain(&bad))?);
        let seed = self.shared.seed;
        let planned = plan_all(expand(&scenario, &[]), seed, |case| repeat(case, seed));
        planned.map_err(|bad| bad.iter().map(plain).collect())
    }

    fn of_case(&self, planned: Planned) -> Trial {
        let shared = Arc::clone(&self.shared);
        let ignored = planned.case.scenario.slow && !self.slow_too;
        Trial::ignorable_test(planned.case.name(), move || shared.run(&planned)).with_ignored_flag(ignored)
    }

    /// Runs the tests as libtest's command line asks, and gives libtest's exit code.
    pub fn finish(self, trials: Vec<Trial>) -> ExitCode {
        let mut arguments = Arguments::from_args();
        if arguments.test_threads.is_none() && env::var_os("RUST_TEST_THREADS").is_none() {
            // A case mostly waits for timers: more of them than processors run at once.
            arguments.test_threads = Some(jobs(None));
        }
        let conclusion = libtest_mimic::run(&arguments, trials);
        if let Some(captures) = Arc::into_inner(self.shared).and_then(|shared| shared.captures) {
            captures.settle();
        }
        conclusion.exit_code()
    }
}

impl Shared {
    /// Runs one case, beside others unless it is exclusive.
    fn run(&self, planned: &Planned) -> Result<Completion, Failed> {
        let captures = self
            .captures
            .as_ref()
            .ok_or("no folder for captures can be made; SCANDRILL_PCAP=DIR names one")?;
        let (_alone, _together) = if planned.plan.exclusive {
            (Some(self.machine.write().unwrap_or_else(PoisonError::into_inner)), None)
        } else {
            (None, Some(self.machine.read().unwrap_or_else(PoisonError::into_inner)))
        };
        let options = RunOptions {
            seed: self.seed,
            jobs: 1,
            fail_fast: false,
            captures: captures.folder().to_owned(),
            keep_all_captures: false,
            keep_events: false,
        };
        let case = run_case(planned, &options).report;
        match (case.verdict, &case.skipped) {
            (Verdict::Pass, _) => Ok(Completion::Completed),
            (Verdict::Skip, Some(skipped)) if !self.strict => {
                Ok(Completion::ignored_with(format!("needs {}: {}", skipped.need, skipped.mend)))
            }
            (Verdict::Skip, Some(skipped)) => {
                Err(format!("skipped: it needs {}\n  help: {}", skipped.need, skipped.mend).into())
            }
            (Verdict::Skip | Verdict::Fail | Verdict::Error, _) => {
                Err(scandrill_report::case_details(&case).into())
            }
        }
    }
}

/// A test that fails with `message`, as a file is wrong.
fn failing(name: String, message: String) -> Trial {
    Trial::test(name, move || Err(Failed::from(message)))
}

/// The command that runs this test again, with the same seed, from the package's folder.
fn repeat(case: &Case, seed: u64) -> String {
    let program = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let stem = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // cargo names the file after the test, with a hash.
    let test = stem.rsplit_once('-').map_or(stem.as_str(), |(test, _)| test);
    format!("{SEED}={seed} cargo test --test {test} -- --include-ignored --exact '{}'", case.name())
}
