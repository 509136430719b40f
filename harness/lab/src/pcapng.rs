//! Captures as a pcapng file (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html>): one interface
//! block for each end of a link, nanosecond stamps, comments. Opens in Wireshark.

use std::fs::File;
use std::io::{BufWriter, Write};

use crate::capture::{Captured, CapturedPacket};
use crate::error::{During, LabError};

const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;

const OPT_COMMENT: u16 = 1;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
/// Bits 0 and 1 of `epb_flags`.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// Writes all packets of all captures in the order of time, with what `comment` says of each.
pub fn write_pcapng(
    file: File,
    captures: &[Captured],
    comment: &dyn Fn(&CapturedPacket) -> Option<String>,
) -> Result<(), LabError> {
    let mut out = BufWriter::new(file);
    write(&mut out, captures, comment)
        .and_then(|()| out.flush())
        .during(|| "write the capture file".to_owned())
}

fn write(
    out: &mut impl Write,
    captures: &[Captured],
    comment: &dyn Fn(&CapturedPacket) -> Option<String>,
) -> std::io::Result<()> {
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
        block(out, ENHANCED_PACKET, &enhanced_packet(interface, packet, comment(packet)))?;
    }
    Ok(())
}

/// Type, length, body, length again.
fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> std::io::Result<()> {
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

fn enhanced_packet(interface: u32, packet: &CapturedPacket, comment: Option<String>) -> Vec<u8> {
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
    if let Some(comment) = comment {
        option(&mut body, OPT_COMMENT, comment.as_bytes());
    }
    option(&mut body, 0, &[]);
    body
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    body.extend(value);
    pad(body);
}

/// Everything begins at a multiple of four bytes.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
