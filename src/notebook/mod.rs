//! The lab's notebook: what was predicted, and the reports of what came of it,
//! in the user's [data directory](crate::places::data).
//!
//! Predictions are written in ink: appended, never changed. Of the reports the
//! newest [`KEPT`](reports::KEPT) stay.

pub mod predictions;
pub mod reports;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

/// Opens a file of ours as `options` say: a regular file of this user, through
/// no link. One that is made is nobody else's to read.
fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // A pipe with nobody at its other end would be waited for.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = options.mode(0o600).custom_flags(flags.bits()).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.uid() != nix::unistd::geteuid().as_raw() {
        let why = "it is not a file of this user";
        return Err(io::Error::new(ErrorKind::PermissionDenied, why));
    }
    Ok(file)
}
