//! A SYN that is never completed. It carries an MSS option as nmap's does, since some rulesets drop a SYN without.

use scandrill_model::Technique;

use super::{Probe, Segment, syn};

/// See the module.
pub(super) struct TcpSyn;

impl Probe for TcpSyn {
    fn technique(&self) -> Technique {
        Technique::TcpSyn
    }

    fn segment(&self, _: Technique) -> Segment {
        syn()
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sS"]
    }
}
