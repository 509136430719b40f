//! The battery that `scandrill check` drills a user's rules with: each technique in a lab of its own with an ordinary
//! client beside it, and all kinds of clients in a lab that nobody attacks. Written as scenario files in memory, so
//! that the way through the engine is the one of every scenario.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use scandrill_engine::{Scanner, possible_states};
use scandrill_model::{Asks, Backend, Family, PortSet, PortState, Protocol, TcpFlags, Technique};
use scandrill_scanners::techniques;

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
            (Protocol::Udp, 53) => ("dns", "dns"),
            (Protocol::Udp, _) => ("echo", "udp"),
            (_, _) => ("banner", "tcp"),
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

/// The scenario in which each service is used once.
const FIRST_LOOK: &str = "first-look";

/// The scenario in which nobody attacks.
const CLIENTS: &str = "clients";

/// The beginning of the name of a scenario in which a named source asks; its number follows.
pub const NAMED: &str = "named-";

/// A single request.
const ONCE: (u32, &str) = (1, "1/s");
/// Requests of someone who loads a page with all that belongs to it.
const BUSY: (u32, &str) = (20, "5/s");
/// Requests of someone who reads it.
const SLOW: (u32, &str) = (4, "1/s");
/// Requests beside an attack: few, so that only the attack can be the reason when one fails.
const BESIDE: (u32, &str) = (5, "5/s");

impl Battery {
    /// One request to each service, so that it is known which of them strangers get at all.
    pub fn first_look(&self, family: Family) -> (String, String) {
        let user = |service: &Service| green(&format!("user of {service}"), *service, ONCE);
        let users: String = self.services.iter().map(user).collect();
        (FIRST_LOOK.to_owned(), self.target(family, &self.services) + &users)
    }

    /// Everything else over one family, each scenario with its name; clients use what `public` strangers get.
    pub fn scenarios(&self, family: Family, public: &[Service]) -> Vec<(String, String)> {
        let scans = drilled(family)
            .map(|technique| (technique.name().to_owned(), self.scan(technique, family, public)));
        let named =
            self.named.iter().enumerate().filter(|(_, source)| Family::of(source.range.addr()) == family);
        let named = named.map(|(number, source)| (format!("{NAMED}{number}"), self.by_named(source)));
        let clients = (!public.is_empty()).then(|| (CLIENTS.to_owned(), self.clients(family, public)));
        scans.chain(clients).chain(named).collect()
    }

    /// The ports a technique asks.
    pub fn scanned(&self, technique: Technique) -> PortSet {
        let of_protocol = self.services.iter().filter(|service| service.protocol == technique.protocol());
        self.ports.union(&of_protocol.map(|service| service.port).collect())
    }

    fn scan(&self, technique: Technique, family: Family, public: &[Service]) -> String {
        let mut text = self.target(family, public);
        let scanners: Vec<String> = self.scanners.iter().map(Scanner::to_string).collect();
        let scanners: Vec<&str> = scanners.iter().map(String::as_str).collect();
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "[[red]]\ntechnique = \"{}\"\ntiming = \"T5\"\nscanner = [{}]",
            technique.name(),
            quoted(&scanners)
        );
        if let Technique::TcpFlags(flags) = technique {
            let _ = writeln!(text, "flags = \"{flags}\"");
        }
        if technique.asks() != Asks::Host {
            let _ = writeln!(text, "ports = \"{}\"", self.scanned(technique));
        }
        let _ = writeln!(text, "expect.rest = [{}]", readable(technique));
        if public.iter().any(|service| service.protocol == Protocol::Tcp) {
            text.push_str("expect.ban = true\n");
        }
        // TCP where there is one: a connection shows more than a datagram.
        let used = public.iter().min_by_key(|service| (service.protocol != Protocol::Tcp, service.port));
        text.extend(used.map(|service| green(&format!("user of {service}"), *service, BESIDE)));
        text
    }

    fn clients(&self, family: Family, public: &[Service]) -> String {
        let both = public.iter().flat_map(|service| {
            [("busy", BUSY), ("slow", SLOW)]
                .map(|(kind, requests)| green(&format!("{kind} user of {service}"), *service, requests))
        });
        self.target(family, public) + &both.collect::<String>()
    }

    /// A source that the rules name asks what it may read; it is trusted or shut out, so nothing is a leak.
    fn by_named(&self, source: &Named) -> String {
        let tcp = self.services.iter().any(|service| service.protocol == Protocol::Tcp);
        let technique = if tcp { Technique::TcpSyn } else { Technique::Udp };
        let range = source.range;
        format!(
            "{}[hosts.named]\nranges = [\"{range}\"]\n[[red]]\nhost = \"named\"\nsource = \"{}\"\n\
             technique = \"{technique}\"\nports = \"{}\"\nexpect.rest = [{}]\n",
            self.target(Family::of(range.addr()), &self.services),
            source.address(),
            self.scanned(technique),
            readable(technique),
        )
    }

    /// The target. Bans are looked at on its first TCP service, so those come first that strangers get.
    fn target(&self, family: Family, public: &[Service]) -> String {
        let mut services = self.services.clone();
        services.sort_by_key(|service| !public.contains(service));
        let services: Vec<String> =
            services.iter().map(|service| format!("{service} {}", service.kinds().0)).collect();
        let services: Vec<&str> = services.iter().map(String::as_str).collect();
        let rules: Vec<String> = (0..self.rules).map(|number| number.to_string()).collect();
        let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
        format!(
            "family = \"{family}\"\nbackend = \"{}\"\n[target]\nservices = [{}]\nrules = [{}]\ncanary = \"none\"\n",
            self.backend,
            quoted(&services),
            quoted(&rules)
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
fn readable(technique: Technique) -> String {
    let states: Vec<String> = possible_states(technique).iter().map(PortState::to_string).collect();
    quoted(&states.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The techniques that show a port's state by a packet of their own, and the ping. Of all flags, SYN with FIN, which
/// slips by what drops new connections by `--syn`.
fn drilled(family: Family) -> impl Iterator<Item = Technique> {
    let registered = techniques().iter().map(|probe| {
        let technique = probe.technique();
        let is_any = technique.name() == Technique::TcpFlags(TcpFlags::NONE).name();
        if is_any { Technique::TcpFlags(TcpFlags::SYN | TcpFlags::FIN) } else { technique }
    });
    registered.filter(move |technique| {
        let asks_ports = technique.asks() == Asks::Ports && *technique != Technique::Idle;
        (asks_ports || *technique == Technique::IcmpEcho) && technique.exists_over(family)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use scandrill_engine::{Planned, SourceFile, expand, plan_all, read};
    use strum::IntoEnumIterator;

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

    /// Everything that is drilled over one family, planned.
    fn planned(battery: &Battery, family: Family, public: &[Service]) -> Vec<Planned> {
        let load = |_: &str| Ok(SourceFile::new("rules.sh", "iptables -P INPUT DROP\n"));
        let all = std::iter::once(battery.first_look(family)).chain(battery.scenarios(family, public));
        let scenarios = all.map(|(name, text)| {
            let scenario = read(&name, &SourceFile::new(&name, text.as_str()), &load).unwrap();
            plan_all(expand(&Arc::new(scenario), &[]), 1, |_| String::new()).unwrap()
        });
        scenarios.flatten().collect()
    }

    #[test]
    fn every_scenario_of_the_battery_can_be_planned() {
        for services in ["22,80,udp/53", "8443", "udp/123"] {
            for family in Family::iter() {
                let battery = battery(services);
                let cases = planned(&battery, family, &battery.services).len();
                assert!(cases > planned(&battery, family, &[]).len());
            }
        }
    }

    #[test]
    fn the_target_is_where_the_rules_have_been_mapped_to() {
        let battery = battery("22");
        let target = |family| planned(&battery, family, &[])[0].plan.target;
        let (v4, v6) = super::super::TARGET;
        assert_eq!((target(Family::V4), target(Family::V6)), (v4.into(), v6.into()));
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
