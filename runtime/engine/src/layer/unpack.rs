//! One pass over a layer: digests, limits, files.

use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::ahead::read_ahead;
use super::archive::Archive;
use super::extract::Extract;
use super::fault::Fault;
use super::how::{Checks, Expected, How};
use super::inflate::Inflate;
use super::source::Source;
use super::stream;
use crate::image::{Algorithm, Compression, Digest, Hasher};
use crate::{Error, Result};

/// What a layer turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpacked {
    /// Of the bytes as they came.
    pub blob: Digest,
    /// How many those were.
    pub blob_bytes: u64,
    /// Of the archive.
    pub diff_id: Digest,
    /// How long the archive was.
    pub diff_bytes: u64,
    /// How many entries it had, whiteouts among them.
    pub entries: u64,
    /// Whether something has another owner than it should.
    pub squashed: bool,
    /// How many devices this user may not make, and are missing.
    pub devices_left_out: u64,
    /// How many extended attributes the file system, or this user's privilege, did not
    /// allow.
    pub attributes_left_out: u64,
}

/// Unpacks a layer into `root`, a directory that is there and empty, or under
/// [`Whiteouts::Apply`](super::Whiteouts::Apply) has the layers below. `packed` is read once and to its end.
///
/// Nothing is written outside of `root`, whatever the layer says. The files are there
/// before the digests are known: on an error, `root` is to be removed with all in it.
///
/// # Errors
/// [`Error::Layer`] for an entry that is refused, [`Error::Untrusted`] for bytes that
/// are not what they should be, [`Error::Read`] if `packed` fails and [`Error::Write`]
/// if the file system does.
pub fn unpack(
    packed: impl Read + Send,
    compression: Compression,
    root: &Path,
    how: &How,
) -> Result<Unpacked> {
    let expected = how.expected.as_ref();
    let layer = expected.map_or_else(|| "of a stream".to_owned(), |e| e.blob.to_string());
    let opened = rustix::fs::open(
        root,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let directory = opened.map_err(|errno| Error::Write {
        path: root.to_owned(),
        source: errno.into(),
    })?;
    let of_blob = expected.map_or(Algorithm::Sha256, |e| e.blob.algorithm());
    let of_diff = expected.map_or(Algorithm::Sha256, |e| e.diff_id.algorithm());
    let elsewhere = expected.filter(|e| e.checks == Checks::Elsewhere);
    let differ = compression != Compression::None || of_blob != of_diff;
    let twice = differ && elsewhere.is_none();
    let most = expected.map_or(u64::MAX, |e| e.blob_bytes);
    let mut source = Source::new(packed, twice.then_some(of_blob), most);
    let passed = read_ahead(&mut source, |packed| {
        let inflate = Inflate::new(packed, compression)?;
        let hasher = Hasher::new(of_diff);
        stream::through(inflate, hasher, how.limits.bytes, |tar| {
            let mut extract = Extract::new(directory.as_fd(), how);
            extract.all(&mut Archive::new(tar, &how.limits))?;
            Ok((extract.entries, extract.devices, extract.giver))
        })
    });
    let told = |fault: Fault| fault.of(&layer, root);
    let (blob, blob_bytes) = source.finish().map_err(told)?;
    let (totals, (entries, devices, giver)) = passed.map_err(told)?;
    let unpacked = Unpacked {
        blob: elsewhere
            .map(|e| e.blob.clone())
            .or(blob)
            .unwrap_or_else(|| totals.diff_id.clone()),
        blob_bytes,
        diff_id: totals.diff_id,
        diff_bytes: totals.diff_bytes,
        entries,
        squashed: giver.squashed,
        devices_left_out: devices,
        attributes_left_out: giver.left_out,
    };
    expected.map_or(Ok(()), |expected| check(&unpacked, expected))?;
    Ok(unpacked)
}

fn check(unpacked: &Unpacked, expected: &Expected) -> Result<()> {
    let reason = if unpacked.blob_bytes != expected.blob_bytes {
        format!(
            "it is {} bytes long, and should be {}",
            unpacked.blob_bytes, expected.blob_bytes
        )
    } else if unpacked.blob != expected.blob {
        format!("its digest is {}", unpacked.blob)
    } else if unpacked.diff_id != expected.diff_id {
        format!(
            "it unpacks to {}, and should to {}",
            unpacked.diff_id, expected.diff_id
        )
    } else {
        return Ok(());
    };
    Err(Error::Untrusted {
        what: expected.blob.to_string(),
        reason,
    })
}
