//! What a command has said, as lines that are safe to paint.
//!
//! A command's output and a recording may hold anything. Only printable text,
//! colours, and the few controls with which a progress bar rewrites its line have
//! an effect here; every other escape sequence (titles, the clipboard, questions
//! to the terminal, cursor movements) is swallowed whole. The painter never sees
//! a byte that was not understood.

use std::collections::VecDeque;

use super::ink::{Cell, Colour, Ink, Line};
use crate::report::text::acts;

/// The most lines that are kept, and the most cells of one.
const LINES: usize = 5_000;
const CELLS: usize = 2_000;

/// Lines of text with their colours.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    lines: VecDeque<Line>,
    /// Where the next character goes, in the last line.
    column: usize,
    ink: Ink,
    state: State,
    /// The beginning of a character that is not complete yet.
    pending: Vec<u8>,
}

/// Where in an escape sequence the text is.
///
/// Source: ECMA-48, 5.4 (control sequences) and 5.6 (control strings).
#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Text,
    /// Behind ESC.
    Escape,
    /// Behind ESC and intermediate bytes: one final byte ends it.
    Intermediate,
    /// Behind `ESC [`, with what stands there so far.
    Control(String),
    /// In a string that a terminal would act on (title, clipboard, ...).
    Ignored { escape: bool },
}

impl Transcript {
    /// Takes what was said next; it may end within a character or a sequence.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut bytes = [std::mem::take(&mut self.pending).as_slice(), bytes].concat();
        let whole = match std::str::from_utf8(&bytes) {
            // Cut off at the end: the rest is still to come.
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => bytes.len(),
        };
        self.pending = bytes.split_off(whole);
        for c in String::from_utf8_lossy(&bytes).chars() {
            self.take(c);
        }
    }

    /// The lines so far, the last of them perhaps unfinished.
    #[must_use]
    pub fn lines(&self) -> &VecDeque<Line> {
        &self.lines
    }

    /// The text without its colours.
    #[must_use]
    pub fn text(&self) -> String {
        let plain = |line: &Line| line.iter().map(|cell| cell.c).collect::<String>();
        let lines: Vec<String> = self
            .lines
            .iter()
            .map(|line| plain(line).trim_end().to_owned())
            .collect();
        lines.join("\n").trim_end().to_owned()
    }

    fn take(&mut self, c: char) {
        self.state = match (std::mem::take(&mut self.state), c) {
            // Whatever was begun, these end it: CAN, SUB.
            (_, '\u{18}' | '\u{1a}') => State::Text,
            (State::Ignored { .. }, '\u{1b}') => State::Ignored { escape: true },
            (State::Ignored { .. }, '\u{7}' | '\u{9c}') => State::Text,
            (State::Ignored { escape: true }, '\\') => State::Text,
            (State::Ignored { .. }, _) => State::Ignored { escape: false },
            (_, '\u{1b}') => State::Escape,
            (State::Escape, '[') => State::Control(String::new()),
            (State::Escape, ']' | 'P' | 'X' | '^' | '_') => State::Ignored { escape: false },
            (State::Escape | State::Intermediate, ' '..='/') => State::Intermediate,
            (State::Escape | State::Intermediate, _) => State::Text,
            (State::Control(parameters), '@'..='~') => {
                self.control(&parameters, c);
                State::Text
            }
            (State::Control(mut parameters), c) => {
                // What is longer is none that we know.
                if parameters.len() < 64 {
                    parameters.push(c);
                }
                State::Control(parameters)
            }
            (State::Text, c) => {
                self.write(c);
                State::Text
            }
        };
    }

    fn write(&mut self, c: char) {
        match c {
            '\n' => self.new_line(),
            '\r' => self.column = 0,
            '\t' => {
                let stop = (self.column / 8 + 1) * 8;
                while self.column < stop.min(CELLS) {
                    self.put(' ');
                }
            }
            '\u{8}' => self.column = self.column.saturating_sub(1),
            c if acts(c) => {}
            c => self.put(c),
        }
    }

    fn new_line(&mut self) {
        self.last();
        self.lines.push_back(Line::new());
        if self.lines.len() > LINES {
            self.lines.pop_front();
        }
        self.column = 0;
    }

    fn put(&mut self, c: char) {
        let (column, ink) = (self.column, self.ink);
        if column >= CELLS {
            return;
        }
        let line = self.last();
        let blank = Cell {
            c: ' ',
            ink: Ink::default(),
        };
        if line.len() <= column {
            line.resize(column + 1, blank);
        }
        line[column] = Cell { c, ink };
        self.column += 1;
    }

    fn last(&mut self) -> &mut Line {
        if self.lines.is_empty() {
            self.lines.push_back(Line::new());
        }
        self.lines.back_mut().expect("one was just put there")
    }

    /// A control sequence: colours, and the erasure of a line.
    fn control(&mut self, parameters: &str, last: char) {
        match last {
            'm' => self.ink = inked(self.ink, parameters),
            'K' => {
                let column = self.column;
                let line = self.last();
                match parameters {
                    "" | "0" => line.truncate(column),
                    "2" => line.clear(),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// `ink` after the `parameters` of an SGR sequence.
fn inked(mut ink: Ink, parameters: &str) -> Ink {
    let mut codes = parameters.split(';').map(|code| match code {
        "" => Some(0),
        code => code.parse::<u8>().ok(),
    });
    while let Some(code) = codes.next() {
        match code {
            Some(0) => ink = Ink::default(),
            Some(1) => ink.bold = true,
            Some(22) => ink.bold = false,
            Some(7) => ink.reverse = true,
            Some(27) => ink.reverse = false,
            Some(n @ 30..=37) => ink.colour = Some(Colour::Usual(n - 30)),
            Some(n @ 90..=97) => ink.colour = Some(Colour::Bright(n - 90)),
            Some(39) => ink.colour = None,
            // Of a palette or by its components: more codes belong to it.
            Some(38 | 48) => match codes.next() {
                Some(Some(5)) => drop(codes.next()),
                Some(Some(2)) => drop(codes.nth(2)),
                _ => return ink,
            },
            _ => {}
        }
    }
    ink
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::demo::ink::Palette;

    fn heard(said: &str) -> String {
        let mut transcript = Transcript::default();
        transcript.feed(said.as_bytes());
        transcript.text()
    }

    #[test]
    fn a_progress_bar_rewrites_its_line() {
        assert_eq!(heard("10 %\r50 %\r\u{1b}[2K100 %\r\ndone\n"), "100 %\ndone");
        assert_eq!(heard("abc\r\u{1b}[Kx"), "x");
        assert_eq!(heard("a\tb"), "a       b");
    }

    #[test]
    fn what_would_act_on_a_terminal_is_swallowed_whole() {
        for sequence in [
            "\u{1b}]0;title\u{7}",
            "\u{1b}]52;c;ZXZpbA==\u{1b}\\",
            "\u{1b}P$qm\u{1b}\\",
            "\u{1b}[6n",
            "\u{1b}[c",
            "\u{1b}[2J\u{1b}[H",
            "\u{1b}[?1049h",
            "\u{1b}(0",
            "\u{1b}c",
            "\u{9b}2J",
            "\u{202e}",
            "\u{7}",
        ] {
            let text = heard(&format!("a{sequence}b"));
            // A lone C1 control is dropped, and what follows it is text.
            assert!(text == "ab" || text == "a2Jb", "{sequence:?}: {text:?}");
        }
    }

    #[test]
    fn colours_are_kept_and_faintness_is_not() {
        let mut transcript = Transcript::default();
        transcript.feed(b"\x1b[1;32mok\x1b[0m \x1b[2mfaint\x1b[38;5;9;1mx\x1b[38;2;1;2;3my");
        let line = &transcript.lines()[0];
        assert_eq!(
            line[0].ink,
            Ink {
                bold: true,
                reverse: false,
                colour: Some(Colour::Usual(2))
            }
        );
        assert_eq!(line[3].ink, Ink::default());
        assert!(line[8].ink.bold && line[8].ink.colour.is_none());
        assert_eq!(transcript.text(), "ok faintxy");
    }

    #[test]
    fn a_character_may_come_in_pieces() {
        let mut transcript = Transcript::default();
        for byte in "µ日\u{1b}[1mx".as_bytes() {
            transcript.feed(&[*byte]);
        }
        assert_eq!(transcript.text(), "µ日x");
    }

    #[test]
    fn much_output_takes_bounded_memory() {
        let mut transcript = Transcript::default();
        transcript.feed(&b"\n".repeat(LINES * 2));
        transcript.feed(&b"x".repeat(CELLS * 2));
        assert!(transcript.lines().len() <= LINES);
        assert!(transcript.lines().iter().all(|line| line.len() <= CELLS));
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_ever_painted(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("\u{1b}".to_owned()), Just("[".to_owned()), Just("]52;".to_owned()),
                    Just("m".to_owned()), Just("\u{9b}".to_owned()), ".{0,8}", "\\PC{0,8}",
                ], 0..40),
            raw in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            let mut transcript = Transcript::default();
            transcript.feed(parts.concat().as_bytes());
            transcript.feed(&raw);
            let palette = Palette { colours: true, unicode: true };
            for line in transcript.lines() {
                prop_assert!(!palette.plain(line).chars().any(acts));
                // What is painted besides text are the colours of our own.
                let painted = palette.painted(line);
                for after in painted.split('\u{1b}').skip(1) {
                    let (codes, _) = after.split_once('m').unwrap_or(("", ""));
                    prop_assert!(codes.strip_prefix('[').is_some_and(
                        |codes| codes.chars().all(|c| c.is_ascii_digit() || c == ';')));
                }
            }
        }
    }
}
