//! Puts fragments together as a stack does (RFC 791, section 3.2; RFC 8200, section 4.5), and fails the test where they
//! overlap, leave something out, or are of another size than was asked for.

use std::collections::BTreeMap;

/// A fragment.
struct Piece {
    /// Whose it is: the addresses and the identification.
    of: Vec<u8>,
    /// The IP header that the whole packet has.
    header: Vec<u8>,
    offset: usize,
    more: bool,
    body: Vec<u8>,
}

/// What has come so far.
#[derive(Default)]
pub struct Fragments(BTreeMap<Vec<u8>, Vec<Piece>>);

impl Fragments {
    /// Takes in a packet; the whole one once it is complete. `size` is how much each fragment may carry.
    pub fn take(&mut self, packet: &[u8], size: Option<u16>) -> Option<Vec<u8>> {
        let Some(piece) = (if packet[0] >> 4 == 6 { piece_v6(packet) } else { piece_v4(packet) }) else {
            return Some(packet.to_vec());
        };
        let size = usize::from(size.expect("nobody asked for fragments"));
        assert!(piece.body.len() == size || !piece.more && piece.body.len() < size, "a fragment's size");
        let (of, is_last) = (piece.of.clone(), !piece.more);
        let pieces = self.0.entry(of.clone()).or_default();
        assert_eq!(piece.offset, pieces.iter().map(|piece| piece.body.len()).sum::<usize>(), "the offset");
        pieces.push(piece);
        if !is_last {
            return None;
        }
        let pieces = self.0.remove(&of)?;
        assert!(pieces.iter().all(|piece| piece.header == pieces[0].header), "all have one header");
        Some(whole(&pieces))
    }
}

fn piece_v4(packet: &[u8]) -> Option<Piece> {
    let field = u16::from_be_bytes([packet[6], packet[7]]);
    let (offset, more) = (usize::from(field & 0x1fff) * 8, field & 0x2000 != 0);
    if packet[0] >> 4 != 4 || (offset == 0 && !more) {
        return None;
    }
    assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len(), "total length");
    let mut header = packet[..20].to_vec();
    // Total length, fragment, checksum: the whole packet has its own.
    header[2..4].fill(0);
    header[6..8].fill(0);
    header[10..12].fill(0);
    let of = [&packet[4..6], &packet[12..20]].concat();
    Some(Piece { of, header, offset, more, body: packet[20..].to_vec() })
}

fn piece_v6(packet: &[u8]) -> Option<Piece> {
    if packet[6] != 44 || packet.len() < 48 {
        return None;
    }
    assert_eq!(usize::from(u16::from_be_bytes([packet[4], packet[5]])) + 40, packet.len(), "payload length");
    let field = u16::from_be_bytes([packet[42], packet[43]]);
    let mut header = packet[..40].to_vec();
    header[4..6].fill(0);
    header[6] = packet[40];
    let of = [&packet[44..48], &packet[8..40]].concat();
    let (offset, more) = (usize::from(field & 0xfff8), field & 1 == 1);
    Some(Piece { of, header, offset, more, body: packet[48..].to_vec() })
}

fn whole(pieces: &[Piece]) -> Vec<u8> {
    let mut packet = pieces[0].header.clone();
    for piece in pieces {
        packet.extend(&piece.body);
    }
    let header = pieces[0].header.len();
    if header == 40 {
        let length = u16::try_from(packet.len() - 40).expect("a packet").to_be_bytes();
        packet[4..6].copy_from_slice(&length);
    } else {
        let length = u16::try_from(packet.len()).expect("a packet").to_be_bytes();
        packet[2..4].copy_from_slice(&length);
        let (ip, _) = etherparse::Ipv4Header::from_slice(&packet).expect("a header");
        packet[10..12].copy_from_slice(&ip.calc_header_checksum().to_be_bytes());
    }
    packet
}
