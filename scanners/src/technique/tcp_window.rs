//! ACK alone, as `tcp-ack`; some systems betray an open port by the window of their reset.

use scandrill_model::Technique;

use super::{Probe, Segment, plain_tcp};

/// See the module.
pub(super) struct TcpWindow;

impl Probe for TcpWindow {
    fn technique(&self) -> Technique {
        Technique::TcpWindow
    }

    fn segment(&self, _: Technique) -> Segment {
        plain_tcp()
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sW"]
    }
}
