//! fwknopd, the real one: it opens what the rules drop to who sends it one encrypted and signed packet (single packet
//! authorization), and to nobody who sends the same again.

use minijinja::context;
use scandrill_model::{CommandLine, Daemon, Step};

use super::knock::{OPEN, PORTS, doors};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{RulesFile, append, render, rules_file};
use crate::settings::Settings;

/// A daemon that hears authorization packets.
pub struct Fwknopd;

const PARAMETERS: &[Parameter] = &[
    OPEN,
    PORTS,
    Parameter {
        name: "key",
        kind: Kind::Name,
        default: Preset::Word("drilled-key"),
        doc: "what the packet is encrypted with: fwknop --key-rijndael",
    },
    Parameter {
        name: "hmac_key",
        kind: Kind::Name,
        default: Preset::Word("drilled-hmac-key"),
        doc: "what it is signed with: fwknop --key-hmac",
    },
    Parameter {
        name: "forgetful",
        kind: Kind::Switch,
        default: Preset::Off,
        doc: "keeps no digests of the packets that it has had (ENABLE_DIGEST_PERSISTENCE N), and so takes each again",
    },
];

/// It has opened the interface and set its filter since it began last, as it says itself.
const READY: &str =
    "tac /var/log/fwknopd.out | sed '/Starting fwknopd$/q' | grep -q 'Starting fwknopd main event loop'";

impl Layer for Fwknopd {
    fn name(&self) -> &'static str {
        "fwknopd"
    }

    fn summary(&self) -> &'static str {
        "the real daemon, which opens hidden ports to who sends one encrypted packet that nobody can send again; over IPv4 \
         and by iptables alone, IPv6 stays shut"
    }

    fn parameters(&self) -> &'static [Parameter] {
        PARAMETERS
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let values = context! {
            interface => settings.site().interface.clone(),
            key => settings.word("key"),
            hmac_key => settings.word("hmac_key"),
            forgetful => settings.is_on("forgetful"),
            ..doors(settings)
        };
        let write = |name: &str, file: RulesFile| {
            let text = render(self.name(), file, &values)?;
            Ok::<_, DefenseError>(Step::WriteFile { path: format!("/etc/fwknop/{name}"), text })
        };
        let rules = append(self.name(), settings, rules_file!("fwknop.rules"), |family| {
            context! { family => family.to_string(), ..values.clone() }
        })?;
        Ok(vec![
            rules,
            write("fwknopd.conf", rules_file!("fwknop/fwknopd.conf"))?,
            write("access.conf", rules_file!("fwknop/access.conf"))?,
            Step::Daemon(daemon()),
        ])
    }
}

/// It stays in the foreground.
fn daemon() -> Daemon {
    Daemon {
        name: "fwknopd".to_owned(),
        folders: Vec::new(),
        command: CommandLine { program: "fwknopd".to_owned(), args: vec!["-f".to_owned()] },
        ready: CommandLine::bash(READY),
        owns: vec!["FWKNOP_*".to_owned()],
    }
}
