//! Captures as a pcapng file (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html>): one interface
//! block for each end of a link, nanosecond stamps. Opens in Wireshark. Comments come later.

use std::fs::File;
use std::io::{BufWriter, Write};

use crate::capture::{Captured, CapturedPacket};
use crate::error::{During, LabError};

pub(crate) const SECTION_HEADER: u32 = 0x0A0D_0D0A;
pub(crate) const INTERFACE_DESCRIPTION: u32 = 1;
pub(crate) const ENHANCED_PACKET: u32 = 6;
pub(crate) const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;

pub(crate) const OPT_COMMENT: u16 = 1;
pub(crate) const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
/// Bits 0 and 1 of `epb_flags`.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// Writes all packets of all captures in the order of time.
pub fn write_pcapng(file: File, captures: &[Captured]) -> Result<(), LabError> {
    let mut out = BufWriter::new(file);
    write(&mut out, captures).and_then(|()| out.flush()).during(|| "write the capture file".to_owned())
}

pub(crate) fn write(out: &mut impl Write, captures: &[Captured]) -> std::io::Result<()> {
    block(out, SECTION_HEADER, &section_header())?;
    for captured in captures {
        block(out, INTERFACE_DESCRIPTION, &interface_description(captured))?;
    }
    let numbered = (0_u32..).zip(captures);
    let mut packets: Vec<(u32, &CapturedPacket)> = numbered
        .flat_map(|(index, captured)| captured.packets.iter().map(move |packet| (index, packet)))
        .collect();
    packets.sort_by_key(|(_, packet)| packet.at);
    for (interface, packet) in packets {
        block(out, ENHANCED_PACKET, &enhanced_packet(interface, packet))?;
    }
    Ok(())
}

/// Type, length, body, length again.
pub(crate) fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}

fn section_header() -> Vec<u8> {
    let mut body = BYTE_ORDER_MAGIC.to_le_bytes().to_vec();
    body.extend([1, 0, 0, 0]);
    // Unknown length of the section.
    body.extend([0xff; 8]);
    body
}

fn interface_description(captured: &Captured) -> Vec<u8> {
    let mut body = ETHERNET.to_le_bytes().to_vec();
    // Two reserved bytes, then no limit on the length of packets.
    body.extend([0; 6]);
    option(&mut body, IF_NAME, format!("{}:{}", captured.host, captured.interface).as_bytes());
    option(&mut body, IF_TSRESOL, &[9]);
    option(&mut body, 0, &[]);
    body
}

fn enhanced_packet(interface: u32, packet: &CapturedPacket) -> Vec<u8> {
    let [high, low] =
        [packet.at.0 >> 32, packet.at.0 & 0xffff_ffff].map(|half| u32::try_from(half).unwrap_or(0));
    let kept = u32::try_from(packet.bytes.len()).unwrap_or(0);
    let mut body: Vec<u8> = [interface, high, low, kept, packet.length.max(kept)]
        .into_iter()
        .flat_map(u32::to_le_bytes)
        .collect();
    body.extend(&packet.bytes);
    pad(&mut body);
    let direction = if packet.outgoing { OUTBOUND } else { INBOUND };
    option(&mut body, EPB_FLAGS, &direction.to_le_bytes());
    option(&mut body, 0, &[]);
    body
}

pub(crate) fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    // A longer comment is cut: the format has no room for it.
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    body.extend(code.to_le_bytes());
    body.extend(length.to_le_bytes());
    body.extend(&value[..usize::from(length)]);
    pad(body);
}

/// Everything begins at a multiple of four bytes.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use scandrill_model::Stamp;

    use super::*;

    fn captured(host: &str, stamps: &[u64]) -> Captured {
        let packet = |at: &u64| CapturedPacket {
            at: Stamp(*at),
            outgoing: host == "red",
            bytes: [7; 63].into(),
            length: 1_500,
        };
        let packets = stamps.iter().map(packet).collect();
        Captured { host: host.to_owned(), interface: "eth0".to_owned(), packets, dropped: 0 }
    }

    fn number(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
    }

    /// The blocks of a file, each with its type and body.
    fn blocks(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
        let mut blocks = Vec::new();
        while !bytes.is_empty() {
            let (kind, length) = (number(bytes, 0), number(bytes, 4) as usize);
            assert_eq!((length % 4, number(bytes, length - 4) as usize), (0, length));
            blocks.push((kind, &bytes[8..length - 4]));
            bytes = &bytes[length..];
        }
        blocks
    }

    #[test]
    fn packets_of_all_interfaces_are_in_the_order_of_time() {
        let captures =
            [captured("red", &[5_000_000_001, 20_000_000_000]), captured("target", &[9_000_000_000])];
        let mut file = Vec::new();
        write(&mut file, &captures).unwrap();
        let blocks = blocks(&file);
        let kinds: Vec<u32> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds, [SECTION_HEADER, 1, 1, 6, 6, 6]);
        assert!(blocks[2].1.windows(11).any(|name| name == b"target:eth0"));
        let stamps: Vec<(u32, u64)> = blocks[3..]
            .iter()
            .map(|(_, body)| (number(body, 0), u64::from(number(body, 4)) << 32 | u64::from(number(body, 8))))
            .collect();
        assert_eq!(stamps, [(0, 5_000_000_001), (1, 9_000_000_000), (0, 20_000_000_000)]);
        for (_, body) in &blocks[3..] {
            assert_eq!((number(body, 12), number(body, 16)), (63, 1_500));
        }
    }

    #[test]
    fn an_option_that_is_too_long_is_cut() {
        let mut body = Vec::new();
        option(&mut body, OPT_COMMENT, &vec![b'x'; 100_000]);
        assert_eq!(body.len(), 4 + 65_536);
    }
}
