//! A whole handshake, made of raw packets that look like Linux's own: its SYN's options and window (tcp_output.c,
//! `tcp_syn_options`), its ACK, and the reset by which nmap's connect scan closes (SO_LINGER with zero).

use pnet_packet::tcp::TcpOption;
use scandrill_model::Technique;

use super::{Aftermath, Probe, Segment, TcpShape};

/// See the module.
pub(super) struct TcpConnect;

impl Probe for TcpConnect {
    fn technique(&self) -> Technique {
        Technique::TcpConnect
    }

    fn segment(&self, _: Technique) -> Segment {
        Segment::Tcp(linux_syn())
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sT"]
    }

    fn aftermath(&self) -> Aftermath {
        Aftermath::CompleteAndReset
    }
}

/// Linux's SYN on a path of 1,500 bytes.
pub(crate) fn linux_syn() -> TcpShape {
    let options = vec![
        TcpOption::mss(1460),
        TcpOption::sack_perm(),
        TcpOption::timestamp(CLOCK, 0),
        TcpOption::nop(),
        TcpOption::wscale(7),
    ];
    TcpShape { window: 64_240, options }
}

/// The timestamp of all segments: a clock that stands still is a valid one for a connection this short.
pub(crate) const CLOCK: u32 = 0x5ca9_d811;
