//! Closed ports that answer at a limited rate: what a scanner must be patient with.

use minijinja::context;
use scandrill_model::Step;

use super::{ALLOW, TOOL};
use crate::error::DefenseError;
use crate::layer::{Kind, Layer, Parameter, Preset};
use crate::render::{install, services, twins};
use crate::settings::Settings;

/// Lets closed ports answer so many times a second.
pub struct RateLimit;

impl Layer for RateLimit {
    fn name(&self) -> &'static str {
        "rate-limit"
    }

    fn summary(&self) -> &'static str {
        "closed ports answer at a limited rate and are silent beyond it; services always answer"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[
            ALLOW,
            Parameter {
                name: "pps",
                // The finest grain of iptables' limit match.
                kind: Kind::Number { min: 1, max: 10_000 },
                default: Preset::Number(100),
                doc: "packets a second that are answered, for TCP and for UDP each",
            },
            Parameter {
                name: "burst",
                kind: Kind::Number { min: 1, max: 10_000 },
                default: Preset::Number(5),
                doc: "packets that are answered at once after a silence",
            },
            TOOL,
        ]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let allow = services(&settings.services("allow"));
        let (pps, burst) = (settings.number("pps"), settings.number("burst"));
        let context = context! { allow, pps, burst };
        Ok(vec![install(self.name(), settings, twins!("rate-limit"), |_| context.clone())?])
    }
}
