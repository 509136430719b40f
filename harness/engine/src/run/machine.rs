//! The attacked machine: its services, its kernel log and the captures at its end of the link, which start again when
//! it boots. An edge before it has a kernel log, too: both write to the lab's one /var/log.

use std::cell::RefCell;
use std::collections::BTreeMap;

use scandrill_lab::{Heard, Installed, KernelLog, Lab, Services, install, start_services};
use scandrill_model::{Clock, HostPlan, Mark, Milestone, What, Witness};

use super::log::{Log, Trouble, Troubled};
use super::watch::{Seen, Watch};
use crate::plan::{Plan, REFERENCE, TARGET};

/// Where a line of the kernel's is found.
const KERNEL_LOG: &str = "/var/log/kern.log";

/// A machine that runs.
pub struct Machine<'a> {
    plan: &'a Plan,
    lab: &'a Lab,
    services: RefCell<Option<Services>>,
    /// Those of hosts that the target itself asks.
    #[expect(dead_code, reason = "held to be open")]
    elsewhere: Vec<Services>,
    /// The programs that serve, by host.
    programs: RefCell<BTreeMap<String, Installed>>,
    /// The edge's is the first, where there is one.
    kernel_logs: RefCell<Vec<KernelLog>>,
    /// What the kernel logs have come to.
    heard: RefCell<Heard>,
    watch: Watch,
}

impl<'a> Machine<'a> {
    /// Starts its services and its kernel log, and captures at every end that a probe passes.
    pub async fn start(plan: &'a Plan, lab: &'a Lab, log: &Log) -> Result<Self, Trouble> {
        let services = RefCell::new(Some(serve(plan, lab).await?));
        let elsewhere = serve_elsewhere(plan, lab).await?;
        let programs = RefCell::default();
        for service in plan.services() {
            log.emit(What::ServiceReady { service: service.to_string() });
        }
        let kernel_logs = RefCell::new(write_logs(plan, lab).await?);
        let watch = Watch::start(plan, lab).await?;
        let heard = RefCell::default();
        let machine = Self { plan, lab, services, elsewhere, programs, kernel_logs, heard, watch };
        for host in &plan.lab.hosts {
            machine.start_programs(host).await?;
        }
        Ok(machine)
    }

    /// Boots it to where its services run and its links are down.
    pub async fn boot(&self) -> Result<(), Trouble> {
        self.watch.pause(self.plan).await?;
        drop(self.services.take());
        let programs = self.programs.borrow_mut().remove(TARGET);
        end_programs(programs).await?;
        let of_target = self.kernel_logs.borrow_mut().pop();
        self.end_logs(of_target).await?;
        boot(self.plan, self.lab, TARGET).await?;
        self.watch.resume(self.plan, self.lab).await?;
        let services = serve(self.plan, self.lab).await?;
        self.services.replace(Some(services));
        if let Some(target) = self.plan.lab.host(TARGET) {
            self.start_programs(target).await?;
        }
        let kernel_log = write_log(self.lab, TARGET).await?;
        self.kernel_logs.borrow_mut().push(kernel_log);
        Ok(())
    }

    /// Puts its links up.
    pub async fn connect(&self) -> Result<(), Trouble> {
        self.lab.connect(&self.plan.lab, TARGET).await.trouble("putting the links up")
    }

    /// What the captures hold so far.
    pub fn seen_so_far(&self) -> Seen {
        self.watch.so_far()
    }

    /// Ends programs, kernel logs and captures. Lines that are missing are no mistake of the case: a kernel's own log
    /// loses them, too, when it is flooded.
    pub async fn stop(&self, log: &Log) -> Result<Seen, Trouble> {
        end_programs(self.programs.take().into_values()).await?;
        let kernel_logs = self.kernel_logs.take();
        self.end_logs(kernel_logs).await?;
        let Heard { lines, lost, first } = self.heard.take();
        if lost > 0 {
            let all = lines + lost;
            let text = format!(
                "of {all} lines of the kernel log {lost} are missing: they came faster than they were read"
            );
            log.emit(What::Note { text });
        }
        for (source, (at, detail)) in first {
            if self.plan.reds.iter().any(|red| red.scan.source == source) {
                let (milestone, witness) = (Milestone::Logged, Witness::Log(KERNEL_LOG.to_owned()));
                log.emit(What::Marked {
                    source,
                    mark: Mark { milestone, at, witness, clock: Clock::Told, detail },
                });
            }
        }
        self.watch.stop(log).await
    }

    async fn start_programs(&self, on: &HostPlan) -> Result<(), Trouble> {
        let started = start_programs(self.lab, on).await?;
        self.programs.borrow_mut().extend(started.map(|started| (on.name.clone(), started)));
        Ok(())
    }

    async fn end_logs(&self, running: impl IntoIterator<Item = KernelLog>) -> Result<(), Trouble> {
        for log in running {
            let heard = log.stop().await.trouble("ending the kernel log")?;
            let mut all = self.heard.borrow_mut();
            (all.lines, all.lost) = (all.lines + heard.lines, all.lost + heard.lost);
            for (source, line) in heard.first {
                all.first.entry(source).or_insert(line);
            }
        }
        Ok(())
    }
}

/// Starts the programs that serve on a host, where there are any.
pub async fn start_programs(lab: &Lab, on: &HostPlan) -> Result<Option<Installed>, Trouble> {
    if on.programs.is_empty() {
        return Ok(None);
    }
    let host = lab.host(&on.name).trouble("finding a host")?;
    install(host, &on.programs).await.map(Some).trouble(format!("starting programs on {}", on.name))
}

/// Ends programs; one that had died by itself is an error.
async fn end_programs(programs: impl IntoIterator<Item = Installed>) -> Result<(), Trouble> {
    for program in programs {
        program.remove().await.trouble("ending programs")?;
    }
    Ok(())
}

async fn serve(plan: &Plan, lab: &Lab) -> Result<Services, Trouble> {
    let target = lab.host(TARGET).trouble("finding the target")?;
    start_services(target, plan.services()).await.trouble("starting services")
}

async fn serve_elsewhere(plan: &Plan, lab: &Lab) -> Result<Vec<Services>, Trouble> {
    let mut running = Vec::new();
    for other in plan.lab.hosts.iter().filter(|host| host.name != TARGET && !host.services.is_empty()) {
        let host = lab.host(&other.name).trouble("finding a host")?;
        running.push(start_services(host, &other.services).await.trouble("starting services")?);
    }
    Ok(running)
}

/// Starts to write the kernel logs of the hosts that have a defense, the target's last.
pub async fn write_logs(plan: &Plan, lab: &Lab) -> Result<Vec<KernelLog>, Trouble> {
    let mut logs = Vec::new();
    for side in plan.sides() {
        logs.push(write_log(lab, side.host).await?);
    }
    Ok(logs)
}

async fn write_log(lab: &Lab, host: &str) -> Result<KernelLog, Trouble> {
    let host = lab.host(host).trouble("finding a host")?;
    KernelLog::start(host).await.trouble("starting the kernel log")
}

async fn boot(plan: &Plan, lab: &Lab, name: &str) -> Result<(), Trouble> {
    lab.reboot(&plan.lab, name).await.trouble(format!("booting {name}"))?;
    let host = lab.host(name).trouble("finding a host")?;
    // Whoever put the kernel's own limits back takes them off again in the end.
    scandrill_lab::install(host, &plan.kernel_icmp).await.map(drop).trouble("putting the ICMP limits back")
}

/// Boots the scratch namespace as the target was booted.
pub async fn boot_reference(plan: &Plan, lab: &Lab) -> Result<(), Trouble> {
    boot(plan, lab, REFERENCE).await?;
    lab.connect(&plan.lab, REFERENCE).await.trouble("putting the links up")
}
