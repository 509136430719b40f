//! The simple firewall that stealthy scans were made for: it looks at the packets that open a connection, and at no other.

use minijinja::context;
use scandrill_model::Step;

use super::{ALLOW, TOOL};
use crate::error::DefenseError;
use crate::layer::{Layer, Parameter};
use crate::render::{install, services, twins};
use crate::settings::Settings;

/// Drops connections to what is not allowed, and nothing else.
pub struct SynFilter;

impl Layer for SynFilter {
    fn name(&self) -> &'static str {
        "syn-filter"
    }

    fn summary(&self) -> &'static str {
        "drops the SYNs to everything except services, without connection tracking; any other segment passes, so that \
         closed ports answer every scan that does not begin with a bare SYN"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[ALLOW, TOOL]
    }

    fn steps(&self, settings: &Settings) -> Result<Vec<Step>, DefenseError> {
        let context = context! { allow => services(&settings.services("allow")) };
        Ok(vec![install(self.name(), settings, twins!("syn-filter"), |_| context.clone())?])
    }
}
