//! A lab: the hosts of a plan, joined as the plan says, with its addresses, routes and kernel parameters, and
//! with nothing else.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{join_all, try_join_all};
use scandrill_model::{HostPlan, InterfacePlan, LabPlan, Segment, SysctlPlan, Wire, is_lab_address};

use crate::error::{LabError, LabErrors};
use crate::host::Host;
use crate::links::{self, End};
use crate::{daemon, reboot, sysctl};

/// A switch is no host of the plan and must not speak: without addresses, it sends nothing of its own.
const SWITCH_SYSCTLS: [&str; 2] = ["net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.default.disable_ipv6"];

/// The network namespaces of one case. Dropping it ends their threads; [`Lab::remove`] also waits for that.
#[must_use = "a lab lives as long as this value"]
#[derive(Debug)]
pub struct Lab {
    hosts: BTreeMap<String, Host>,
    switches: Vec<Host>,
}

impl Lab {
    /// Builds what the plan says. On return every link carries packets and every address is usable.
    pub async fn build(plan: &LabPlan) -> Result<Self, LabError> {
        check(plan)?;
        let lab = Self::start_hosts(plan).await?;
        // What has been started ends with the value when a later step fails.
        try_join_all(plan.hosts.iter().map(|host| lab.set_sysctls(host, Moment::BeforeLinks))).await?;
        let mut switches = lab.switches.iter();
        for segment in &plan.segments {
            lab.wire(segment, &mut switches).await?;
        }
        try_join_all(plan.hosts.iter().map(|host| lab.put_up(plan, host))).await?;
        lab.wait_until_usable(plan).await?;
        Ok(lab)
    }

    /// The host of that name.
    pub fn host(&self, name: &str) -> Result<&Host, LabError> {
        self.hosts.get(name).ok_or_else(|| LabError::NoSuchHost(name.to_owned()))
    }

    /// All hosts, by name.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// Boots a host again: its network namespace is a fresh one, with the plan's parameters and its interfaces, which are
    /// down. What ran in the old one is killed, and nothing of it is left: no rule, no set, no connection. Files stay, but
    /// for those in /run and /tmp. [`Lab::connect`] puts the links up.
    pub async fn reboot(&self, plan: &LabPlan, name: &str) -> Result<(), LabError> {
        let (host, of_plan) = (self.host(name)?, host_of(plan, name)?);
        let former = host.renew().await?;
        // Before the links go, which some programs do not outlive.
        daemon::end_with(&former)?;
        reboot::kill_all(&former).await?;
        self.set_sysctls(of_plan, Moment::BeforeLinks).await?;
        for interface in interfaces_of(plan, of_plan) {
            links::move_over(&former, &interface.name, host).await?;
        }
        self.set_sysctls(of_plan, Moment::WithLinks).await?;
        former.end().await?;
        reboot::empty_folders()
    }

    /// Puts the links of a host up that was booted again. On return every link carries packets and every address is
    /// usable.
    pub async fn connect(&self, plan: &LabPlan, name: &str) -> Result<(), LabError> {
        self.put_up(plan, host_of(plan, name)?).await?;
        // The other end of each link has lost its carrier meanwhile.
        self.wait_until_usable(plan).await
    }

    /// Ends all hosts and what runs in their tasks.
    pub async fn remove(self) -> Result<(), LabErrors> {
        let ends = join_all(self.hosts.values().chain(&self.switches).map(Host::end)).await;
        LabErrors::check(ends.into_iter().filter_map(Result::err).collect())
    }

    async fn start_hosts(plan: &LabPlan) -> Result<Self, LabError> {
        let bridges = plan.segments.iter().filter(|segment| segment.wire == Wire::Bridge).count();
        let names: Vec<String> = (0..bridges).map(|number| format!("switch{number}")).collect();
        let hosts = try_join_all(plan.hosts.iter().map(|host| Host::start(&host.name))).await?;
        let switches = try_join_all(names.iter().map(|name| Host::start(name))).await?;
        let hosts = hosts.into_iter().map(|host| (host.name().to_owned(), host)).collect();
        Ok(Self { hosts, switches })
    }

    async fn set_sysctls(&self, host: &HostPlan, moment: Moment) -> Result<(), LabError> {
        let due = |plan: &&SysctlPlan| Moment::of(&plan.key) == moment;
        let due: Vec<SysctlPlan> = host.sysctls.iter().filter(due).cloned().collect();
        if due.is_empty() {
            return Ok(());
        }
        let set = async move || due.iter().try_for_each(|plan| sysctl::set(&plan.key, &plan.value));
        self.host(&host.name)?.spawn(set).await?
    }

    async fn wire(
        &self,
        segment: &Segment,
        switches: &mut impl Iterator<Item = &Host>,
    ) -> Result<(), LabError> {
        match (segment.wire, segment.interfaces.as_slice(), switches) {
            (Wire::Veth, [left, right], _) => {
                let (near, far) = (self.host(&left.host)?, self.host(&right.host)?);
                links::add_veth(near, End::of(left), far, End::of(right)).await
            }
            (Wire::Bridge, ends, switches) => match switches.next() {
                Some(switch) => self.plug_in(switch, ends).await,
                None => Err(LabError::BadPlan("a bridge without a switch".to_owned())),
            },
            (Wire::Veth, ends, _) => Err(not_a_pair(ends)),
        }
    }

    async fn plug_in(&self, switch: &Host, ends: &[InterfacePlan]) -> Result<(), LabError> {
        let quiet = async || SWITCH_SYSCTLS.iter().try_for_each(|key| sysctl::set(key, "1"));
        switch.spawn(quiet).await??;
        links::add_bridge(switch).await?;
        let ports: Vec<String> = (0..ends.len()).map(|number| format!("port{number}")).collect();
        for (end, port) in ends.iter().zip(&ports) {
            let port = End { name: port.clone(), mac: None };
            links::add_veth(self.host(&end.host)?, End::of(end), switch, port).await?;
        }
        links::plug(switch, ports).await
    }

    async fn put_up(&self, plan: &LabPlan, host: &HostPlan) -> Result<(), LabError> {
        self.set_sysctls(host, Moment::WithLinks).await?;
        let handle = self.host(&host.name)?;
        links::put_up(handle, interfaces_of(plan, host)).await?;
        links::add_routes(handle, host.routes.clone()).await?;
        links::answer_for(handle, host.answers_for.clone()).await
    }

    async fn wait_until_usable(&self, plan: &LabPlan) -> Result<(), LabError> {
        let usable = async |host: &HostPlan| {
            links::wait_until_usable(self.host(&host.name)?, interfaces_of(plan, host)).await
        };
        try_join_all(plan.hosts.iter().map(usable)).await?;
        try_join_all(self.switches.iter().map(links::wait_until_forwarding)).await.map(drop)
    }
}

fn host_of<'a>(plan: &'a LabPlan, name: &str) -> Result<&'a HostPlan, LabError> {
    plan.host(name).ok_or_else(|| LabError::NoSuchHost(name.to_owned()))
}

fn interfaces_of(plan: &LabPlan, host: &HostPlan) -> Vec<InterfacePlan> {
    plan.interfaces().filter(|interface| interface.host == host.name).cloned().collect()
}

/// When a kernel parameter is set. A new interface takes its own from `default`, so `default` comes before it;
/// what names an interface comes after it; and both before it is up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    BeforeLinks,
    WithLinks,
}

impl Moment {
    fn of(key: &str) -> Self {
        if sysctl::interface_of(key).is_some() { Self::WithLinks } else { Self::BeforeLinks }
    }
}

/// Refuses what could not be built, or could reach anything that is not the lab's, before anything is made.
fn check(plan: &LabPlan) -> Result<(), LabError> {
    let mut names = BTreeSet::new();
    if let Some(twice) = plan.hosts.iter().find(|host| !names.insert(host.name.as_str())) {
        return Err(LabError::BadPlan(format!("two hosts are called `{}`", twice.name)));
    }
    if let Some(stray) = plan.interfaces().find(|interface| !names.contains(interface.host.as_str())) {
        return Err(LabError::NoSuchHost(stray.host.clone()));
    }
    for segment in plan.segments.iter().filter(|segment| segment.wire == Wire::Veth) {
        if segment.interfaces.len() != 2 {
            return Err(not_a_pair(&segment.interfaces));
        }
    }
    check_addresses(plan)
}

/// No address outside the lab's ranges, and no default route: no packet has anywhere else to go.
fn check_addresses(plan: &LabPlan) -> Result<(), LabError> {
    let addresses = plan.interfaces().flat_map(|interface| &interface.addresses);
    let destinations = plan.hosts.iter().flat_map(|host| &host.routes).map(|route| &route.to);
    let answered = plan.hosts.iter().flat_map(|host| &host.answers_for);
    let outside = addresses.chain(destinations).chain(answered).find(|net| {
        let (first, last) = (net.network(), net.broadcast());
        !is_lab_address(first) || !is_lab_address(last)
    });
    match outside {
        Some(net) => Err(LabError::BadPlan(format!("{net} is not inside the lab's address ranges"))),
        None => Ok(()),
    }
}

fn not_a_pair(ends: &[InterfacePlan]) -> LabError {
    LabError::BadPlan(format!("a veth pair has two ends, not {}", ends.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use scandrill_model::RoutePlan;

    fn plan_with(address: &str, route: Option<(&str, &str)>) -> LabPlan {
        let interface = |host: &str| InterfacePlan {
            host: host.to_owned(),
            name: "eth0".to_owned(),
            mac: [2, 0, 0, 0, 0, 1],
            addresses: vec![address.parse().unwrap()],
            ..InterfacePlan::default()
        };
        let routes = route.map(|(to, via)| RoutePlan { to: to.parse().unwrap(), via: via.parse().unwrap() });
        let host = |name: &str| HostPlan { name: name.to_owned(), ..HostPlan::default() };
        LabPlan {
            hosts: vec![HostPlan { routes: routes.into_iter().collect(), ..host("red") }, host("target")],
            segments: vec![Segment {
                wire: Wire::Veth,
                interfaces: vec![interface("red"), interface("target")],
            }],
        }
    }

    #[test]
    fn nothing_leads_out_of_a_lab() {
        check(&plan_with("198.18.0.1/24", Some(("198.18.2.0/24", "198.18.0.2")))).unwrap();
        for (address, route) in [
            ("192.0.2.1/24", None),
            ("198.18.0.1/8", None),
            ("198.18.0.1/24", Some(("0.0.0.0/0", "198.18.0.2"))),
            ("fd00:198:18::1/64", Some(("::/0", "fd00:198:18::2"))),
        ] {
            let told = check(&plan_with(address, route)).unwrap_err().to_string();
            assert!(told.contains("not inside the lab's address ranges"), "{address} {route:?}: {told}");
        }
        let mut owner = plan_with("198.18.0.1/24", None);
        owner.hosts[1].answers_for = vec!["198.18.64.0/24".parse().unwrap(), "198.0.0.0/8".parse().unwrap()];
        let told = check(&owner).unwrap_err().to_string();
        assert_eq!(told, "lab plan: 198.0.0.0/8 is not inside the lab's address ranges");
    }

    #[test]
    fn a_plan_names_each_host_once_and_no_stranger() {
        let mut twice = plan_with("198.18.0.1/24", None);
        twice.hosts[1].name = "red".to_owned();
        assert_eq!(check(&twice).unwrap_err().to_string(), "lab plan: two hosts are called `red`");
        let mut stray = plan_with("198.18.0.1/24", None);
        stray.segments[0].interfaces[1].host = "moon".to_owned();
        assert_eq!(check(&stray).unwrap_err().to_string(), "no host `moon` in this lab");
    }
}
