//! Keys: what an instructor presses, on a keyboard or on a presenter's remote
//! control, which sends the keys that turn pages.

/// A key with a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Space: go on.
    Next,
    /// Enter: go on, and in an answer, take it.
    Enter,
    /// p: stop the clock, or let it go on.
    Pause,
    /// b: the beat before.
    Back,
    /// s: the beat after, whatever runs.
    Skip,
    /// r: show the recording.
    Recording,
    /// n: show the notes, or hide them.
    Notes,
    /// q: leave.
    Quit,
    /// ?: the keys.
    Help,
    /// Towards the first line of the output.
    Up,
    /// Towards its last line.
    Down,
    /// Part of a number.
    Digit(char),
    /// Takes the last digit back.
    Erase,
    /// Anything else.
    Other,
}

/// The keys in `bytes`, as a terminal sends them.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let (key, length) = if *first == 0x1b {
            sequence(rest)
        } else {
            (single(*first), 1)
        };
        rest = if length == 1 { after } else { &rest[length..] };
        keys.push(key);
    }
    keys
}

fn single(byte: u8) -> Key {
    match byte {
        b' ' => Key::Next,
        b'\r' | b'\n' => Key::Enter,
        b'p' | b'P' => Key::Pause,
        b'b' | b'B' => Key::Back,
        b's' | b'S' => Key::Skip,
        b'r' | b'R' => Key::Recording,
        b'n' | b'N' => Key::Notes,
        b'q' | b'Q' => Key::Quit,
        b'?' | b'h' => Key::Help,
        b'k' => Key::Up,
        b'j' => Key::Down,
        b'0'..=b'9' | b'.' | b',' => Key::Digit(if byte == b',' { '.' } else { byte.into() }),
        0x7f | 0x08 => Key::Erase,
        _ => Key::Other,
    }
}

/// The key of an escape sequence, and how many bytes it has.
fn sequence(bytes: &[u8]) -> (Key, usize) {
    let Some(b'[' | b'O') = bytes.get(1) else {
        return (Key::Other, 1);
    };
    let last = bytes
        .iter()
        .skip(2)
        .position(|byte| (0x40..=0x7e).contains(byte));
    let Some(last) = last.map(|index| index + 2) else {
        return (Key::Other, bytes.len());
    };
    let key = match &bytes[2..=last] {
        b"A" => Key::Up,
        b"B" => Key::Down,
        b"C" | b"6~" => Key::Next,
        b"D" | b"5~" => Key::Back,
        _ => Key::Other,
    };
    (key, last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_the_pages_of_a_remote_control_are_told_apart() {
        assert_eq!(
            decode(b" \rpq"),
            [Key::Next, Key::Enter, Key::Pause, Key::Quit]
        );
        assert_eq!(decode(b"\x1b[6~\x1b[5~"), [Key::Next, Key::Back]);
        assert_eq!(decode(b"\x1bOA\x1b[B"), [Key::Up, Key::Down]);
        assert_eq!(
            decode(b"1,5\x7f"),
            [
                Key::Digit('1'),
                Key::Digit('.'),
                Key::Digit('5'),
                Key::Erase
            ]
        );
    }

    #[test]
    fn what_is_no_key_of_ours_does_nothing() {
        assert_eq!(decode(b"\x1b"), [Key::Other]);
        assert_eq!(decode(b"\x1b[200"), [Key::Other]);
        assert_eq!(decode(b"\x1b[1;5P"), [Key::Other]);
        assert_eq!(decode("é".as_bytes()), [Key::Other, Key::Other]);
    }
}
