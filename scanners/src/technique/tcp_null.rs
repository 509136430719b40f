//! No flag at all: a closed port resets, an open one says nothing (RFC 793, page 65).

use scandrill_model::Technique;

use super::{Probe, Segment, plain_tcp};

/// See the module.
pub(super) struct TcpNull;

impl Probe for TcpNull {
    fn technique(&self) -> Technique {
        Technique::TcpNull
    }

    fn segment(&self, _: Technique) -> Segment {
        plain_tcp()
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sN"]
    }
}
