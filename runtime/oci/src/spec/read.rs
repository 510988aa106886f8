//! Reading a `config.json` that somebody else wrote: bounded, and with errors
//! that name the field.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::place::field_at;
use super::validate::shown;
use super::{Process, Resources, Spec};
use crate::error::{Error, Result};

/// Docker's with its whole seccomp policy has about 50 KB.
const MOST_BYTES: u64 = 16 << 20;

impl Spec {
    /// Reads the `config.json` at `path`.
    ///
    /// # Errors
    /// [`Error::Read`] where it cannot be read; [`Error::Malformed`] where it is
    /// not JSON; [`Error::Invalid`] where a field is missing or has the wrong
    /// type, or the file is over 16 MiB or no file at all.
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_with_text(path).map(|(spec, _)| spec)
    }

    /// As [`load`](Self::load), and the text itself.
    pub(crate) fn load_with_text(path: &Path) -> Result<(Self, Vec<u8>)> {
        let text = read(path)?;
        Ok((parse(&text, path, "")?, text))
    }
}

impl Process {
    /// Reads what `process` of a `config.json` holds, from `text` that stands at
    /// `path`.
    ///
    /// # Errors
    /// As those of [`Spec::load`].
    pub fn read(text: impl io::Read, path: &Path) -> Result<Self> {
        parse(&bounded(text, path, 0)?, path, "process")
    }
}

impl Resources {
    /// Reads what `linux.resources` of a `config.json` holds, from `text` that
    /// stands at `path`.
    ///
    /// # Errors
    /// As those of [`Spec::load`].
    pub fn read(text: impl io::Read, path: &Path) -> Result<Self> {
        parse(&bounded(text, path, 0)?, path, "linux.resources")
    }
}

/// Understands the text at `path`, which stands for the field `whole`.
pub(crate) fn parse<T: DeserializeOwned>(text: &[u8], path: &Path, whole: &str) -> Result<T> {
    serde_json::from_slice(text).map_err(|source| {
        // A number in the place of one word of a few is to serde an error
        // of syntax, though the text has none.
        let is_json = || serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
        if source.is_data() || is_json() {
            explain(text, &source, whole)
        } else {
            let path = path.to_owned();
            Error::Malformed { path, source }
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    // A fifo in its place would make the open wait for a writer.
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(refused(path, "it is no regular file"));
    }
    bounded(file, path, meta.len().min(MOST_BYTES) as usize)
}

fn refused(path: &Path, reason: &str) -> Error {
    Error::Invalid {
        field: path.display().to_string(),
        reason: reason.to_owned(),
        remedy: "a config.json is a regular file of at most 16 MiB".to_owned(),
    }
}

/// Reads `file`, which may have `size` bytes.
fn bounded(file: impl io::Read, path: &Path, size: usize) -> Result<Vec<u8>> {
    let mut text = Vec::with_capacity(size + 1);
    // One byte more tells a file of just that size from a longer one, and from
    // one that grows meanwhile.
    let read = file.take(MOST_BYTES + 1).read_to_end(&mut text);
    read.map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })?;
    if text.len() as u64 > MOST_BYTES {
        return Err(refused(path, "it has more than 16 MiB"));
    }
    Ok(text)
}

/// Turns serde's error, which knows where in the text, into one that says in which field.
fn explain(text: &[u8], error: &serde_json::Error, whole: &str) -> Error {
    let mut field = whole.to_owned();
    let inner = field_at(text, error.line(), error.column());
    if !field.is_empty() && !inner.is_empty() && !inner.starts_with('[') {
        field.push('.');
    }
    field.push_str(&inner);
    let mut message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    if message.ends_with(&place) {
        message.truncate(message.len() - place.len());
    }
    let quoted = |message: &str, start: &str| {
        let rest = message.strip_prefix(start)?;
        Some(rest.split('`').nth(1)?.to_owned())
    };
    let missing = quoted(&message, "missing field ");
    let twice = quoted(&message, "duplicate field ");
    let remedy = if let Some(name) = &missing {
        if !field.is_empty() {
            field.push('.');
        }
        field.push_str(name);
        "it is required: add it".to_owned()
    } else if twice.is_some() {
        "keep one".to_owned()
    } else if message == "expected value" {
        message = "a value that it cannot have".to_owned();
        "see config.md of the specification for its words".to_owned()
    } else if let Some((_, expected)) = message.split_once(", expected ") {
        format!("write {}", kind(expected))
    } else {
        "`isorun spec` writes an example of a valid config.json".to_owned()
    };
    let reason = match &missing {
        Some(_) => "it is missing".to_owned(),
        None => message,
    };
    Error::Invalid {
        field: if field.is_empty() {
            "config.json".to_owned()
        } else {
            field
        },
        reason: format!("{}{place}", shown(&reason)),
        remedy,
    }
}

/// Rust's names for JSON's values, in words.
fn kind(expected: &str) -> String {
    let number = match expected {
        "u16" => "0 to 65535",
        "u32" => "0 to 4294967295",
        "u64" => "0 to 18446744073709551615",
        "i32" => "-2147483648 to 2147483647",
        "i64" => "-9223372036854775808 to 9223372036854775807",
        "a boolean" => return "true or false".to_owned(),
        "a sequence" => return "a list".to_owned(),
        "path string" => return "a string".to_owned(),
        other => match other.strip_prefix("struct ") {
            Some(_) => return "an object".to_owned(),
            None => return other.to_owned(),
        },
    };
    format!("a whole number, {number}")
}
