//! Comments put into a capture file once it is known what its packets came to: a verdict is later than its packets. Bytes in,
//! bytes out; a file that another program wrote keeps what it holds.

use std::collections::BTreeMap;

use scandrill_model::Stamp;

use crate::pcapng::{
    BYTE_ORDER_MAGIC, ENHANCED_PACKET, IF_NAME, INTERFACE_DESCRIPTION, OPT_COMMENT, SECTION_HEADER, block,
    option,
};

/// What is to be said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comments {
    /// Of the whole file.
    pub file: Option<String>,
    /// Of packets, by the host at whose end they were captured, and when they passed.
    pub packets: BTreeMap<(String, Stamp), Vec<String>>,
}

/// The same capture file with comments; `None` where it is none, is cut off, or is of the other byte order.
pub fn with_comments(file: &[u8], comments: &Comments) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(file.len());
    let mut interfaces = Vec::new();
    let mut rest = file;
    if number(file, 0)? != SECTION_HEADER || number(file, 8)? != BYTE_ORDER_MAGIC {
        return None;
    }
    while !rest.is_empty() {
        let (kind, length) = (number(rest, 0)?, usize::try_from(number(rest, 4)?).ok()?);
        let body = rest.get(8..length.checked_sub(4)?)?;
        let said: Vec<&str> = match kind {
            SECTION_HEADER => comments.file.iter().map(String::as_str).collect(),
            ENHANCED_PACKET => of_packet(body, &interfaces, comments)?,
            _ => Vec::new(),
        };
        if kind == INTERFACE_DESCRIPTION {
            interfaces.push(host(body)?);
        }
        let options = match kind {
            SECTION_HEADER => 16,
            ENHANCED_PACKET => 20 + usize::try_from(number(body, 12)?).ok()?.next_multiple_of(4),
            _ => body.len(),
        };
        let body = commented(body, options, &said)?;
        // Memory takes every write.
        block(&mut out, kind, &body).ok()?;
        rest = rest.get(length..)?;
    }
    Some(out)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// An interface is named as `host:eth0`.
fn host(description: &[u8]) -> Option<String> {
    let name = options(description.get(8..)?).find(|(code, _)| *code == IF_NAME).map(|(_, value)| value);
    let name = String::from_utf8_lossy(name.unwrap_or_default()).into_owned();
    Some(name.split(':').next().unwrap_or_default().to_owned())
}

/// What is to be said of a packet.
fn of_packet<'a>(body: &[u8], interfaces: &[String], comments: &'a Comments) -> Option<Vec<&'a str>> {
    let host = interfaces.get(usize::try_from(number(body, 0)?).ok()?)?;
    let at = Stamp(u64::from(number(body, 4)?) << 32 | u64::from(number(body, 8)?));
    let said = comments.packets.get(&(host.clone(), at));
    Some(said.into_iter().flatten().map(String::as_str).collect())
}

/// A body whose options begin at a place, with comments before the others.
fn commented(body: &[u8], place: usize, said: &[&str]) -> Option<Vec<u8>> {
    let (head, tail) = body.split_at_checked(place)?;
    let mut whole = head.to_vec();
    for comment in said {
        option(&mut whole, OPT_COMMENT, comment.as_bytes());
    }
    if !said.is_empty() && tail.is_empty() {
        option(&mut whole, 0, &[]);
    }
    whole.extend(tail);
    Some(whole)
}

/// The options of a block.
fn options(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let half = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let (code, length) = (half(0)?, usize::from(half(2)?));
        let value = bytes.get(4..4 + length)?;
        bytes = bytes.get(4 + length.next_multiple_of(4)..).unwrap_or_default();
        (code != 0).then_some((code, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::{Captured, CapturedPacket};
    use crate::pcapng::write;

    fn file() -> Vec<u8> {
        let captured = |host: &str, stamps: &[u64]| Captured {
            host: host.to_owned(),
            interface: "eth0".to_owned(),
            packets: stamps
                .iter()
                .map(|at| CapturedPacket {
                    at: Stamp(*at),
                    outgoing: false,
                    bytes: [7; 63].into(),
                    length: 1_500,
                })
                .collect(),
            dropped: 0,
        };
        let mut file = Vec::new();
        write(&mut file, &[captured("target", &[5_000_000_001, 7]), captured("red", &[7])]).unwrap();
        file
    }

    fn comments() -> Comments {
        let of = |host: &str, at, text: &[&str]| {
            ((host.to_owned(), Stamp(at)), text.iter().map(|text| (*text).to_owned()).collect())
        };
        Comments {
            file: Some("fail".to_owned()),
            packets: [of("target", 7, &["first", "second one"]), of("red", 5_000_000_001, &["nobody's"])]
                .into(),
        }
    }

    #[test]
    fn a_comment_is_at_its_packet_at_its_end_of_the_link_and_nowhere_else() {
        let plain = file();
        let commented = with_comments(&plain, &comments()).unwrap();
        let count = |text: &[u8]| commented.windows(text.len()).filter(|words| *words == text).count();
        assert_eq!([count(b"first"), count(b"second one"), count(b"nobody's"), count(b"fail")], [1, 1, 0, 1]);
        // Two comments and the file's, each with a head of four bytes and filled up to a multiple of four.
        assert_eq!(commented.len() - plain.len(), 4 + 8 + 4 + 12 + (4 + 4) + 4);
    }

    #[test]
    fn nothing_to_say_changes_nothing() {
        assert_eq!(with_comments(&file(), &Comments::default()), Some(file()));
    }

    #[test]
    fn what_is_no_capture_file_is_refused_wherever_it_is_cut() {
        let file = file();
        let whole: Vec<usize> =
            (0..file.len()).filter(|end| with_comments(&file[..*end], &comments()).is_some()).collect();
        // Between blocks a shorter file is whole.
        assert_eq!(whole.len(), 5, "{whole:?}");
        assert!(with_comments(b"no capture at all", &comments()).is_none());
    }
}
