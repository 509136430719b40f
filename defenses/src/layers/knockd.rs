//! knockd, the real one: it watches the link for the sequence, and opens what the rules drop by its own commands.

use minijinja::{Value, context};
use scandrill_model::{CommandLine, Daemon, Protocol, Step, Tool};

use super::TOOL;
use super::knock::{PORTS, SEQUENCE, doors};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, render, rules_file, twins};
use crate::settings::Settings;

/// A daemon that hears knocks.
pub struct Knockd;

const PARAMETERS: &[Parameter] = &[
    SEQUENCE,
    Parameter {
        name: "seconds",
        kind: Kind::Number { min: 1, max: 86_400 },
        default: Preset::Number(5),
        doc: "within how many seconds the whole sequence must come (seq_timeout)",
    },
    Parameter {
        name: "open",
        kind: Kind::Number { min: 1, max: 86_400 },
        default: Preset::Number(10),
        doc: "how many seconds new connections of who has knocked are let in; with iptables 15 at most, as knockd does not end \
              before it has shut what it opened",
    },
    PORTS,
    TOOL,
];

/// A lab gives a daemon twenty seconds to end.
const OPEN_MAX: u64 = 15;

/// Its configuration.
const CONFIG: &str = "/etc/knockd.conf";
/// It has opened the interface and set its filter since it began last, as it says itself.
const READY: &str = r#"tac /var/log/knockd.out | sed "/new section: 'options'/q" | grep -q '^listening on'"#;

impl Layer for Knockd {
    fn name(&self) -> &'static str {
        "knockd"
    }

    fn summary(&self) -> &'static str {
        "the real daemon, which opens hidden ports to who touches others in a secret order; it hears those ports alone, so \
         that what comes between two steps changes nothing"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        self.check(settings)?;
        let values = values(settings);
        let text = render(self.name(), rules_file!("knockd/knockd.conf"), &values)?;
        let rules = install(self.name(), settings, twins!("knockd"), |_| values.clone())?;
        let config = Step::WriteFile { path: CONFIG.to_owned(), text };
        Ok(vec![rules, config, Step::Daemon(daemon(&settings.site().interface))])
    }
}

impl Knockd {
    fn check(&self, settings: &Settings) -> Result<(), DefenseError> {
        if settings.tool() == Tool::Nftables || settings.number("open") <= OPEN_MAX {
            return Ok(());
        }
        let why = format!(
            "knockd does not end before it has shut what it opened: `open` is {OPEN_MAX} at most with iptables"
        );
        Err(DefenseError::Contradiction { layer: self.name().to_owned(), why })
    }
}

/// It stays in the foreground, and says how far each source is.
fn daemon(interface: &str) -> Daemon {
    let args = ["-i", interface, "-c", CONFIG, "-v", "-D"];
    Daemon {
        name: "knockd".to_owned(),
        folders: Vec::new(),
        command: CommandLine { program: "knockd".to_owned(), args: args.map(str::to_owned).into() },
        ready: CommandLine::bash(READY),
        owns: vec!["KNOCKD".to_owned()],
    }
}

fn values(settings: &Settings) -> Value {
    context! {
        interface => settings.site().interface.clone(),
        sequence => of_knockd(settings.sequence(SEQUENCE.name)),
        seconds => settings.number("seconds"),
        tool => settings.word(TOOL.name),
        ..doors(settings)
    }
}

/// `7000:tcp,8000:udp`, as knockd writes a sequence.
fn of_knockd(sequence: &[(Protocol, u16)]) -> String {
    sequence.iter().map(|(protocol, port)| format!("{port}:{protocol}")).collect::<Vec<_>>().join(",")
}
