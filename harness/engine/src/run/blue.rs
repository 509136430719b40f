//! The defense: installed twice (in a scratch namespace and on the target), read back, compared, taken off. Where
//! administrators have changed it, so is the one in the scratch namespace: they do the same there. An edge before the target
//! has a defense of its own, which is treated alike.

use std::collections::{BTreeMap, BTreeSet};
use std::future::ready;

use scandrill_lab::{
    Host, Installed, Lab, LabError, LoggingRule, Snapshot, check_rules, install, install_shared, snapshot,
};
use scandrill_model::{Moment, Step, What};

use super::log::{Log, Trouble, Troubled};
use super::machine::boot_reference;
use crate::actor::{Deed, operator};
use crate::plan::{OperatorPlan, Plan, SidePlan};

/// A defense that is in.
#[must_use = "a defense that is in is taken off with `remove`"]
pub struct Blue<'a> {
    plan: &'a Plan,
    side: SidePlan<'a>,
    installed: Installed,
    reference: Snapshot,
}

impl<'a> Blue<'a> {
    /// Installs the defenses of all hosts that have one and reads them back.
    pub async fn install_all(plan: &'a Plan, lab: &Lab, log: &Log) -> Result<Vec<Self>, Trouble> {
        let mut all = Vec::new();
        for side in plan.sides() {
            match Self::install(plan, side, lab, log).await {
                Ok(blue) => all.push(blue),
                Err(trouble) => {
                    // The first trouble is the one that tells; the lab goes away whatever the others say.
                    drop(Self::remove_all(all, log).await);
                    return Err(trouble);
                }
            }
        }
        Ok(all)
    }

    /// Compares what the kernels hold with the references, once all have acted.
    pub async fn read_all_back_after(
        all: &[Self],
        lab: &Lab,
        log: &Log,
        deeds: &[Deed<'_>],
    ) -> Result<(), Trouble> {
        for blue in all {
            blue.read_back_after(lab, log, deeds).await?;
        }
        Ok(())
    }

    /// Takes all of them off, in reverse; the first trouble is told.
    pub async fn remove_all(all: Vec<Self>, log: &Log) -> Result<(), Trouble> {
        let mut removed = Ok(());
        for blue in all.into_iter().rev() {
            let off = blue.installed.remove().await.trouble("taking the defense off");
            removed = removed.and(off);
        }
        if removed.is_ok() {
            log.emit(What::Removed);
        }
        removed
    }

    /// Installs one host's steps and reads them back.
    async fn install(plan: &'a Plan, side: SidePlan<'a>, lab: &Lab, log: &Log) -> Result<Self, Trouble> {
        let host = lab.host(side.host).trouble("finding a host")?;
        let (reference, _) = rehearse(plan, side, lab, &[]).await?;
        let installed = put_in(plan, side, host, side.steps).await.trouble("installing the defense")?;
        for step in side.steps {
            log.emit(What::Installed { step: in_words(step) });
        }
        for text in logging(installed.logging_rules()) {
            log.emit(What::Note { text });
        }
        let blue = Self { plan, side, installed, reference };
        blue.read_back(lab, log).await?;
        Ok(blue)
    }

    /// Compares what the host's kernel holds with the reference, and asks for each rule by itself.
    async fn read_back(&self, lab: &Lab, log: &Log) -> Result<(), Trouble> {
        let host: &Host = lab.host(self.side.host).trouble("finding a host")?;
        let now = dump(self.plan, self.side, host).await.trouble("reading the defense back")?;
        let mut differences = now.differences(&self.reference);
        if !self.side.steps.is_empty() {
            differences.extend(check_rules(host, &self.reference).await.trouble("asking for each rule")?);
        }
        self.tell(log, Moment::Before, &now, differences);
        Ok(())
    }

    /// Compares what the host's kernel holds with the reference, once all have acted: with what those who changed the
    /// defense change in another one.
    async fn read_back_after(&self, lab: &Lab, log: &Log, deeds: &[Deed<'_>]) -> Result<(), Trouble> {
        let host: &Host = lab.host(self.side.host).trouble("finding a host")?;
        let now = dump(self.plan, self.side, host).await.trouble("reading the defense back")?;
        let here = |change: &Change<'_>| change.0.host == self.side.host;
        let changes: Vec<Change<'_>> = deeds.iter().filter_map(change).filter(here).collect();
        let differences = if changes.is_empty() {
            now.differences(&self.reference)
        } else {
            let (reference, amiss) = rehearse(self.plan, self.side, lab, &changes).await?;
            now.differences(&reference).into_iter().chain(amiss).collect()
        };
        self.tell(log, Moment::After, &now, differences);
        Ok(())
    }

    fn tell(&self, log: &Log, moment: Moment, now: &Snapshot, differences: Vec<String>) {
        let (host, items) = (self.side.host.to_owned(), now.items() + self.installed.parameters());
        log.emit(What::ReadBack { host, moment, items, differences });
    }
}

/// Somebody who changed the defense, and the exit code of his commands.
type Change<'a> = (&'a OperatorPlan, Option<i32>);

fn change<'a>(deed: &Deed<'a>) -> Option<Change<'a>> {
    match deed {
        Deed::Operated(operator, exit) if operator.changes => Some((operator, *exit)),
        Deed::Operated(..) | Deed::Scanned(..) | Deed::Told => None,
    }
}

/// What the kernel of the scratch namespace holds once the defense is in and has been changed like this; and whose
/// commands came to something else there.
async fn rehearse(
    plan: &Plan,
    side: SidePlan<'_>,
    lab: &Lab,
    changes: &[Change<'_>],
) -> Result<(Snapshot, Vec<String>), Trouble> {
    let scratch = lab.host(side.reference).trouble("finding the scratch namespace")?;
    // What a daemon does, the host alone shows; here it would do it a second time.
    let is_lasting = |step: &&Step| !matches!(step, Step::Daemon(_));
    let lasting: Vec<Step> = side.steps.iter().filter(is_lasting).cloned().collect();
    let reference = put_in(plan, side, scratch, &lasting).await.trouble("installing the defense")?;
    let mut amiss = Vec::new();
    for (operator, expected) in changes {
        if operator.reboot.is_some() {
            boot_reference(plan, lab).await?;
        }
        let (observed, _) = operator::operate(operator, scratch, ready(())).await?;
        amiss.extend((observed != *expected).then(|| {
            format!(
                "`{}` ended with {} on the {} and with {} in the reference",
                operator.name,
                operator::in_words(*expected),
                side.host,
                operator::in_words(observed)
            )
        }));
    }
    let dumped = dump(plan, side, scratch).await.trouble("reading the reference back")?;
    reference.remove().await.trouble("taking the reference off")?;
    Ok((dumped, amiss))
}

async fn put_in(plan: &Plan, side: SidePlan<'_>, host: &Host, steps: &[Step]) -> Result<Installed, LabError> {
    if plan.changes(side.host) { install_shared(host, steps).await } else { install(host, steps).await }
}

/// What a host's kernel holds of a defense; where there is nothing to read back, nothing is asked.
async fn dump(plan: &Plan, side: SidePlan<'_>, host: &Host) -> Result<Snapshot, LabError> {
    if plan.is_read_back(side) { snapshot(host, side.steps).await } else { Ok(Snapshot::default()) }
}

/// What is said of rules that log, file by file.
fn logging(rules: &[LoggingRule]) -> Vec<String> {
    let mut files: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for rule in rules {
        let place = rule.line.map_or_else(|| format!("`{}`", rule.rule), |line| line.to_string());
        files.entry(rule.file.as_deref().unwrap_or_default()).or_default().insert(place);
    }
    let told = files.into_iter().map(|(file, lines)| {
        let lines: Vec<String> = lines.into_iter().collect();
        let noun = if lines.len() == 1 { "line" } else { "lines" };
        format!(
            "{file} {noun} {}: what is logged there is heard as NFLOG and written to /var/log/kern.log as the kernel \
             would write it",
            lines.join(", ")
        )
    });
    told.collect()
}

/// A step in a few words.
pub fn in_words(step: &Step) -> String {
    match step {
        Step::Sysctl { key, value } => format!("sysctl {key} = {value}"),
        Step::Offload { interface, feature, on } => {
            format!("{feature} of {interface} {}", if *on { "on" } else { "off" })
        }
        Step::Load { origin, text, .. } => format!("{origin} ({} lines)", text.lines().count()),
        Step::WriteFile { path, .. } => format!("file {path}"),
        Step::Daemon(daemon) => format!("daemon {}", daemon.name),
    }
}
