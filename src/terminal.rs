//! What the terminal can show, and asking at it.
//!
//! A question is asked on standard error, so that a result can go through a pipe
//! meanwhile, and answered on standard input. Waiting for an answer hears
//! Ctrl-C: what was answered before is kept by whoever asks.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::str;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::interrupt::Interrupt;
use crate::report::text::wrapped;

/// How long Ctrl-C may go unheard, in milliseconds.
const HEARD: u8 = 100;
/// The longest answer that is read, in bytes.
const LONGEST: usize = 4_096;

/// Whether somebody can be asked: both ends of the conversation are a terminal.
#[must_use]
pub fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether what is printed may hold more than ASCII, by the locale's character
/// set. Source: `locale(7)`: `LC_ALL`, `LC_CTYPE`, `LANG`, the first that is set.
#[must_use]
pub fn speaks_unicode() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(std::env::var_os)
        .find(|value| !value.is_empty());
    set.is_some_and(|locale| {
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// `text` as this terminal can show it.
#[must_use]
pub fn fitting(text: String) -> String {
    if text.is_ascii() || speaks_unicode() {
        text
    } else {
        ascii(&text)
    }
}

/// `text` in ASCII: the signs that we use have a spelling, others a question mark.
#[must_use]
pub fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => out.push(c),
            '×' => out.push('x'),
            'µ' | 'μ' => out.push('u'),
            '–' | '−' | '─' => out.push('-'),
            '·' | '•' => out.push('.'),
            '…' => out.push_str("..."),
            '≤' => out.push_str("<="),
            '→' => out.push_str("->"),
            _ => out.push('?'),
        }
    }
    out
}

/// How wide lines on standard error may be: that of its terminal, 80 without one.
#[must_use]
pub fn width() -> usize {
    terminal_size::terminal_size_of(io::stderr())
        .map_or(80, |(width, _)| usize::from(width.0).clamp(20, 100))
}

/// Says `text` on standard error, in lines that fit and are indented as it is.
pub fn tell(text: &str) {
    let indent = text.len() - text.trim_start().len();
    for line in wrapped(text.trim_start(), width() - indent, 0) {
        say(&format!("{:indent$}{line}\n", ""));
    }
}

fn say(text: &str) {
    let mut out = io::stderr().lock();
    // A terminal that is gone answers the next question with its end.
    let _ = out
        .write_all(fitting(text.to_owned()).as_bytes())
        .and_then(|()| out.flush());
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A line, without its end.
    Line(String),
    /// Ctrl-D, or the terminal is gone.
    End,
    /// Ctrl-C, or another signal to stop.
    Interrupted,
}

/// Asks and listens.
#[derive(Debug)]
pub struct Dialogue<'a> {
    interrupt: &'a Interrupt,
    unread: Vec<u8>,
}

impl<'a> Dialogue<'a> {
    /// A conversation that `interrupt` ends.
    #[must_use]
    pub fn new(interrupt: &'a Interrupt) -> Self {
        Self {
            interrupt,
            unread: Vec::new(),
        }
    }

    /// Says `text`, which ends its lines itself.
    pub fn say(&self, text: &str) {
        say(text);
    }

    /// Says `prompt` and waits for a line.
    ///
    /// # Errors
    /// If standard input cannot be read for another reason than its end.
    pub fn ask(&mut self, prompt: &str) -> io::Result<Answer> {
        self.say(prompt);
        loop {
            if self.interrupt.raised() {
                return Ok(Answer::Interrupted);
            }
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = String::from_utf8_lossy(&line[..end]);
                return Ok(Answer::Line(line.trim().to_owned()));
            }
            if self.unread.len() > LONGEST {
                // Nobody types this; what follows would be taken for answers.
                return Ok(Answer::End);
            }
            if !self.read_more()? {
                return Ok(Answer::End);
            }
        }
    }

    /// Waits a moment for more; `false` at the end.
    fn read_more(&mut self) -> io::Result<bool> {
        let stdin = io::stdin();
        let mut ready = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ready, PollTimeout::from(HEARD)) {
            Ok(0) | Err(Errno::EINTR) => return Ok(true),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut buffer = [0; 512];
        match nix::unistd::read(&stdin, &mut buffer) {
            // A terminal that was closed: EIO.
            Ok(0) | Err(Errno::EIO) => Ok(false),
            Ok(read) => {
                self.unread.extend_from_slice(&buffer[..read]);
                Ok(true)
            }
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ascii;

    #[test]
    fn every_sign_that_we_use_has_a_spelling_in_ascii() {
        assert_eq!(
            ascii("3.2× − 12 µs – a · b ─ …"),
            "3.2x - 12 us - a . b - ..."
        );
        assert_eq!(ascii("日本\u{1b}"), "??\u{1b}");
    }
}
