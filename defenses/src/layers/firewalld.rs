//! firewalld, the real one, on a system bus of its own. What it does in the kernel is its own business: the files that tell
//! it are what is read back.

use minijinja::{Value, context};
use scandrill_model::{CommandLine, Daemon, Step};

use super::ALLOW;
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{RulesFile, render, rules_file, services};
use crate::settings::{Services, Settings};

/// Fedora's and Red Hat's firewall daemon.
pub struct Firewalld;

/// The file of the system bus, which the daemon's clients know as well.
const BUS: &str = "/run/dbus/system_bus_socket";
const BUS_CONFIG: &str = "/etc/scandrill-bus.conf";

/// Its table of nftables.
const TABLE: [&str; 1] = ["firewalld"];
/// All of iptables, which it takes for itself: its built-in chains, ebtables' tables and all.
const EVERYTHING: [&str; 1] = ["*"];

impl Layer for Firewalld {
    fn name(&self) -> &'static str {
        "firewalld"
    }

    fn summary(&self) -> &'static str {
        "the real firewalld, all interfaces in one zone: refuses what is not allowed, with an ICMP message or in silence, \
         over both families"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            ALLOW,
            Parameter {
                name: "zone",
                kind: Kind::OneOf(&["public", "block", "drop", "trusted"]),
                default: Preset::Word("public"),
                doc: "what becomes of what is not allowed: refused, but for pings (public), refused (block), dropped (drop), \
                      or nothing (trusted)",
            },
            Parameter {
                name: "limit",
                kind: Kind::Services,
                default: Preset::Nothing,
                doc: "what is allowed only so often, by a rich rule: all sources together",
            },
            Parameter {
                name: "rate",
                kind: Kind::Number { min: 1, max: 10_000 },
                default: Preset::Number(3),
                doc: "how often `limit` lets a connection pass",
            },
            Parameter {
                name: "per",
                kind: Kind::OneOf(&["s", "m", "h", "d"]),
                default: Preset::Word("m"),
                doc: "the time of `rate`: a second, a minute, an hour or a day",
            },
            Parameter {
                name: "log",
                kind: Kind::OneOf(&["off", "all", "unicast", "broadcast", "multicast"]),
                default: Preset::Word("off"),
                doc: "which refused packets are logged (LogDenied), without a limit; in a lab only of `iptables` it is heard",
            },
            Parameter {
                name: "backend",
                kind: Kind::OneOf(&["nftables", "iptables"]),
                default: Preset::Tool,
                doc: "which kernel interface it uses (FirewallBackend); by default the case's tool",
            },
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let values = values(settings);
        let write = |path: String, file: RulesFile| {
            Ok::<_, DefenseError>(Step::WriteFile { path, text: render(self.name(), file, &values)? })
        };
        let zone = format!("/etc/firewalld/zones/{}.xml", settings.word("zone"));
        Ok(vec![
            write(BUS_CONFIG.to_owned(), rules_file!("firewalld/bus.conf"))?,
            write("/etc/firewalld/firewalld.conf".to_owned(), rules_file!("firewalld/firewalld.conf"))?,
            write(zone, rules_file!("firewalld/zone.xml"))?,
            Step::Daemon(bus()),
            Step::Daemon(daemon(settings.word("backend"))),
        ])
    }
}

fn bus() -> Daemon {
    let args = [&format!("--config-file={BUS_CONFIG}"), "--nofork", "--nopidfile"];
    Daemon {
        name: "dbus".to_owned(),
        folders: vec!["/run/dbus".to_owned()],
        command: CommandLine { program: "dbus-daemon".to_owned(), args: args.map(str::to_owned).into() },
        ready: CommandLine::bash(&format!("test -S {BUS}")),
        owns: Vec::new(),
    }
}

fn daemon(backend: &str) -> Daemon {
    let owns = if backend == "iptables" { EVERYTHING } else { TABLE };
    let args = ["--nofork", "--nopid"];
    Daemon {
        name: "firewalld".to_owned(),
        folders: Vec::new(),
        command: CommandLine { program: "firewalld".to_owned(), args: args.map(str::to_owned).into() },
        ready: CommandLine::bash("firewall-cmd --state"),
        owns: owns.iter().map(ToString::to_string).collect(),
    }
}

fn values(settings: &Settings) -> Value {
    let (allow, limit) = (settings.services("allow"), settings.services("limit"));
    // What is allowed without a limit is not limited by another rule.
    let allow = Services { tcp: allow.tcp.without(&limit.tcp), udp: allow.udp.without(&limit.udp) };
    // What these zones are in the package.
    let target = match settings.word("zone") {
        "block" => "%%REJECT%%",
        "drop" => "DROP",
        "trusted" => "ACCEPT",
        _ => "",
    };
    context! {
        allow => services(&allow),
        limit => services(&limit),
        rate => settings.number("rate"),
        per => settings.word("per"),
        zone => settings.word("zone"),
        target,
        log => settings.word("log"),
        backend => settings.word("backend"),
    }
}
