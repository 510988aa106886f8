//! What is typed, as the guest's line discipline takes it.
//!
//! A serial line has no end of file and no signal. Our init leaves the line discipline of the
//! workload's port switched on for three bytes only: ^D for the end, ^C for an interrupt, and ^V
//! before a byte that is meant as it is. All others pass unchanged. The discipline gives a line
//! out when it is at its end and keeps at most 4095 bytes of it, so a longer one is given out in
//! pieces by a ^D, which between bytes ends nothing.
//!
//! Source: `termios(3)`, canonical mode; the kernel's `drivers/tty/n_tty.c`.

/// Ends the input, or gives out what has come of a line.
const END: u8 = 0x04;
/// Sends SIGINT to the workload.
pub const INTERRUPT: u8 = 0x03;
/// Takes the next byte as it is.
const LITERAL: u8 = 0x16;

/// The longest piece of a line, half of what the discipline has room for.
const PIECE: usize = 2048;

/// Encodes a stream of bytes.
#[derive(Debug, Default)]
pub struct Typed {
    /// How much of the line that is being typed waits in the guest.
    waiting: usize,
}

impl Typed {
    /// `bytes` as they have to be sent.
    pub fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut sent = Vec::with_capacity(bytes.len() + bytes.len() / 8);
        for &byte in bytes {
            // A NUL is what the discipline takes for "no such character": it passes.
            if matches!(byte, END | INTERRUPT | LITERAL) {
                sent.push(LITERAL);
            }
            sent.push(byte);
            self.waiting += 1;
            if byte == b'\n' {
                self.waiting = 0;
            } else if self.waiting == PIECE {
                sent.push(END);
                self.waiting = 0;
            }
        }
        sent
    }

    /// The end of the stream as it has to be sent.
    pub fn end(&mut self) -> Vec<u8> {
        let gives_out = usize::from(self.waiting > 0);
        self.waiting = 0;
        vec![END; 1 + gives_out]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_bytes_are_marked_and_others_pass() {
        let mut typed = Typed::default();
        let bytes: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
        let sent = typed.bytes(&bytes);
        assert_eq!(sent.len(), bytes.len() + 3);
        assert_eq!(&sent[..6], [0, 1, 2, LITERAL, 3, LITERAL]);
    }

    #[test]
    fn an_end_behind_a_whole_line_is_one_and_else_gives_the_rest_out_first() {
        let mut typed = Typed::default();
        assert_eq!(typed.end(), [END]);
        typed.bytes(b"line\n");
        assert_eq!(typed.end(), [END]);
        typed.bytes(b"rest");
        assert_eq!(typed.end(), [END, END]);
        assert_eq!(typed.end(), [END]);
    }

    #[test]
    fn no_piece_is_longer_than_the_discipline_has_room_for() {
        let mut typed = Typed::default();
        let sent: Vec<u8> = (0..5).flat_map(|_| typed.bytes(&[b'x'; 3000])).collect();
        let longest = sent.split(|byte| *byte == END).map(<[u8]>::len).max();
        assert_eq!(longest, Some(PIECE));
        assert_eq!(sent.iter().filter(|byte| **byte == b'x').count(), 15_000);
        assert!(!sent.windows(2).any(|pair| pair == [END, END]));
    }
}
