//! Whiteouts: how a layer says that something below it is gone.
//!
//! In an archive that is an empty file `.wh.NAME`, and `.wh..wh..opq` for all that
//! a directory had. In a directory that overlay mounts it is a character device
//! 0:0, and an extended attribute on the directory.
//!
//! Sources: OCI image specification, `layer.md`, "Whiteouts"; the kernel's
//! `Documentation/filesystems/overlayfs.rst`, "whiteouts and opaque directories".

use super::entry_name::split;

/// What becomes of whiteouts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whiteouts {
    /// Overlay's own marks: the layer is unpacked by itself and mounted above others.
    ///
    /// The devices need no privilege: since Linux 5.8 everybody may make a
    /// character device 0:0 (commit a3c751a50fe6).
    Overlay {
        /// Whether overlay is mounted with `userxattr`, as in a user namespace, and
        /// looks for `user.overlay.` instead of `trusted.overlay.`.
        userxattr: bool,
    },
    /// They remove what lies in the root already: layers are unpacked on each other.
    Apply,
}

impl Whiteouts {
    /// The attribute of a directory that hides what lies below it.
    pub(super) fn opaque(userxattr: bool) -> &'static str {
        match userxattr {
            true => "user.overlay.opaque",
            false => "trusted.overlay.opaque",
        }
    }
}

/// What a name in an archive means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning<'a> {
    /// An entry like any other.
    Entry,
    /// `name` in the same directory is gone.
    Gone { name: &'a [u8] },
    /// All that was in the directory is gone.
    Opaque,
    /// AUFS's bookkeeping, which docker wrote into layers once and all skip.
    Skipped,
}

/// What begins the names of whiteouts; what they hide is the rest.
pub(super) const PREFIX: &[u8] = b".wh.";
/// The name in an archive that makes its directory opaque.
pub(super) const OPAQUE: &[u8] = b".wh..wh..opq";
const AUFS: &[u8] = b".wh..wh.";

/// What the clean path `path` means.
pub(super) fn meaning(path: &[u8]) -> Result<Meaning<'_>, &'static str> {
    let (parent, last) = split(path);
    // Nearly every name: none of its parts begins so.
    if !path.windows(PREFIX.len()).any(|part| part == PREFIX) {
        return Ok(Meaning::Entry);
    }
    for part in parent.split(|byte| *byte == b'/') {
        if part.starts_with(AUFS) {
            return Ok(Meaning::Skipped);
        }
        if part.starts_with(PREFIX) {
            return Err("it lies in a directory that is called as a whiteout is");
        }
    }
    if last == OPAQUE {
        return Ok(Meaning::Opaque);
    }
    if last.starts_with(AUFS) {
        return Ok(Meaning::Skipped);
    }
    match last.strip_prefix(PREFIX) {
        None => Ok(Meaning::Entry),
        // They would stand for no name, for the directory, and for its parent.
        Some(b"" | b"." | b"..") => Err("it is a whiteout of no name"),
        Some(name) => Ok(Meaning::Gone { name }),
    }
}

/// Whether `name` is one of overlay's own attributes. An image that brings one
/// would forge what only the driver may say: that a directory hides what is below,
/// or that a file's content lies elsewhere.
pub(super) fn is_overlays_own(attribute: &[u8]) -> bool {
    [&b"trusted.overlay."[..], b"user.overlay."]
        .iter()
        .any(|prefix| attribute.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whiteout_names_one_thing_beside_it_or_is_refused() {
        assert_eq!(meaning(b"a/b.wh.c"), Ok(Meaning::Entry));
        assert_eq!(meaning(b"a/.wh.b"), Ok(Meaning::Gone { name: b"b" }));
        assert_eq!(meaning(b".wh...a"), Ok(Meaning::Gone { name: b"..a" }));
        assert_eq!(meaning(b"a/.wh..wh..opq"), Ok(Meaning::Opaque));
        assert_eq!(meaning(b".wh..wh.plnk/12.3"), Ok(Meaning::Skipped));
        assert_eq!(meaning(b".wh..wh.aufs"), Ok(Meaning::Skipped));
        for bad in ["a/.wh.", ".wh..", "a/.wh...", "a/.wh.b/c"] {
            assert!(meaning(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
