//! sshguard, the real one, on lines of a log file. It knows lines of servers that refuse a login, none of the kernel's.

use minijinja::{Value, context};
use scandrill_model::{CommandLine, Daemon, Step, Tool};

use super::TOOL;
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{append, render, rules_file};
use crate::settings::Settings;

/// A ban daemon that reads the log of logins.
pub struct Sshguard;

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "log",
        kind: Kind::OneOf(&["auth.log", "syslog"]),
        default: Preset::Word("auth.log"),
        doc: "the file below /var/log that it reads: that of logins, or the one that has the kernel's lines, too",
    },
    Parameter {
        name: "threshold",
        kind: Kind::Number { min: 1, max: 1_000_000 },
        default: Preset::Number(30),
        doc: "the score that blocks a source; most attacks count 10",
    },
    Parameter {
        name: "block_time",
        kind: Kind::Number { min: 1, max: 1_000_000 },
        default: Preset::Number(120),
        doc: "how many seconds the first block lasts; each further one lasts 1.5 times as long",
    },
    Parameter {
        name: "detection_time",
        kind: Kind::Number { min: 1, max: 1_000_000 },
        default: Preset::Number(1800),
        doc: "after how many seconds without an attack a score is forgotten",
    },
    TOOL,
];

/// Its last part, which calls the firewall, runs, and the one that follows the log does.
const READY: &str = "pgrep -f /sshg-fw- > /dev/null && pgrep -x tail > /dev/null";

impl Layer for Sshguard {
    fn name(&self) -> &'static str {
        "sshguard"
    }

    fn summary(&self) -> &'static str {
        "the real daemon, which blocks the sources of refused logins, over both families; a port scan is no login, \
         and is never seen"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let text = render(self.name(), rules_file!("sshguard/sshguard.conf"), &values(settings))?;
        let mut steps = vec![Step::WriteFile { path: "/etc/sshguard/sshguard.conf".to_owned(), text }];
        if settings.tool() == Tool::Iptables {
            let chain = rules_file!("sshguard.rules");
            steps.push(append(
                self.name(),
                settings,
                chain,
                |family| context! { family => family.to_string() },
            )?);
        }
        steps.push(Step::Daemon(daemon()));
        Ok(steps)
    }
}

fn daemon() -> Daemon {
    Daemon {
        name: "sshguard".to_owned(),
        folders: Vec::new(),
        command: CommandLine { program: "sshguard".to_owned(), args: vec![] },
        ready: CommandLine::bash(READY),
        owns: vec!["sshguard".to_owned()],
    }
}

fn values(settings: &Settings) -> Value {
    context! {
        tool => settings.word(TOOL.name),
        log => settings.word("log"),
        threshold => settings.number("threshold"),
        block_time => settings.number("block_time"),
        detection_time => settings.number("detection_time"),
    }
}
