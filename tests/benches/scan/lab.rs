//! The two namespaces, and what stands between the scanner and the ports.

use scandrill_engine::Vantage;
use scandrill_lab::{Host, Installed, Lab, Loss, install, start_services};
use scandrill_model::{
    HostPlan, InterfacePlan, LabPlan, Loader, PerMille, Protocol, RoutePlan, Segment, ServiceKind,
    ServicePlan, Step, SysctlPlan, Wire,
};

use crate::Outcome;
use crate::rows::{Row, Target};

/// An address that red's kernel does not own.
pub const SOURCE: &str = "198.18.2.10";
/// The address of red's kernel, for who needs one.
pub const KERNEL: &str = "198.18.0.2";
/// Who is scanned.
pub const TARGET: &str = "198.18.0.1";

const TARGET_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const RED_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

const DROP: &str =
    "table inet bench {\n  chain input {\n    type filter hook input priority 0\n    policy drop\n  }\n}\n";

/// A lab with all in it that a row asks for.
pub struct Bench {
    /// The lab.
    pub lab: Lab,
    _services: scandrill_lab::Services,
    _installed: Installed,
    _losses: Vec<Loss>,
}

impl Bench {
    /// Builds it.
    pub async fn build(row: &Row) -> Outcome<Self> {
        let lab = Lab::build(&plan(row)?).await?;
        let listener = |port| ServicePlan { protocol: Protocol::Tcp, port, kind: ServiceKind::Banner };
        let services: Vec<ServicePlan> = row.open().iter().map(listener).collect();
        let target = lab.host("target")?;
        let services = start_services(target, &services).await?;
        let installed = install(target, &steps(row.target)).await?;
        let mut losses = Vec::new();
        if let Target::Loses(share) = row.target {
            for host in ["target", "red"] {
                losses.push(Loss::start(lab.host(host)?, "eth0", PerMille::try_from(share)?).await?);
            }
        }
        Ok(Self { lab, _services: services, _installed: installed, _losses: losses })
    }

    /// The scanner's host.
    pub fn red(&self) -> Outcome<&Host> {
        Ok(self.lab.host("red")?)
    }
}

/// Where the built-in scanner works.
pub fn vantage() -> Vantage {
    Vantage {
        host: "red".to_owned(),
        interface: "eth0".to_owned(),
        mac: RED_MAC,
        next_hop: TARGET_MAC,
        neighbours: Vec::new(),
    }
}

fn steps(target: Target) -> Vec<Step> {
    match target {
        Target::Drops => {
            vec![Step::Load { loader: Loader::Nft, text: DROP.to_owned(), origin: "bench".to_owned() }]
        }
        Target::Answers | Target::Loses(_) | Target::LimitsErrors => Vec::new(),
    }
}

fn plan(row: &Row) -> Outcome<LabPlan> {
    let host = |name: &str| HostPlan { name: name.to_owned(), ..HostPlan::default() };
    let route = |to: &str| -> Outcome<RoutePlan> { Ok(RoutePlan { to: to.parse()?, via: KERNEL.parse()? }) };
    let mut sysctls = vec![sysctl("net.ipv4.conf.all.rp_filter", "0")];
    if row.target != Target::LimitsErrors {
        sysctls.extend([sysctl("net.ipv4.icmp_ratelimit", "0"), sysctl("net.ipv4.icmp_ratemask", "0")]);
    }
    let routes = vec![route("198.18.2.0/24")?, route("198.18.128.0/17")?];
    let target = HostPlan { routes, sysctls, ..host("target") };
    let red = HostPlan { sysctls: vec![sysctl("net.ipv4.ip_forward", "0")], ..host("red") };
    let interfaces = vec![end("target", TARGET_MAC, TARGET)?, end("red", RED_MAC, KERNEL)?];
    Ok(LabPlan { hosts: vec![target, red], segments: vec![Segment { wire: Wire::Veth, interfaces }] })
}

fn sysctl(key: &str, value: &str) -> SysctlPlan {
    SysctlPlan {
        key: key.to_owned(),
        value: value.to_owned(),
        why: "the start is the same everywhere".to_owned(),
    }
}

fn end(host: &str, mac: [u8; 6], address: &str) -> Outcome<InterfacePlan> {
    let addresses = vec![format!("{address}/24").parse()?];
    Ok(InterfacePlan { host: host.to_owned(), name: "eth0".to_owned(), mac, addresses, loss: PerMille::NONE })
}
