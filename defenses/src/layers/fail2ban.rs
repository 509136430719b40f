//! fail2ban, the real one, on lines of the kernel log. Which packets are logged is another layer's business (`log`).

use minijinja::{Value, context};
use scandrill_model::{CommandLine, Daemon, Need, Step};

use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{RulesFile, render, rules_file};
use crate::settings::Settings;

/// A ban daemon that reads the kernel log.
pub struct Fail2ban;

/// The greatest length of time that a parameter takes, in seconds: ipset's greatest timeout.
const LONGEST: u64 = 2_147_483;

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "jail",
        kind: Kind::OneOf(&["own", "manual"]),
        default: Preset::Word("own"),
        doc: "whose jail: one with a filter of its own file, or the manual's, whose filter is in jail.local, with the \
              package's findtime and action",
    },
    Parameter {
        name: "prefix",
        kind: Kind::Name,
        default: Preset::Word("IPTables-Dropped"),
        doc: "how the kernel's lines begin that count against a source, before a colon",
    },
    Parameter {
        name: "maxretry",
        kind: Kind::Number { min: 1, max: 1_000_000 },
        default: Preset::Number(3),
        doc: "how many lines ban their source",
    },
    Parameter {
        name: "findtime",
        kind: Kind::Number { min: 1, max: LONGEST },
        default: Preset::Number(600),
        doc: "within how many seconds they must come",
    },
    Parameter {
        name: "bantime",
        kind: Kind::Number { min: 1, max: LONGEST },
        default: Preset::Number(3600),
        doc: "how many seconds a ban lasts",
    },
    Parameter {
        name: "backend",
        kind: Kind::OneOf(&["polling", "pyinotify"]),
        default: Preset::Word("pyinotify"),
        doc: "how it notices new lines: by looking again and again, or told by the kernel (inotify)",
    },
    Parameter {
        name: "action",
        kind: Kind::OneOf(&["iptables", "ipset", "nftables"]),
        default: Preset::Tool,
        doc: "what a ban is: a rule of its own, or an element of a set of ipset's or nftables'; by default the case's tool",
    },
    Parameter {
        name: "protocol",
        kind: Kind::OneOf(&["tcp", "udp", "tcp,udp"]),
        default: Preset::Word("tcp,udp"),
        doc: "what a banned source is refused; the package's own jails refuse tcp alone",
    },
    Parameter {
        name: "blocktype",
        kind: Kind::OneOf(&["reject", "drop"]),
        default: Preset::Word("reject"),
        doc: "how: with an ICMP message that tells of it, as the package does, or in silence",
    },
    Parameter {
        name: "memory",
        kind: Kind::OneOf(&["database", "none"]),
        default: Preset::Word("database"),
        doc: "whether bans, and how far the log was read, are kept in a database over a restart",
    },
    Parameter {
        name: "tail",
        kind: Kind::Switch,
        default: Preset::Off,
        doc: "whether the log is read from its end when it is not known how far it was read, instead of from findtime ago",
    },
    Parameter {
        name: "ignore",
        kind: Kind::Ranges,
        default: Preset::Nothing,
        doc: "sources that are never banned",
    },
];

/// How its unit of systemd runs it. `-x` takes the socket's place from one that was killed.
const PROGRAM: &str = "fail2ban-server";
const ARGUMENTS: [&str; 2] = ["-xf", "start"];
/// Its jail has started, as its own log says.
const READY: &str = r#"grep -q "\[$PID\]: .* Jail 'iptables-dropped' started" /var/log/fail2ban.log"#;

impl Layer for Fail2ban {
    fn name(&self) -> &'static str {
        "fail2ban"
    }

    fn summary(&self) -> &'static str {
        "the real daemon, which bans the sources of lines in the kernel log; nothing is banned without a layer before it \
         that logs, and a fast scan is over before the ban"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let values = values(settings);
        let write = |path: &str, file: RulesFile| {
            let text = render(self.name(), file, &values)?;
            Ok::<_, DefenseError>(Step::WriteFile { path: format!("/etc/fail2ban/{path}"), text })
        };
        let mut steps = vec![write("fail2ban.local", rules_file!("fail2ban/fail2ban.local"))?];
        if settings.word("blocktype") == "drop" && settings.word("action") != "nftables" {
            steps.push(write("action.d/iptables.local", rules_file!("fail2ban/iptables.local"))?);
        }
        if settings.word("jail") == "manual" {
            steps.push(write("jail.local", rules_file!("fail2ban/manual.local"))?);
        } else {
            steps.push(write("filter.d/iptables-dropped.conf", rules_file!("fail2ban/filter.conf"))?);
            steps.push(write("jail.local", rules_file!("fail2ban/jail.local"))?);
        }
        steps.push(Step::Daemon(daemon()));
        Ok(steps)
    }

    fn needs(&self, steps: &[Step]) -> Vec<Need> {
        let asks =
            |step: &Step| matches!(step, Step::WriteFile { text, .. } if text.contains("iptables-ipset"));
        let by_ban = steps.iter().any(asks).then(|| Need::Program("ipset".to_owned()));
        crate::needs(steps).into_iter().chain(by_ban).collect()
    }
}

fn daemon() -> Daemon {
    Daemon {
        name: "fail2ban".to_owned(),
        folders: Vec::new(),
        command: CommandLine { program: PROGRAM.to_owned(), args: ARGUMENTS.map(str::to_owned).into() },
        ready: CommandLine::bash(READY),
        owns: vec!["f2b-*".to_owned()],
    }
}

fn values(settings: &Settings) -> Value {
    let ignored: Vec<String> = settings.ranges("ignore", None).iter().map(ToString::to_string).collect();
    context! {
        prefix => settings.word("prefix"),
        maxretry => settings.number("maxretry"),
        findtime => settings.number("findtime"),
        bantime => settings.number("bantime"),
        backend => settings.word("backend"),
        action => settings.word("action"),
        protocol => settings.word("protocol"),
        blocktype => settings.word("blocktype"),
        memory => settings.word("memory"),
        tail => settings.is_on("tail"),
        ignore => ignored,
    }
}
