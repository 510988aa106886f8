//! What stops a layer, before anybody knows which layer it was.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use rustix::io::Errno;

use crate::Error;

/// The longest part of a hostile name that is shown.
const SHOWN: usize = 200;

/// Why a pass over a layer ended.
#[derive(Debug)]
pub(super) enum Fault {
    /// Whoever gives the packed bytes failed.
    Source(io::Error),
    /// The bytes are not packed as they should be, or are no archive.
    Malformed(String),
    /// An entry that must not be, or cannot be, unpacked.
    Refused {
        entry: Vec<u8>,
        reason: Cow<'static, str>,
    },
    /// The file system's answer.
    Kernel { entry: Vec<u8>, source: Errno },
    /// The step before this one ended early, and knows why.
    Stopped,
}

impl Fault {
    pub(super) fn malformed(reason: impl Into<String>) -> Self {
        Self::Malformed(reason.into())
    }

    pub(super) fn refused(entry: &[u8], reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Refused {
            entry: entry.to_owned(),
            reason: reason.into(),
        }
    }

    /// For `map_err`: what the kernel says where `entry` is made.
    pub(super) fn at(entry: &[u8]) -> impl Fn(Errno) -> Self {
        move |source| match source {
            // Not the disk's fault, but that of the one who chose the name.
            Errno::NAMETOOLONG => Self::refused(entry, "a part of its name is too long"),
            source => Self::Kernel {
                entry: entry.to_owned(),
                source,
            },
        }
    }

    /// The same for the caller, of the layer called `layer` in `root`.
    pub(super) fn of(self, layer: &str, root: &Path) -> Error {
        let untrusted = |reason| Error::Untrusted {
            what: layer.to_owned(),
            reason,
        };
        match self {
            Self::Source(source) => Error::Read {
                path: layer.into(),
                source,
            },
            Self::Malformed(reason) => untrusted(reason),
            Self::Refused { entry, reason } => Error::Layer {
                layer: layer.to_owned(),
                entry: shown(&entry),
                reason: reason.into_owned(),
            },
            Self::Kernel { entry, source } => Error::Write {
                path: root.join(shown(&entry).trim_start_matches('/')),
                source: source.into(),
            },
            Self::Stopped => untrusted("it ended early".to_owned()),
        }
    }
}

/// A name as text that does nothing to a terminal.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let mut shown: String = text.escape_debug().take(SHOWN).collect();
    if shown.len() < text.len() && text.len() > SHOWN {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_does_anything_to_a_terminal_or_names_a_path_outside() {
        let entry = b"/a\x1b[2J\n".to_vec();
        let full = Fault::at(&entry)(Errno::NOSPC);
        let refused = Fault::refused(&entry, "it is");
        for fault in [full, refused] {
            let error = fault.of("x", Path::new("/root")).to_string();
            assert!(!error.contains(['\x1b', '\n']), "{error:?}");
            assert!(!error.contains("write /a"), "{error:?}");
        }
    }
}
