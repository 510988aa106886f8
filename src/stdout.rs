//! Standard output: a pipe that nobody reads any more is no failure of ours.

use std::io::{self, ErrorKind, Write};

use anyhow::{Context, Result};

/// Prints `text`. Whoever reads it may have read enough: `isolab compare | head`.
///
/// # Errors
/// If it cannot be written for another reason, such as a full disk.
pub fn print(text: impl AsRef<[u8]>) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_ref()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result.context("cannot write to standard output"),
    }
}
