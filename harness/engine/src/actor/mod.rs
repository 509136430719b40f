//! Who acts, and when: each actor starts when those it waits for have finished. A kind of actor is a file that implements
//! [`Actor`], and a line in [`actors`].

pub mod drive;
mod flood;
pub mod green;
mod knock;
pub mod operator;
pub mod red;

use std::collections::BTreeSet;

use futures::future::LocalBoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use scandrill_lab::{Lab, VerdictSource};
use tokio::sync::watch;

use crate::plan::{OperatorPlan, Plan, RedPlan};
use crate::run::{Log, Machine, Trouble, Window};

/// An actor of whatever kind.
pub trait Actor {
    /// Its name, unique in the plan.
    fn name(&self) -> &str;

    /// Who must have finished before.
    fn after(&self) -> &[String];

    /// Who acts between its own beginning, which it tells by [`Stage::begun`], and its end.
    fn around(&self) -> &[String] {
        &[]
    }

    /// Acts to its end, and tells the log.
    fn act<'a>(&'a self, stage: &'a Stage<'a>) -> LocalBoxFuture<'a, Result<Deed<'a>, Trouble>>;
}

/// All actors of a plan, a line for each kind.
fn actors(plan: &Plan) -> Vec<&dyn Actor> {
    let mut actors: Vec<&dyn Actor> = Vec::new();
    actors.extend(plan.reds.iter().map(|red| red as &dyn Actor));
    actors.extend(plan.greens.iter().map(|green| green as &dyn Actor));
    actors.extend(plan.operators.iter().map(|operator| operator as &dyn Actor));
    actors.extend(plan.floods.iter().map(|flood| flood as &dyn Actor));
    actors
}

/// What an actor has done that others ask about, beside the log.
#[derive(Clone, Copy)]
pub enum Deed<'a> {
    /// Scanned, and when.
    Scanned(&'a RedPlan, Window),
    /// Run commands, with this exit code.
    Operated(&'a OperatorPlan, Option<i32>),
    /// Something that the log alone tells of.
    Told,
}

/// Where actors act, and how far they all are.
pub struct Stage<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// Its lab.
    pub lab: &'a Lab,
    /// Where it is told.
    pub log: &'a Log,
    /// The attacked machine.
    pub machine: &'a Machine<'a>,
    /// What reads large scans inside the kernel, where that can be had.
    pub verdicts: Option<&'a VerdictSource>,
    progress: watch::Sender<Progress>,
}

/// How far actors are, by name.
#[derive(Default)]
struct Progress {
    started: BTreeSet<String>,
    begun: BTreeSet<String>,
    finished: BTreeSet<String>,
}

impl<'a> Stage<'a> {
    /// A stage on which nobody has acted.
    pub fn new(
        plan: &'a Plan,
        lab: &'a Lab,
        log: &'a Log,
        machine: &'a Machine<'a>,
        verdicts: Option<&'a VerdictSource>,
    ) -> Self {
        Self { plan, lab, log, machine, verdicts, progress: watch::Sender::default() }
    }

    /// Lets those act around whom `actor` acts.
    pub fn begun(&self, actor: &str) {
        self.progress.send_modify(|progress| progress.begun.extend([actor.to_owned()]));
    }

    /// Waits until all of `actors` have finished.
    pub async fn until_finished(&self, actors: &[String]) {
        self.until(|progress| actors.iter().all(|actor| progress.finished.contains(actor))).await;
    }

    /// Waits until one of `actors` has started.
    pub async fn until_any_started(&self, actors: &[String]) {
        self.until(|progress| actors.iter().any(|actor| progress.started.contains(actor))).await;
    }

    /// Waits until an actor's turn has come.
    async fn until_turn_of(&self, actor: &dyn Actor) {
        let name = actor.name();
        let around =
            actors(self.plan).into_iter().filter(|other| other.around().iter().any(|one| one == name));
        let outer: Vec<&str> = around.map(Actor::name).collect();
        self.until_finished(actor.after()).await;
        self.until(|progress| outer.iter().all(|other| progress.begun.contains(*other))).await;
    }

    fn started(&self, actor: &str) {
        self.progress.send_modify(|progress| progress.started.extend([actor.to_owned()]));
    }

    fn finished(&self, actor: &str) {
        self.begun(actor);
        self.progress.send_modify(|progress| progress.finished.extend([actor.to_owned()]));
    }

    async fn until(&self, is_so: impl FnMut(&Progress) -> bool) {
        // The sender is the stage's own, so it does not go away.
        let _ = self.progress.subscribe().wait_for(is_so).await;
    }
}

/// Runs all actors to their end; what they did, in the order in which they finished.
pub async fn act<'a>(stage: &'a Stage<'a>) -> Result<Vec<Deed<'a>>, Trouble> {
    let mut running: FuturesUnordered<_> =
        actors(stage.plan).into_iter().map(|actor| in_turn(actor, stage)).collect();
    let mut deeds = Vec::new();
    while let Some(deed) = running.next().await {
        deeds.push(deed?);
    }
    Ok(deeds)
}

async fn in_turn<'a>(actor: &'a dyn Actor, stage: &'a Stage<'a>) -> Result<Deed<'a>, Trouble> {
    stage.until_turn_of(actor).await;
    stage.started(actor.name());
    let deed = actor.act(stage).await?;
    stage.finished(actor.name());
    Ok(deed)
}
