//! The network of a benchmark: a target with one service, red on the other end of a veth pair, and a route from the
//! target to sources that red's kernel does not own.

use std::net::IpAddr;
use std::time::Duration;

use scandrill_lab::{Client, Finished, Host, Lab, Services, clock, start_services};
use scandrill_model::{
    CommandLine, HostPlan, InterfacePlan, LabPlan, Protocol, RoutePlan, Segment, ServiceKind, ServicePlan,
    Speaks, SysctlPlan, Wire,
};

use super::Outcome;

/// The target's address.
pub const TARGET: &str = "198.18.0.1";
/// The address of red's kernel, from which ordinary clients ask.
pub const RED: &str = "198.18.0.2";
/// The network of sources that nobody owns: floods come from there.
pub const SOURCES: &str = "198.18.128.0/17";

const TARGET_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const RED_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// Longer than any program takes.
const LIMIT: Duration = Duration::from_secs(60);
/// Where the target's service is: it greets, and sends back what it gets.
const SERVICE: ServicePlan = ServicePlan { protocol: Protocol::Tcp, port: 22, kind: ServiceKind::Banner };

/// A lab of two hosts.
#[derive(Debug)]
pub struct Net {
    /// The lab itself.
    pub lab: Lab,
    /// Who is asked, and flooded.
    pub target: Host,
    /// Who asks, and floods.
    pub red: Host,
    _services: Services,
}

impl Net {
    /// Builds it, with kernel parameters of the target's and then of red's that are set before there are links.
    pub async fn build(target: &[(&str, &str)], red: &[(&str, &str)]) -> Outcome<Self> {
        let lab = Lab::build(&plan(target, red)?).await?;
        let (target, red) = (lab.host("target")?.clone(), lab.host("red")?.clone());
        let services = start_services(&target, &[SERVICE]).await?;
        Ok(Self { lab, target, red, _services: services })
    }

    /// Ends it.
    pub async fn remove(self) -> Outcome<()> {
        Ok(self.lab.remove().await?)
    }
}

/// Where red sends to, as packet sockets want it.
pub(super) fn next_hop() -> [u8; 6] {
    TARGET_MAC
}

/// Runs a program on a host, with `input`; what it takes, from its start to its end.
pub async fn timed(host: &Host, command: &str, input: Option<String>) -> Outcome<Duration> {
    let start = clock::now();
    run(host, command, input).await?;
    Ok(clock::elapsed(start))
}

/// Runs a program on a host to its end, with `input`.
pub async fn run(host: &Host, command: &str, input: Option<String>) -> Outcome<Finished> {
    let mut words = command.split(' ').map(str::to_owned);
    let program = words.next().unwrap_or_default();
    let command = CommandLine { program, args: words.collect() };
    let finished = host.output(&command, input.map(String::into_bytes), LIMIT).await?;
    Ok(finished.success(&command)?)
}

/// Asks the target's service `count` times, one after the other, over connections of their own; how long each took,
/// or that it was not answered within `patience`.
pub async fn requests(net: &Net, count: usize, patience: Duration) -> Outcome<Vec<Option<Duration>>> {
    let (source, target): (IpAddr, IpAddr) = (RED.parse()?, TARGET.parse()?);
    let ask = async move || {
        let mut times = Vec::new();
        for _ in 0..count {
            let start = clock::now();
            let answered = Client::new(Speaks::Tcp, source, target, SERVICE.port).request(patience).await;
            times.push(answered.ok().map(|()| clock::elapsed(start)));
        }
        times
    };
    Ok(net.red.spawn(ask).await?)
}

fn plan(target: &[(&str, &str)], red: &[(&str, &str)]) -> Outcome<LabPlan> {
    let routes = vec![RoutePlan { to: SOURCES.parse()?, via: RED.parse()? }];
    let target = [("net.ipv4.conf.all.rp_filter", "0")].iter().chain(target);
    let target =
        HostPlan { name: "target".to_owned(), sysctls: sysctls(target), routes, ..HostPlan::default() };
    let red = [("net.ipv4.ip_forward", "0")].iter().chain(red);
    let red = HostPlan { name: "red".to_owned(), sysctls: sysctls(red), ..HostPlan::default() };
    let interfaces = vec![end("target", TARGET_MAC, TARGET)?, end("red", RED_MAC, RED)?];
    Ok(LabPlan { hosts: vec![target, red], segments: vec![Segment { wire: Wire::Veth, interfaces }] })
}

fn sysctls<'a>(keys: impl Iterator<Item = &'a (&'a str, &'a str)>) -> Vec<SysctlPlan> {
    let plan = |(key, value): &(&str, &str)| SysctlPlan {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        why: "a benchmark says what it runs under".to_owned(),
    };
    keys.map(plan).collect()
}

fn end(host: &str, mac: [u8; 6], address: &str) -> Outcome<InterfacePlan> {
    let addresses = vec![format!("{address}/24").parse()?];
    Ok(InterfacePlan {
        host: host.to_owned(),
        name: "eth0".to_owned(),
        mac,
        addresses,
        ..InterfacePlan::default()
    })
}
