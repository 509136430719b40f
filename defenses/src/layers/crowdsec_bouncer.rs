//! CrowdSec's firewall bouncer, the real one: it asks the engine's local API again and again (`crowdsec`), and puts what was
//! decided into sets that it drops by.

use minijinja::context;
use scandrill_model::{CommandLine, Daemon, Loader, Need, Step, Tool};

use super::TOOL;
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{load, render, rules_file};
use crate::settings::Settings;

/// What enforces the decisions of an engine.
pub struct CrowdsecBouncer;

const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "update_frequency",
        kind: Kind::Number { min: 1, max: 3600 },
        default: Preset::Number(10),
        doc: "how many seconds pass between two questions for new decisions",
    },
    TOOL,
];

const CONFIG: &str = "/etc/crowdsec/bouncers/crowdsec-firewall-bouncer.yaml";
/// One of its own sockets is connected to the local API.
const CONNECTED: &str =
    r"awk '$3 ~ /:1F90$/ && $4 == 01 { print $10 }' /proc/$PID/net/tcp | grep -wFf - <(ls -l /proc/$PID/fd)";
/// Its sets are there, and what drops by them.
const IPTABLES: &str = "iptables -C INPUT -m set --match-set crowdsec-blacklists src -j DROP
ip6tables -C INPUT -m set --match-set crowdsec6-blacklists src -j DROP";
const NFTABLES: &str = "nft list chain ip crowdsec crowdsec-chain | grep drop
nft list chain ip6 crowdsec6 crowdsec6-chain | grep drop";

impl Layer for CrowdsecBouncer {
    fn name(&self) -> &'static str {
        "crowdsec-bouncer"
    }

    fn summary(&self) -> &'static str {
        "the real bouncer, which drops all packets of whom the engine of the layer `crowdsec` before it has decided to ban, \
         over both families"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let values = context! {
            tool => settings.word(TOOL.name),
            update_frequency => settings.number("update_frequency"),
        };
        let text = render(self.name(), rules_file!("crowdsec/bouncer.yaml.local"), &values)?;
        let loader = Loader::Script { backend: settings.site().backend };
        Ok(vec![
            Step::WriteFile { path: format!("{CONFIG}.local"), text },
            load(self.name(), loader, rules_file!("crowdsec/register.sh"), &values)?,
            Step::Daemon(daemon(settings.tool())),
        ])
    }

    fn needs(&self, steps: &[Step]) -> Vec<Need> {
        let fills_sets =
            |step: &Step| matches!(step, Step::WriteFile { text, .. } if text.contains("mode: iptables"));
        let called = ["cscli"].into_iter().chain(steps.iter().any(fills_sets).then_some("ipset"));
        let called = called.map(|name| Need::Program(name.to_owned()));
        crate::needs(steps).into_iter().chain(called).collect()
    }
}

fn daemon(tool: Tool) -> Daemon {
    let rules = if tool == Tool::Iptables { IPTABLES } else { NFTABLES };
    Daemon {
        name: "crowdsec-firewall-bouncer".to_owned(),
        folders: Vec::new(),
        command: CommandLine {
            program: "crowdsec-firewall-bouncer".to_owned(),
            args: ["-c", CONFIG].map(str::to_owned).into(),
        },
        ready: CommandLine::bash(&format!("{CONNECTED}\n{rules}")),
        owns: ["crowdsec-blacklists", "crowdsec6-blacklists", "crowdsec", "crowdsec6"]
            .map(str::to_owned)
            .into(),
    }
}
