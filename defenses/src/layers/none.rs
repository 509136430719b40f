//! No defense, as a defense: a scenario without one takes the same path.

use scandrill_model::Step;

use crate::error::DefenseError;
use crate::layer::{Layer, Parameter};
use crate::settings::Settings;

/// Installs nothing.
pub struct None;

impl Layer for None {
    fn name(&self) -> &'static str {
        "none"
    }

    fn summary(&self) -> &'static str {
        "installs nothing"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    fn steps(&self, _: &Settings) -> Result<Vec<Step>, DefenseError> {
        Ok(Vec::new())
    }
}
