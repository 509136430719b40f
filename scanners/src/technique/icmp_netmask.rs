//! An address mask request to the host (RFC 950); hardly anybody answers today.

use scandrill_model::Technique;

use super::{IcmpRequest, Probe, Segment};

/// See the module.
pub(super) struct IcmpNetmask;

impl Probe for IcmpNetmask {
    fn technique(&self) -> Technique {
        Technique::IcmpNetmask
    }

    fn segment(&self, _: Technique) -> Segment {
        Segment::Icmp(IcmpRequest::AddressMask)
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sn", "-PM"]
    }
}
