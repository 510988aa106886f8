//! A copy-on-write clone without a program: an empty qcow2 image upon a base.
//!
//! An image that holds nothing yet is a header, the base's name and three tables of zeros, but
//! for the reference counts of these very parts. Starting a program to write them takes longer
//! than the clone is worth: each guest gets one, which is gone with it.
//!
//! Source: QEMU's `docs/interop/qcow2.txt`.

use std::fs::OpenOptions;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// The unit of everything in the image: 64 KiB, as `qemu-img` takes it.
const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// The bytes of a table's entry.
const ENTRY: u64 = 8;
/// What one table of the second level stands for, in bytes of the disk.
const L2_COVERS: u64 = CLUSTER * (CLUSTER / ENTRY);
/// The longest name of a base, in bytes.
const LONGEST_NAME: usize = 1023;
/// The header's length in version 3.
const HEADER: usize = 104;
/// The type of the header extension that names the base's format.
const BACKING_FORMAT: u32 = 0xe279_2aca;

/// The format of a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The disk byte for byte.
    Raw,
    /// QEMU's own.
    Qcow2,
}

impl Format {
    /// QEMU's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Qcow2 => "qcow2",
        }
    }
}

/// Makes at `to` an image of `bytes` that holds what differs from `base`: nothing, at first.
/// Nobody else may read it: a guest's secrets may be written there.
///
/// # Errors
/// [`Error::Image`] for a base whose name is no absolute path of at most 1023 bytes or a disk of
/// more than 4 TiB; [`Error::File`] where `to` is there already or cannot be written.
pub fn overlay(base: &Path, format: Format, bytes: u64, to: &Path) -> Result<()> {
    let content = content(base, format, bytes).map_err(|reason| Error::Image {
        path: to.to_owned(),
        reason: reason.to_owned(),
    })?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let written = options.open(to).and_then(|mut file| {
        for (at, bytes) in &content {
            file.seek(SeekFrom::Start(*at))?;
            file.write_all(bytes)?;
        }
        file.set_len(4 * CLUSTER)
    });
    written.map_err(Error::file("write", to))
}

/// What is not zero in the image, by its place.
fn content(base: &Path, format: Format, bytes: u64) -> Result<[(u64, Vec<u8>); 3], &'static str> {
    let name = base.as_os_str().as_bytes();
    if !base.is_absolute() || name.len() > LONGEST_NAME {
        return Err("the base's name is no absolute path, or too long");
    }
    // A colon before the first slash would name a protocol: an absolute path has none there.
    let l1_entries = bytes.div_ceil(L2_COVERS);
    if l1_entries > CLUSTER / ENTRY {
        return Err("the disk is too large");
    }
    let format = format.name().as_bytes();
    let extension_len = 8 + format.len().next_multiple_of(8);
    let name_at = HEADER + extension_len + 8;
    let mut header = Vec::with_capacity(name_at + name.len());
    let mut put = |bytes: &[u8]| header.extend_from_slice(bytes);
    put(b"QFI\xfb");
    put(&3u32.to_be_bytes());
    put(&(name_at as u64).to_be_bytes());
    put(&u32::try_from(name.len()).unwrap_or(0).to_be_bytes());
    put(&CLUSTER_BITS.to_be_bytes());
    put(&bytes.to_be_bytes());
    put(&0u32.to_be_bytes()); // not encrypted
    put(&u32::try_from(l1_entries).unwrap_or(0).to_be_bytes());
    put(&(3 * CLUSTER).to_be_bytes()); // where the first level begins
    put(&CLUSTER.to_be_bytes()); // where the table of reference counts begins
    put(&1u32.to_be_bytes()); // its clusters
    put(&[0; 12]); // no snapshots
    put(&[0; 24]); // no features
    put(&4u32.to_be_bytes()); // reference counts of 16 bits
    put(&u32::try_from(HEADER).unwrap_or(0).to_be_bytes());
    put(&BACKING_FORMAT.to_be_bytes());
    put(&u32::try_from(format.len()).unwrap_or(0).to_be_bytes());
    put(format);
    put(&vec![0; extension_len - 8 - format.len()]);
    put(&[0; 8]); // no more extensions
    put(name);
    let counts = [1u16; 4].map(u16::to_be_bytes).concat();
    Ok([
        (0, header),
        (CLUSTER, (2 * CLUSTER).to_be_bytes().to_vec()),
        (2 * CLUSTER, counts),
    ])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::process::Command;

    use super::*;

    /// QEMU's own program holds it for a whole image, and reads the base through it.
    #[test]
    fn qemus_program_reads_the_base_through_an_overlay() {
        if Command::new("qemu-img").arg("--version").output().is_err() {
            let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!ci, "missing: there is no qemu-img");
            eprintln!("skipped: there is no qemu-img");
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        for (format, bytes) in [(Format::Raw, 3 << 20), (Format::Qcow2, (5 << 30) + 512)] {
            let base = dir.path().join(format!("base, {}:x", format.name()));
            match format {
                Format::Raw => fs::write(&base, vec![7; bytes as usize]).unwrap(),
                Format::Qcow2 => {
                    let raw = dir.path().join("raw");
                    fs::write(&raw, vec![7; 1 << 20]).unwrap();
                    fs::File::options()
                        .write(true)
                        .open(&raw)
                        .unwrap()
                        .set_len(bytes)
                        .unwrap();
                    let img = super::super::QemuImg::at(Path::new("qemu-img"));
                    img.convert(&raw, &base).unwrap();
                }
            }
            let clone = dir.path().join(format!("clone-{}", format.name()));
            overlay(&base, format, bytes, &clone).unwrap();
            assert!(fs::metadata(&clone).unwrap().blocks() * 512 < 256 << 10);
            let run = |words: &[&str]| {
                let output = Command::new("qemu-img").args(words).output().unwrap();
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                assert!(output.status.success(), "{words:?}: {said}");
            };
            let paths = [&clone, &base].map(|path| path.to_str().unwrap());
            run(&["check", "-f", "qcow2", paths[0]]);
            run(&[
                "compare",
                "-f",
                "qcow2",
                "-F",
                format.name(),
                paths[0],
                paths[1],
            ]);
            assert!(
                overlay(&base, format, bytes, &clone).is_err(),
                "nothing is overwritten"
            );
        }
    }

    #[test]
    fn what_the_format_cannot_say_is_refused() {
        let to = Path::new("/nonexistent/clone");
        for (base, bytes) in [
            ("relative".to_owned(), 1 << 20),
            (format!("/{}", "x".repeat(LONGEST_NAME)), 1 << 20),
            ("/base".to_owned(), 5 << 40),
        ] {
            let refused = overlay(Path::new(&base), Format::Raw, bytes, to);
            assert!(matches!(refused, Err(Error::Image { .. })), "{base}");
        }
    }
}
