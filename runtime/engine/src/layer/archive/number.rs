//! Numbers in a header: octal digits, or binary where those do not suffice.

use super::BLOCK;

/// Where the checksum stands, which counts as spaces in the sum.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// A number that is not negative. An empty field is zero, as everybody reads it.
pub(super) fn read(field: &[u8]) -> Option<u64> {
    u64::try_from(read_signed(field)?).ok()
}

/// A number. GNU writes in binary what does not fit: the first bit is set, the next
/// is the sign, and the rest is in two's complement.
pub(super) fn read_signed(field: &[u8]) -> Option<i64> {
    if field.first()? & 0x80 != 0 {
        return binary(field);
    }
    let text = field.split(|byte| *byte == 0).next()?.trim_ascii();
    text.iter().try_fold(0_i64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(i64::from(digit - b'0')),
        _ => None,
    })
}

fn binary(field: &[u8]) -> Option<i64> {
    let negative = field[0] & 0x40 != 0;
    let mut number: i64 = if negative { -1 } else { 0 };
    for (index, byte) in field.iter().enumerate() {
        let byte = match (index, negative) {
            (0, false) => byte & 0x7f,
            _ => *byte,
        };
        if number.leading_zeros() < 9 && number.leading_ones() < 9 {
            return None;
        }
        number = number << 8 | i64::from(byte);
    }
    Some(number)
}

/// Whether the header's checksum holds. Some old programs summed signed bytes.
pub(super) fn check_sum(header: &[u8; BLOCK]) -> bool {
    let Some(told) = read_signed(&header[CHECKSUM]) else {
        return false;
    };
    let bytes = || {
        let outside = |index: &usize| !CHECKSUM.contains(index);
        (0..BLOCK).filter(outside).map(|index| header[index])
    };
    let spaces = i64::from(b' ') * 8;
    let sum = bytes().map(i64::from).sum::<i64>() + spaces;
    let signed = || {
        bytes()
            .map(|byte| i64::from(byte.cast_signed()))
            .sum::<i64>()
            + spaces
    };
    told == sum || told == signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_or_binary() {
        for (field, number) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b" 644 \0\0\0", Some(0o644)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"77777777777\0", Some((8 << 30) - 1)),
            (b"77777777", Some(0o77_777_777)),
            (b"\x80\0\0\0\0\0\0\0\0\0\x01\0", Some(256)),
            (
                b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe",
                Some(-2),
            ),
            (b"\x80\0\0\0\x80\0\0\0\0\0\0\0", None),
            (b"0000899\0", None),
            (b"-1\0", None),
        ] {
            assert_eq!(read_signed(field), number, "{field:?}");
        }
        assert_eq!(read(b"\xff\xff\xff\xff\xff\xff\xff\xff"), None);
    }
}
