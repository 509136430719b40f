//! A datagram: empty, as most services take it for nothing and a closed port refuses it, but a query where DNS is
//! expected, which answers to nothing else.

use scandrill_model::Technique;

use super::{Probe, Segment};

/// See the module.
pub(super) struct Udp;

impl Probe for Udp {
    fn technique(&self) -> Technique {
        Technique::Udp
    }

    fn segment(&self) -> Segment {
        Segment::Udp { payload }
    }

    fn nmap_options(&self) -> &'static [&'static str] {
        &["-sU"]
    }
}

fn payload(port: u16) -> &'static [u8] {
    if port == DNS { QUERY } else { b"" }
}

const DNS: u16 = 53;

/// A recursive query for the address of `scan.test`, a name that exists nowhere (RFC 1035, RFC 6761).
const QUERY: &[u8] = b"\x5c\xa9\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04scan\x04test\x00\x00\x01\x00\x01";
