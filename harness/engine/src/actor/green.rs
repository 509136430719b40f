//! A legitimate client: requests at its own pace, each served or not.

use std::net::IpAddr;
use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use scandrill_lab::{Client, Host, clock, wait};
use scandrill_model::What;

use super::knock::knock;
use super::{Actor, Deed, Stage};
use crate::plan::GreenPlan;
use crate::run::{Trouble, Troubled};

/// How long an ordinary client waits: long enough for one retransmitted SYN (1 s, RFC 6298), not for a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes one request, as a client that has not asked before; the inner error says in a few words why it was not served.
pub async fn once(green: &GreenPlan, target: IpAddr, host: &Host) -> Result<Result<(), String>, Trouble> {
    ask(client(green, target), host).await.map(|(_, answered)| answered)
}

fn client(green: &GreenPlan, target: IpAddr) -> Client {
    Client::new(green.speaks, green.source, target, green.port)
}

async fn ask(mut client: Client, host: &Host) -> Result<(Client, Result<(), String>), Trouble> {
    let asked = host.spawn(async move || {
        let answered = client.request(PATIENCE).await;
        (client, answered)
    });
    asked.await.trouble("running a client")
}

impl Actor for GreenPlan {
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

/// Makes all its requests.
async fn run(green: &GreenPlan, stage: &Stage<'_>) -> Result<(), Trouble> {
    let host = stage.lab.host(&green.host).trouble("finding a host")?;
    stage.log.emit(What::ActorStarted { actor: green.name.clone(), source: green.source });
    knock(&green.name, &green.knock, green.source, &green.host, stage).await?;
    let mut client = client(green, stage.plan.target);
    let mut start = clock::now();
    let (mut failures, mut latencies_us) = (Vec::new(), Vec::new());
    for index in 0..green.count {
        wait::until_moment(start + Duration::from(green.interval) * index).await;
        let began = clock::now();
        let answered;
        (client, answered) = ask(client, host).await?;
        failures.push(answered.err());
        latencies_us.push(u64::try_from(clock::now().since(began).as_micros()).unwrap_or(u64::MAX));
        if index == 0 && !green.around.is_empty() {
            stage.begun(&green.name);
            stage.until_finished(&green.around).await;
            start = clock::now();
        }
    }
    stage.log.emit(What::Requests { actor: green.name.clone(), failures, latencies_us });
    Ok(())
}
