//! The battery that `scandrill check` drills a user's rules with: each technique in a lab of its own with an ordinary
//! client beside it, and all kinds of clients in a lab that nobody attacks. Written as scenario files in memory, so
//! that the way through the engine is the one of every scenario.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use scandrill_engine::Scanner;
use scandrill_model::{Backend, Family, PortSet, Protocol, Technique};
use strum::IntoEnumIterator;

/// A port on which the user's host serves somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Its port.
    pub port: u16,
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (protocol, port) = text.trim().split_once('/').unwrap_or(("tcp", text.trim()));
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            other => return Err(format!("`{other}` is neither tcp nor udp; write 22, tcp/22 or udp/53")),
        };
        let port = port.parse().ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| format!("`{text}` is not a service; write 22, tcp/22 or udp/53"))?;
        Ok(Self { protocol, port })
    }
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.protocol, self.port)
    }
}

impl Service {
    /// What its listener in the lab does, and what its clients speak.
    fn kinds(self) -> (&'static str, &'static str) {
        match (self.protocol, self.port) {
            (Protocol::Tcp, 80 | 8000 | 8080) => ("http", "http"),
            (Protocol::Tcp | Protocol::Icmp, _) => ("banner", "tcp"),
            (Protocol::Udp, 53) => ("dns", "dns"),
            (Protocol::Udp, _) => ("echo", "udp"),
        }
    }

    fn client(self) -> String {
        format!("{} {self}", self.kinds().1)
    }
}

/// What is drilled.
#[derive(Clone, Debug)]
pub struct Battery {
    /// What the host serves; at least one.
    pub services: Vec<Service>,
    /// The ports that are scanned beside the services.
    pub ports: PortSet,
    /// How many rules files there are; scenarios call them by their number.
    pub rules: usize,
    /// Which kernel interface iptables speaks to.
    pub backend: Backend,
    /// Who scans.
    pub scanners: Vec<Scanner>,
    /// Sources that the rules name.
    pub named: Vec<Named>,
}

/// A source that the rules name, so that they treat it unlike others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// As the user wrote it.
    pub from: String,
    /// Its range in the lab.
    pub range: IpNet,
}

impl Named {
    /// An address in it that is neither its first nor its last, where it has one.
    fn address(&self) -> IpAddr {
        self.range.hosts().next().unwrap_or(self.range.network())
    }
}

/// The scenario in which nobody attacks.
pub const CLIENTS: &str = "clients";

/// The beginning of the name of a scenario in which a named source asks; its number follows.
pub const NAMED: &str = "named-";

/// The client beside an attack.
const BYSTANDER: &str = "user";

/// Requests of someone who loads a page with all that belongs to it.
const BUSY: (u32, &str) = (20, "5/s");
/// Requests of someone who reads it.
const SLOW: (u32, &str) = (4, "1/s");
/// Requests beside an attack: few, so that only the attack can be the reason when one fails.
const BESIDE: (u32, &str) = (5, "5/s");

impl Battery {
    /// The scenarios, each with its name; the first takes least time.
    pub fn scenarios(&self) -> Vec<(String, String)> {
        let mut techniques: Vec<Technique> = Technique::iter().collect();
        techniques.sort_by_key(|technique| *technique != Technique::IcmpEcho);
        let scans = techniques.into_iter().map(|technique| (technique.to_string(), self.scan(technique)));
        let named = self.named.iter().enumerate();
        let named = named.map(|(number, source)| (format!("{NAMED}{number}"), self.by_named(source)));
        scans.chain([(CLIENTS.to_owned(), self.clients())]).chain(named).collect()
    }

    /// A source that the rules name asks what it may read; it is trusted or shut out, so nothing is a leak.
    fn by_named(&self, source: &Named) -> String {
        let tcp = self.services.iter().any(|service| service.protocol == Protocol::Tcp);
        let technique = if tcp { Technique::TcpSyn } else { Technique::Udp };
        let Named { range, .. } = source;
        format!(
            "family = \"{}\"\n{}[hosts.named]\nranges = [\"{range}\"]\n[[red]]\nhost = \"named\"\n\
             source = \"{}\"\ntechnique = \"{technique}\"\nports = \"{}\"\nexpect.rest = [{}]\n",
            Family::of(range.addr()),
            self.target(),
            source.address(),
            self.scanned(technique),
            quoted(readable(technique)),
        )
    }

    /// The ports a technique asks.
    pub fn scanned(&self, technique: Technique) -> PortSet {
        let of_protocol = self.services.iter().filter(|service| service.protocol == technique.protocol());
        self.ports.union(&of_protocol.map(|service| service.port).collect())
    }

    fn scan(&self, technique: Technique) -> String {
        let mut text = self.target();
        let scanners: Vec<String> = self.scanners.iter().map(|scanner| format!("\"{scanner}\"")).collect();
        // Writing to a string does not fail.
        let _ = writeln!(text, "[[red]]\ntechnique = \"{technique}\"\nscanner = [{}]", scanners.join(", "));
        if technique.protocol() != Protocol::Icmp {
            let _ = writeln!(text, "ports = \"{}\"", self.scanned(technique));
        }
        let _ = writeln!(text, "expect.rest = [{}]", quoted(readable(technique)));
        if self.services.iter().any(|service| service.protocol == Protocol::Tcp) {
            text.push_str("expect.ban = true\n");
        }
        // TCP where there is one: a connection shows more than a datagram.
        let served =
            self.services.iter().min_by_key(|service| (service.protocol != Protocol::Tcp, service.port));
        if let Some(service) = served {
            text.push_str(&green(BYSTANDER, *service, BESIDE));
        }
        text
    }

    fn clients(&self) -> String {
        let both = self.services.iter().flat_map(|service| {
            [
                green(&format!("busy user of {service}"), *service, BUSY),
                green(&format!("slow user of {service}"), *service, SLOW),
            ]
        });
        self.target() + &both.collect::<String>()
    }

    fn target(&self) -> String {
        let services: Vec<String> =
            self.services.iter().map(|service| format!("\"{service} {}\"", service.kinds().0)).collect();
        let rules: Vec<String> = (0..self.rules).map(|number| format!("\"{number}\"")).collect();
        format!(
            "backend = \"{}\"\n[target]\nservices = [{}]\nrules = [{}]\ncanary = \"none\"\n",
            self.backend,
            services.join(", "),
            rules.join(", ")
        )
    }
}

fn green(name: &str, service: Service, (count, rate): (u32, &str)) -> String {
    let client = service.client();
    format!("[[green]]\nname = \"{name}\"\nclient = \"{client}\"\ncount = {count}\nrate = \"{rate}\"\n")
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")
}

/// All states that a technique can read, so that none is a surprise: here nothing is expected, all is told.
fn readable(technique: Technique) -> &'static [&'static str] {
    match technique {
        Technique::TcpSyn | Technique::TcpConnect | Technique::TcpWindow => &["open", "closed", "filtered"],
        Technique::TcpNull | Technique::TcpFin | Technique::TcpXmas | Technique::TcpMaimon => {
            &["closed", "filtered", "open|filtered"]
        }
        Technique::TcpAck => &["unfiltered", "filtered"],
        Technique::Udp => &["open", "closed", "filtered", "open|filtered"],
        Technique::IcmpEcho => &["open", "filtered"],
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use scandrill_engine::{SourceFile, expand, plan_all, read};

    use super::*;

    fn battery(services: &str) -> Battery {
        Battery {
            services: services.split(',').map(|text| text.parse().unwrap()).collect(),
            ports: "1-100".parse().unwrap(),
            rules: 1,
            backend: Backend::Nft,
            scanners: vec![Scanner::Builtin, Scanner::Nmap],
            named: ["198.19.128.0/24", "198.19.129.7/32", "fd00:198:18:8000::/64"]
                .map(|range| Named { from: "somebody".to_owned(), range: range.parse().unwrap() })
                .into(),
        }
    }

    #[test]
    fn every_scenario_of_the_battery_can_be_planned() {
        for services in ["22,80,udp/53", "8443", "udp/123"] {
            for (name, text) in battery(services).scenarios() {
                let load = |_: &str| Ok(SourceFile::new("rules.sh", "iptables -P INPUT DROP\n"));
                let scenario = read(&name, &SourceFile::new(&name, text.as_str()), &load).unwrap();
                let planned = plan_all(expand(&Arc::new(scenario), &[]), 1, |_| String::new()).unwrap();
                assert!(!planned.is_empty(), "{text}");
            }
        }
    }

    #[test]
    fn services_are_scanned_wherever_they_are() {
        let battery = battery("22,8443,udp/5000");
        assert_eq!(battery.scanned(Technique::TcpSyn).to_string(), "1-100,8443");
        assert_eq!(battery.scanned(Technique::Udp).to_string(), "1-100,5000");
    }

    #[test]
    fn a_wrong_service_is_told_how_to_write_it() {
        for wrong in ["http", "0", "sctp/1", "tcp/"] {
            assert!(wrong.parse::<Service>().unwrap_err().contains("udp/53"), "{wrong}");
        }
    }
}
