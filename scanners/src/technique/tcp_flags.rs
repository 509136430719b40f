//! Any flags. A bare SYN looks as nmap's does; whatever else has no options.

use scandrill_model::{TcpFlags, Technique};

use super::{Probe, Segment, plain_tcp, syn};

/// See the module.
pub(super) struct AnyFlags;

impl Probe for AnyFlags {
    fn technique(&self) -> Technique {
        Technique::TcpFlags(TcpFlags::NONE)
    }

    fn segment(&self, asked: Technique) -> Segment {
        if asked.probe_flags() == Some(TcpFlags::SYN) { syn() } else { plain_tcp() }
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sS", "--scanflags"]
    }
}
