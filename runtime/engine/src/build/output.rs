//! What a program says, as lines: handed on as they come, and the last ones kept
//! for whoever asks why it failed.

use std::collections::VecDeque;

/// So many lines tell why something failed.
const LAST: usize = 20;
/// A longer line is cut in pieces, in bytes.
const LONGEST: usize = 16 << 10;

/// The lines of an output that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
    last: VecDeque<String>,
}

impl Lines {
    /// Takes a piece, and hands on the lines that it ends.
    pub(super) fn take(&mut self, mut piece: &[u8], line: &mut dyn FnMut(&str)) {
        while let Some(at) = piece.iter().position(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(&piece[..at]);
            self.end_line(line);
            piece = &piece[at + 1..];
        }
        self.begun.extend_from_slice(piece);
        if self.begun.len() > LONGEST {
            self.end_line(line);
        }
    }

    /// Hands on what no line break ended, and gives the last lines.
    pub(super) fn finish(mut self, line: &mut dyn FnMut(&str)) -> Vec<String> {
        if !self.begun.is_empty() {
            self.end_line(line);
        }
        self.last.into()
    }

    fn end_line(&mut self, line: &mut dyn FnMut(&str)) {
        let begun = std::mem::take(&mut self.begun);
        let text = String::from_utf8_lossy(&begun);
        let text = text.trim_end_matches('\r');
        // Of what overwrote itself the last is what was to be seen.
        let text = text.rsplit('\r').next().unwrap_or_default();
        line(text);
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(text.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pieces: &[&[u8]], expected: &[&str]) {
        let mut lines = Lines::default();
        let mut said = Vec::new();
        let mut line = |text: &str| said.push(text.to_owned());
        for piece in pieces {
            lines.take(piece, &mut line);
        }
        let last = lines.finish(&mut line);
        assert_eq!(said, expected);
        assert_eq!(last, expected[expected.len().saturating_sub(LAST)..]);
    }

    #[test]
    fn lines_are_whole_however_they_come() {
        check(&[], &[]);
        check(&[b"a", b"b\nc\n", b"\nd"], &["ab", "c", "", "d"]);
        check(&[b"1 %\r2 %\r3 %\r\n"], &["3 %"]);
        check(&[b"caf\xc3", b"\xa9 \xff\n"], &["caf\u{e9} \u{fffd}"]);
        let many: Vec<String> = (0..50).map(|n| n.to_string()).collect();
        let text = many.join("\n");
        let expected: Vec<&str> = many.iter().map(String::as_str).collect();
        check(&[text.as_bytes()], &expected);
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let mut lines = Lines::default();
        let mut told = 0;
        for _ in 0..100 {
            lines.take(&[b'x'; 1000], &mut |line| told += line.len());
            assert!(lines.begun.len() <= LONGEST);
        }
        assert!(told > 50_000);
    }
}
