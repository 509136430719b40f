//! psad, the real one, on lines of the kernel log. Which packets are logged is another layer's business (`log`).

use minijinja::context;
use scandrill_model::{CommandLine, Daemon, Step};

use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{render, rules_file};
use crate::settings::Settings;

/// A detector that reads the kernel log.
pub struct Psad;

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "blocks",
        kind: Kind::Switch,
        default: Preset::Off,
        doc: "whether it blocks whom it notices (ENABLE_AUTO_IDS), which the package leaves off",
    },
    Parameter {
        name: "danger_level",
        kind: Kind::Number { min: 1, max: 5 },
        default: Preset::Number(5),
        doc: "from which of its levels on it blocks: 5, 15, 150, 1,500 and 10,000 lines of a source",
    },
    Parameter {
        name: "interval",
        kind: Kind::Number { min: 1, max: 3600 },
        default: Preset::Number(5),
        doc: "how many seconds pass between two looks at the log (CHECK_INTERVAL)",
    },
    Parameter {
        name: "bantime",
        kind: Kind::Number { min: 1, max: 2_147_483 },
        default: Preset::Number(3600),
        doc: "how many seconds a block below level 5 lasts; at level 5 it stays",
    },
];

/// What is changed of the package's configuration.
const OVERRIDE: &str = "/etc/psad/override.conf";
/// Folders that its own unit makes.
const FOLDERS: [&str; 3] = ["/run/psad", "/var/log/psad", "/var/lib/psad"];
/// It has the log open, and waits for the next look at it: what was logged before that it passes over.
const READY: &str = r"ls -l /proc/$PID/fd | grep -q '/var/log/kern\.log$'
grep -q hrtimer /proc/$PID/wchan";

impl Layer for Psad {
    fn name(&self) -> &'static str {
        "psad"
    }

    fn summary(&self) -> &'static str {
        "the real daemon, which rates the sources of lines in the kernel log, and as the package configures it blocks none of \
         them; it knows iptables alone"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let values = context! {
            blocks => settings.is_on("blocks"),
            danger_level => settings.number("danger_level"),
            interval => settings.number("interval"),
            bantime => settings.number("bantime"),
        };
        let text = render(self.name(), rules_file!("psad/override.conf"), &values)?;
        Ok(vec![Step::WriteFile { path: OVERRIDE.to_owned(), text }, Step::Daemon(daemon())])
    }
}

fn daemon() -> Daemon {
    let args = ["--no-daemon", "--Override-config", OVERRIDE];
    Daemon {
        name: "psad".to_owned(),
        folders: FOLDERS.map(str::to_owned).into(),
        command: CommandLine { program: "psad".to_owned(), args: args.map(str::to_owned).into() },
        ready: CommandLine::bash(READY),
        owns: vec!["PSAD_BLOCK_*".to_owned()],
    }
}
