//! How the target's interface takes packets in and hands them out: what a manual calls performance tuning.

use scandrill_model::Step;

use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::settings::Settings;

/// Switches offloads by ethtool.
pub struct Offload;

const ON_OR_OFF: Kind = Kind::OneOf(&["on", "off"]);

impl Layer for Offload {
    fn name(&self) -> &'static str {
        "offload"
    }

    fn summary(&self) -> &'static str {
        "switches what the target's interface merges and cuts, by ethtool; rules see merged packets once"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            Parameter {
                name: "gro",
                kind: ON_OR_OFF,
                default: Preset::Word("on"),
                doc: "generic receive offload: segments of a stream that come together are one packet to the rules",
            },
            Parameter {
                name: "tso",
                kind: ON_OR_OFF,
                default: Preset::Word("on"),
                doc: "TCP segmentation offload: what the target sends is cut into segments behind the rules, by the interface",
            },
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let step = |(parameter, feature): (&str, &str)| Step::Offload {
            interface: settings.site().interface.clone(),
            feature: feature.to_owned(),
            on: settings.word(parameter) == "on",
        };
        let features = [("gro", "generic-receive-offload"), ("tso", "tcp-segmentation-offload")];
        Ok(features.map(step).to_vec())
    }
}
