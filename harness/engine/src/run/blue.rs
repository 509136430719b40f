//! The defense: installed twice (in a scratch namespace and on the target), read back, compared, taken off.

use scandrill_lab::{Host, Installed, Lab, LabError, Snapshot, check_rules, install, snapshot};
use scandrill_model::{Moment, Step, What};

use super::log::{Log, Trouble, Troubled};
use crate::plan::{Plan, REFERENCE, TARGET};

/// A defense that is in.
#[must_use = "a defense that is in is taken off with `remove`"]
pub struct Blue<'a> {
    steps: &'a [Step],
    target: Installed,
    reference: Snapshot,
}

impl<'a> Blue<'a> {
    /// Installs the plan's steps and reads them back.
    pub async fn install(plan: &'a Plan, lab: &Lab, log: &Log) -> Result<Self, Trouble> {
        let scratch = lab.host(REFERENCE).trouble("finding the scratch namespace")?;
        let target = lab.host(TARGET).trouble("finding the target")?;
        let reference = install(scratch, &plan.steps).await.trouble("installing the defense")?;
        let dumped = dump(scratch, &plan.steps).await.trouble("reading the reference back")?;
        let installed = install(target, &plan.steps).await.trouble("installing the defense")?;
        for step in &plan.steps {
            log.emit(What::Installed { step: in_words(step) });
        }
        reference.remove().await.trouble("taking the reference off")?;
        let blue = Self { steps: &plan.steps, target: installed, reference: dumped };
        blue.read_back(lab, log, Moment::Before).await?;
        Ok(blue)
    }

    /// Compares what the target's kernel holds with the reference, and asks for each rule by itself.
    pub async fn read_back(&self, lab: &Lab, log: &Log, moment: Moment) -> Result<(), Trouble> {
        let target: &Host = lab.host(TARGET).trouble("finding the target")?;
        let now = dump(target, self.steps).await.trouble("reading the defense back")?;
        let mut differences = now.differences(&self.reference);
        if moment == Moment::Before && !self.steps.is_empty() {
            differences.extend(check_rules(target, &self.reference).await.trouble("asking for each rule")?);
        }
        let items = now.items() + self.target.parameters();
        log.emit(What::ReadBack { moment, items, differences });
        Ok(())
    }

    /// Takes the defense off; the lab checks that the kernel is as before.
    pub async fn remove(self, log: &Log) -> Result<(), Trouble> {
        self.target.remove().await.trouble("taking the defense off")?;
        log.emit(What::Removed);
        Ok(())
    }
}

/// What a host's kernel holds of a defense; of none, nothing is asked.
async fn dump(host: &Host, steps: &[Step]) -> Result<Snapshot, LabError> {
    if steps.is_empty() { Ok(Snapshot::default()) } else { snapshot(host, steps).await }
}

/// A step in a few words.
pub fn in_words(step: &Step) -> String {
    match step {
        Step::Sysctl { key, value } => format!("sysctl {key} = {value}"),
        Step::Load { origin, text, .. } => format!("{origin} ({} lines)", text.lines().count()),
        Step::WriteFile { path, .. } => format!("file {path}"),
    }
}
