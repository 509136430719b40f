//! CrowdSec's engine, the real one, on lines of the kernel log. It decides and does nothing: who enforces its decisions is
//! another layer's business (`crowdsec-bouncer`), and so is which packets are logged (`log`).

use minijinja::context;
use scandrill_model::{CommandLine, Daemon, Loader, Need, Step};

use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{RulesFile, load, render, rules_file};
use crate::settings::Settings;

/// A detector that reads the kernel log.
pub struct Crowdsec;

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "capacity",
        kind: Kind::Number { min: 1, max: 1_000_000 },
        default: Preset::Number(15),
        doc: "how many TCP ports of a source its bucket holds; one more and it runs over, which is a decision to ban",
    },
    Parameter {
        name: "leakspeed",
        kind: Kind::Number { min: 1, max: 2_147_483 },
        default: Preset::Number(5),
        doc: "after how many seconds a port leaks out of the bucket",
    },
    Parameter {
        name: "bantime",
        kind: Kind::Number { min: 1, max: 2_147_483 },
        default: Preset::Number(14_400),
        doc: "how many seconds a decision stands",
    },
];

/// It follows the log, which it opens last of all, seconds after its local API answers where a machine is busy. No program is
/// called for this, as it is asked all the while it loads.
const READY: &str = "for file in /proc/$PID/fd/*; do [[ $file -ef /var/log/kern.log ]] && exit; done
exit 1";

impl Layer for Crowdsec {
    fn name(&self) -> &'static str {
        "crowdsec"
    }

    fn summary(&self) -> &'static str {
        "the real engine, which decides to ban the sources of many ports in the kernel log, and stops nobody: that takes a \
         bouncer. Its local API is on 127.0.0.1:8080, and it knows no other"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let values = context! {
            capacity => settings.number("capacity"),
            leakspeed => settings.number("leakspeed"),
            bantime => settings.number("bantime"),
        };
        let write = |name: &str, file: RulesFile| {
            let text = render(self.name(), file, &values)?;
            Ok::<_, DefenseError>(Step::WriteFile { path: format!("/etc/crowdsec/{name}"), text })
        };
        let loader = Loader::Script { backend: settings.site().backend };
        Ok(vec![
            write("config.yaml.local", rules_file!("crowdsec/config.yaml.local"))?,
            write("online_api_credentials.yaml", rules_file!("crowdsec/online_api_credentials.yaml"))?,
            write("acquis.yaml", rules_file!("crowdsec/acquis.yaml"))?,
            write("profiles.yaml.local", rules_file!("crowdsec/profiles.yaml.local"))?,
            load(self.name(), loader, rules_file!("crowdsec/install.sh"), &values)?,
            Step::Daemon(daemon()),
        ])
    }

    fn needs(&self, steps: &[Step]) -> Vec<Need> {
        crate::needs(steps).into_iter().chain([Need::Program("cscli".to_owned())]).collect()
    }
}

fn daemon() -> Daemon {
    Daemon {
        name: "crowdsec".to_owned(),
        folders: Vec::new(),
        command: CommandLine {
            program: "crowdsec".to_owned(),
            args: ["-c", "/etc/crowdsec/config.yaml"].map(str::to_owned).into(),
        },
        ready: CommandLine::bash(READY),
        owns: Vec::new(),
    }
}
