//! Lab plans that several tests use.

use scandrill_model::{
    CommandLine, HostPlan, InterfacePlan, LabPlan, Protocol, RoutePlan, Segment, ServiceKind, ServicePlan,
    SysctlPlan, Wire,
};

pub const TARGET: [&str; 2] = ["198.18.0.1", "fd00:198:18::1"];

pub const SERVICES: [ServicePlan; 5] = [
    ServicePlan { protocol: Protocol::Tcp, port: 22, kind: ServiceKind::Banner },
    ServicePlan { protocol: Protocol::Tcp, port: 80, kind: ServiceKind::Http },
    ServicePlan { protocol: Protocol::Udp, port: 7, kind: ServiceKind::Echo },
    ServicePlan { protocol: Protocol::Udp, port: 53, kind: ServiceKind::Dns },
    ServicePlan { protocol: Protocol::Udp, port: 5000, kind: ServiceKind::Silent },
];

/// `target` and `red`, on a veth pair.
pub fn pair() -> LabPlan {
    LabPlan {
        hosts: vec![
            HostPlan { routes: vec![route("198.18.2.0/24", "198.18.0.2")], ..host("target") },
            HostPlan { routes: vec![route("fd00:198:18:3::/64", "fd00:198:18::1")], ..host("red") },
        ],
        segments: vec![Segment { wire: Wire::Veth, interfaces: vec![end("target", 1), end("red", 2)] }],
    }
}

/// `target`, `red` and `green` on a bridge.
pub fn switched() -> LabPlan {
    let interfaces = vec![end("target", 1), end("red", 2), end("green", 3)];
    LabPlan {
        hosts: vec![host("target"), host("red"), host("green")],
        segments: vec![Segment { wire: Wire::Bridge, interfaces }],
    }
}

pub fn host(name: &str) -> HostPlan {
    let sysctls = vec![
        sysctl("net.ipv6.conf.default.accept_dad", "0"),
        sysctl("net.ipv6.conf.all.accept_dad", "0"),
        sysctl("net.ipv4.icmp_ratelimit", "0"),
        sysctl("net.ipv4.ping_group_range", "0 0"),
        sysctl("net.ipv4.conf.eth0.rp_filter", "0"),
    ];
    HostPlan { name: name.to_owned(), sysctls, ..HostPlan::default() }
}

pub fn sysctl(key: &str, value: &str) -> SysctlPlan {
    SysctlPlan { key: key.to_owned(), value: value.to_owned(), why: "a test looks at it".to_owned() }
}

pub fn route(to: &str, via: &str) -> RoutePlan {
    RoutePlan { to: to.parse().unwrap(), via: via.parse().unwrap() }
}

fn end(host: &str, number: u8) -> InterfacePlan {
    InterfacePlan {
        host: host.to_owned(),
        name: "eth0".to_owned(),
        mac: [2, 0, 0, 0, 0, number],
        addresses: vec![
            format!("198.18.0.{number}/24").parse().unwrap(),
            format!("198.18.0.10{number}/24").parse().unwrap(),
            format!("fd00:198:18::{number}/64").parse().unwrap(),
        ],
        ..InterfacePlan::default()
    }
}

pub fn shell(script: &str) -> CommandLine {
    CommandLine { program: "sh".to_owned(), args: vec!["-c".to_owned(), script.to_owned()] }
}
