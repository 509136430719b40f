//! A packet that a person asks about, as a text: `tcp red -> target:22 syn`, `udp 198.18.2.10:4000 -> target:53`,
//! `icmp green -> target`.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use scandrill_model::{Family, Protocol, TcpFlags, is_lab_address};
use serde::{Deserialize, Serialize};

use crate::bad_file::{BadFile, SourceFile};
use crate::plan::{Plan, TARGET, Vantage};

/// A packet that can be sent in a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Where it is sent.
    pub from: Vantage,
    /// TCP, UDP or ICMP.
    pub protocol: Protocol,
    /// Its source.
    pub source: IpAddr,
    /// Its source port, or that of the first of many.
    pub source_port: u16,
    /// Where it goes.
    pub target: IpAddr,
    /// And to which port; 0 where it has none.
    pub port: u16,
    /// Of TCP.
    pub flags: TcpFlags,
    /// How many are sent, each from the next source port. The last is followed.
    pub count: u16,
}

/// The first source port where none is named, below those that kernels choose.
const SOURCE_PORT: u16 = 20_000;

impl Question {
    /// The packet, of which the last has source port `source_port`.
    pub fn in_words(&self, source_port: u16) -> String {
        let (source, target) = (self.source, self.target);
        match self.protocol {
            Protocol::Tcp | Protocol::Udp => {
                let ends = format!(
                    "{} {} -> {}",
                    self.protocol,
                    SocketAddr::new(source, source_port),
                    SocketAddr::new(target, self.port)
                );
                if self.protocol == Protocol::Udp {
                    return ends;
                }
                format!("{ends} {}", self.flags.to_string().to_lowercase())
            }
            Protocol::Icmp | Protocol::Sctp | Protocol::Ip | Protocol::Arp => {
                format!("{} {source} -> {target}", self.protocol)
            }
        }
    }
}

/// Reads a packet for the lab of a plan.
///
/// # Errors
/// A text that names no packet of this lab, with the place where.
pub fn question(plan: &Plan, text: &str, count: u16) -> Result<Question, BadFile> {
    let words = Words { file: SourceFile::new("--packet", text), plan };
    words.read(count)
}

struct Words<'a> {
    file: SourceFile,
    plan: &'a Plan,
}

/// The way that a packet is written.
const FORM: &str =
    "a packet is written `tcp SOURCE[:PORT] -> target:PORT FLAGS`, `udp ...` or `icmp SOURCE -> target`";

impl Words<'_> {
    fn read(&self, count: u16) -> Result<Question, BadFile> {
        let words = spans(&self.file.text);
        let end = self.file.text.len();
        let word = |at: usize| words.get(at).cloned().unwrap_or(end..end);
        let protocol = match &self.file.text[word(0)] {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "icmp" => Protocol::Icmp,
            other => return self.bad(word(0), format!("no protocol `{other}`"), "known: tcp, udp, icmp"),
        };
        if &self.file.text[word(2)] != "->" {
            return self.bad(word(2), "`->` is missing behind the source".to_owned(), FORM);
        }
        let (source, source_port, from) = self.source(word(1), protocol)?;
        let (target, port) = self.target(word(3), protocol)?;
        if source.is_ipv4() != target.is_ipv4() {
            let message = format!("{source} and {target} are of different IP versions");
            return self.bad(
                word(1).start..word(3).end,
                message,
                "this case is over the target's: --filter chooses another",
            );
        }
        let flags = self.flags(words.get(4..).unwrap_or_default(), protocol)?;
        let source_port = source_port.unwrap_or(SOURCE_PORT);
        if source_port.checked_add(count).is_none() {
            return self.bad(word(1), format!("no {count} ports follow {source_port}"), "name a lower one");
        }
        Ok(Question { from, protocol, source, source_port, target, port, flags, count })
    }

    fn source(
        &self,
        span: Range<usize>,
        protocol: Protocol,
    ) -> Result<(IpAddr, Option<u16>, Vantage), BadFile> {
        let (name, port) = self.split(span.clone())?;
        if port.is_some() && protocol == Protocol::Icmp {
            return self.bad(span, "icmp has no ports".to_owned(), FORM);
        }
        let of_actor = self.plan.reds.iter().find(|red| red.name == name).map(|red| red.scan.source);
        let of_client = || self.plan.greens.iter().find(|green| green.name == name).map(|green| green.source);
        let address = match of_actor.or_else(of_client).or_else(|| self.of_host(&name)) {
            Some(address) => address,
            None => self.address(&name, span.clone())?,
        };
        if let Some(from) = self.vantage(address) {
            return Ok((address, port, from));
        }
        let hosts: Vec<String> =
            self.senders().map(|(host, address)| format!("{host} ({address})")).collect();
        let message = format!("{address} is behind no host of this lab");
        self.bad(span, message, &format!("hosts: {}", hosts.join(", ")))
    }

    fn target(&self, span: Range<usize>, protocol: Protocol) -> Result<(IpAddr, u16), BadFile> {
        if span.is_empty() {
            return self.bad(span, "the target is missing".to_owned(), FORM);
        }
        let (name, port) = self.split(span.clone())?;
        let address = match name.parse::<IpAddr>() {
            _ if name == TARGET => self.plan.target,
            Ok(_) => self.address(&name, span.clone())?,
            Err(_) => {
                let message = format!("`{name}` is not the target");
                return self.bad(span, message, &format!("`target` is {}", self.plan.target));
            }
        };
        let answers = self
            .plan
            .lab
            .host(self.plan.face())
            .is_some_and(|host| host.answers_for.iter().any(|prefix| prefix.contains(&address)));
        if address != self.plan.target && !answers {
            let message = format!("{address} is not the target");
            return self.bad(span, message, &format!("`target` is {}", self.plan.target));
        }
        match (protocol, port) {
            (Protocol::Icmp, None) => Ok((address, 0)),
            (Protocol::Icmp, Some(_)) => self.bad(span, "icmp has no ports".to_owned(), FORM),
            (_, Some(port)) => Ok((address, port)),
            (_, None) => {
                let message = format!("the port of {name} is missing");
                self.bad(span, message, &format!("as in `{name}:22`"))
            }
        }
    }

    fn flags(&self, spans: &[Range<usize>], protocol: Protocol) -> Result<TcpFlags, BadFile> {
        let Some((first, last)) = spans.first().zip(spans.last()) else {
            return Ok(TcpFlags::SYN);
        };
        let span = first.start..last.end;
        if protocol != Protocol::Tcp {
            return self.bad(span, format!("{protocol} has no flags"), FORM);
        }
        let text: Vec<&str> = spans.iter().map(|span| &self.file.text[span.clone()]).collect();
        text.join(",").parse().or_else(|error: scandrill_model::NoFlag| {
            self.bad(span, error.to_string(), "as in `syn`, `fin psh urg` or `none`")
        })
    }

    /// A name or an address, and a port behind it.
    fn split(&self, span: Range<usize>) -> Result<(String, Option<u16>), BadFile> {
        let word = &self.file.text[span.clone()];
        let (name, port) = match word.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((name, rest)) => (name, rest.strip_prefix(':')),
            None if word.matches(':').count() > 1 => (word, None),
            None => word.split_once(':').map_or((word, None), |(name, port)| (name, Some(port))),
        };
        let Some(port) = port else { return Ok((name.to_owned(), None)) };
        match port.parse() {
            Ok(number) if number > 0 => Ok((name.to_owned(), Some(number))),
            Ok(_) | Err(_) => {
                let span = span.end - port.len()..span.end;
                self.bad(span, format!("`{port}` is no port"), "ports are 1 to 65535")
            }
        }
    }

    fn address(&self, name: &str, span: Range<usize>) -> Result<IpAddr, BadFile> {
        let Ok(address) = name.parse() else {
            let names: Vec<&str> = self.names().collect();
            return self.bad(
                span,
                format!("`{name}` is no address, and nobody in this lab"),
                &format!("known: {}", names.join(", ")),
            );
        };
        if is_lab_address(address) {
            return Ok(address);
        }
        let message = format!("{address} is outside the lab's ranges");
        self.bad(span, message, "nothing is sent there; the ranges are 198.18.0.0/15 and fd00:198:18::/48")
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let plan = self.plan;
        let actors = plan.reds.iter().map(|red| red.name.as_str());
        let mut names: Vec<&str> = actors
            .chain(plan.greens.iter().map(|green| green.name.as_str()))
            .chain(self.senders().map(|(host, _)| host))
            .collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// The hosts on the link of the host that is asked, but for itself, each with its address there.
    fn senders(&self) -> impl Iterator<Item = (&str, IpAddr)> {
        let (lab, face, family) = (&self.plan.lab, self.plan.face(), self.plan.family);
        let link = lab.segments.iter().find(|segment| {
            let on = |name: &str| segment.interfaces.iter().any(|interface| interface.host == name);
            on(face) && (face == TARGET || !on(TARGET))
        });
        let others = link.into_iter().flat_map(|link| &link.interfaces).filter(move |one| one.host != face);
        others.filter_map(move |interface| {
            let own = interface.addresses.iter().find(|address| Family::of(address.addr()) == family)?;
            Some((interface.host.as_str(), own.addr()))
        })
    }

    fn of_host(&self, name: &str) -> Option<IpAddr> {
        self.senders().find(|(host, _)| *host == name).map(|(_, address)| address)
    }

    /// Where packets of an address are sent: the host that has it, or by which it is reached.
    fn vantage(&self, address: IpAddr) -> Option<Vantage> {
        let face = self.plan.lab.host(self.plan.face())?;
        let via = face.routes.iter().find(|route| route.to.contains(&address)).map(|route| route.via);
        let link = via.unwrap_or(address);
        let (host, _) = self.senders().find(|(_, own)| *own == link)?;
        let interfaces = || self.plan.lab.interfaces();
        let own = interfaces().find(|interface| interface.host == host)?;
        let shared = |segment: &&scandrill_model::Segment| segment.interfaces.contains(own);
        let segment = self.plan.lab.segments.iter().find(shared)?;
        let next = segment.interfaces.iter().find(|interface| interface.host == face.name)?;
        Some(Vantage {
            host: host.to_owned(),
            interface: own.name.clone(),
            mac: own.mac,
            next_hop: next.mac,
            neighbours: Vec::new(),
        })
    }

    fn bad<T>(&self, span: Range<usize>, message: String, help: &str) -> Result<T, BadFile> {
        Err(BadFile { file: self.file.clone(), span, message, help: Some(help.to_owned()) })
    }
}

/// Where the words of a text are.
fn spans(text: &str) -> Vec<Range<usize>> {
    let start = |word: &str| word.as_ptr().addr() - text.as_ptr().addr();
    text.split_whitespace().map(|word| start(word)..start(word) + word.len()).collect()
}
