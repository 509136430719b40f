//! The attacked machine: its services and the captures at its end of the link, which start again when it boots.

use std::cell::RefCell;

use scandrill_lab::{Lab, Services, start_services};
use scandrill_model::What;

use super::log::{Log, Trouble, Troubled};
use super::watch::{Seen, Watch};
use crate::plan::{Plan, REFERENCE, TARGET};

/// A machine that runs.
pub struct Machine<'a> {
    plan: &'a Plan,
    lab: &'a Lab,
    services: RefCell<Option<Services>>,
    watch: Watch,
}

impl<'a> Machine<'a> {
    /// Starts its services, and captures at every end that a probe passes.
    pub async fn start(plan: &'a Plan, lab: &'a Lab, log: &Log) -> Result<Self, Trouble> {
        let services = RefCell::new(Some(serve(plan, lab).await?));
        for service in plan.services() {
            log.emit(What::ServiceReady { service: service.to_string() });
        }
        Ok(Self { plan, lab, services, watch: Watch::start(plan, lab).await? })
    }

    /// Boots it to where its services run and its links are down.
    pub async fn boot(&self) -> Result<(), Trouble> {
        self.watch.pause().await?;
        drop(self.services.take());
        boot(self.plan, self.lab, TARGET).await?;
        self.watch.resume(self.plan, self.lab).await?;
        let services = serve(self.plan, self.lab).await?;
        self.services.replace(Some(services));
        Ok(())
    }

    /// Puts its links up.
    pub async fn connect(&self) -> Result<(), Trouble> {
        self.lab.connect(&self.plan.lab, TARGET).await.trouble("putting the links up")
    }

    /// Ends the captures.
    pub async fn stop(&self, log: &Log) -> Result<Seen, Trouble> {
        self.watch.stop(log).await
    }
}

async fn serve(plan: &Plan, lab: &Lab) -> Result<Services, Trouble> {
    let target = lab.host(TARGET).trouble("finding the target")?;
    start_services(target, plan.services()).await.trouble("starting services")
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
