//! Silence for everything but services.

use minijinja::context;
use scandrill_model::Step;

use super::{ALLOW, CHAIN, PROTOCOL, TOOL};
use crate::error::DefenseError;
use crate::layer::{Layer, Parameter};
use crate::render::{install, services, twins};
use crate::settings::Settings;

/// Drops what is not allowed.
pub struct Drop;

impl Layer for Drop {
    fn name(&self) -> &'static str {
        "drop"
    }

    fn summary(&self) -> &'static str {
        "drops everything except services, over both families; it bans nobody"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[ALLOW, PROTOCOL, CHAIN, TOOL]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let allow = services(&settings.services("allow"));
        let (protocol, chain) = (settings.word("protocol"), settings.word("chain"));
        let context = context! { allow, protocol, chain };
        Ok(vec![install(self.name(), settings, twins!("drop"), |_| context.clone())?])
    }
}
