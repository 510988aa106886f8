//! Where the text of a file comes from, and which file that is.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::decode;
use crate::error::{Error, Result};
use crate::refusal::Refusal;

/// The longest file that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// A file under whatever name: its device and its number there.
pub(super) type Identity = (u64, u64);

pub(super) fn identity(of: &Metadata) -> Identity {
    (of.dev(), of.ino())
}

/// Reads all of the file at `path`, or of standard input where that is `-`; which file it is.
pub(super) fn content_of(path: &Path, content: &mut Vec<u8>) -> Result<Option<Identity>> {
    let mut read = || match path.as_os_str() == "-" {
        true => {
            let input = io::stdin().lock();
            input.take(LONGEST + 1).read_to_end(content)?;
            Ok(None)
        }
        // Itself, and not where its links lead: a pipe has no other name.
        false => {
            let file = File::open(path)?;
            let identity = identity(&file.metadata()?);
            file.take(LONGEST + 1).read_to_end(content)?;
            Ok(Some(identity))
        }
    };
    read().map_err(Error::io("read requirements from", path))
}

/// The text of a file called `name`.
pub(super) fn decoded_text(name: &str, content: &[u8]) -> Result<String> {
    let whole = |cause, remedy| Error::BadRequirement {
        at: name.to_owned(),
        cause,
        remedy,
    };
    if content.len() as u64 > LONGEST {
        let why = Refusal::new(format!("it is longer than {} MiB", LONGEST >> 20));
        return Err(whole(why, "name a file of requirements"));
    }
    decode::text(content).map_err(|why| whole(why, "write it in UTF-8"))
}
