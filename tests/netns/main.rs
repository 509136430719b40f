//! The repository's own scenarios, one test a case, each in a lab of its own. Slow ones are tests like others here.
//! A scenario of `must-fail/` passes when the tool refuses or judges it with exactly the text and the exit code in
//! `NAME.expected` beside it; `SCANDRILL_BLESS=1` writes those files. What is scaled down is held against what is not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Failed, Trial};
use scandrill::TestRun;

#[path = "../cli/binary.rs"]
mod binary;
mod scaled;

use binary::scandrill;

fn main() -> ExitCode {
    scandrill::dispatch();
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios");
    let run = TestRun::new().with_slow();
    let mut trials: Vec<Trial> =
        run.trials(&scenarios).into_iter().filter(|trial| !trial.name().starts_with("must-fail/")).collect();
    trials.extend(scaled::trials());
    trials.extend(must_fail(&scenarios.join("must-fail")));
    run.finish(trials)
}

fn must_fail(folder: &Path) -> Vec<Trial> {
    let mut scenarios: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the repository has a folder of scenarios that must fail")
        .map(|entry| entry.expect("its entries can be read").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .collect();
    scenarios.sort();
    scenarios.into_iter().map(refusal).collect()
}

fn refusal(scenario: PathBuf) -> Trial {
    let name = scenario.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Trial::test(format!("must-fail/{name}"), move || {
        let observed = verdict_of(&name);
        let golden = scenario.with_extension("expected");
        if std::env::var("SCANDRILL_BLESS").is_ok_and(|value| value == "1") {
            return fs::write(&golden, observed).map_err(Failed::from);
        }
        let expected = fs::read_to_string(&golden).map_err(|error| {
            format!("{}: {error}; SCANDRILL_BLESS=1 writes it:\n{observed}", golden.display())
        })?;
        if expected == observed {
            return Ok(());
        }
        Err(format!("expected, by {}:\n{expected}\nobserved:\n{observed}", golden.display()).into())
    })
}

/// Exit code and words of a run, without what differs from one run to the next.
fn verdict_of(name: &str) -> String {
    let captures = tempfile::tempdir().expect("a folder for captures can be made");
    let ran = scandrill()
        .env("TMPDIR", captures.path())
        .args(["run", "--quiet", "--seed", "1", "--jobs", "1"])
        .arg(format!("scenarios/must-fail/{name}.toml"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .expect("the binary can be started");
    let words = String::from_utf8_lossy(&ran.stdout) + String::from_utf8_lossy(&ran.stderr);
    format!("exit code {}\n\n{}", ran.status.code().unwrap_or(-1), binary::steady(&words))
}
