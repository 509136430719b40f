//! FIN and ACK (Uriel Maimon, Phrack 49): some systems drop it at an open port instead of resetting.

use scandrill_model::Technique;

use super::{Probe, Segment, plain_tcp};

/// See the module.
pub(super) struct TcpMaimon;

impl Probe for TcpMaimon {
    fn technique(&self) -> Technique {
        Technique::TcpMaimon
    }

    fn segment(&self, _: Technique) -> Segment {
        plain_tcp()
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sM"]
    }
}
