//! The terminal while a demo is on it: keys without Enter, no cursor, and a
//! screen beside the one on which the shell is.
//!
//! It is put back in every way in which a demo can end or stop: at its end, at a
//! signal (see [`signals`](super::signals)), and in a panic, where the release
//! build unwinds nothing and only the panic hook runs.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::panic;
use std::sync::{Mutex, Once, PoisonError};

use anyhow::{Context, Result};
use nix::sys::termios::{
    InputFlags, LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr,
};

use super::ink::{Line, Palette};

/// Another screen, no cursor, and nothing on it.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[2J";
/// The usual ink, the cursor, and the screen of before.
const LEAVE: &str = "\u{1b}[0m\u{1b}[?25h\u{1b}[?1049l";

/// How the terminal was; `None` while it is so.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal, ours until this is dropped.
#[derive(Debug)]
pub struct Screen {
    palette: Palette,
    /// What stands there, row by row.
    painted: Vec<String>,
}

impl Screen {
    /// Whether there is a terminal to be had: one that shows, and has keys.
    #[must_use]
    pub fn is_there() -> bool {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
    }

    /// Takes the terminal.
    ///
    /// # Errors
    /// If it cannot be set up.
    pub fn enter(palette: Palette) -> Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let usual = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                put_back();
                usual(info);
            }));
        });
        set_up().context("cannot set up the terminal")?;
        let painted = Vec::new();
        Ok(Self { palette, painted })
    }

    /// Gives the terminal back for a while.
    pub fn leave(&mut self) {
        put_back();
    }

    /// Takes it again.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn return_to(&mut self) -> Result<()> {
        self.painted.clear();
        set_up().context("cannot set up the terminal")
    }

    /// Its columns and rows.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let size = terminal_size::terminal_size_of(io::stdout());
        let (columns, rows) = size.map_or((80, 24), |(w, h)| (w.0.into(), h.0.into()));
        (columns.max(1), rows.max(1))
    }

    /// Forgets what stands there, so that all of it is painted.
    pub fn forget(&mut self) {
        self.painted.clear();
    }

    /// Shows `lines`, of which only those that changed are sent.
    ///
    /// # Errors
    /// If the terminal is gone.
    pub fn paint(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut out = String::new();
        if self.painted.len() != lines.len() {
            out.push_str("\u{1b}[0m\u{1b}[2J");
            self.painted = vec![String::new(); lines.len()];
        }
        for (row, line) in lines.iter().enumerate() {
            let text = self.palette.painted(line);
            if self.painted[row] != text {
                out.push_str(&format!("\u{1b}[{};1H\u{1b}[2K{text}", row + 1));
                self.painted[row] = text;
            }
        }
        let mut stdout = io::stdout().lock();
        stdout.write_all(out.as_bytes())?;
        stdout.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        put_back();
    }
}

fn set_up() -> io::Result<()> {
    let stdin = io::stdin();
    let before = tcgetattr(stdin.as_fd())?;
    let mut ours = before.clone();
    // Keys come one by one and are not shown; Ctrl-C and Ctrl-Z stay signals.
    ours.local_flags
        .remove(LocalFlags::ICANON | LocalFlags::ECHO);
    // A stray Ctrl-S must not freeze the screen.
    ours.input_flags.remove(InputFlags::IXON);
    ours.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
    ours.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
    BEFORE
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .get_or_insert(before);
    tcsetattr(stdin.as_fd(), SetArg::TCSADRAIN, &ours)?;
    let mut stdout = io::stdout().lock();
    stdout.write_all(ENTER.as_bytes())?;
    stdout.flush()
}

/// Puts the terminal back, once.
fn put_back() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // Not through the lock, which a panic may have come from within.
        let _ = nix::unistd::write(io::stdout(), LEAVE.as_bytes());
        // Keys that nobody read are not for the shell.
        let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &before);
    }
}
