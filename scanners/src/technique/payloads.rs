//! What well-known services answer to, by port. Each is written from the protocol's own description, which its comment
//! names; none of it changes anything at the service.

/// By port, ascending.
pub(super) const PAYLOADS: &[(u16, &[u8])] = &[
    (53, DNS),
    (69, TFTP),
    (111, PORTMAP),
    (123, NTP),
    (137, NETBIOS),
    (161, SNMP),
    (177, XDMCP),
    (443, &QUIC),
    (500, IKE),
    (520, RIP),
    (1194, OPENVPN),
    (1701, L2TP),
    (1812, RADIUS),
    (1900, SSDP),
    (3478, STUN),
    (5060, SIP),
    (5353, MDNS),
    (5683, COAP),
    (11211, MEMCACHED),
    (47808, BACNET),
];

/// A recursive query for the address of `scan.test`, a name that exists nowhere (RFC 1035, RFC 6761).
const DNS: &[u8] = b"\\\xa9\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04scan\x04test\x00\x00\x01\x00\x01";

/// A request to read a file that is hardly there, in mode octet (RFC 1350).
const TFTP: &[u8] = b"\x00\x01scan.test\x00octet\x00";

/// A call of the port mapper's procedure 0, which does nothing (RFC 5531; RFC 1833, program 100000, version 2).
const PORTMAP: &[u8] =
    b"\\\xa9\xd8\x11\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01\x86\xa0\x00\x00\x00\x02\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00";

/// A client's request of version 4: everything but its first byte and the transmit time stamp is zero (RFC 5905).
const NTP: &[u8] =
    b"#\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\
    \x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\\\xa9\xd8\x11\x00\x00\x00\x01";

/// A node status request for the name `*` (RFC 1002, section 4.2.17).
const NETBIOS: &[u8] =
    b"\\\xa9\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00 CKAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\x00\x00!\x00\x01";

/// Version 1's get of sysDescr.0 in the community `public` (RFC 1157, RFC 1213).
const SNMP: &[u8] =
    b"0'\x02\x01\x00\x04\x06public\xa0\x1a\x02\x02\\\xa9\x02\x01\x00\x02\x01\x000\x0e0\x0c\x06\x08+\
    \x06\x01\x02\x01\x01\x01\x00\x05\x00";

/// A query of version 1 without authentication names (X Display Manager Control Protocol, section 5).
const XDMCP: &[u8] = b"\x00\x01\x00\x02\x00\x01\x00";

/// A long header of a version that exists for this only, as long as an Initial must be: the server answers with
/// the versions that it has (RFC 9000, sections 6.1, 14.1 and 15).
const QUIC: [u8; 1200] = {
    let head = b"\xc0\n\x1a*:\x08\\\xa9\xd8\x11\\\xa9\xd8\x11\x08\x11\xd8\xa9\\\x11\xd8\xa9\\";
    let mut datagram = [0; 1200];
    let mut at = 0;
    while at < head.len() {
        datagram[at] = head[at];
        at += 1;
    }
    datagram
};

/// Main mode's first message, which offers 3DES, SHA, a shared key and group 2 for 28,800 s (RFC 2408, RFC 2409).
const IKE: &[u8] =
    b"\\\xa9\xd8\x11\\\xa9\xd8\x11\x00\x00\x00\x00\x00\x00\x00\x00\x01\x10\x02\x00\x00\x00\x00\x00\x00\
    \x00\x00P\x00\x00\x004\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00(\x01\x01\x00\x01\x00\x00\x00 \
    \x01\x01\x00\x00\x80\x01\x00\x05\x80\x02\x00\x02\x80\x03\x00\x01\x80\x04\x00\x02\x80\x0b\x00\x01\
    \x80\x0cp\x80";

/// A request of version 2 for the whole table (RFC 2453, section 3.9.1).
const RIP: &[u8] =
    b"\x01\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x10";

/// A client's hard reset of version 2: opcode 7, a session, no acknowledgement, packet 0 (OpenVPN's protocol
/// description, ssl_pkt.h).
const OPENVPN: &[u8] = b"8\\\xa9\xd8\x11\\\xa9\xd8\x11\x00\x00\x00\x00\x00";

/// A request to start a control connection (RFC 2661, sections 3.1 and 6.1).
const L2TP: &[u8] =
    b"\xc8\x02\x008\x00\x00\x00\x00\x00\x00\x00\x00\x80\x08\x00\x00\x00\x00\x00\x01\x80\x08\x00\x00\
    \x00\x02\x01\x00\x80\n\x00\x00\x00\x07scan\x80\n\x00\x00\x00\x03\x00\x00\x00\x03\x80\x08\x00\x00\
    \x00\x09\\\xa9";

/// A Status-Server request (RFC 5997); only a server that shares its secret answers, others may refuse.
const RADIUS: &[u8] = b"\x0c\x01\x00\x14\\\xa9\xd8\x11\\\xa9\xd8\x11\\\xa9\xd8\x11\\\xa9\xd8\x11";

/// A search for everything (UPnP Device Architecture 1.1, section 1.3.2).
const SSDP: &[u8] =
    b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp\
    :all\r\n\r\n";

/// A binding request (RFC 8489, section 5).
const STUN: &[u8] = b"\x00\x01\x00\x00!\x12\xa4B\\\xa9\xd8\x11\\\xa9\xd8\x11\\\xa9\xd8\x11";

/// What can you do? (RFC 3261, section 11).
const SIP: &[u8] =
    b"OPTIONS sip:scan@scan.test SIP/2.0\r\nVia: SIP/2.0/UDP scan.test;branch=z9hG4bK5ca9d811;rport\r\
    \nMax-Forwards: 70\r\nTo: <sip:scan@scan.test>\r\nFrom: <sip:scan@scan.test>;tag=5ca9\r\nCall-ID\
    : 5ca9d811\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

/// A query for all kinds of services, to be answered by unicast (RFC 6762; RFC 6763, section 9).
const MDNS: &[u8] =
    b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09_services\x07_dns-sd\x04_udp\x05local\x00\
    \x00\x0c\x80\x01";

/// A confirmable GET of `/.well-known/core` (RFC 7252; RFC 6690).
const COAP: &[u8] = b"@\x01\\\xa9\xbb.well-known\x04core";

/// The text command `version` in one datagram of its own (memcached's doc/protocol.txt, "UDP protocol").
const MEMCACHED: &[u8] = b"\\\xa9\x00\x00\x00\x01\x00\x00version\r\n";

/// A confirmed request for the object name of whatever device it is (ANSI/ASHRAE 135, annex J and clause 15.5).
const BACNET: &[u8] = b"\x81\n\x00\x11\x01\x04\x00\x05\x01\x0c\x0c\x02?\xff\xff\x19M";

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], at: usize) -> usize {
        usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
    }

    #[test]
    fn ports_ascend_and_every_payload_fits_into_a_frame() {
        assert!(PAYLOADS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(PAYLOADS.iter().all(|(_, payload)| !payload.is_empty() && payload.len() <= 1_400));
    }

    #[test]
    fn the_lengths_that_payloads_say_are_true() {
        assert_eq!(NTP.len(), 48);
        assert_eq!(PORTMAP.len(), 40);
        assert_eq!(NETBIOS.len(), 12 + 34 + 4);
        assert_eq!(RIP.len(), 24);
        assert_eq!(STUN.len(), 20 + word(STUN, 2));
        assert_eq!(RADIUS.len(), word(RADIUS, 2));
        assert_eq!(L2TP.len(), word(L2TP, 2));
        assert_eq!(BACNET.len(), word(BACNET, 2));
        assert_eq!(IKE.len(), word(IKE, 26));
        assert_eq!(IKE.len(), 28 + word(IKE, 30));
        assert_eq!(SNMP.len(), 2 + usize::from(SNMP[1]));
    }

    /// Each value of basic encoding rules ends where the one around it does.
    fn walk(mut bytes: &[u8]) -> usize {
        let mut values = 0;
        while let [kind, length, rest @ ..] = bytes {
            let (value, behind) = rest.split_at(usize::from(*length));
            values += 1 + if matches!(kind, 0x30 | 0xa0) { walk(value) } else { 0 };
            bytes = behind;
        }
        assert!(bytes.is_empty());
        values
    }

    #[test]
    fn snmp_is_well_formed() {
        assert_eq!(walk(SNMP), 11);
    }

    #[test]
    fn attribute_pairs_of_l2tp_fill_it() {
        let mut rest = &L2TP[12..];
        while !rest.is_empty() {
            rest = &rest[word(rest, 0) & 0x3ff..];
        }
    }

    #[test]
    fn names_of_dns_end_before_the_question_s_type() {
        for query in [DNS, MDNS, NETBIOS] {
            let mut at = 12;
            while query[at] > 0 {
                at += 1 + usize::from(query[at]);
            }
            assert_eq!(query.len(), at + 5);
        }
    }

    #[test]
    fn texts_end_with_an_empty_line() {
        assert!(SIP.ends_with(b"\r\n\r\n") && SSDP.ends_with(b"\r\n\r\n"));
        assert!(SIP.windows(4).any(|bytes| bytes == b"Via:"));
    }
}
