//! As much of DNS (RFC 1035) as makes a scanner and a client believe in it: one question, one address record.

/// Length of a message's header.
const HEADER: usize = 12;
/// Record type A.
const TYPE_A: [u8; 2] = [0, 1];
/// Record type AAAA (RFC 3596).
const TYPE_AAAA: [u8; 2] = [0, 28];
/// The record's lifetime: 60 s.
const TTL: [u8; 4] = [0, 0, 0, 60];
/// Where every name points: an address of the lab that nobody has.
const ADDRESS_V4: [u8; 4] = [198, 19, 255, 254];
/// The same for IPv6.
const ADDRESS_V6: [u8; 16] = [0xfd, 0, 1, 0x98, 0, 0x18, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1];

/// Response code "not implemented".
const NOT_IMPLEMENTED: u8 = 4;

/// The response to `query`; `None` when it is no query at all.
pub(super) fn answer(query: &[u8]) -> Option<Vec<u8>> {
    let header = query.get(..HEADER)?;
    let is_response = header[2] & 0x80 != 0;
    if is_response {
        return None;
    }
    let is_standard = header[2] & 0x78 == 0;
    match question(query).filter(|_| is_standard) {
        Some(question) => Some(record(header, question)),
        None => Some(response(header, NOT_IMPLEMENTED, [0, 0])),
    }
}

/// The first question, name, type and class, if the query has one.
fn question(query: &[u8]) -> Option<&[u8]> {
    if query[4..6] == [0, 0] {
        return None;
    }
    let mut end = HEADER;
    loop {
        match usize::from(*query.get(end)?) {
            0 => break,
            length @ 1..=63 => end += 1 + length,
            // Names in questions are not compressed, for there is nothing before them to point at.
            _ => return None,
        }
    }
    query.get(HEADER..end + 5)
}

/// A response with the question and, for the two address types, a record.
fn record(header: &[u8], question: &[u8]) -> Vec<u8> {
    let kind = &question[question.len() - 4..question.len() - 2];
    let address: &[u8] = match kind {
        kind if kind == TYPE_A => &ADDRESS_V4,
        kind if kind == TYPE_AAAA => &ADDRESS_V6,
        _ => &[],
    };
    let mut message = response(header, 0, [1, u8::from(!address.is_empty())]);
    message.extend_from_slice(question);
    if let Ok(length @ 1..) = u8::try_from(address.len()) {
        // The name is the question's, by a pointer to it.
        message.extend_from_slice(&[0xc0, 12]);
        message.extend_from_slice(&question[question.len() - 4..]);
        message.extend_from_slice(&TTL);
        message.extend_from_slice(&[0, length]);
        message.extend_from_slice(address);
    }
    message
}

/// The header of an authoritative response with its counts of questions and answers.
fn response(header: &[u8], code: u8, [questions, answers]: [u8; 2]) -> Vec<u8> {
    let flags = [0x84 | header[2] & 0x79, code];
    [&header[..2], &flags, &[0, questions, 0, answers, 0, 0, 0, 0]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(kind: u8) -> Vec<u8> {
        let header = [0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0];
        [&header[..], &[1, b'a', 4, b't', b'e', b's', b't', 0, 0, kind, 0, 1]].concat()
    }

    #[test]
    fn an_address_is_asked_for_and_given() {
        let told = answer(&query(1)).unwrap();
        assert_eq!(told[..8], [0x12, 0x34, 0x85, 0, 0, 1, 0, 1]);
        assert!(told.ends_with(&[0, 4, 198, 19, 255, 254]));
        assert!(answer(&query(28)).unwrap().ends_with(&ADDRESS_V6));
    }

    #[test]
    fn a_type_it_lacks_gets_no_record() {
        assert_eq!(answer(&query(16)).unwrap()[4..8], [0, 1, 0, 0]);
    }

    #[test]
    fn a_scanners_status_request_is_answered_too() {
        let status = [0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(answer(&status).unwrap()[3], NOT_IMPLEMENTED);
    }

    #[test]
    fn noise_and_responses_are_left_alone() {
        assert_eq!(answer(b"hello"), None);
        assert_eq!(answer(&answer(&query(1)).unwrap()), None);
        let mut truncated = query(1);
        truncated.truncate(15);
        assert_eq!(answer(&truncated).unwrap()[3], NOT_IMPLEMENTED);
    }
}
