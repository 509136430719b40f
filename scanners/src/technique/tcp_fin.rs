//! FIN alone: a closed port resets, an open one says nothing (RFC 793, page 65).

use scandrill_model::Technique;

use super::{Probe, Segment, plain_tcp};

/// See the module.
pub(super) struct TcpFin;

impl Probe for TcpFin {
    fn technique(&self) -> Technique {
        Technique::TcpFin
    }

    fn segment(&self, _: Technique) -> Segment {
        plain_tcp()
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sF"]
    }
}
