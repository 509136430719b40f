//! Every closed port answers, and keeps whoever comes: a scanner finds services everywhere, and learns nothing of any.

use minijinja::context;
use scandrill_model::Step;

use super::{ALLOW, TOOL};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, services, twins};
use crate::settings::Settings;

/// Redirects closed TCP ports to one listener.
pub struct Tarpit;

impl Layer for Tarpit {
    fn name(&self) -> &'static str {
        "tarpit"
    }

    fn summary(&self) -> &'static str {
        "redirects connections to closed TCP ports to one listener, such as the service `tarpit`, over both families: they \
         all read open, and each connection costs the target a socket"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            ALLOW,
            Parameter {
                name: "to",
                kind: Kind::Number { min: 1, max: 65_535 },
                // RFC 863's discard.
                default: Preset::Number(9),
                doc: "the TCP port on which the listener waits",
            },
            TOOL,
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let allow = services(&settings.services("allow"));
        let context = context! { allow, to => settings.number("to") };
        Ok(vec![install(self.name(), settings, twins!("tarpit"), |_| context.clone())?])
    }
}
