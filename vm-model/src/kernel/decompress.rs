//! Stripping a kernel's or a module's compression: LZ4 here, the others by the programs that
//! every distribution has.

use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::process::Stdio;

use super::lz4;
use crate::error::{Error, Result};
use crate::{tool, whole_file};

/// How a stream begins, the program that unpacks it, and whether the kernel's build puts the
/// uncompressed size behind it, which the program would take for damage.
const PROGRAMS: [(&[u8], &str, bool); 4] = [
    (b"\x1f\x8b", "gzip", false),
    (b"\x28\xb5\x2f\xfd", "zstd", true),
    (b"\xfd7zXZ\0", "xz", true),
    (b"BZh", "bzip2", true),
];

/// The bytes of `payload`, or nothing if they are damaged, or packed in a way that no program
/// here unpacks. `dir` holds a file for as long as a program reads it.
pub(super) fn decompress(payload: &[u8], dir: &Path) -> Result<Option<Vec<u8>>> {
    if payload.starts_with(lz4::LEGACY_MAGIC) {
        return Ok(lz4::decompress(payload));
    }
    let known = PROGRAMS
        .iter()
        .find(|(magic, ..)| payload.starts_with(magic));
    let Some(&(_, program, sized)) = known else {
        return Ok(None);
    };
    let stream = if sized {
        &payload[..payload.len().saturating_sub(4)]
    } else {
        payload
    };
    let packed = unnamed_file(stream, dir).map_err(Error::file("write to", dir))?;
    let output = tool::command(program)
        .arg("-dc")
        .stdin(packed)
        .stderr(Stdio::null())
        .output();
    // A program that is not installed costs only the speed.
    Ok(output
        .ok()
        .filter(|output| output.status.success())
        .map(|output| output.stdout))
}

/// `packed` without its compression, or as it is where it has none; nothing if it is damaged or
/// there is no program for it.
pub(super) fn unpack_stream(packed: Vec<u8>) -> Option<Vec<u8>> {
    let known = PROGRAMS
        .iter()
        .find(|(magic, ..)| packed.starts_with(magic));
    let Some((_, program, _)) = known else {
        return Some(packed);
    };
    let mut child = tool::command(program)
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let (mut input, mut output) = (child.stdin.take()?, child.stdout.take()?);
    let mut bytes = Vec::new();
    let read = std::thread::scope(|scope| {
        // One that refuses its input closes it, and says so by its status.
        scope.spawn(move || drop(input.write_all(&packed)));
        output.read_to_end(&mut bytes)
    });
    let succeeded = child.wait().is_ok_and(|status| status.success());
    (succeeded && read.is_ok()).then_some(bytes)
}

/// A file without a name, at its beginning, that holds `bytes`: it is gone when it is closed.
fn unnamed_file(bytes: &[u8], dir: &Path) -> io::Result<std::fs::File> {
    let path = dir.join(format!(".packed-{}", whole_file::unique()));
    let mut file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}
