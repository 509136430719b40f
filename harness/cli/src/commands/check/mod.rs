//! `scandrill check`: a user's own rules, drilled with everything there is, and no scenario file.

mod battery;
mod drill;
mod page;
mod reading;

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use scandrill_defenses::DefenseError;
use scandrill_defenses::mapping::{self, Mapping, Onto, Why};
use scandrill_defenses::rules::{self, Format};
use scandrill_engine::{BadFile, Scanner, SourceFile};
use scandrill_model::{Backend, PortSet};
use strum::IntoEnumIterator;

use self::battery::{Battery, Named, Service};
use self::drill::Drill;
use self::page::{Subject, page};
use super::run::{scanner_parser, seed_of_now};
use crate::console::Console;
use crate::failure::Failure;
use crate::selection::quoted;

/// The attacked host in every lab.
const TARGET: (Ipv4Addr, Ipv6Addr) =
    (Ipv4Addr::new(198, 18, 0, 1), Ipv6Addr::new(0xfd00, 0x198, 0x18, 0, 0, 0, 0, 1));

/// From how many of the sources that the rules name it is asked; blocklists have thousands.
const NAMED_MAX: usize = 8;

const AFTER_HELP: &str = "\
Your rules are installed in a lab by the real programs, never on this machine.

Examples:
  sudo iptables-save | scandrill check - --services 22,80
  scandrill check /etc/nftables.conf --services 22,443,udp/53

Exit codes:
  0  nothing leaks and nobody is hurt
  1  something leaks, or somebody is hurt
  2  wrong usage, or a file that is wrong
  3  something could not be judged; rules that do not load are told with file and line
  4  a program that the rules need is missing";

/// What to check, and how.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// Your rules: iptables-save format, an nft file or a shell script; "-" for standard input; several are installed
    /// one after the other
    #[arg(required = true, value_name = "RULES")]
    pub rules: Vec<String>,
    /// What the host serves, such as 22,80,udp/53; everything else should be hidden
    #[arg(long, required = true, value_name = "LIST", value_delimiter = ',')]
    pub services: Vec<Service>,
    /// The ports to scan, beside the services
    #[arg(long, value_name = "PORTS", default_value = "1-1000")]
    pub ports: PortSet,
    /// Who scans
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "builtin", value_parser = scanner_parser())]
    pub scanner: Vec<Scanner>,
    /// Which kernel interface your iptables speaks to
    #[arg(long, value_name = "NAME", default_value = "nft", value_parser = backend_parser())]
    pub backend: Backend,
    /// The interface of your host that faces attackers, where the rules do not tell
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Labs at the same time [default: eight for each processor]
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Start of all random choices [default: the time]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Say nothing until the end
    #[arg(long, short)]
    pub quiet: bool,
}

fn backend_parser() -> impl clap::builder::TypedValueParser<Value = Backend> {
    use clap::builder::TypedValueParser;
    let names: Vec<String> = Backend::iter().map(|backend| backend.to_string()).collect();
    clap::builder::PossibleValuesParser::new(names).try_map(|name| name.parse::<Backend>())
}

/// Drills the rules.
pub fn run(args: &Args, console: Console) -> Result<u8, Failure> {
    let seed = args.seed.unwrap_or_else(seed_of_now);
    let mut services = args.services.clone();
    services.sort_unstable();
    services.dedup();
    let (rules, mappings, unclear) = onto_the_lab(&args.rules, args.interface.as_deref())?;
    let battery = Battery {
        services,
        ports: args.ports.clone(),
        rules: args.rules.len(),
        backend: args.backend,
        scanners: args.scanner.clone(),
        named: mappings.iter().filter_map(named).take(NAMED_MAX).collect(),
    };
    let drill = Drill { battery: &battery, rules: &rules, seed, args, console };
    let mut reading = drill.run()?;
    reading.unclear = unclear;
    let mapped = mappings.iter().map(Mapping::to_string).collect();
    let subject = Subject { rules: args.rules.clone(), mapped, repeat: repeat(args, seed) };
    console.out(&page(&reading, &battery, &subject))?;
    Ok(reading.exit_code())
}

/// Reads a rules file, or standard input.
pub(super) fn rules_file(path: &str) -> Result<SourceFile, Failure> {
    let cannot =
        |error: std::io::Error| Failure::Usage { message: format!("reading {path}: {error}"), help: None };
    if path != "-" {
        return Ok(SourceFile::new(path, std::fs::read_to_string(path).map_err(cannot)?));
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(cannot)?;
    Ok(SourceFile::new("standard input", text))
}

/// The files as they are for the lab, what was changed in them, and what could not be understood.
type Carried = (Vec<SourceFile>, Vec<Mapping>, Vec<String>);

/// The rules with the lab's interface and addresses in them, what was changed, and what was not understood.
fn onto_the_lab(paths: &[String], outer: Option<&str>) -> Result<Carried, Failure> {
    let onto = Onto { interface: "eth0".to_owned(), target: TARGET, outer: outer.map(str::to_owned) };
    let files = paths.iter().map(|path| rules_file(path)).collect::<Result<Vec<_>, _>>()?;
    let formats = files.iter().map(format_of).collect::<Result<Vec<_>, _>>()?;
    let texts: Vec<(&str, Format)> = files.iter().map(|file| &*file.text).zip(formats).collect();
    let (mut rules, mut mappings) = (Vec::new(), Vec::new());
    let all = mapping::map_all(&texts, &onto).map_err(|error| Failure::Usage {
        message: error.to_string(),
        help: Some("--interface takes a name from the rules".to_owned()),
    })?;
    for (file, mapped) in files.iter().zip(all.files) {
        rules.push(SourceFile::new(file.name.clone(), mapped.text));
        for mapping in mapped.mappings {
            if !mappings.contains(&mapping) {
                mappings.push(mapping);
            }
        }
    }
    Ok((rules, mappings, all.unclear))
}

/// The format of a rules file.
pub(super) fn format_of(file: &SourceFile) -> Result<Format, Failure> {
    let bad = |error: DefenseError| BadFile {
        file: file.clone(),
        span: 0..0,
        message: error.to_string(),
        help: Some("iptables-save format, an nft file or a shell script is understood".to_owned()),
    };
    Ok(rules::detect(&file.name, &file.text).map_err(bad)?)
}

/// A range of others that the rules name, as one more source to ask from.
fn named(mapping: &Mapping) -> Option<Named> {
    if !matches!(mapping.why, Why::Range | Why::ShortenedRange) {
        return None;
    }
    let first = mapping.to.split('-').next()?;
    let range: IpNet = first.parse().or_else(|_| first.parse::<IpAddr>().map(IpNet::from)).ok()?;
    Some(Named { from: mapping.from.clone(), range })
}

/// The command that does the same again.
fn repeat(args: &Args, seed: u64) -> String {
    let services: Vec<String> = args.services.iter().map(Service::to_string).collect();
    let scanners: Vec<String> = args.scanner.iter().map(Scanner::to_string).collect();
    let rules: Vec<String> = args.rules.iter().map(|path| quoted(path)).collect();
    let interface =
        args.interface.as_ref().map(|name| format!(" --interface {}", quoted(name))).unwrap_or_default();
    format!(
        "scandrill check {} --services {} --ports {} --scanner {} --backend {}{interface} --seed {seed}",
        rules.join(" "),
        services.join(","),
        args.ports,
        scanners.join(","),
        args.backend
    )
}
