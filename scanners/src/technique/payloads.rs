//! What well-known services answer to, by port. Each is written from the protocol's own description.

/// By port, ascending.
pub(super) const PAYLOADS: &[(u16, &[u8])] = &[(53, DNS)];

/// A recursive query for the address of `scan.test`, a name that exists nowhere (RFC 1035, RFC 6761).
const DNS: &[u8] = b"\x5c\xa9\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04scan\x04test\x00\x00\x01\x00\x01";
