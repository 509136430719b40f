//! A SYN in a zombie's name. What is read is the zombie's IP identification; the procedure is in `crate::idle`.

use scandrill_model::Technique;

use super::{Probe, Segment, syn};

/// See the module.
pub(super) struct Idle;

impl Probe for Idle {
    fn technique(&self) -> Technique {
        Technique::Idle
    }

    fn segment(&self, _: Technique) -> Segment {
        syn()
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sI"]
    }
}
