//! An SCTP INIT that is never completed: who listens acknowledges it, who does not aborts (RFC 9260).

use scandrill_model::Technique;

use super::{Probe, Segment};

/// See the module.
pub(super) struct SctpInit;

impl Probe for SctpInit {
    fn technique(&self) -> Technique {
        Technique::SctpInit
    }

    fn segment(&self, _: Technique) -> Segment {
        Segment::Sctp
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sY"]
    }
}
