//! From a directory to a layer, the same bytes each time.
//!
//! Entries come sorted, with whole seconds, without names of users, and what is
//! handed to the packer is cut at fixed places: what remains is the files, their
//! owners, modes, attributes and times.

mod header;
mod output;
mod tree;

use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::image::Digest;
use crate::layer::limits::Limits;
use crate::{Error, Result};
use output::Output;
use tree::Tree;

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Not at all.
    None,
    /// By gzip, from 1, fast, to 9, small.
    Gzip(u32),
    /// By zstd, from 1 to 22.
    Zstd(i32),
}

/// What a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A tree like any other.
    Tree,
    /// An upper directory of overlay, or a layer unpacked for it: its marks become
    /// whiteouts.
    Upper {
        /// Whether overlay is mounted with `userxattr`.
        userxattr: bool,
    },
}

/// How a directory becomes a layer.
pub struct PackHow<'a> {
    /// How its archive is packed.
    pub packing: Packing,
    /// What the directory is.
    pub form: Form,
    /// From owner and group on the disk to those in the archive.
    pub ids: &'a dyn Fn(u32, u32) -> (u32, u32),
    /// No file is younger than this, in seconds since 1970: what is made by a build
    /// then has the same time each time.
    ///
    /// Source: reproducible-builds.org, "SOURCE_DATE_EPOCH".
    pub source_date_epoch: Option<u64>,
    /// What could not be unpacked again is not packed.
    pub limits: Limits,
}

/// A layer that was packed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Of the archive.
    pub diff_id: Digest,
    /// How long that is.
    pub diff_bytes: u64,
    /// Of the packed bytes.
    pub blob: Digest,
    /// How many those are.
    pub blob_bytes: u64,
    /// Entries of the archive.
    pub entries: u64,
}

/// Why a tree cannot be packed.
pub(super) enum Fault {
    /// Where it is to be written to failed.
    Output(io::Error),
    /// This path cannot be read, or cannot be in a layer.
    Tree(Vec<u8>, io::Error),
}

/// Packs what lies in `directory` and writes it to `out`.
///
/// Nothing is followed or opened that is not a directory or a regular file. The
/// directory itself is an entry only where it says more than a new one would.
/// Sockets are left out, since an archive cannot hold them, and so are attributes that
/// mean something on this machine only: labels, and access lists, which name its
/// users.
///
/// # Errors
/// [`Error::Read`] for what cannot be read, changes while it is, or has a name that
/// would mean something else in a layer; [`Error::Write`] if `out` fails.
pub fn pack(directory: &Path, out: impl Write, how: &PackHow<'_>) -> Result<Packed> {
    let pass = || {
        let mut output = Output::new(out, how.packing).map_err(Fault::Output)?;
        let entries = Tree::new(how, &mut output).pack(directory)?;
        output.finish(entries).map_err(Fault::Output)
    };
    pass().map_err(|fault| match fault {
        Fault::Output(source) => Error::Write {
            path: "the layer".into(),
            source,
        },
        Fault::Tree(path, source) => Error::Read {
            path: directory.join(OsStr::from_bytes(&path)),
            source,
        },
    })
}
