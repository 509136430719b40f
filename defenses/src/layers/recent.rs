//! A counter of new TCP packets per source, by the kernel's recent list: the manual's step 2 with its numbers free.

use minijinja::context;
use scandrill_model::Step;

use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{append, rules_file};
use crate::settings::Settings;

/// xt_recent over both families.
pub struct Recent;

impl Layer for Recent {
    fn name(&self) -> &'static str {
        "recent"
    }

    fn summary(&self) -> &'static str {
        "drops a source that sends too many new TCP packets within a time, over both families; it cannot tell a \
         scanner from a browser, and its list holds 100 sources"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "seconds",
                // A day: longer windows outlast the list's memory in any case.
                kind: Kind::Number { min: 1, max: 86_400 },
                default: Preset::Number(60),
                doc: "the window, in seconds; the ban ends when none of the source's packets is younger",
            },
            Parameter {
                name: "hitcount",
                // Greater ones fail to load on current kernels.
                kind: Kind::Number { min: 1, max: 65_535 },
                default: Preset::Number(10),
                doc: "how many packets within the window are too many (kernels before 3.19 take 20 at most)",
            },
            Parameter {
                name: "name",
                kind: Kind::Name,
                default: Preset::Word("DEFAULT"),
                doc: "the list's name in /proc/net/xt_recent; rules that share a name share their counts",
            },
            Parameter {
                name: "order",
                kind: Kind::OneOf(&["set-first", "update-first"]),
                default: Preset::Word("set-first"),
                doc: "which rule comes first: with set-first hitcount - 1 packets pass, with update-first hitcount",
            },
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let step = append(self.name(), settings, rules_file!("recent.rules"), |family| {
            context! {
                family => family.to_string(),
                seconds => settings.number("seconds"),
                hitcount => settings.number("hitcount"),
                name => settings.word("name"),
                order => settings.word("order"),
            }
        })?;
        Ok(vec![step])
    }
}
