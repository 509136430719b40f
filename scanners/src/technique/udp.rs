//! A datagram: empty, as most services take it for nothing and a closed port refuses it, but with what a well-known
//! service answers to where one is expected.

use scandrill_model::Technique;

use super::payloads::PAYLOADS;
use super::{Probe, Segment};

/// See the module.
pub(super) struct Udp;

impl Probe for Udp {
    fn technique(&self) -> Technique {
        Technique::Udp
    }

    fn segment(&self, _: Technique) -> Segment {
        Segment::Udp { payloads: PAYLOADS }
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sU"]
    }
}
