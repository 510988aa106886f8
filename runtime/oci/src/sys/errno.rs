//! The kernel's error number as a value that can cross from child to parent.

use std::fmt;
use std::io;

/// An error number, as the kernel returned it (`errno(3)`).
///
/// Unlike [`io::Error`] it is plain data: the child of a start may store it in
/// shared memory without allocating.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    /// The error number.
    #[must_use]
    pub const fn code(self) -> i32 {
        self.0
    }
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        io::Error::from_raw_os_error(errno.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {self})", self.0)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `io::Error` knows the texts; its suffix ` (os error 2)` is noise here.
        let text = io::Error::from_raw_os_error(self.0).to_string();
        let end = text.find(" (os error").unwrap_or(text.len());
        f.write_str(&text[..end])
    }
}

impl std::error::Error for Errno {}
