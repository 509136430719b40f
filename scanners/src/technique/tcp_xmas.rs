//! FIN, PSH and URG, "lighting the packet up like a Christmas tree" (nmap's reference guide). Not all flags.

use scandrill_model::Technique;

use super::{Probe, Segment, plain_tcp};

/// See the module.
pub(super) struct TcpXmas;

impl Probe for TcpXmas {
    fn technique(&self) -> Technique {
        Technique::TcpXmas
    }

    fn segment(&self, _: Technique) -> Segment {
        plain_tcp()
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sX"]
    }
}
