//! The file from which a guest's init takes what it is to run.
//!
//! A kernel's command line has no room for a blank or a quote, and not much room at all. What our
//! init is told by `run` in place of `guest` stands in a file of the initramfs: strings with a NUL
//! behind each, whose first byte says what the rest is. `workload/run_file.rs` reads it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result};

/// The file's name in the guest's root.
pub const PATH: &str = ".isolab-run";

/// What init reads of it.
const ROOM: usize = (128 << 10) - 1;

/// The most arguments, and the most variables, that init passes on.
const MOST: usize = 1023;

/// What a guest is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunFile {
    bytes: Vec<u8>,
    strings: usize,
    arguments: usize,
    variables: usize,
}

impl RunFile {
    /// The program at `path` in the guest.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        let mut file = Self::default();
        file.put(b'p', path.as_os_str());
        file
    }

    /// Adds an argument; the first is the program's own name.
    #[must_use]
    pub fn argument(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments += 1;
        self.put(b'a', argument.as_ref());
        self
    }

    /// Adds a variable, as `NAME=value`.
    #[must_use]
    pub fn variable(mut self, variable: impl AsRef<OsStr>) -> Self {
        self.variables += 1;
        self.put(b'e', variable.as_ref());
        self
    }

    /// Where it runs; `/` if nothing is said.
    #[must_use]
    pub fn directory(mut self, path: &Path) -> Self {
        self.put(b'd', path.as_os_str());
        self
    }

    /// It talks to somebody at a terminal: its three streams are one, lines are edited and echoed.
    #[must_use]
    pub fn terminal(mut self) -> Self {
        self.put(b't', OsStr::new(""));
        self
    }

    /// Init is to tell the times in the kernel's log at the end.
    #[must_use]
    pub fn kernel_times(mut self) -> Self {
        self.put(b'k', OsStr::new(""));
        self
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// [`Error::Guest`] if it holds more than init takes, or a NUL.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let refused = |reason: &str| {
            Err(Error::Guest {
                reason: reason.to_owned(),
            })
        };
        if self.bytes.len() > ROOM || self.arguments > MOST || self.variables > MOST {
            return refused("its init takes 1023 arguments, 1023 variables and 128 KiB of them");
        }
        if self.strings != self.bytes.iter().filter(|byte| **byte == 0).count() {
            return refused("an argument holds a zero byte");
        }
        Ok(self.bytes.clone())
    }

    fn put(&mut self, tag: u8, text: &OsStr) {
        self.strings += 1;
        self.bytes.push(tag);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_string_has_its_tag_and_its_end() {
        let file = RunFile::new(Path::new("/bin/sh"))
            .argument("sh")
            .argument("-c")
            .argument("echo \"a b\"")
            .argument("")
            .variable("A=1")
            .directory(Path::new("/tmp"))
            .terminal();
        let expected = b"p/bin/sh\0ash\0a-c\0aecho \"a b\"\0a\0eA=1\0d/tmp\0t\0";
        assert_eq!(file.to_bytes().unwrap(), expected);
    }

    #[test]
    fn what_init_would_cut_off_is_refused() {
        let large = "x".repeat(ROOM);
        assert!(
            RunFile::new(Path::new("/x"))
                .argument(large)
                .to_bytes()
                .is_err()
        );
        let many = (0..=MOST).fold(RunFile::new(Path::new("/x")), |file, _| file.argument("a"));
        assert!(many.to_bytes().is_err());
    }

    #[test]
    fn a_zero_byte_is_refused() {
        for text in ["a\0", "\0a", "a\0b", "a\0\0b"] {
            let file = RunFile::new(Path::new("/x")).argument(text);
            assert!(file.to_bytes().is_err(), "{text:?}");
        }
    }
}
