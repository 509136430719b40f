//! ACK alone: whoever resets it can be reached; whether the port is open stays unknown.

use scandrill_model::Technique;

use super::{Probe, Segment, plain_tcp};

/// See the module.
pub(super) struct TcpAck;

impl Probe for TcpAck {
    fn technique(&self) -> Technique {
        Technique::TcpAck
    }

    fn segment(&self, _: Technique) -> Segment {
        plain_tcp()
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sA"]
    }
}
