//! A SYN that is never completed. It carries an MSS option as nmap's does, since some rulesets drop a SYN without.

use pnet_packet::tcp::TcpOption;
use scandrill_model::Technique;

use super::{Probe, Segment, TcpShape};

/// See the module.
pub(super) struct TcpSyn;

impl Probe for TcpSyn {
    fn technique(&self) -> Technique {
        Technique::TcpSyn
    }

    fn segment(&self) -> Segment {
        Segment::Tcp(TcpShape { window: 1024, options: vec![TcpOption::mss(1460)] })
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sS"]
    }
}
