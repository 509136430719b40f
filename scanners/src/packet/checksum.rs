//! Sums over bytes. The Internet's checksum is a sum, so what all packets of a scan share is summed once and only
//! what differs is added for each (RFC 1071, section 2). SCTP's is CRC32c (RFC 9260, appendix A), which is not.

use std::net::IpAddr;

/// The sum of the 16-bit words of `bytes`, an odd last one filled with zero (RFC 1071).
pub(super) fn sum(bytes: &[u8]) -> u32 {
    let pairs = bytes.chunks_exact(2);
    let odd = pairs.remainder().first().map_or(0, |last| u32::from(*last) << 8);
    odd + pairs.map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum::<u32>()
}

/// The sum of an address.
pub(super) fn sum_address(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => halves(address.into()),
        IpAddr::V6(address) => address.segments().iter().map(|word| u32::from(*word)).sum(),
    }
}

/// The sum of a number's two words.
pub(super) fn halves(number: u32) -> u32 {
    (number >> 16) + (number & 0xffff)
}

/// The checksum that a sum stands for: its carries added, its bits turned.
pub(super) fn finish(sum: u32) -> u16 {
    let [_, _, high, low] = halves(halves(sum)).to_be_bytes();
    !u16::from_be_bytes([high, low])
}

/// CRC32c.
pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| CRC_TABLE[usize::from(*byte ^ crc.to_le_bytes()[0])] ^ (crc >> 8);
    !bytes.iter().fold(u32::MAX, step)
}

/// Castagnoli's polynomial, its bits in reverse order.
const POLYNOMIAL: u32 = 0x82f6_3b78;

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    let mut start = 0;
    while index < table.len() {
        let mut crc: u32 = start;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
        start += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_crcs_are_those_of_the_standards() {
        // RFC 1071, section 3, and RFC 3720, appendix B.4.
        assert_eq!(finish(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])), !0xddf2);
        assert_eq!(sum(&[1, 2, 3]), 0x0402);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }
}
