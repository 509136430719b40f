//! A timestamp request to the host (RFC 792), which often passes where an echo request does not.

use scandrill_model::Technique;

use super::{IcmpRequest, Probe, Segment};

/// See the module.
pub(super) struct IcmpTimestamp;

impl Probe for IcmpTimestamp {
    fn technique(&self) -> Technique {
        Technique::IcmpTimestamp
    }

    fn segment(&self, _: Technique) -> Segment {
        Segment::Icmp(IcmpRequest::Timestamp)
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sn", "-PP"]
    }
}
