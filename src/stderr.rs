//! Standard error: whoever reads it may have gone, and what is told is no reason to fail.

use std::fmt::Display;
use std::io::{self, Write as _};

/// Tells a line. Where nobody reads it any more, or the disk is full, nothing is told.
pub fn tell(line: impl Display) {
    // In one piece: others may tell lines at the same time.
    write(format!("{line}\n"));
}

/// The same of text that has its line ends.
pub fn write(text: impl AsRef<[u8]>) {
    let _ = io::stderr().write_all(text.as_ref());
}
