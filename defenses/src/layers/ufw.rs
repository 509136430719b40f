//! ufw, the real one: typed in on what its package installs, and switched on.

use minijinja::{Value, context};
use scandrill_model::{Loader, Need, Step};

use super::ALLOW;
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{load, rules_file, services};
use crate::settings::{Services, Settings};

/// Debian's and Ubuntu's front end to iptables.
pub struct Ufw;

impl Layer for Ufw {
    fn name(&self) -> &'static str {
        "ufw"
    }

    fn summary(&self) -> &'static str {
        "the real ufw, switched on: drops what is not allowed, over both families, and logs some of it; pings are answered"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            ALLOW,
            Parameter {
                name: "limit",
                kind: Kind::Services,
                default: Preset::Nothing,
                doc: "what `ufw limit` is said of instead: of a source's connections the sixth within 30 s is refused",
            },
            Parameter {
                name: "logging",
                kind: Kind::OneOf(&["off", "low", "medium", "high", "full"]),
                default: Preset::Word("low"),
                doc: "how much is logged: `ufw logging`; up to medium it is three lines a minute after a burst of ten",
            },
            Parameter {
                name: "incoming",
                kind: Kind::OneOf(&["deny", "reject", "allow"]),
                default: Preset::Word("deny"),
                doc: "what becomes of what no rule names: `ufw default`",
            },
            Parameter {
                name: "ipv6",
                kind: Kind::OneOf(&["yes", "no"]),
                default: Preset::Word("yes"),
                doc: "whether IPv6 has rules of its own (IPV6 in /etc/default/ufw); without, all of it is dropped",
            },
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let loader = Loader::Script { backend: settings.site().backend };
        Ok(vec![load(self.name(), loader, rules_file!("ufw/install.sh"), &values(settings))?])
    }

    fn needs(&self, steps: &[Step]) -> Vec<Need> {
        let backends = steps.iter().filter_map(|step| {
            if let Step::Load { loader: Loader::Script { backend }, .. } = step {
                Some(backend)
            } else {
                None
            }
        });
        let tables =
            backends.flat_map(|backend| ["iptables", "ip6tables"].map(|name| format!("{name}-{backend}")));
        crate::needs(steps).into_iter().chain(tables.map(Need::Program)).collect()
    }
}

fn values(settings: &Settings) -> Value {
    let (allow, limit) = (settings.services("allow"), settings.services("limit"));
    // Its first rule that matches decides, so a limit that comes after an allowance limits nothing.
    let allow = Services { tcp: allow.tcp.without(&limit.tcp), udp: allow.udp.without(&limit.udp) };
    let policy = match settings.word("incoming") {
        "reject" => "REJECT",
        "allow" => "ACCEPT",
        _ => "DROP",
    };
    context! {
        allow => services(&allow),
        limit => services(&limit),
        logging => settings.word("logging"),
        policy,
        ipv6 => settings.word("ipv6"),
    }
}
