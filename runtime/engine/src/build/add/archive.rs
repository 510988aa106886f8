//! Archives that `ADD` unpacks: known by what they hold, not by their names.
//!
//! They are what somebody else wrote, and are unpacked as layers are. gzip and zstd
//! are read here; for bzip2 and xz their own programs are asked.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::super::fault::Fault;
use crate::error::Error;
use crate::image::Compression;
use crate::layer::{self, How, Limits, Whiteouts};
use crate::store::Owners;

/// A block of a tar archive.
const BLOCK: usize = 512;

/// How the archive is packed that `file` holds; `None` where it is none.
///
/// # Errors
/// Where only a program could tell that is not here.
pub(super) fn packing(file: &mut File) -> Result<Option<Packing>, Fault> {
    let unread = |error: io::Error| Fault::new(format!("an archive cannot be read: {error}"));
    let head = block(&mut *file).map_err(unread)?;
    file.rewind().map_err(unread)?;
    let Some(packing) = Packing::by(&head) else {
        return Ok(is_header(&head).then_some(Packing::None));
    };
    let first = packing.open(file.try_clone().map_err(unread)?)?;
    // What cannot be unpacked is no archive, and is copied as it is.
    let first = block(first).unwrap_or_default();
    file.rewind().map_err(unread)?;
    Ok(is_header(&first).then_some(packing))
}

/// Unpacks `file` into `to`, a directory that is made; how many devices this user may
/// not make, and are left out.
pub(super) fn unpack(
    file: File,
    packing: Packing,
    to: &Path,
    owners: Owners,
) -> Result<u64, Fault> {
    let made =
        fs::create_dir(to).and_then(|()| fs::set_permissions(to, Permissions::from_mode(0o755)));
    made.map_err(|error| Fault::new(format!("cannot make {}: {error}", to.display())))?;
    let how = How {
        expected: None,
        limits: Limits::default(),
        ownership: owners.ownership(),
        whiteouts: Whiteouts::Apply,
    };
    let unpacked = match packing {
        Packing::None => layer::unpack(file, Compression::None, to, &how),
        Packing::Gzip => layer::unpack(file, Compression::Gzip, to, &how),
        Packing::Zstd => layer::unpack(file, Compression::Zstd, to, &how),
        Packing::By(_) => layer::unpack(packing.open(file)?, Compression::None, to, &how),
    };
    match unpacked {
        Ok(unpacked) => Ok(unpacked.devices_left_out),
        Err(Error::Layer { entry, reason, .. }) => Err(Fault::new(format!(
            "the archive cannot be unpacked: entry `{entry}`: {reason}"
        ))),
        Err(error) => Err(error.into()),
    }
}

/// How an archive is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
    /// As this program unpacks it.
    By(&'static str),
}

impl Packing {
    fn by(head: &[u8]) -> Option<Self> {
        const ALL: [(&[u8], Packing); 4] = [
            (b"\x1f\x8b", Packing::Gzip),
            (b"\x28\xb5\x2f\xfd", Packing::Zstd),
            (b"BZh", Packing::By("bzip2")),
            (b"\xfd7zXZ\0", Packing::By("xz")),
        ];
        let found = ALL.iter().find(|(magic, _)| head.starts_with(magic));
        found.map(|(_, packing)| *packing)
    }

    /// What `file` holds, unpacked.
    fn open(self, file: File) -> Result<Box<dyn Read + Send>, Fault> {
        let unread = |error: io::Error| Fault::new(format!("an archive cannot be read: {error}"));
        Ok(match self {
            Self::None => Box::new(file),
            Self::Gzip => Box::new(flate2::read::MultiGzDecoder::new(file)),
            Self::Zstd => Box::new(zstd::Decoder::new(file).map_err(unread)?),
            Self::By(program) => Box::new(Piped::new(program, file)?),
        })
    }
}

/// What a program makes of a file.
struct Piped {
    program: &'static str,
    child: Child,
    output: ChildStdout,
}

impl Piped {
    fn new(program: &'static str, file: File) -> Result<Self, Fault> {
        let failed = |error: io::Error| {
            Fault::new(format!(
                "an archive is packed by {program}, and that program cannot be asked to unpack it \
                 ({error}): install it, pack the archive by gzip, or COPY it as it is"
            ))
        };
        let mut command = Command::new(program);
        command
            .arg("-dc")
            .stdin(file)
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| failed(io::Error::other("it has no output")))?;
        Ok(Self {
            program,
            child,
            output,
        })
    }
}

impl Read for Piped {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.output.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            let status = self.child.wait()?;
            if !status.success() {
                let program = self.program;
                return Err(io::Error::other(format!(
                    "{program} does not unpack it: {status}"
                )));
            }
        }
        Ok(count)
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn block(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader.take(BLOCK as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether a block is the header of an entry: it holds its own sum, its field counted
/// as blanks.
///
/// Source: POSIX, `pax`, "ustar Interchange Format".
fn is_header(block: &[u8]) -> bool {
    const SUM: std::ops::Range<usize> = 148..156;
    if block.len() < BLOCK {
        return false;
    }
    let said = String::from_utf8_lossy(&block[SUM]);
    let said = u32::from_str_radix(said.trim_matches([' ', '\0']), 8);
    let counted = |(at, byte): (usize, &u8)| match SUM.contains(&at) {
        true => u32::from(b' '),
        false => u32::from(*byte),
    };
    let sum: u32 = block[..BLOCK].iter().enumerate().map(counted).sum();
    said == Ok(sum)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn archive() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o640);
        builder
            .append_data(&mut header, "a/b", &b"abc"[..])
            .unwrap();
        builder.into_inner().unwrap()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    fn known(bytes: &[u8]) -> Option<Packing> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file.rewind().unwrap();
        packing(&mut file).unwrap()
    }

    #[test]
    fn archives_are_known_by_what_they_hold() {
        let plain = archive();
        assert_eq!(known(&plain), Some(Packing::None));
        assert_eq!(known(&gzip(&plain)), Some(Packing::Gzip));
        let zstd = zstd::encode_all(&plain[..], 1).unwrap();
        assert_eq!(known(&zstd), Some(Packing::Zstd));
        let no_archive = [b'x'; 2000];
        for other in [
            &b""[..],
            b"text",
            &no_archive,
            &gzip(b"text"),
            &gzip(&no_archive),
        ] {
            assert_eq!(known(other), None);
        }
        assert_eq!(known(b"\x1f\x8bbut no gzip"), None);
    }

    #[test]
    fn an_archive_that_leads_out_is_refused_by_its_entry() {
        let place = tempfile::tempdir().unwrap();
        let mut bytes = archive();
        bytes[..10].copy_from_slice(b"../../evil");
        let sum: u32 = bytes[..BLOCK]
            .iter()
            .enumerate()
            .map(|(at, byte)| {
                if (148..156).contains(&at) {
                    32
                } else {
                    u32::from(*byte)
                }
            })
            .sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let path = place.path().join("evil.tar");
        fs::write(&path, &bytes).unwrap();
        let mut file = File::open(&path).unwrap();
        assert_eq!(packing(&mut file).unwrap(), Some(Packing::None));
        let to = place.path().join("to");
        let refused = unpack(file, Packing::None, &to, Owners::Single).unwrap_err();
        assert!(refused.reason.contains("../../evil"), "{}", refused.reason);
    }
}
