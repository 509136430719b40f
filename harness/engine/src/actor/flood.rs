//! Load: a flood that lasts around others, or until all is sent.

use std::pin::pin;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{Either, LocalBoxFuture, select};
use scandrill_lab::{Flooded, Flooding, clock, conntrack_max, flood, wait};
use scandrill_model::{FloodPackets, What};

use super::{Actor, Deed, Stage};
use crate::plan::{FloodPlan, TARGET};
use crate::run::{Trouble, Troubled};
use crate::scenario::Amount;

impl Actor for FloodPlan {
    fn name(&self) -> &str {
        &self.name
    }

    fn after(&self) -> &[String] {
        &self.after
    }

    fn around(&self) -> &[String] {
        &self.around
    }

    fn act<'a>(&'a self, stage: &'a Stage<'a>) -> LocalBoxFuture<'a, Result<Deed<'a>, Trouble>> {
        async move { run(self, stage).await.map(|()| Deed::Told) }.boxed_local()
    }
}

async fn run(plan: &FloodPlan, stage: &Stage<'_>) -> Result<(), Trouble> {
    let operation = format!("sending `{}`", plan.name);
    let host = stage.lab.host(&plan.from.host).trouble("finding a host")?;
    let packets = FloodPackets { count: count(plan, stage).await?, ..plan.packets.clone() };
    stage.log.emit(What::ActorStarted { actor: plan.name.clone(), source: packets.first_source });
    let flooding = Arc::new(Flooding::default());
    let (from, shared) = (plan.from.clone(), Arc::clone(&flooding));
    let start = clock::now();
    let sending = host.blocking(move || flood(&from.interface, from.next_hop, &packets, &shared));
    let flooded = lasting(plan, stage, &flooding, sending).await?;
    let took = clock::elapsed(start).into();
    let Flooded { sent, refused, completed, ended_early } =
        flooded.trouble(&operation)?.trouble(&operation)?;
    stage.log.emit(What::Flooded { actor: plan.name.clone(), sent, refused, completed, ended_early, took });
    Ok(())
}

/// As many packets as the plan says, or as the machine's table asks for.
async fn count(plan: &FloodPlan, stage: &Stage<'_>) -> Result<u64, Trouble> {
    match plan.amount {
        Amount::Packets(count) => Ok(count),
        Amount::OfConntrackMax(percent) => {
            let target = stage.lab.host(TARGET).trouble("finding the target")?;
            let max = conntrack_max(target).await.trouble("asking how many connections are tracked")?;
            let (count, flows) = (max.saturating_mul(percent.into()) / 100, plan.packets.flows());
            if count <= flows {
                return Ok(count);
            }
            let operation = format!("sending `{}`", plan.name);
            Err(Trouble { operation, error: format!("{count} packets make {flows} flows: add sources") })
        }
    }
}

/// Lets those act around whom the flood lasts once it is under way, ends it when all of them have finished, and waits for
/// its end.
async fn lasting<T>(
    plan: &FloodPlan,
    stage: &Stage<'_>,
    flooding: &Flooding,
    sending: impl Future<Output = T>,
) -> Result<T, Trouble> {
    let lasting = async {
        let waited_for = format!("the first {} packets of `{}`", plan.lead(), plan.name);
        let is_under_way = async || Ok((flooding.sent() >= plan.lead()).then_some(()));
        let limit = stage.plan.deadline.into();
        wait::until(&waited_for, limit, is_under_way).await.trouble("waiting for a flood")?;
        stage.begun(&plan.name);
        stage.until_finished(&plan.around).await;
        Ok(())
    };
    match select(pin!(sending), pin!(lasting)).await {
        Either::Left((sent, _)) => Ok(sent),
        Either::Right((lasted, sending)) => {
            if !plan.around.is_empty() || lasted.is_err() {
                flooding.end();
            }
            let sent = sending.await;
            lasted.map(|()| sent)
        }
    }
}
