//! From a `[[green]]` table to a client: what it is, what one of its requests is made of, and when it asks. A role is a line
//! in each function of [`Role`].

use std::net::IpAddr;
use std::ops::Range;

use scandrill_model::{GreenExpectation, Millis, Protocol, Speaks};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoEnumIterator};

use super::expect::{self, Located, at};
use super::file::{At, GreenTable};
use super::knock::knock;
use super::read::{at_least_one, lab_address, name_of, names};
use super::words::{self, Wrong};
use super::{Flood, Knock, Red};

/// A legitimate client.
#[derive(Clone, Debug)]
pub struct Green {
    /// Unique among all actors.
    pub name: String,
    /// Where it works.
    pub host: String,
    /// Its address, when the file fixes it.
    pub source: Option<IpAddr>,
    /// What it is, where it is more than what it speaks.
    pub role: Option<Role>,
    /// What it is in the file's words.
    pub client: String,
    /// What one request is made of, all at once.
    pub errands: Vec<Errand>,
    /// How many requests; in each phase before and after the attack, where it acts throughout.
    pub count: u32,
    /// Whether it acts before, during and after the attack.
    pub throughout: bool,
    /// The attacker with whom it shares a translating gateway.
    pub behind: Option<String>,
    /// From the start of one request to the next.
    pub interval: Millis,
    /// What it does before its first request.
    pub knock: Knock,
    /// Who must have finished.
    pub after: Vec<String>,
    /// Who acts after its first request and before the others; where it acts throughout, while it goes on.
    pub around: Vec<String>,
    /// What it is expected to get.
    pub expect: GreenExpectation,
    /// Its place in the file.
    pub span: Range<usize>,
}

/// One connection, datagram or echo of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// What is spoken.
    pub speaks: Speaks,
    /// To which port; 0 for ping.
    pub port: u16,
}

/// Who a client is, where that says more than what it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[derive(Serialize, Deserialize, Display, EnumIter, EnumString)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Role {
    /// Loads pages: a burst of connections for each.
    Browser,
    /// Makes a new connection each second.
    Api,
    /// Keeps a session.
    Admin,
    /// Pings and connects once a minute.
    Monitor,
    /// Comes from many addresses of a range that it is known for.
    Crawler,
    /// The target itself, which asks a service elsewhere.
    Outbound,
}

/// How many connections a browser opens to one host at once.
const AT_ONCE: usize = 6;

/// How many addresses a crawler comes from.
pub const CRAWLERS: u16 = 8;

impl Role {
    /// What one request is made of.
    fn errands(self, port: u16) -> Vec<Errand> {
        let errand = |speaks| Errand { speaks, port };
        match self {
            Self::Browser => vec![errand(Speaks::Http); AT_ONCE],
            Self::Api | Self::Crawler => vec![errand(Speaks::Http)],
            Self::Admin => vec![errand(Speaks::Session)],
            Self::Monitor => vec![Errand { speaks: Speaks::Ping, port: 0 }, errand(Speaks::Tcp)],
            Self::Outbound => vec![errand(Speaks::Tcp)],
        }
    }

    /// From one request to the next, where the file does not say.
    fn interval(self) -> Millis {
        match self {
            Self::Browser | Self::Api | Self::Admin => Millis(1_000),
            Self::Monitor => Millis(60_000),
            Self::Crawler | Self::Outbound => INTERVAL,
        }
    }
}

/// The same for those who are what they speak.
const INTERVAL: Millis = Millis(100);

/// Understands all clients; those who act throughout do so around each attacker.
pub fn greens(tables: &[At<GreenTable>], reds: &[Red], floods: &[Flood]) -> Located<Vec<Green>> {
    tables.iter().enumerate().map(|(index, table)| green(index, &table.value, reds, floods)).collect()
}

/// The attackers but for a flood that lasts for the client.
fn attackers(of: &str, reds: &[Red], floods: &[Flood]) -> Vec<String> {
    let floods = floods.iter().filter(|flood| !flood.around.iter().any(|other| other == of));
    reds.iter().map(|red| red.name.clone()).chain(floods.map(|flood| flood.name.clone())).collect()
}

fn green(index: usize, table: &GreenTable, reds: &[Red], floods: &[Flood]) -> Located<Green> {
    let (role, errands) = at(&table.client, |text| client(text))?;
    let name = name_of(table.name.as_ref(), "green", index);
    let interval = table.rate.as_ref().map(|text| at(text, |text| client_rate(text))).transpose()?;
    let count = table.count.as_ref().map(|count| at(count, |&count| at_least_one(count))).transpose()?;
    let behind = table.behind.as_ref().map(|red| at(red, |red| neighbour(red, reds))).transpose()?;
    let around = if table.throughout { attackers(&name, reds, floods) } else { names(&table.around) };
    let host = match (&table.host, role) {
        (Some(host), _) => host.value.clone(),
        (None, Some(Role::Outbound)) => super::read::TARGET.to_owned(),
        (None, _) => name.clone(),
    };
    let green = Green {
        host,
        name,
        source: table.source.as_ref().map(|text| at(text, |text| lab_address(text))).transpose()?,
        role,
        client: table.client.value.clone(),
        errands,
        count: count.unwrap_or(10),
        throughout: table.throughout,
        behind,
        interval: interval.or(role.map(Role::interval)).unwrap_or(INTERVAL),
        knock: knock(table.knock.as_ref(), table.knock_pace.as_ref())?,
        after: names(table.after.iter().flatten()),
        around,
        expect: expect::green(&table.expect)?,
        span: table.client.span.clone(),
    };
    check(table, &green)?;
    Ok(green)
}

impl Green {
    /// The host that serves an outbound client. It has its name.
    pub fn peer(&self) -> Option<&str> {
        (self.role == Some(Role::Outbound)).then_some(&*self.name)
    }
}

/// What does not go together.
fn check(table: &GreenTable, green: &Green) -> Located<()> {
    let place = |text: Option<&At<String>>| text.map_or_else(|| green.span.clone(), |text| text.span.clone());
    let outbound = green.role == Some(Role::Outbound);
    let (span, why, help) = if green.throughout && green.around.is_empty() {
        (green.span.clone(), "nobody attacks", "add a [[red]], or leave `throughout` out")
    } else if let Some(around) = table.around.first().filter(|_| green.throughout) {
        (around.span.clone(), "who acts throughout acts around every attacker", "leave `around` out")
    } else if outbound && (table.host.is_some() || table.source.is_some()) {
        let span = place(table.host.as_ref().or(table.source.as_ref()));
        (span, "an outbound client is the target itself", "leave it out")
    } else if let Some(behind) = table.behind.as_ref().filter(|_| outbound || table.host.is_some()) {
        (behind.span.clone(), "a neighbour behind a gateway has a host of its own", "leave `behind` out")
    } else if green.behind.is_some() && (table.source.is_some() || green.role == Some(Role::Crawler)) {
        let span = place(table.source.as_ref());
        (span, "a neighbour behind a gateway has the attacker's address", "leave it out")
    } else {
        return Ok(());
    };
    Err((span, Wrong::new(why, help)))
}

fn neighbour(name: &str, reds: &[Red]) -> Result<String, Wrong> {
    if reds.iter().any(|red| red.name == name) {
        return Ok(name.to_owned());
    }
    let known: Vec<&str> = reds.iter().map(|red| red.name.as_str()).collect();
    Err(words::unknown("attacker", name, known.iter().copied()))
}

/// `browser tcp/80`, `http tcp/80`, or `ping`.
fn client(text: &str) -> Result<(Option<Role>, Vec<Errand>), Wrong> {
    let (word, at) = text.split_once(' ').unwrap_or((text, ""));
    let roles: Vec<String> = Role::iter().map(|role| role.to_string()).collect();
    let spoken: Vec<String> = Speaks::iter().map(|speaks| speaks.to_string()).collect();
    let role: Option<Role> = word.parse().ok();
    let known = || spoken.iter().chain(&roles).map(String::as_str);
    let speaks: Speaks = match role {
        Some(_) => Speaks::Tcp,
        None => word.parse().map_err(|_| words::unknown("client", word, known()))?,
    };
    if speaks == Speaks::Ping {
        return Ok((None, vec![Errand { speaks, port: 0 }]));
    }
    let (protocol, port) = words::address(at.trim())?;
    let over = over(speaks);
    if protocol != over {
        let why = format!("{word} is spoken over {over}, not {protocol}");
        return Err(Wrong::new(why, format!("write `{word} {over}/{port}`")));
    }
    Ok((role, role.map_or_else(|| vec![Errand { speaks, port }], |role| role.errands(port))))
}

/// What a client's words go over.
pub fn over(speaks: Speaks) -> Protocol {
    match speaks {
        Speaks::Tcp | Speaks::Session | Speaks::Http => Protocol::Tcp,
        Speaks::Udp | Speaks::Dns => Protocol::Udp,
        Speaks::Ping => Protocol::Icmp,
    }
}

/// Clients are people, or machines that behave.
fn client_rate(text: &str) -> Result<Millis, Wrong> {
    match Millis::from(words::rate(text)?) {
        Millis(0) => {
            Err(Wrong::new(format!("`{text}` is more than a thousand a second"), "no client asks so often"))
        }
        interval => Ok(interval),
    }
}
