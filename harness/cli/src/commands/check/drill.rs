//! Runs the battery: a first look that tells which services strangers get and whether the rules load at all, then
//! everything else at once.

use std::sync::Arc;

use scandrill_engine::{Planned, RunOptions, SourceFile, expand, plan_all, read};
use scandrill_model::{CaseReport, Family};
use strum::IntoEnumIterator;

use super::battery::{Battery, Service};
use super::reading::Reading;
use super::{Args, repeat};
use crate::captures::Captures;
use crate::commands::require_isolation;
use crate::commands::run::{follow, jobs};
use crate::console::Console;
use crate::failure::Failure;
use crate::progress::Follower;

/// A drill of a user's rules.
pub struct Drill<'a> {
    /// With what.
    pub battery: &'a Battery,
    /// The rules, as the lab loads them.
    pub rules: &'a [SourceFile],
    /// The seed of the run.
    pub seed: u64,
    /// What the user asked for.
    pub args: &'a Args,
    /// Who follows it.
    pub console: Console,
}

impl Drill<'_> {
    /// Runs everything, and folds what was seen.
    ///
    /// # Errors
    /// Rules that do not load, or that need what this machine lacks, are told once, after the first look.
    pub fn run(&self) -> Result<Reading, Failure> {
        let first = self.plan(Family::iter().map(|family| self.battery.first_look(family)))?;
        require_isolation()?;
        let captures = Captures::in_folder(None)?;
        let seen = self.follow(&first, &captures, true);
        let reading = seen.and_then(|cases| {
            cases.iter().find_map(refusal).map_or(Ok(()), Err)?;
            let mut reading = Reading::default();
            reading.fold(&first, &cases, self.battery);
            let scenarios = Family::iter().flat_map(|family| {
                let public: Vec<Service> = reading.served(family).collect();
                self.battery.scenarios(family, &public)
            });
            let planned = self.plan(scenarios)?;
            reading.fold(&planned, &self.follow(&planned, &captures, self.args.quiet)?, self.battery);
            Ok(reading)
        });
        captures.discard();
        reading
    }

    fn plan(&self, scenarios: impl Iterator<Item = (String, String)>) -> Result<Vec<Planned>, Failure> {
        let load = |number: &str| {
            let file = number.parse().ok().and_then(|number: usize| self.rules.get(number));
            file.cloned().ok_or_else(|| "no such rules".to_owned())
        };
        let mut planned = Vec::new();
        for (name, text) in scenarios {
            let scenario = read(&name, &SourceFile::new(name.clone(), text), &load)?;
            planned.extend(plan_all(expand(&Arc::new(scenario), &[]), self.seed, |_| {
                repeat(self.args, self.seed)
            })?);
        }
        Ok(planned)
    }

    fn follow(
        &self,
        planned: &[Planned],
        captures: &Captures,
        quiet: bool,
    ) -> Result<Vec<CaseReport>, Failure> {
        let options = RunOptions {
            seed: self.seed,
            jobs: jobs(self.args.jobs),
            fail_fast: false,
            captures: captures.folder().to_owned(),
            keep_all_captures: false,
            keep_events: true,
        };
        // A run takes away the folder that it left empty.
        std::fs::create_dir_all(captures.folder())?;
        let follower = Follower::without_verdicts(self.console, quiet, planned.len());
        Ok(follow(planned, &options, &follower).cases)
    }
}

/// Why there is no use in running further cases.
fn refusal(case: &CaseReport) -> Option<Failure> {
    if let Some(skipped) = &case.skipped {
        let message = format!("these rules need {}", skipped.need);
        return Some(Failure::Nothing { message, help: Some(skipped.mend.clone()) });
    }
    let first = case.problems.first()?;
    Some(Failure::Unable { message: first.clone(), help: None })
}
