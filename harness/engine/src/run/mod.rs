//! The life of one case, inside the worker: lab, services, control, defense, actors, defense off, lab gone; every
//! step an event in the one log.

mod blue;
mod count;
mod decide;
mod explain;
mod fate;
mod follow;
pub mod live;
mod log;
mod machine;
mod watch;

use std::os::fd::OwnedFd;

use scandrill_lab::{
    Forwarding, Host, Inside, Installed, Lab, Lateness, Loss, Lost, Punctuality, VerdictSource, clock,
};
use scandrill_model::{Moment, ScanResult, Technique, What};
use serde::{Deserialize, Serialize};

use self::blue::Blue;
use self::count::Counting;
use self::live::{Glimpses, telling};
pub use self::log::{Log, Trouble, Troubled};
pub use self::machine::Machine;
use crate::actor::drive::builtin;
use crate::actor::{self, Deed, Stage, green};
use crate::plan::{CanaryPlan, ControlPlan, EDGE, Plan, TARGET};
use crate::question::Question;
use crate::scenario::Forwards;

/// What a worker is asked to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// One case, from lab to verdict.
    Case(Box<Plan>),
    /// The lab of a case with its defense in, and an interactive shell in one of its hosts.
    Shell {
        /// The case.
        plan: Box<Plan>,
        /// The host.
        host: String,
    },
    /// The lab of a case with its defense in, and one packet, which is followed.
    Explain {
        /// The case.
        plan: Box<Plan>,
        /// The packet.
        question: Box<Question>,
    },
}

/// What is done in a lab.
enum Inner {
    Drill,
    Shell(String),
    Explain(Box<Question>),
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is the one that the lab's dispatch calls")]
/// What a worker process does: its whole life. The exit code is 0 when the job came to its end.
pub fn work(job: Vec<u8>, inside: Inside) -> u8 {
    let log = Log::new(inside.events);
    let done = serde_json::from_slice::<Job>(&job).trouble("reading the job").and_then(|job| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.trouble("starting the worker's runtime")?.block_on(live(
            job,
            &log,
            inside.captures,
            inside.verdicts,
        ))
    });
    match done {
        Ok(()) => 0,
        Err(trouble) => {
            log.emit(What::Problem { operation: trouble.operation, error: trouble.error });
            1
        }
    }
}

async fn live(
    job: Job,
    log: &Log,
    captures: Option<OwnedFd>,
    verdicts: Option<VerdictSource>,
) -> Result<(), Trouble> {
    let (plan, inner) = match job {
        Job::Case(plan) => (plan, Inner::Drill),
        Job::Shell { plan, host } => (plan, Inner::Shell(host)),
        Job::Explain { plan, question } => (plan, Inner::Explain(question)),
    };
    log.emit(What::Started { case: plan.case.clone(), seed: plan.seed });
    for text in &plan.notes {
        log.emit(What::Note { text: text.clone() });
    }
    scandrill_lab::choose_backend(plan.backend).trouble("choosing the iptables back end")?;
    let lab = Lab::build(&plan.lab).await.trouble("building the lab")?;
    log.emit(What::LabBuilt { hosts: plan.lab.hosts.len() });
    let lived = match inner {
        Inner::Drill => in_lab(&plan, &lab, log, captures, verdicts.as_ref()).await,
        Inner::Shell(host) => shell_in(&plan, &lab, log, &host).await,
        Inner::Explain(question) => {
            defended(&plan, &lab, log, explain::ask(&plan, &lab, log, &question)).await
        }
    };
    let removed = lab.remove().await.trouble("removing the lab");
    lived?;
    removed?;
    log.emit(What::Ended);
    Ok(())
}

/// Everything between the lab's first and last moment.
async fn in_lab(
    plan: &Plan,
    lab: &Lab,
    log: &Log,
    captures: Option<OwnedFd>,
    verdicts: Option<&VerdictSource>,
) -> Result<(), Trouble> {
    let machine = Machine::start(plan, lab, log).await?;
    let stage = Stage::new(plan, lab, log, &machine, verdicts);
    let drilled = drill(&stage).await;
    let seen = machine.stop(log).await?;
    if let Some(directory) = captures {
        seen.keep(&directory)?;
    }
    for deed in drilled? {
        let Deed::Scanned(red, window) = deed else { continue };
        let seen = seen.testimony(red, window);
        log.emit(What::Facts {
            actor: red.name.clone(),
            technique: red.scan.technique,
            probes_sent: seen.probes_sent,
            probes_arrived: seen.probes_arrived,
            cells: seen.cells,
        });
    }
    Ok(())
}

/// Control, defense, actors, defense off; gives what the actors did.
async fn drill<'a>(stage: &'a Stage<'a>) -> Result<Vec<Deed<'a>>, Trouble> {
    let Stage { plan, lab, log, .. } = *stage;
    let zombies = zombies(plan, lab).await?;
    control(plan, lab, log).await?;
    let limits = limits(plan, lab).await?;
    let forwarding = forwarding(plan, lab).await?;
    let blue = Blue::install_all(plan, lab, log).await?;
    let attacked = attack(stage, &blue).await;
    let off = Blue::remove_all(blue, log).await;
    if let Some(forwarding) = forwarding {
        forwarding.check().await.trouble("forwarding")?;
    }
    let deeds = attacked?;
    off?;
    // A neighbour that the defense kept from answering is still thought dead.
    forget_neighbours(plan, lab).await?;
    canary(plan, lab, log, Moment::Removed).await?;
    for limit in limits {
        limit.remove().await.trouble("taking the ICMP limits off")?;
    }
    for zombie in zombies {
        zombie.remove().await.trouble("making a zombie an ordinary host again")?;
    }
    Ok(deeds)
}

/// Puts the kernel's own ICMP limits back, where the scenario keeps them.
async fn limits(plan: &Plan, lab: &Lab) -> Result<Vec<Installed>, Trouble> {
    let mut limits = Vec::new();
    for side in plan.sides() {
        let installed = scandrill_lab::install(host(lab, side.host)?, &plan.kernel_icmp).await;
        limits.push(installed.trouble("putting the ICMP limits back")?);
    }
    Ok(limits)
}

/// How an edge translates, which no defense may change.
async fn forwarding(plan: &Plan, lab: &Lab) -> Result<Option<Forwarding>, Trouble> {
    let translates = plan.edge.as_ref().is_some_and(|edge| edge.forwards == Forwards::Nat);
    if !translates {
        return Ok(None);
    }
    Forwarding::read(host(lab, EDGE)?).await.map(Some).trouble("reading how the edge translates")
}

/// Makes hosts zombies, for idle scans.
async fn zombies(plan: &Plan, lab: &Lab) -> Result<Vec<Installed>, Trouble> {
    let mut zombies = Vec::new();
    for name in &plan.zombies {
        let steps = scandrill_lab::zombie_steps();
        zombies.push(scandrill_lab::install(host(lab, name)?, &steps).await.trouble("making a zombie")?);
    }
    Ok(zombies)
}

/// What the undefended target answers: to each technique, from addresses that no actor uses, and to each client.
async fn control(plan: &Plan, lab: &Lab, log: &Log) -> Result<(), Trouble> {
    for ControlPlan { actors, probe: control } in &plan.controls {
        let host = host(lab, &control.from.host)?;
        let result = builtin(host, &control.from, &control.scan).await?;
        let (technique, source) = (control.scan.technique, control.scan.source);
        log.emit(What::Control { actors: actors.clone(), technique, source, result });
    }
    for green in &plan.greens {
        let failure = green::once(green, host(lab, &green.host)?).await?.err();
        log.emit(What::ControlRequest { actor: green.name.clone(), failure });
    }
    Ok(())
}

async fn attack<'a>(stage: &'a Stage<'a>, blue: &[Blue<'_>]) -> Result<Vec<Deed<'a>>, Trouble> {
    let Stage { plan, lab, log, .. } = *stage;
    canary(plan, lab, log, Moment::Before).await?;
    forget_neighbours(plan, lab).await?;
    // The witnesses before and after must not suffer what the actors do.
    let losses = Loss::start_all(lab, &plan.lab).await.trouble("making the link lose packets")?;
    let followed = follow::start(plan, lab).await?;
    let counting = Counting::start(plan, lab).await?;
    let punctual = punctual(plan).await?;
    let mut deciding = decide::listen(plan, lab).await?;
    let mut glimpses = Glimpses::new(plan, lab, log);
    let acted = telling(plan, actor::act(stage), async || {
        glimpses.tell().await;
        decide::tell_so_far(&mut deciding, log);
    })
    .await;
    let counted = counting.tell(log).await;
    let punctual = tell_lateness(punctual, log).await;
    let decided = decide::tell(deciding, log).await;
    let lost = Loss::stop_all(losses).await.trouble("making the link whole again")?;
    for Lost { host, lost, .. } in lost {
        log.emit(What::Lost { host, packets: lost });
    }
    let deeds = acted?;
    follow::tell(followed, plan, &deeds, log).await?;
    counted?;
    punctual?;
    decided?;
    canary(plan, lab, log, Moment::After).await?;
    Blue::read_all_back_after(blue, lab, log, &deeds).await?;
    Ok(deeds)
}

/// Watches how punctual the machine is, where times are bounded.
async fn punctual(plan: &Plan) -> Result<Option<Punctuality>, Trouble> {
    if !plan.exclusive {
        return Ok(None);
    }
    Punctuality::start().await.map(Some).trouble("watching the clock")
}

async fn tell_lateness(watching: Option<Punctuality>, log: &Log) -> Result<(), Trouble> {
    let Some(watching) = watching else { return Ok(()) };
    let Lateness { longest, at: due, ticks } = watching.stop().await.trouble("watching the clock")?;
    let late_us = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    log.emit(What::Punctual { late_us, due, ticks });
    Ok(())
}

async fn forget_neighbours(plan: &Plan, lab: &Lab) -> Result<(), Trouble> {
    for host in &plan.lab.hosts {
        self::host(lab, &host.name)?.forget_neighbours().await.trouble("forgetting neighbours")?;
    }
    Ok(())
}

/// One connection of the source that must pass.
async fn canary(plan: &Plan, lab: &Lab, log: &Log, moment: Moment) -> Result<(), Trouble> {
    let Some(CanaryPlan { probe, under_defense }) = &plan.canary else { return Ok(()) };
    if !under_defense && moment != Moment::Removed {
        return Ok(());
    }
    let result = builtin(host(lab, &probe.from.host)?, &probe.from, &probe.scan).await?;
    let service = format!("tcp/{}", probe.scan.ports);
    log.emit(What::Canary {
        moment,
        source: probe.scan.source,
        service,
        passed: is_open(&result, &probe.scan.ports),
    });
    Ok(())
}

fn is_open(result: &ScanResult, ports: &scandrill_model::PortSet) -> bool {
    result.ports_in(scandrill_model::PortState::Open) == *ports
}

fn host<'a>(lab: &'a Lab, name: &str) -> Result<&'a Host, Trouble> {
    lab.host(name).trouble("finding a host")
}

/// The lab with its defense in, for a person.
async fn shell_in(plan: &Plan, lab: &Lab, log: &Log, name: &str) -> Result<(), Trouble> {
    let shell = async {
        let bash = scandrill_model::CommandLine { program: "bash".to_owned(), args: vec!["-i".to_owned()] };
        host(lab, name)?.interactive(&bash).await.trouble("running the shell").map(drop)
    };
    defended(plan, lab, log, shell).await
}

/// Does something in the lab with its services running and its defense in.
async fn defended(
    plan: &Plan,
    lab: &Lab,
    log: &Log,
    inner: impl Future<Output = Result<(), Trouble>>,
) -> Result<(), Trouble> {
    let target = host(lab, TARGET)?;
    let services =
        scandrill_lab::start_services(target, plan.services()).await.trouble("starting services")?;
    let mut programs = Vec::new();
    for on in &plan.lab.hosts {
        programs.extend(machine::start_programs(lab, on).await?);
    }
    let kernel_log = machine::write_logs(plan, lab).await?;
    let blue = Blue::install_all(plan, lab, log).await?;
    let done = inner.await;
    drop((services, programs));
    drop(blue);
    for log in kernel_log {
        log.stop().await.trouble("ending the kernel log")?;
    }
    done
}

/// When a technique was used, on the captures' clock.
pub type Window = (scandrill_model::Stamp, scandrill_model::Stamp);

/// The window of something that starts now.
pub fn window_from(start: scandrill_model::Stamp) -> Window {
    (start, clock::now())
}

/// Names a technique in messages.
pub fn scanning(technique: Technique) -> String {
    format!("scanning with {technique}")
}
