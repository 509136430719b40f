//! From a `[[red]]` table to an attacker: its technique, its pace, and how it hides.

use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use ipnet::IpNet;
use scandrill_model::{Asks, PortSet, TcpFlags, Technique};
use scandrill_scanners::{Burst, Detect, Evasion, Order, Pace, SynShape, Timing};

use super::expect::{self, Located, at, port_set};
use super::file::{self, At, BurstTable, RedTable, SourcesValue, ZombieValue};
use super::knock::{self, Knock};
use super::read::{lab_address, lab_range, name_of, optional_word, words_or};
use super::words::{self, Wrong};
use super::{Decoys, Red, Scanner, Sender, Who};

/// The host that is added for idle scans.
const ZOMBIE: &str = "zombie";

/// Understands all attackers; each waits for the one before unless the file says otherwise.
pub fn reds(tables: &[At<RedTable>]) -> Located<Vec<Red>> {
    let mut reds: Vec<Red> = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let before = reds.last().map(|red| red.name.clone());
        reds.push(red(index, table, before)?);
    }
    Ok(reds)
}

fn red(index: usize, table: &At<RedTable>, before: Option<String>) -> Located<Red> {
    let span = table.span.clone();
    let table = &table.value;
    let technique = technique(table)?;
    let name = name_of(table.name.as_ref(), "red", index);
    let red = Red {
        host: table.host.as_ref().map_or_else(|| name.clone(), |host| host.value.clone()),
        name,
        source: table.source.as_ref().map(|text| at(text, |text| lab_address(text))).transpose()?,
        technique,
        ports: ports(table, technique, &span)?,
        scanners: words_or(table.scanner.as_ref(), "scanner", &[Scanner::Builtin])?,
        timing: optional_word(table.timing.as_ref(), "timing template", Timing::T4)?,
        order: optional_word(table.order.as_ref(), "order", Order::Random)?,
        pace: pace(table)?,
        evasion: evasion(table)?,
        decoys: decoys(table)?,
        sender: sender(table)?,
        detect: detect(table)?,
        zombie: zombie(table, technique)?,
        knock: knock(table, technique)?,
        after: match &table.after {
            Some(names) => names.iter().map(|name| name.value.clone()).collect(),
            None => before.into_iter().collect(),
        },
        expect: expect::red(&table.expect)?,
        span,
    };
    check_expectation(&red)?;
    Ok(red)
}

/// The technique with its flags, which tcp-flags alone has.
fn technique(table: &RedTable) -> Located<Technique> {
    let named = at(&table.technique, |text| words::technique(text))?;
    match (named, &table.flags) {
        (Technique::TcpFlags(_), Some(flags)) => at(flags, |text| {
            let flags: Result<TcpFlags, _> = text.parse();
            flags.map(Technique::TcpFlags).map_err(|no| Wrong { message: no.to_string(), help: None })
        }),
        (Technique::TcpFlags(_), None) => {
            let wrong = Wrong::new("nothing says which flags are sent", "add flags = \"SYN,FIN\"");
            Err((table.technique.span.clone(), wrong))
        }
        (_, Some(flags)) => {
            let wrong = Wrong::new(format!("{named} has its own flags"), "use technique = \"tcp-flags\"");
            Err((flags.span.clone(), wrong))
        }
        (_, None) => Ok(named),
    }
}

/// What is asked: ports, protocols, or the host, which is port 0.
fn ports(table: &RedTable, technique: Technique, span: &Range<usize>) -> Located<PortSet> {
    let ports = table.ports.as_ref().map(|text| at(text, |text| port_set(text))).transpose()?;
    let place = table.ports.as_ref().map_or_else(|| span.clone(), |ports| ports.span.clone());
    match (technique.asks(), ports) {
        (Asks::Host, None) => Ok(PortSet::one(0)),
        (Asks::Host, Some(_)) => {
            Err((place, Wrong::new(format!("{technique} has no ports"), "leave `ports` out")))
        }
        (Asks::Protocols, Some(ports)) if ports.iter().any(|number| number > PROTOCOL_MAX) => {
            let help = "the ports of ip-protocol are protocols, 1 to 255";
            Err((place, Wrong::new(format!("{ports} are not all IP protocols"), help)))
        }
        (Asks::Ports | Asks::Protocols, Some(ports)) => Ok(ports),
        (Asks::Ports | Asks::Protocols, None) => {
            let wrong = Wrong::new("nothing says which ports are scanned", "add ports = \"1-1000\"");
            Err((table.technique.span.clone(), wrong))
        }
    }
}

/// The field has one byte (RFC 791, section 3.1).
const PROTOCOL_MAX: u16 = 255;

fn pace(table: &RedTable) -> Located<Pace> {
    let interval = match (&table.rate, &table.scan_delay) {
        (Some(_), Some(delay)) => {
            let wrong = Wrong::new("`rate` and `scan_delay` say the same", "keep one of them");
            return Err((delay.span.clone(), wrong));
        }
        (Some(rate), None) => Some(at(rate, |text| words::rate(text))?),
        (None, Some(delay)) => Some(at(delay, |text| words::length(text))?.into()),
        (None, None) => None,
    };
    Ok(Pace {
        interval,
        jitter_percent: jitter(table, interval)?,
        burst: table.burst.as_ref().map(|burst| self::burst(&burst.value)).transpose()?,
    })
}

fn jitter(table: &RedTable, interval: Option<Duration>) -> Located<u8> {
    let Some(jitter) = &table.jitter else { return Ok(0) };
    at(jitter, |&percent| match (percent, interval) {
        (101.., _) => {
            Err(Wrong::new(format!("{percent} percent of a time would be less than none"), "write 0 to 100"))
        }
        (_, None) => Err(Wrong::new("there is no time between two probes to vary", "add rate = \"10/s\"")),
        (_, Some(_)) => Ok(percent),
    })
}

fn burst(table: &BurstTable) -> Located<Burst> {
    let some = |&probes: &u32| match probes {
        0 => Err(Wrong::new("a burst of no probe", "write 1 or more")),
        _ => Ok(probes),
    };
    Ok(Burst { probes: at(&table.probes, some)?, pause: at(&table.pause, |text| words::length(text))? })
}

/// What needs no address; the plan adds those.
fn evasion(table: &RedTable) -> Located<Evasion> {
    Ok(Evasion {
        source_port: table.source_port.as_ref().map(|port| at(port, |&port| some(port))).transpose()?,
        fragment: table.fragment.as_ref().map(|size| at(size, |&size| fragment(size))).transpose()?,
        ttl: table.ttl.as_ref().map(|ttl| at(ttl, |&ttl| some(ttl))).transpose()?,
        bad_checksum: table.bad_checksum.as_ref().is_some_and(|bad| bad.value),
        data_length: table
            .data_length
            .as_ref()
            .map(|length| at(length, |&length| data_length(length)))
            .transpose()?
            .unwrap_or_default(),
        syn: optional_word(table.syn.as_ref(), "shape of a SYN", SynShape::Own)?,
        ..Evasion::default()
    })
}

fn some<T: Default + PartialEq + std::fmt::Display>(number: T) -> Result<T, Wrong> {
    if number == T::default() { Err(Wrong::new("0 is none", "write 1 or more")) } else { Ok(number) }
}

/// Offsets of fragments count in units of eight bytes (RFC 791, section 3.1).
fn fragment(size: u16) -> Result<u16, Wrong> {
    if size > 0 && size.is_multiple_of(8) && size <= DATA_MAX {
        return Ok(size);
    }
    let help = format!("write a multiple of 8 up to {DATA_MAX}");
    Err(Wrong::new(format!("a fragment cannot have {size} bytes"), help))
}

/// What fits into one packet on an Ethernet link, beside the headers.
const DATA_MAX: u16 = 1400;

fn data_length(length: u16) -> Result<u16, Wrong> {
    if length <= DATA_MAX {
        return Ok(length);
    }
    Err(Wrong::new(format!("{length} bytes do not fit into a packet"), format!("write at most {DATA_MAX}")))
}

fn decoys(table: &RedTable) -> Located<Decoys> {
    let Some(decoys) = &table.decoys else { return Ok(Decoys::default()) };
    at(decoys, |decoys| match decoys {
        file::Decoys::Count(count @ 1..=DECOYS_MAX) => Ok(Decoys::Chosen(*count)),
        file::Decoys::Count(count) => {
            Err(Wrong::new(format!("{count} decoys"), format!("write 1 to {DECOYS_MAX}")))
        }
        file::Decoys::Named(names) => {
            names.iter().map(|name| who(name)).collect::<Result<_, _>>().map(Decoys::Named)
        }
    })
}

/// As many as a routed prefix has addresses for beside those of the actors.
const DECOYS_MAX: u8 = 100;

/// An address, or the name of a host, which cannot look like one.
pub(super) fn who(text: &str) -> Result<Who, Wrong> {
    match text.parse::<IpAddr>() {
        Ok(_) => lab_address(text).map(Who::Address),
        Err(_) => Ok(Who::Host(text.to_owned())),
    }
}

fn sender(table: &RedTable) -> Located<Sender> {
    let alone = |other: &Range<usize>, key: &str| {
        let wrong =
            Wrong::new(format!("`{key}` says who sends, and so does another key"), "keep one of them");
        Err((other.clone(), wrong))
    };
    match (&table.source, &table.sources, &table.spoof) {
        (Some(_), Some(sources), _) => alone(&sources.span, "sources"),
        (Some(_), _, Some(spoof)) | (_, Some(_), Some(spoof)) => alone(&spoof.span, "spoof"),
        (None, Some(sources), None) => at(sources, pool),
        (None, None, Some(spoof)) => at(spoof, |text| who(text)).map(Sender::Spoofed),
        (_, None, None) => Ok(Sender::Own),
    }
}

pub(super) fn pool(value: &SourcesValue) -> Result<Sender, Wrong> {
    match value {
        SourcesValue::Count(count @ 1..=SOURCES_MAX) => Ok(Sender::Pool(*count)),
        SourcesValue::Count(count) => {
            Err(Wrong::new(format!("{count} sources"), format!("write 1 to {SOURCES_MAX}, or a prefix")))
        }
        SourcesValue::Prefix(text) => {
            let prefix: IpNet = lab_range(text)?;
            if prefix.max_prefix_len() - prefix.prefix_len() < 2 {
                return Err(Wrong::new(format!("{prefix} has no two hosts"), "name a shorter prefix"));
            }
            Ok(Sender::Prefix(prefix.trunc()))
        }
    }
}

/// The most sources that a lab has room for.
const SOURCES_MAX: u32 = 16_382;

fn detect(table: &RedTable) -> Located<Detect> {
    let Some(what) = &table.detect else { return Ok(Detect::default()) };
    let words = what.value.clone().into_vec();
    if let Some(unknown) = words.iter().find(|word| !["os", "services"].contains(&word.as_str())) {
        let wrong = Wrong::new(format!("nothing detects `{unknown}`"), "known: os, services");
        return Err((what.span.clone(), wrong));
    }
    let has = |word: &str| words.iter().any(|one| one == word);
    Ok(Detect { system: has("os"), services: has("services") })
}

fn zombie(table: &RedTable, technique: Technique) -> Located<Option<String>> {
    match (&table.zombie, technique) {
        (None, Technique::Idle) => Ok(Some(ZOMBIE.to_owned())),
        (None, _) => Ok(None),
        (Some(zombie), Technique::Idle) => at(zombie, |zombie| match zombie {
            ZombieValue::Added(true) => Ok(Some(ZOMBIE.to_owned())),
            ZombieValue::Host(name) => Ok(Some(name.clone())),
            ZombieValue::Added(false) => Err(Wrong::new(
                "an idle scan looks through a zombie",
                "leave `zombie` out for one of its own",
            )),
        }),
        (Some(zombie), other) => {
            let wrong = Wrong::new(format!("{other} asks no zombie"), "use technique = \"idle\"");
            Err((zombie.span.clone(), wrong))
        }
    }
}

/// A knock opens for the address it comes from, so that must be the one that scans.
fn knock(table: &RedTable, technique: Technique) -> Located<Knock> {
    let knock = knock::knock(table.knock.as_ref(), table.knock_pace.as_ref())?;
    let others = [
        table.sources.as_ref().map(|sources| (&sources.span, "sources")),
        table.spoof.as_ref().map(|spoof| (&spoof.span, "spoof")),
        (technique == Technique::Idle).then_some((&table.technique.span, "technique = \"idle\"")),
    ];
    match others.into_iter().flatten().next() {
        Some((place, key)) if !knock.steps.is_empty() => {
            let message =
                format!("`knock` opens for the scanner's own address, and `{key}` scans from others");
            Err((place.clone(), Wrong::new(message, "keep one of them")))
        }
        _ => Ok(knock),
    }
}

/// What can be seen of a scan that hears no answer, or of a system that nobody asks for.
fn check_expectation(red: &Red) -> Located<()> {
    let refuse = |message: &str, help: &str| Err((red.span.clone(), Wrong::new(message, help)));
    if red.expect.ban.is_some() && matches!(red.sender, Sender::Spoofed(_)) {
        return refuse(
            "a scan in somebody else's name gets somebody else banned",
            "expect of that host's client that it is not served: after = [\"red\"], expect.success_max = 0.0",
        );
    }
    if red.detect != Detect::default() && red.technique.asks() != Asks::Ports {
        return refuse("nmap detects what is behind ports, and none is asked", "use technique = \"tcp-syn\"");
    }
    if red.detect != Detect::default() && red.scanners.contains(&Scanner::Builtin) {
        return refuse("the built-in scanner tells ports' states alone", "use scanner = \"nmap\"");
    }
    if (red.expect.os.is_some() || red.expect.os_accuracy.is_some()) && !red.detect.system {
        return refuse("nobody looks for the target's system", "add detect = \"os\" and scanner = \"nmap\"");
    }
    Ok(())
}
