//! Who has which address. All hosts share one link, 198.18.0.0/24 and fd00:198:18::/64. Behind its link address
//! each host has two routed prefixes that its kernel does not own: one for its actor, so that no reset of that
//! kernel meets the scanner's replies, and one for the witnesses (control, canary, fresh sources), so that a
//! defense that bans a whole prefix does not take them for the actor. An actor with many sources has one more.
//! Where an edge stands before the target, the edge is on that link, and 198.18.1.0/24 and fd00:198:18:1::/64 are the
//! link between the two.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use scandrill_model::Family;

use crate::scenario::{Flood, Forwards, Green, Red, Scenario, Sender};

/// The attacked host's name.
pub const TARGET: &str = "target";

/// The scratch namespace into which the defense is installed a second time, to compare the two.
pub const REFERENCE: &str = "reference";

/// The host between the others and the target, where there is one.
pub const EDGE: &str = "edge";

/// As [`REFERENCE`], for the edge's defense.
pub const EDGE_REFERENCE: &str = "edge-reference";

/// Where the canary is sent from when all actors are at home on the target.
const WITNESS: &str = "witness";

/// The two prefixes behind a host's link address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Routed {
    /// 198.18.N.0/24 and fd00:198:18:N::/64.
    Actor,
    /// 198.19.N.0/24 and fd00:198:18:1N::/64.
    Witness,
}

/// The addresses of one lab's hosts.
#[derive(Clone, Debug)]
pub struct AddressPlan {
    /// The first faces all others: the target, or the edge before it. Then the actors', then zombies.
    hosts: Vec<HostAddresses>,
    /// How an edge forwards, where there is one.
    forwards: Option<Forwards>,
    /// How many of the hosts face the others or are an actor's.
    actors: usize,
    /// The prefixes of actors that have many sources, by their names; none where there is no room.
    pools: BTreeMap<String, Option<[IpNet; 2]>>,
}

/// The two ends of the link between an edge and its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InnerEnd {
    /// The target's.
    Target,
    /// The edge's.
    Edge,
}

/// The two ends of the link between a gateway that translates and its neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsideEnd {
    /// The neighbour's.
    Neighbour,
    /// The gateway's.
    Gateway,
}

impl InnerEnd {
    fn number(self) -> u16 {
        match self {
            Self::Target => 1,
            Self::Edge => 254,
        }
    }

    /// Its Ethernet address: as those on the other link, with that link's number.
    pub fn mac(self) -> [u8; 6] {
        let [.., number] = self.number().to_be_bytes();
        [0x02, 0, 0, 0, 1, number]
    }
}

/// One host in the plan.
#[derive(Clone, Debug)]
pub struct HostAddresses {
    /// Its name.
    pub name: String,
    /// Its interface's name.
    pub interface: String,
    /// Its number on the link, from 1.
    number: u8,
    /// Whether it is on a link of its own, behind a gateway that translates.
    is_behind: bool,
    /// Ranges that the file routes to it.
    extra: Vec<IpNet>,
    /// Prefixes of its actors that have many sources.
    pools: Vec<IpNet>,
}

impl AddressPlan {
    /// Numbers the hosts: the target or its edge, then the actors' in the order of the file, then zombies.
    pub fn of(scenario: &Scenario) -> Self {
        let forwards = scenario.edge.as_ref().map(|edge| edge.forwards);
        let face = if forwards.is_some() { EDGE } else { TARGET };
        let mut names = vec![face];
        let zombies = scenario.reds.iter().filter_map(|red| red.zombie.as_deref());
        let behind =
            |name: &str| scenario.greens.iter().any(|green| green.behind.is_some() && green.host == name);
        let works = scenario.actors().into_iter().map(|actor| actor.host);
        add_new(&mut names, works.filter(|host| *host != TARGET && !behind(host)));
        if names.len() == 1 {
            names.push(WITNESS);
        }
        let neighbours = scenario.greens.iter().filter(|green| green.behind.is_some());
        let actors = names.len();
        add_new(&mut names, zombies);
        add_new(&mut names, scenario.greens.iter().filter_map(Green::peer));
        add_new(&mut names, neighbours.map(|green| green.host.as_str()));
        let pools = pools(scenario);
        let host = |(number, name): (u8, &str)| HostAddresses {
            name: name.to_owned(),
            interface: if name == TARGET { scenario.target.interface.clone() } else { "eth0".to_owned() },
            number,
            is_behind: behind(name),
            extra: extra(scenario, name),
            pools: senders(scenario)
                .filter(|sender| sender.host == name)
                .filter_map(|sender| pools.get(sender.name).copied().flatten())
                .flatten()
                .collect(),
        };
        Self { hosts: (1..=250).zip(names).map(host).collect(), forwards, actors, pools }
    }

    /// All hosts on the link, the one that faces the others first.
    pub fn hosts(&self) -> impl Iterator<Item = &HostAddresses> {
        self.hosts.iter().filter(|host| !host.is_behind)
    }

    /// The hosts behind gateways.
    pub fn neighbours(&self) -> impl Iterator<Item = &HostAddresses> {
        self.hosts.iter().filter(|host| host.is_behind)
    }

    fn find(&self, name: &str) -> &HostAddresses {
        self.hosts.iter().find(|host| host.name == name).unwrap_or(&self.hosts[0])
    }

    /// The last host of an actor. A zombie has nothing else to do.
    pub fn last_actor_s(&self) -> &str {
        &self.hosts[self.actors - 1].name
    }

    /// The name of a host's interface.
    pub fn interface(&self, host: &str) -> &str {
        &self.find(host).interface
    }

    /// The host that faces the others: the target, or the edge before it.
    pub fn face(&self) -> &HostAddresses {
        &self.hosts[0]
    }

    /// How an edge before the target forwards; `None` where the target stands alone.
    pub fn forwards(&self) -> Option<Forwards> {
        self.forwards
    }

    /// The address that scans and clients ask: the target's own, or that of the edge which forwards what comes there.
    pub fn asked(&self, family: Family) -> IpAddr {
        match self.forwards {
            None | Some(Forwards::Route) => self.target(family),
            Some(Forwards::Nat | Forwards::Haproxy | Forwards::Nginx) => self.face().link(family).addr(),
        }
    }

    /// The target's own address.
    pub fn target(&self, family: Family) -> IpAddr {
        match self.forwards {
            None => self.face().link(family).addr(),
            Some(_) => self.within_edge(family, InnerEnd::Target).addr(),
        }
    }

    /// An end's address on the link between the edge and the target, with that link's prefix.
    pub fn within_edge(&self, family: Family, end: InnerEnd) -> IpNet {
        let face = self.face();
        // The prefix of an actor on the host that faces the others, who has none.
        let length = face.prefix(Routed::Actor, family).prefix_len();
        IpNet::new_assert(face.within(Routed::Actor, family, end.number()), length)
    }

    /// The Ethernet address of a host.
    pub fn mac(&self, host: &str) -> [u8; 6] {
        self.find(host).mac()
    }

    /// A host's own address on the link.
    pub fn link(&self, host: &str, family: Family) -> IpAddr {
        self.find(host).link(family).addr()
    }

    /// The address of a built-in scanner.
    pub fn routed(&self, host: &str, family: Family) -> IpAddr {
        self.find(host).within(Routed::Actor, family, 10)
    }

    /// The address that sends the control.
    pub fn control(&self, host: &str, family: Family) -> IpAddr {
        self.find(host).within(Routed::Witness, family, 240)
    }

    /// The address that must pass.
    pub fn canary(&self, host: &str, family: Family) -> IpAddr {
        self.find(host).within(Routed::Witness, family, 250)
    }

    /// The first address of a crawler.
    pub fn crawler(&self, host: &str, family: Family) -> IpAddr {
        self.find(host).within(Routed::Actor, family, 201)
    }

    /// The address of a host behind a gateway.
    pub fn behind(&self, host: &str, family: Family) -> IpAddr {
        self.find(host).inside(family, InsideEnd::Neighbour).addr()
    }

    /// An address that nobody has used when the `index`th red actor's ban is looked at.
    pub fn fresh(&self, host: &str, family: Family, index: usize) -> IpAddr {
        self.find(host).within(Routed::Witness, family, 100 + u16::try_from(index % 100).unwrap_or(0))
    }

    /// The `index`th address of a host that nobody has, from which packets seem to come.
    pub fn decoy(&self, host: &str, family: Family, index: u8) -> IpAddr {
        self.find(host).within(Routed::Actor, family, 101 + u16::from(index))
    }

    /// The address of the `index`th flood, where it has one of its own.
    pub fn flood(&self, host: &str, family: Family, index: usize) -> IpAddr {
        self.find(host).within(Routed::Actor, family, 20 + u16::try_from(index % 80).unwrap_or(0))
    }

    /// The prefix of an actor with many sources; `None` where there is no room for it.
    pub fn pool(&self, actor: &str, family: Family) -> Option<IpNet> {
        let [v4, v6] = self.pools.get(actor).copied().flatten()?;
        Some(if family == Family::V4 { v4 } else { v6 })
    }

    /// Whether what answers sends to `address` by way of `host`.
    pub fn reaches(&self, host: &str, address: IpAddr) -> bool {
        let host = self.find(host);
        let link = [Family::V4, Family::V6].iter().any(|&family| host.link(family).addr() == address);
        link || host.routed_prefixes().any(|prefix| prefix.contains(&address))
    }

    /// What a range of the file's collides with: the link, or what another range or host has.
    pub fn collision(&self) -> Option<(IpNet, IpNet)> {
        let links = [Family::V4, Family::V6].map(|family| self.hosts[0].link(family).trunc());
        let own = self.hosts.iter().flat_map(HostAddresses::own_prefixes);
        let taken: Vec<IpNet> = links.into_iter().chain(own).collect();
        let extra: Vec<IpNet> = self.hosts.iter().flat_map(|host| host.extra.clone()).collect();
        let overlap = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
        extra.iter().enumerate().find_map(|(index, range)| {
            let others = taken.iter().chain(&extra[..index]);
            let other = others.into_iter().find(|other| overlap(range, other))?;
            Some((*range, *other))
        })
    }

    /// The prefixes routed to a host, for messages.
    pub fn ranges_text(&self, host: &str) -> String {
        let actor = |family| self.find(host).prefix(Routed::Actor, family).to_string();
        format!("{} and {}", actor(Family::V4), actor(Family::V6))
    }
}

impl HostAddresses {
    /// Its Ethernet address: locally administered, numbered.
    pub fn mac(&self) -> [u8; 6] {
        [0x02, 0, 0, 0, 0, self.number]
    }

    /// The Ethernet address of its gateway's end of the link between them.
    pub fn gateway_mac(&self) -> [u8; 6] {
        [0x02, 0, 0, 0, 2, self.number]
    }

    /// Its address on the link, with the link's prefix.
    pub fn link(&self, family: Family) -> IpNet {
        let number = u16::from(self.number);
        match family {
            Family::V4 => IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, self.number), 24)),
            Family::V6 => IpNet::V6(Ipv6Net::new_assert(v6(0, number), 64)),
        }
    }

    /// An end's address on the link between it and its gateway, with that link's prefix: that of an actor of its own.
    pub fn inside(&self, family: Family, end: InsideEnd) -> IpNet {
        let length = self.prefix(Routed::Actor, family).prefix_len();
        let last = match end {
            InsideEnd::Neighbour => 1,
            InsideEnd::Gateway => 254,
        };
        IpNet::new_assert(self.within(Routed::Actor, family, last), length)
    }

    fn prefix(&self, routed: Routed, family: Family) -> IpNet {
        let number = u16::from(self.number);
        match (family, routed) {
            (Family::V4, Routed::Actor) => IpNet::V4(v4(18, self.number)),
            (Family::V4, Routed::Witness) => IpNet::V4(v4(19, self.number)),
            (Family::V6, Routed::Actor) => IpNet::V6(Ipv6Net::new_assert(v6(number, 0), 64)),
            (Family::V6, Routed::Witness) => IpNet::V6(Ipv6Net::new_assert(v6(0x1000 + number, 0), 64)),
        }
    }

    /// Everything that the target, or the edge before it, routes by way of this host's link address.
    pub fn routed_prefixes(&self) -> impl Iterator<Item = IpNet> {
        self.own_prefixes().into_iter().chain(self.extra.clone())
    }

    fn own_prefixes(&self) -> Vec<IpNet> {
        let pairs = [Routed::Actor, Routed::Witness]
            .map(|routed| [Family::V4, Family::V6].map(|family| (routed, family)));
        let own = pairs.into_iter().flatten().map(|(routed, family)| self.prefix(routed, family));
        own.chain(self.pools.clone()).collect()
    }

    fn within(&self, routed: Routed, family: Family, last: u16) -> IpAddr {
        match self.prefix(routed, family).network() {
            IpAddr::V4(network) => {
                let [a, b, c, _] = network.octets();
                IpAddr::V4(Ipv4Addr::new(a, b, c, u8::try_from(last).unwrap_or(u8::MAX)))
            }
            IpAddr::V6(network) => {
                let mut segments = network.segments();
                segments[7] = last;
                IpAddr::V6(Ipv6Addr::from(segments))
            }
        }
    }
}

/// Adds those that are not there yet.
fn add_new<'a>(names: &mut Vec<&'a str>, more: impl Iterator<Item = &'a str>) {
    for name in more {
        if !names.contains(&name) {
            names.push(name);
        }
    }
}

/// What the file routes to a host, or a scanner on it sends from.
fn extra(scenario: &Scenario, host: &str) -> Vec<IpNet> {
    let mut extra = scenario.hosts.get(host).map(|settings| settings.ranges.clone()).unwrap_or_default();
    for of_host in senders(scenario).filter(|sender| sender.host == host) {
        if let Sender::Prefix(prefix) = of_host.sender
            && !extra.iter().any(|range| range.contains(prefix))
        {
            extra.push(*prefix);
        }
    }
    extra
}

/// An actor that says in whose name it sends.
struct Sending<'a> {
    name: &'a str,
    host: &'a str,
    sender: &'a Sender,
}

fn senders(scenario: &Scenario) -> impl Iterator<Item = Sending<'_>> {
    let reds = scenario.reds.iter().map(|Red { name, host, sender, .. }| Sending { name, host, sender });
    let floods = scenario.floods.iter();
    reds.chain(floods.map(|Flood { name, host, sender, .. }| Sending { name, host, sender }))
}

/// Gives each actor that asks for many sources the next free prefix that has room: in 198.18.128.0/17, and a whole
/// /64 over IPv6, as a provider hands it out.
fn pools(scenario: &Scenario) -> BTreeMap<String, Option<[IpNet; 2]>> {
    const V4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 128, 0), 17);
    const V6_FIRST: u16 = 0x4000;
    let mut next = u32::from(V4.network());
    let wanted = senders(scenario).filter_map(|actor| match actor.sender {
        Sender::Pool(count) => Some((actor.name.to_owned(), count)),
        Sender::Own | Sender::Prefix(_) | Sender::Spoofed(_) => None,
    });
    (V6_FIRST..)
        .zip(wanted)
        .map(|(subnet, (name, count))| {
            // The first and the last address of a prefix are nobody's.
            let size = (count + 2).next_power_of_two();
            let start = next.next_multiple_of(size);
            next = start + size;
            let length = 32 - u8::try_from(size.trailing_zeros()).unwrap_or(32);
            let v4 = Ipv4Net::new_assert(start.into(), length);
            let v6 = IpNet::V6(Ipv6Net::new_assert(v6(subnet, 0), 64));
            (name, V4.contains(&v4).then_some([IpNet::V4(v4), v6]))
        })
        .collect()
}

fn v4(second: u8, third: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(198, second, third, 0), 24)
}

fn v6(subnet: u16, last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 0x198, 0x18, subnet, 0, 0, 0, last)
}
