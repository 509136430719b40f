//! An IP packet of each protocol: whoever has not got it says so (ICMP 3/2; ICMPv6 4/1).

use scandrill_model::Technique;

use super::{Probe, Segment};

/// See the module.
pub(super) struct IpProtocol;

impl Probe for IpProtocol {
    fn technique(&self) -> Technique {
        Technique::IpProtocol
    }

    fn segment(&self, _: Technique) -> Segment {
        Segment::Protocol
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sO"]
    }
}
