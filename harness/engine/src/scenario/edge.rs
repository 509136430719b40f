//! From an `[edge]` table to the host between the others and the target.

use std::ops::Range;

use scandrill_defenses::LayerSpec;
use scandrill_model::{Protocol, ServiceKind, ServicePlan, TcpFlags, Technique};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString};

use super::expect::{Located, at};
use super::file::{At, EdgeTable};
use super::read::{LoadRules, layers, optional_word, rules};
use super::words::{self, Wrong, word};
use crate::bad_file::SourceFile;

/// How an edge forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Serialize, Deserialize, Display, EnumIter, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Forwards {
    /// It is a router: others ask the target's own address.
    Route,
    /// It translates the destination of what comes to its own address.
    Nat,
    /// `HAProxy` accepts connections on its address, and makes others to the target.
    Haproxy,
    /// nginx does, of HTTP alone.
    Nginx,
}

impl Forwards {
    /// What it is to whoever asks where the target has no listener: a proxy accepts connections itself.
    fn accepts(self) -> Option<ServiceKind> {
        match self {
            Self::Route | Self::Nat => None,
            Self::Haproxy => Some(ServiceKind::Banner),
            Self::Nginx => Some(ServiceKind::Http),
        }
    }
}

/// How a proxy tells the target for whom it asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[derive(Serialize, Deserialize, Display, EnumIter, EnumString)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Tells {
    /// It does not.
    #[default]
    Nothing,
    /// By a header of HTTP.
    XForwardedFor,
    /// By a line before the first byte (version 1 of `HAProxy`'s PROXY protocol).
    ProxyProtocol,
}

/// A port of the edge, and the target's to which it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The edge's.
    pub port: u16,
    /// The target's.
    pub to: u16,
}

/// The host between the others and the target.
#[derive(Clone, Debug)]
pub struct Edge {
    /// How it forwards.
    pub forwards: Forwards,
    /// What it forwards; a router has none, as it forwards everything.
    pub ports: Vec<Forwarded>,
    /// Whether the target sees the edge's address as the source.
    pub masquerade: bool,
    /// How a proxy tells for whom it asks.
    pub tells: Tells,
    /// Its layers in order.
    pub defense: Vec<LayerSpec>,
    /// Where its defense is in the file.
    pub defense_span: Range<usize>,
    /// The user's own rules for it, loaded after the layers.
    pub rules: Vec<SourceFile>,
    /// Its place in the file.
    pub span: Range<usize>,
}

impl Edge {
    /// The listeners that are met by whoever asks, each on the port that he asks. A proxy accepts connections even where
    /// the target has no listener.
    pub fn faced(&self, services: &[ServicePlan]) -> Vec<ServicePlan> {
        if self.forwards == Forwards::Route {
            return services.to_vec();
        }
        let met = |&forwarded: &Forwarded| {
            let (protocol, port) = (forwarded.protocol, forwarded.port);
            let kind = service(services, forwarded).map(|service| service.kind).or(self.forwards.accepts());
            kind.map(|kind| ServicePlan { protocol, port, kind })
        };
        self.ports.iter().filter_map(met).collect()
    }
}

/// The listener to which a port leads.
pub fn service(services: &[ServicePlan], forwarded: Forwarded) -> Option<&ServicePlan> {
    services.iter().find(|service| (service.protocol, service.port) == (forwarded.protocol, forwarded.to))
}

/// Of the listeners that are faced by way of an edge, those that a technique's probes meet. Addresses are translated for
/// connections alone: what connection tracking takes for no part of one stays with the edge, where nothing listens.
pub fn met_by(technique: Technique, forwards: Option<Forwards>, faced: &[ServicePlan]) -> Vec<ServicePlan> {
    let stays =
        forwards == Some(Forwards::Nat) && technique.probe_flags().is_some_and(|flags| !is_new(flags));
    if stays { Vec::new() } else { faced.to_vec() }
}

/// Whether connection tracking makes an entry for a first segment like this (`tcp_conntracks` and `tcp_valid_flags` in
/// `nf_conntrack_proto_tcp.c`): one that opens a connection, or, as it is loose by default, one that acknowledges.
fn is_new(flags: TcpFlags) -> bool {
    let ends = flags.contains(TcpFlags::FIN) || flags.contains(TcpFlags::RST);
    !ends && flags.contains(TcpFlags::SYN) != flags.contains(TcpFlags::ACK)
}

/// Understands an edge before a target with these services.
pub fn edge(table: &At<EdgeTable>, services: &[ServicePlan], load: LoadRules<'_>) -> Located<Edge> {
    let span = table.span.clone();
    let table = &table.value;
    let forwards: Forwards = at(&table.forwards, |text| word("way to forward", text))?;
    let edge = Edge {
        forwards,
        ports: ports(table, forwards, services)?,
        masquerade: table.masquerade.as_ref().is_some_and(|masquerade| masquerade.value),
        tells: optional_word(table.tells.as_ref(), "way to tell", Tells::Nothing)?,
        defense: layers(&table.defense)?,
        defense_span: table.defense.first().map(|layer| layer.span.clone()).unwrap_or_default(),
        rules: rules(table.rules.as_ref(), load)?,
        span,
    };
    check(table, &edge, services)?;
    Ok(edge)
}

/// What the file names, or each of the target's services.
fn ports(table: &EdgeTable, forwards: Forwards, services: &[ServicePlan]) -> Located<Vec<Forwarded>> {
    let Some(texts) = &table.ports else {
        let same = |&ServicePlan { protocol, port, .. }: &ServicePlan| Forwarded { protocol, port, to: port };
        let all = services.iter().map(same);
        let ports = if forwards == Forwards::Route { Vec::new() } else { all.collect() };
        let place = &table.forwards.span;
        return match ports.iter().find_map(|port| cannot(forwards, *port, services)) {
            Some(why) => Err((place.clone(), Wrong::new(why, "name the `ports` that it forwards"))),
            None => Ok(ports),
        };
    };
    if texts.is_empty() {
        let help = "name a port, or leave `ports` out for each of the target's services";
        return Err((
            table.forwards.span.clone(),
            Wrong::new("an edge that forwards no port".to_owned(), help),
        ));
    }
    let mut ports: Vec<Forwarded> = Vec::new();
    for text in texts {
        let port = at(text, |text| forwarded(text))?;
        let twice = ports.iter().any(|other| (other.protocol, other.port) == (port.protocol, port.port));
        let twice = twice.then(|| format!("{}/{} is forwarded twice", port.protocol, port.port));
        let router = (forwards == Forwards::Route).then(|| "a router forwards every port".to_owned());
        if let Some(why) = router.or(twice).or_else(|| cannot(forwards, port, services)) {
            return Err((text.span.clone(), Wrong::new(why, "leave it out")));
        }
        ports.push(port);
    }
    Ok(ports)
}

/// Why a port cannot be forwarded like this.
fn cannot(forwards: Forwards, port: Forwarded, services: &[ServicePlan]) -> Option<String> {
    let http = service(services, port).is_none_or(|service| service.kind.is_http());
    let can = match port.protocol {
        Protocol::Tcp => forwards != Forwards::Nginx || http,
        Protocol::Udp => forwards == Forwards::Nat,
        Protocol::Sctp | Protocol::Icmp | Protocol::Arp | Protocol::Ip => false,
    };
    let what = match forwards {
        Forwards::Route | Forwards::Nat => "TCP and UDP",
        Forwards::Haproxy => "TCP",
        Forwards::Nginx => "HTTP",
    };
    let (protocol, port) = (port.protocol, port.port);
    (!can)
        .then(|| format!("an edge of `{forwards}` forwards {what}, and {protocol}/{port} is something else"))
}

/// `tcp/80`, or `tcp/8080 to tcp/80`.
fn forwarded(text: &str) -> Result<Forwarded, Wrong> {
    let (from, to) = text.split_once(" to ").unwrap_or((text, text));
    let ((protocol, port), (to_protocol, to)) = (words::address(from.trim())?, words::address(to.trim())?);
    if protocol != to_protocol {
        return Err(Wrong::new(format!("`{text}` changes the protocol"), "write it as `tcp/8080 to tcp/80`"));
    }
    Ok(Forwarded { protocol, port, to })
}

/// What only some edges do.
fn check(table: &EdgeTable, edge: &Edge, services: &[ServicePlan]) -> Located<()> {
    if let Some(masquerade) = table.masquerade.as_ref().filter(|_| edge.forwards != Forwards::Nat) {
        let help = "leave `masquerade` out: a router keeps the source, and a proxy asks in its own name";
        let wrong = Wrong::new(format!("an edge of `{}` does not masquerade", edge.forwards), help);
        return Err((masquerade.span.clone(), wrong));
    }
    let Some(tells) = table.tells.as_ref().filter(|_| edge.tells != Tells::Nothing) else { return Ok(()) };
    let http = edge.ports.iter().any(|&port| service(services, port).is_some_and(|it| it.kind.is_http()));
    let why = if edge.forwards.accepts().is_none() {
        format!("an edge of `{}` tells nothing", edge.forwards)
    } else if edge.tells == Tells::ProxyProtocol && edge.forwards == Forwards::Nginx {
        "nginx speaks HTTP here, which has a header for that".to_owned()
    } else if edge.tells == Tells::XForwardedFor && !http {
        "none of the ports that are forwarded speaks HTTP".to_owned()
    } else {
        return Ok(());
    };
    Err((tells.span.clone(), Wrong::new(why, "leave `tells` out")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_translated_for_what_may_begin_a_connection() {
        for (flags, expected) in [
            ("SYN", true),
            ("SYN,PSH", true),
            ("ACK", true),
            ("SYN,ACK", false),
            ("FIN,ACK", false),
            ("SYN,FIN", false),
            ("FIN,PSH,URG", false),
            ("RST", false),
            ("none", false),
        ] {
            assert_eq!(is_new(flags.parse().unwrap()), expected, "{flags}");
        }
    }

    #[test]
    fn a_proxy_answers_where_nothing_listens_and_translation_does_not() {
        let services = [words::service("tcp/80 http").ok().unwrap()];
        let ports = ["tcp/8080 to tcp/80", "tcp/81"].map(|text| forwarded(text).ok().unwrap());
        let faced = |forwards| {
            let edge = Edge {
                forwards,
                ports: ports.to_vec(),
                masquerade: false,
                tells: Tells::Nothing,
                defense: Vec::new(),
                defense_span: 0..0,
                rules: Vec::new(),
                span: 0..0,
            };
            edge.faced(&services).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(faced(Forwards::Route), ["tcp/80 http"]);
        assert_eq!(faced(Forwards::Nat), ["tcp/8080 http"]);
        assert_eq!(faced(Forwards::Nginx), ["tcp/8080 http", "tcp/81 http"]);
    }
}
