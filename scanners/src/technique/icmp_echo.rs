//! An echo request to the host, which has no ports: its one cell is port 0.

use scandrill_model::Technique;

use super::{IcmpRequest, Probe, Segment};

/// See the module.
pub(super) struct IcmpEcho;

impl Probe for IcmpEcho {
    fn technique(&self) -> Technique {
        Technique::IcmpEcho
    }

    fn segment(&self, _: Technique) -> Segment {
        Segment::Icmp(IcmpRequest::Echo)
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sn", "-PE"]
    }
}
