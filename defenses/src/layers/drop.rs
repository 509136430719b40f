//! Silence for everything but services.

use minijinja::context;
use scandrill_model::{Loader, Step};

use super::{ALLOW, PROTOCOL, TOOL};
use crate::error::DefenseError;
use crate::layer::{Layer, Parameter};
use crate::render::{append, load, rules_file, services};
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
        &[ALLOW, PROTOCOL, TOOL]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let allow = services(&settings.services("allow"));
        let protocol = settings.word("protocol");
        let step = if settings.word("tool") == "nftables" {
            load(self.name(), Loader::Nft, rules_file!("drop.nft"), &context! { allow, protocol })
        } else {
            append(self.name(), settings, rules_file!("drop.rules"), |family| {
                context! { allow => allow.clone(), protocol, family => family.to_string() }
            })
        };
        Ok(vec![step?])
    }
}
