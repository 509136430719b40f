//! portsentry, the real one: it sees packets to closed ports by a raw socket, and needs no rule that logs.

use minijinja::context;
use scandrill_model::{CommandLine, Daemon, Loader, Need, Step};

use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{load, render, rules_file};
use crate::settings::Settings;

/// A detector that hears what no service does.
pub struct Portsentry;

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "blocks",
        kind: Kind::Switch,
        default: Preset::Off,
        doc: "whether it blocks whom it notices (BLOCK_TCP), which the package leaves off",
    },
    Parameter {
        name: "mode",
        kind: Kind::OneOf(&["atcp", "stcp"]),
        default: Preset::Word("atcp"),
        doc: "which TCP ports it watches: all below 1024 that nobody listens on, or those of its list",
    },
    Parameter {
        name: "trigger",
        kind: Kind::Number { min: 0, max: 1000 },
        default: Preset::Number(0),
        doc: "how many ports a source may touch before it is noticed (SCAN_TRIGGER)",
    },
];

/// The package's place; there is no option for another.
const CONFIG: &str = "/etc/portsentry/portsentry.conf";
/// It goes into the background by itself, into a session of its own, so it lives in a namespace of processes that ends with
/// the command, however that ends.
const COMMAND: &str = r"touch /run/portsentry/ignore
setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount-proc bash -ec '
    portsentry -MODE
    tail -f --pid=$(pgrep -x portsentry) /dev/null' &
trap 'kill -KILL $!; exit 0' TERM
wait $!";
/// Its raw socket is there.
const READY: &str = "test $(wc -l < /proc/net/raw) -gt 1";

impl Layer for Portsentry {
    fn name(&self) -> &'static str {
        "portsentry"
    }

    fn summary(&self) -> &'static str {
        "the real daemon, which hears what comes to closed ports, over IPv4 alone; it blocks nobody as the package \
         configures it, else whoever one packet seems to come from"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let values = context! {
            blocks => settings.is_on("blocks"),
            trigger => settings.number("trigger"),
        };
        let loader = Loader::Script { backend: settings.site().backend };
        let chain = load(self.name(), loader, rules_file!("portsentry/chain.sh"), &values)?;
        let text = render(self.name(), rules_file!("portsentry/portsentry.conf"), &values)?;
        let config = Step::WriteFile { path: CONFIG.to_owned(), text };
        Ok(vec![chain, config, Step::Daemon(daemon(settings.word("mode")))])
    }

    fn needs(&self, steps: &[Step]) -> Vec<Need> {
        let started = Need::Program("portsentry".to_owned());
        crate::needs(steps).into_iter().chain([started]).collect()
    }
}

fn daemon(mode: &str) -> Daemon {
    Daemon {
        name: "portsentry".to_owned(),
        folders: vec!["/run/portsentry".to_owned()],
        command: CommandLine::bash(&COMMAND.replace("MODE", mode)),
        ready: CommandLine::bash(READY),
        owns: vec!["PORTSENTRY".to_owned()],
    }
}
