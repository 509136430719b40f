//! A legitimate client: requests at its own pace, each served or not, before, during and after the attack where it acts
//! throughout; in the end a fresh source beside it, so that its silence means something.

use std::time::Duration;

use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};
use scandrill_lab::{Client, Host, clock, wait};
use scandrill_model::{ClientLook, Stamp, What};

use super::knock::knock;
use super::{Actor, Deed, Stage};
use crate::plan::{FreshPlan, GreenPlan};
use crate::run::{Trouble, Troubled};

/// How long an ordinary client waits: long enough for one retransmitted SYN (1 s, RFC 6298), not for a second.
const PATIENCE: Duration = Duration::from_secs(2);

/// Makes one request, as a client that has not asked before; the inner error says in a few words why it was not served.
pub async fn once(green: &GreenPlan, host: &Host) -> Result<Result<(), String>, Trouble> {
    ask(clients(green, 0), host).await.map(|(_, answered)| answered)
}

/// A client for each errand of the request of that number.
fn clients(green: &GreenPlan, number: usize) -> Vec<Client> {
    let source = green.asks_from.get(number % green.asks_from.len().max(1)).copied().unwrap_or(green.source);
    let errands = green.errands.iter();
    errands.map(|errand| Client::new(errand.speaks, source, green.target, errand.port)).collect()
}

/// Does all errands at once; the request is served when all are.
async fn ask(mut clients: Vec<Client>, host: &Host) -> Result<(Vec<Client>, Result<(), String>), Trouble> {
    let asked = host.spawn(async move || {
        let all = join_all(clients.iter_mut().map(|client| client.request(PATIENCE))).await;
        (clients, all.into_iter().collect())
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
async fn run<'a>(green: &'a GreenPlan, stage: &'a Stage<'a>) -> Result<(), Trouble> {
    let host = stage.lab.host(&green.host).trouble("finding a host")?;
    stage.log.emit(What::ActorStarted { actor: green.name.clone(), source: green.source });
    let knocks_from = green.asks_from.first().copied().unwrap_or(green.source);
    knock(&green.name, &green.knock, knocks_from, &green.host, stage).await?;
    let mut asking = Asking::new(green, host, stage);
    if green.throughout {
        throughout(&mut asking, stage).await?;
    } else {
        asking.first_and_others(stage).await?;
    }
    let look = match &green.fresh {
        Some(fresh) => Some(look(green, fresh, host, stage).await?),
        None => None,
    };
    stage.log.emit(asking.told(look));
    Ok(())
}

/// Asks before, during and after the attack.
async fn throughout(asking: &mut Asking<'_>, stage: &Stage<'_>) -> Result<(), Trouble> {
    let green = asking.green;
    asking.at_its_pace(green.count).await?;
    stage.begun(&green.name);
    stage.until_any_started(&green.around).await;
    asking.until(stage.until_finished(&green.around)).await?;
    asking.at_its_pace(green.count).await
}

/// The client and a fresh source make the same request at the same time.
async fn look(
    green: &GreenPlan,
    fresh: &FreshPlan,
    host: &Host,
    stage: &Stage<'_>,
) -> Result<ClientLook, Trouble> {
    let beside = stage.lab.host(&fresh.host).trouble("finding a host")?;
    let errands = green.errands.iter();
    let strangers =
        errands.map(|errand| Client::new(errand.speaks, fresh.source, fresh.target, errand.port)).collect();
    let at = clock::now();
    let (own, fresh) = tokio::join!(once(green, host), ask(strangers, beside));
    Ok(ClientLook { at, own: own?.err(), fresh: fresh?.1.err() })
}

/// A client at work, and what it got so far.
struct Asking<'a> {
    green: &'a GreenPlan,
    host: &'a Host,
    stage: &'a Stage<'a>,
    /// One for each errand; kept from request to request, as a session is.
    clients: Vec<Client>,
    failures: Vec<Option<String>>,
    latencies_us: Vec<u64>,
    starts: Vec<Stamp>,
    retransmissions: Vec<u64>,
}

impl<'a> Asking<'a> {
    fn new(green: &'a GreenPlan, host: &'a Host, stage: &'a Stage<'a>) -> Self {
        let (failures, latencies_us, starts, retransmissions) = Default::default();
        Self {
            green,
            host,
            stage,
            clients: clients(green, 0),
            failures,
            latencies_us,
            starts,
            retransmissions,
        }
    }

    /// One request.
    async fn ask(&mut self) -> Result<(), Trouble> {
        if self.green.asks_from.len() > 1 {
            self.clients = clients(self.green, self.starts.len());
        }
        let again = |clients: &[Client]| clients.iter().map(Client::retransmissions).sum::<u64>();
        let (before, began) = (again(&self.clients), clock::now());
        let asked = ask(std::mem::take(&mut self.clients), self.host).await;
        let (clients, answered) = asked?;
        let (took, failure) = (clock::now().since(began).as_micros(), answered.err());
        let latency_us = u64::try_from(took).unwrap_or(u64::MAX);
        if self.stage.plan.live {
            let (actor, failure) = (self.green.name.clone(), failure.clone());
            self.stage.log.emit(What::Request { actor, failure, latency_us, start: began });
        }
        self.latencies_us.push(latency_us);
        self.starts.push(began);
        self.retransmissions.push(again(&clients) - before);
        self.failures.push(failure);
        self.clients = clients;
        Ok(())
    }

    async fn at_its_pace(&mut self, count: u32) -> Result<(), Trouble> {
        let start = clock::now();
        for index in 0..count {
            wait::until_moment(start + Duration::from(self.green.interval) * index).await;
            self.ask().await?;
        }
        Ok(())
    }

    /// Asks once at least, and goes on at its pace until `end`.
    async fn until(&mut self, end: impl Future<Output = ()>) -> Result<(), Trouble> {
        let start = clock::now();
        let mut end = std::pin::pin!(end.fuse());
        for index in 1.. {
            self.ask().await?;
            let next = wait::until_moment(start + Duration::from(self.green.interval) * index);
            tokio::select! {
                biased;
                () = &mut end => break,
                () = next => {}
            }
        }
        Ok(())
    }

    /// The first request, then whom it acts around, then the others.
    async fn first_and_others(&mut self, stage: &Stage<'_>) -> Result<(), Trouble> {
        let green = self.green;
        if green.around.is_empty() {
            return self.at_its_pace(green.count).await;
        }
        self.ask().await?;
        stage.begun(&green.name);
        stage.until_finished(&green.around).await;
        let start = clock::now();
        for index in 1..green.count {
            wait::until_moment(start + Duration::from(green.interval) * index).await;
            self.ask().await?;
        }
        Ok(())
    }

    fn told(self, look: Option<ClientLook>) -> What {
        let Self { failures, latencies_us, starts, retransmissions, .. } = self;
        let actor = self.green.name.clone();
        What::Requests { actor, failures, latencies_us, starts, retransmissions, look }
    }
}
