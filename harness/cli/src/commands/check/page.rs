//! The answer of `scandrill check`, on one page: what a scanner reads, what leaks, who is banned and when, who is
//! hurt, and how the rules were mapped. Data in, text out.

use std::collections::{BTreeMap, BTreeSet};

use scandrill_model::{Asks, Family, PortSet, PortState};

use super::battery::{Battery, Service};
use super::reading::{Ban, ClientSeen, Reading, ScanSeen};

/// What the page is about, beside what was seen.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The rules files, as the user named them.
    pub rules: Vec<String>,
    /// What was changed in them so that they fit the lab, line by line.
    pub mapped: Vec<String>,
    /// The command that repeats the drill.
    pub repeat: String,
}

/// How many ports of a set are named.
const NAMED: usize = 5;

/// The whole page.
pub fn page(reading: &Reading, battery: &Battery, subject: &Subject) -> String {
    let services: Vec<String> = battery.services.iter().map(Service::to_string).collect();
    let mut page = format!("{} with services {}\n", subject.rules.join(" and "), services.join(", "));
    section(&mut page, &format!("What a scanner reads of ports {}", battery.ports), &scans(reading));
    section(&mut page, "What sources read that the rules name", &by_named(reading));
    section(&mut page, "What leaks", &leaks(reading));
    section(&mut page, "Who is banned", &bans(reading));
    section(&mut page, "Who is hurt", &hurt(reading));
    section(&mut page, "What could not be judged", &problems(reading));
    let notes: Vec<String> = reading.notes.iter().cloned().collect();
    section(&mut page, "What else was noticed", &notes);
    section(&mut page, "How the rules were mapped onto the lab", &mapped(subject));
    page + &format!("\n{}\nrepeat  {}\n", verdict(reading), subject.repeat)
}

/// Sections without a line are left out.
fn section(page: &mut String, heading: &str, lines: &[String]) {
    if !lines.is_empty() {
        page.extend(["\n", heading, "\n"]);
        page.extend(lines.iter().map(|line| format!("  {line}\n")));
    }
}

/// A row for each technique; both families on one where they read alike.
fn scans(reading: &Reading) -> Vec<String> {
    let mut rows: Vec<(String, String, String)> = Vec::new();
    for scan in reading.by_strangers() {
        let (who, reads) = (by(scan, reading), reads(scan));
        match rows.iter_mut().find(|row| row.0 == who && row.2 == reads) {
            Some(row) => row.1 = format!("{} {}", row.1, family(scan.family)),
            None => rows.push((who, family(scan.family).to_owned(), reads)),
        }
    }
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    let width = rows.iter().map(|row| row.0.len()).max().unwrap_or_default();
    rows.into_iter().map(|(who, families, reads)| format!("{who:width$}  {families:<9}  {reads}")).collect()
}

/// A row for each source that the rules treat unlike others.
fn by_named(reading: &Reading) -> Vec<String> {
    let named = reading.scans.iter().filter_map(|scan| Some((scan.source.as_deref()?, scan)));
    let rows: Vec<(&str, String)> = named.map(|(source, scan)| (source, states(scan))).collect();
    let width = rows.iter().map(|row| row.0.len()).max().unwrap_or_default();
    rows.into_iter().map(|(source, states)| format!("{source:width$}  {states}")).collect()
}

/// The technique, and its scanner where there are several.
fn by(scan: &ScanSeen, reading: &Reading) -> String {
    let several = reading.scans.iter().any(|other| other.scanner != scan.scanner);
    if several { format!("{} {}", scan.technique, scan.scanner) } else { scan.technique.to_string() }
}

fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    }
}

/// `22,80 open, 998 filtered`, with LEAK before it where it is one.
fn reads(scan: &ScanSeen) -> String {
    if scan.technique.asks() == Asks::Host {
        let answered = scan.states.iter().any(|(state, _)| *state == PortState::Open);
        return if answered { "     pings are answered" } else { "     pings are not answered" }.to_owned();
    }
    let mark = if scan.leaks.is_empty() { "    " } else { "LEAK" };
    format!("{mark} {}", states(scan))
}

/// `22,80 open, 998 ports filtered`.
fn states(scan: &ScanSeen) -> String {
    let states = scan.states.iter().map(|(state, ports)| format!("{} {state}", counted(ports)));
    states.collect::<Vec<_>>().join(", ")
}

/// A few ports by number, many by count.
fn counted(ports: &PortSet) -> String {
    match ports.len() {
        0..=NAMED => ports.to_string(),
        many => format!("{many} ports"),
    }
}

fn leaks(reading: &Reading) -> Vec<String> {
    // Techniques that leak alike stand together: the rule that is missing is one.
    let mut alike: BTreeMap<(Family, String), Vec<String>> = BTreeMap::new();
    for scan in reading.leaks() {
        let key = (scan.family, ports(scan));
        alike.entry(key).or_default().push(by(scan, reading));
    }
    if alike.is_empty() && !reading.unclear.is_empty() {
        return vec!["not known: rules match on an interface that is not known".to_owned()];
    }
    if alike.is_empty() && !reading.scans.is_empty() {
        return vec!["nothing: no port without a service reads open, closed or unfiltered".to_owned()];
    }
    let line = |((version, ports), techniques): ((Family, String), Vec<String>)| {
        format!("{}: {ports} to {}", family(version), techniques.join(", "))
    };
    alike.into_iter().map(line).collect()
}

/// `998 ports (1-21,23-79,...) read closed`.
fn ports(scan: &ScanSeen) -> String {
    let read = scan.states.iter().map(|(state, ports)| (state, ports.intersection(&scan.leaks)));
    let told = read.filter(|(_, ports)| !ports.is_empty()).map(|(state, ports)| match ports.len() {
        1 => format!("port {ports} reads {state}"),
        2..=NAMED => format!("ports {ports} read {state}"),
        many => format!("{many} ports ({}) read {state}", first_ranges(&ports)),
    });
    told.collect::<Vec<_>>().join(", ")
}

fn first_ranges(ports: &PortSet) -> String {
    let text = ports.to_string();
    let mut ranges = text.split(',');
    let first: Vec<&str> = ranges.by_ref().take(3).collect();
    if ranges.next().is_some() { format!("{},...", first.join(",")) } else { first.join(",") }
}

fn bans(reading: &Reading) -> Vec<String> {
    let mut alike: BTreeMap<(u8, String), BTreeMap<Family, Vec<String>>> = BTreeMap::new();
    for scan in reading.by_strangers() {
        let Some(said) = ban(scan.ban) else { continue };
        alike.entry(said).or_default().entry(scan.family).or_default().push(by(scan, reading));
    }
    let line = |((_, said), families): ((u8, String), BTreeMap<Family, Vec<String>>)| {
        let whom: Vec<String> =
            families.into_iter().map(|(version, by)| scanners(version, &by, reading)).collect();
        format!("{said}: {}", whom.join("; "))
    };
    alike.into_iter().map(line).collect()
}

/// `tcp-syn, udp over IPv4`, or `everyone over IPv4`.
fn scanners(version: Family, by: &[String], reading: &Reading) -> String {
    let all = reading.by_strangers().filter(|scan| scan.family == version).count();
    let by = if by.len() == all { "every scanner".to_owned() } else { by.join(", ") };
    format!("{by} over {}", family(version))
}

/// What a ban is called, and its rank on the page.
fn ban(ban: Ban) -> Option<(u8, String)> {
    match ban {
        Ban::After(0) => Some((0, "banned without any answer".to_owned())),
        Ban::After(1) => Some((0, "banned after 1 probe".to_owned())),
        Ban::After(probes) => Some((0, format!("banned after {probes} probes"))),
        Ban::None => Some((1, "not banned, served afterwards like anyone".to_owned())),
        Ban::Unclear => {
            Some((2, "cannot be told, as a source nobody has seen before is not served either".to_owned()))
        }
        Ban::NotLooked => None,
    }
}

fn hurt(reading: &Reading) -> Vec<String> {
    let mut alike: BTreeMap<(bool, String, String), Vec<String>> = BTreeMap::new();
    for client in reading.hurt() {
        let key = (client.beside.is_some(), format!("{} of {}", client.who, client.service), got(client));
        alike.entry(key).or_default().push(when(client));
    }
    let line = |((_, who, got), whens): ((bool, String, String), Vec<String>)| {
        format!("{who}: {got} ({})", whens.join("; "))
    };
    let mut lines: Vec<String> = alike.into_iter().map(line).collect();
    if lines.is_empty() && !reading.clients.is_empty() {
        let requests: usize = reading.clients.iter().map(|client| client.served).sum();
        lines
            .push(format!("nobody: {requests} requests of ordinary clients were served, during attacks too"));
    }
    lines.extend(kept(reading));
    lines
}

/// Services that strangers do not get, because the rules keep them for somebody.
fn kept(reading: &Reading) -> BTreeSet<String> {
    let kept = reading.clients.iter().map(|client| (client, reading.kept_for(client)));
    kept.filter(|(_, whom)| !whom.is_empty())
        .map(|(client, whom)| {
            format!("{} over {} is kept for {}", client.service, family(client.family), whom.join(", "))
        })
        .collect()
}

/// `9 of 20 requests served, from request 10 on no answer`.
fn got(client: &ClientSeen) -> String {
    let first = client.first_failure.as_ref();
    let why = first.map_or_else(String::new, |(number, why)| format!("; request {number} failed: {why}"));
    format!("{} of {} requests served{why}", client.served, client.made)
}

fn when(client: &ClientSeen) -> String {
    match client.beside {
        None => format!("{}, nobody attacking", family(client.family)),
        Some((technique, _)) => format!("{}, beside {technique}", family(client.family)),
    }
}

fn problems(reading: &Reading) -> Vec<String> {
    let told = reading.problems.iter().map(|(problem, cases)| match cases.len() {
        1 => format!("{problem} ({})", cases[0]),
        several => format!("{problem} ({several} cases)"),
    });
    let skipped = reading.skipped.iter().map(|(need, mend)| format!("{need} is missing: {mend}"));
    unclear(reading).chain(told).chain(skipped).collect()
}

/// Rules that match on an interface nobody knows may be those that let everything in.
fn unclear(reading: &Reading) -> impl Iterator<Item = String> {
    reading.unclear.iter().map(|what| {
        format!(
            "NOT JUDGED: rules match on the interface `{what}`, whose value the files do not give; they may let in what \
             is hidden here. Write its name in its place, then check again"
        )
    })
}

fn mapped(subject: &Subject) -> Vec<String> {
    if subject.mapped.is_empty() {
        return vec!["nothing had to be changed".to_owned()];
    }
    subject.mapped.clone()
}

/// The last line: one sentence that says it all.
fn verdict(reading: &Reading) -> String {
    let leaking = reading.leaks().count();
    let clients: BTreeSet<(&str, Service)> =
        reading.hurt().map(|client| (client.who.as_str(), client.service)).collect();
    let leak = match leaking {
        0 if !reading.unclear.is_empty() => "whether something leaks is not known".to_owned(),
        0 => "nothing leaks".to_owned(),
        some => format!("{some} of {} scans learn something", reading.by_strangers().count()),
    };
    let hurt = match clients.len() {
        0 => "nobody is hurt".to_owned(),
        1 => "one kind of client is hurt".to_owned(),
        some => format!("{some} kinds of clients are hurt"),
    };
    let open = if reading.problems.is_empty() && reading.unclear.is_empty() {
        ""
    } else {
        "; not everything could be judged"
    };
    format!("{leak}, {hurt}{open}")
}
