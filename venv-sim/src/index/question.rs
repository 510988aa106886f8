//! Messages to and from servers that know names.
//!
//! Source: RFC 1035, section 4.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    V4,
    V6,
}

/// What a message means to whoever asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// It answers another question, or is no answer.
    NotOurs,
    /// All that there are; none where the name has none.
    Addresses(Vec<IpAddr>),
    /// There is more than fits into a datagram.
    Cut,
    /// The server cannot tell.
    Refused,
}

const HEAD: usize = 12;

impl Kind {
    fn number(self) -> u16 {
        match self {
            Self::V4 => 1,
            Self::V6 => 28,
        }
    }
}

/// A question for the addresses of `name`; `None` where it cannot be the name of a host.
pub(super) fn question(number: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(HEAD + name.len() + 6);
    message.extend(number.to_be_bytes());
    // One question, and the server may ask others.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| (1..64).contains(length))?;
        message.push(length);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(kind.number().to_be_bytes());
    message.extend([0, 1]);
    (name.len() <= 253).then_some(message)
}

/// Reads `message` as the answer to `question`.
pub(super) fn reply(message: &[u8], question: &[u8], kind: Kind) -> Reply {
    let asked = question.get(HEAD..).unwrap_or_default();
    let echoed = message.get(HEAD..HEAD + asked.len());
    let is_ours = message.get(..2) == question.get(..2)
        && message.get(2).is_some_and(|flags| flags & 0x80 != 0)
        && echoed.is_some_and(|echoed| echoed.eq_ignore_ascii_case(asked));
    if !is_ours {
        return Reply::NotOurs;
    }
    if message[2] & 0x02 != 0 {
        return Reply::Cut;
    }
    match message[3] & 0x0f {
        0 => Reply::Addresses(addresses(message, HEAD + asked.len(), kind)),
        // There is no such name.
        3 => Reply::Addresses(Vec::new()),
        _ => Reply::Refused,
    }
}

/// The addresses in the answers, as far as they can be read.
fn addresses(message: &[u8], start: usize, kind: Kind) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let count = u16::from_be_bytes([message[6], message[7]]);
    let mut rest = message.get(start..).unwrap_or_default();
    for _ in 0..count {
        let Some((is, data, behind)) = record(rest) else {
            break;
        };
        rest = behind;
        if is != kind.number() {
            continue;
        }
        let four = <[u8; 4]>::try_from(data).map(|bytes| IpAddr::from(Ipv4Addr::from(bytes)));
        let six = <[u8; 16]>::try_from(data).map(|bytes| IpAddr::from(Ipv6Addr::from(bytes)));
        found.extend(match kind {
            Kind::V4 => four.ok(),
            Kind::V6 => six.ok(),
        });
    }
    found
}

/// The kind of a record, its data, and what is behind it.
fn record(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let rest = behind_name(bytes)?;
    let (head, rest) = rest.split_at_checked(10)?;
    let kind = u16::from_be_bytes([head[0], head[1]]);
    let length = usize::from(u16::from_be_bytes([head[8], head[9]]));
    let (data, rest) = rest.split_at_checked(length)?;
    Some((kind, data, rest))
}

/// Passes over a name: labels up to the empty one, or up to a pointer to where it goes on. What
/// the pointer leads to is of no interest, so that no chain of them can have no end.
fn behind_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        match bytes.first()? {
            0 => return bytes.get(1..),
            pointer if pointer & 0xc0 == 0xc0 => return bytes.get(2..),
            length => bytes = bytes.get(1 + usize::from(*length)..)?,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer to `question` with a record of each kind and data.
    pub(in crate::index) fn answer(
        question: &[u8],
        flags: [u8; 2],
        records: &[(u16, &[u8])],
    ) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2..4].copy_from_slice(&flags);
        message[7] = u8::try_from(records.len()).expect("few");
        for (kind, data) in records {
            message.extend([0xc0, 12]);
            message.extend(kind.to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
            message.extend(*data);
        }
        message
    }

    #[test]
    fn a_question_is_written_as_the_rfc_has_it() {
        // RFC 1035, 4.1: the head; F.ISI as in 4.1.4; type and class.
        let expected = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01F\x03ISI\0\0\x01\0\x01";
        assert_eq!(
            question(0x1234, "F.ISI", Kind::V4).as_deref(),
            Some(&expected[..])
        );
        for name in ["", ".", "a..b", &"a".repeat(64), &"a.".repeat(130)] {
            assert_eq!(question(1, name, Kind::V4), None, "{name}");
        }
    }

    #[test]
    fn addresses_are_read_behind_other_names_and_others_answers_are_not_ours() {
        let asked = question(7, "a.test", Kind::V4).expect("a question");
        let message = answer(
            &asked,
            [0x81, 0x80],
            &[(5, b"\x01b\xc0\x0c"), (1, &[192, 0, 2, 1]), (1, &[1])],
        );
        let expected = Reply::Addresses(vec![[192, 0, 2, 1].into()]);
        assert_eq!(reply(&message, &asked, Kind::V4), expected);
        let other_number = question(8, "a.test", Kind::V4).expect("a question");
        let other_name = question(7, "b.test", Kind::V4).expect("a question");
        let other_kind = question(7, "a.test", Kind::V6).expect("a question");
        for other in [other_number, other_name, other_kind] {
            assert_eq!(reply(&message, &other, Kind::V4), Reply::NotOurs);
        }
        assert_eq!(reply(&asked, &asked, Kind::V4), Reply::NotOurs);
        for (flags, expected) in [
            ([0x81, 0x83], Reply::Addresses(vec![])),
            ([0x81, 0x82], Reply::Refused),
            ([0x83, 0x80], Reply::Cut),
        ] {
            assert_eq!(
                reply(&answer(&asked, flags, &[]), &asked, Kind::V4),
                expected
            );
        }
    }

    proptest! {
        #[test]
        fn no_message_panics(noise in proptest::collection::vec(any::<u8>(), 0..80), count: u8) {
            let asked = question(7, "a.test", Kind::V6).expect("a question");
            let _ = reply(&noise, &asked, Kind::V6);
            let mut message = answer(&asked, [0x81, 0x80], &[]);
            message[7] = count;
            message.extend(noise);
            let _ = reply(&message, &asked, Kind::V6);
        }
    }
}
