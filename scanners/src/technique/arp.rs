//! An ARP request, over IPv6 a neighbour solicitation: asked below IP, where few firewalls look.

use scandrill_model::Technique;

use super::{Probe, Segment};

/// See the module.
pub(super) struct Arp;

impl Probe for Arp {
    fn technique(&self) -> Technique {
        Technique::Arp
    }

    fn segment(&self, _: Technique) -> Segment {
        Segment::Neighbor
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sn", "-PR"]
    }
}
