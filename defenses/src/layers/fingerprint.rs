//! A disguise against guesses at the system: another time to live, fewer TCP options, another segment size.

use minijinja::context;
use scandrill_model::Step;

use super::TOOL;
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, twins};
use crate::settings::Settings;

/// Changes what a fingerprint is made of.
pub struct Fingerprint;

impl Layer for Fingerprint {
    fn name(&self) -> &'static str {
        "fingerprint"
    }

    fn summary(&self) -> &'static str {
        "changes the time to live, the TCP options and the segment size of what the target sends; a guess at its system \
         loses some confidence, and connections lose timestamps, selective acknowledgements and large windows"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "changes",
                kind: Kind::OneOf(&["all", "ttl", "options", "mss"]),
                default: Preset::Word("all"),
                doc: "what is changed: everything, the time to live, the options that a client may use, or the \
                      largest segment",
            },
            Parameter {
                name: "ttl",
                kind: Kind::Number { min: 1, max: 255 },
                // Windows'.
                default: Preset::Number(128),
                doc: "the time to live, or hop limit, that packets start with",
            },
            Parameter {
                name: "mss",
                // RFC 9293, section 3.7.1: the least that every host takes; and what fits into an Ethernet frame.
                kind: Kind::Number { min: 536, max: 1_460 },
                default: Preset::Number(1_380),
                doc: "the largest segment that the target asks for, in bytes",
            },
            TOOL,
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let (changes, mss) = (settings.word("changes"), settings.number("mss"));
        let mut steps = Vec::new();
        if matches!(changes, "all" | "ttl") {
            let interface = &settings.site().interface;
            let keys = ["net.ipv4.ip_default_ttl".to_owned(), format!("net.ipv6.conf.{interface}.hop_limit")];
            let value = settings.number("ttl").to_string();
            steps.extend(keys.map(|key| Step::Sysctl { key, value: value.clone() }));
        }
        if changes != "ttl" {
            let context = context! { changes, mss };
            steps.push(install(self.name(), settings, twins!("fingerprint"), |_| context.clone())?);
        }
        Ok(steps)
    }
}
