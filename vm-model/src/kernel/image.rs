//! The bzImage format: what its header says, and the kernel proper inside it.
//!
//! Source: the kernel's `Documentation/arch/x86/boot.rst`.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Kernel;
use super::decompress::decompress;
use super::elf::{self, number};
use crate::error::{Error, Result};
use crate::whole_file;

/// The release of an image that does not say.
pub(super) const UNNAMED: &str = "unnamed";

/// The `magic` of the setup header, at 0x202.
const MAGIC: &[u8] = b"HdrS";

/// The fields of the setup header that concern us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    setup_bytes: u64,
    version: u16,
    release_at: usize,
    payload_at: u64,
    payload_bytes: u64,
}

impl Header {
    /// Reads the header from the first bytes of an image.
    pub(super) fn parse(head: &[u8]) -> Result<Self, String> {
        if head.get(0x202..0x206) != Some(MAGIC) || head.get(0x1fe..0x200) != Some(&[0x55, 0xaa]) {
            return Err("it has no x86 boot header".to_owned());
        }
        let u16_at = |at: usize| number(head, at, 2).and_then(|n| u16::try_from(n).ok());
        let fields = || {
            let sectors = match number(head, 0x1f1, 1)? {
                0 => 4, // for compatibility with the oldest loaders
                sectors => sectors,
            };
            Some(Self {
                setup_bytes: (sectors + 1) * 512,
                version: u16_at(0x206)?,
                release_at: usize::from(u16_at(0x20e)?),
                payload_at: number(head, 0x248, 4)?,
                payload_bytes: number(head, 0x24c, 4)?,
            })
        };
        let header = fields().ok_or("its boot header is cut off")?;
        if header.version < 0x208 {
            return Err("its boot protocol is older than 2.08 (Linux 2.6.26)".to_owned());
        }
        Ok(header)
    }

    /// The bytes that the image must have at least.
    pub(super) fn length(&self) -> u64 {
        self.setup_bytes + self.payload_at + self.payload_bytes
    }

    /// The first word of the version text: the release, as `uname -r` prints it.
    pub(super) fn release(&self, head: &[u8]) -> String {
        let text = head.get(self.release_at + 0x200..).unwrap_or_default();
        let text = text
            .split(|&byte| byte == 0 || byte == b' ')
            .next()
            .unwrap_or_default();
        match String::from_utf8_lossy(text).into_owned() {
            release if self.release_at == 0 || release.is_empty() => UNNAMED.to_owned(),
            release => release,
        }
    }

    /// The compressed kernel.
    fn payload<'a>(&self, image: &'a [u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(self.setup_bytes + self.payload_at).ok()?;
        let end = start.checked_add(usize::try_from(self.payload_bytes).ok()?)?;
        image.get(start..end)
    }
}

/// How long it takes here to unpack `kernel`, the shortest of `times`; nothing if it is not
/// compressed, or in a way that nothing here unpacks. `dir` holds a file for as long as a program
/// reads it.
pub(super) fn unpacking(kernel: &Kernel, dir: &Path, times: u32) -> Result<Option<Duration>> {
    let image = fs::read(&kernel.path).map_err(Error::file("read", &kernel.path))?;
    let payload = Header::parse(&image)
        .ok()
        .and_then(|header| header.payload(&image));
    let Some(payload) = payload else {
        return Ok(None);
    };
    let mut shortest = None;
    for _ in 0..times {
        let begun = Instant::now();
        let unpacked = decompress(payload, dir)?;
        let took = begun.elapsed();
        if unpacked.is_none() {
            return Ok(None);
        }
        shortest = Some(shortest.map_or(took, |least: Duration| least.min(took)));
    }
    Ok(shortest)
}

/// Unpacks `kernel` into `dir`, or gives it back as it is where that is not possible.
pub(super) fn unpack(kernel: &Kernel, dir: &Path) -> Result<Kernel> {
    let target = dir.join(format!("vmlinux-{}-{}", kernel.release, kernel.bytes));
    let unpacked = |bytes| Kernel {
        path: target.clone(),
        release: kernel.release.clone(),
        bytes,
    };
    if let Ok(metadata) = fs::metadata(&target) {
        return Ok(unpacked(metadata.len()));
    }
    let image = fs::read(&kernel.path).map_err(Error::file("read", &kernel.path))?;
    if image.starts_with(elf::MAGIC) {
        return Ok(kernel.clone());
    }
    let refused = |reason: String| Error::NotAKernel {
        path: kernel.path.clone(),
        reason,
    };
    let header = Header::parse(&image).map_err(refused)?;
    let payload = header
        .payload(&image)
        .ok_or_else(|| refused("it is cut off".to_owned()))?;
    fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    match decompress(payload, dir)? {
        Some(elf) if elf::has_pvh_entry(&elf) => {
            whole_file::write(&target, &elf)?;
            Ok(unpacked(elf.len() as u64))
        }
        // Its own code can unpack it, if a little slower.
        _ => Ok(kernel.clone()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// A bzImage with `payload` as its compressed kernel.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x1fe..0x200].copy_from_slice(&[0x55, 0xaa]);
        image[0x202..0x206].copy_from_slice(MAGIC);
        image[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
        let len = u32::try_from(payload.len()).unwrap();
        image[0x24c..0x250].copy_from_slice(&len.to_le_bytes());
        image.extend(payload);
        image
    }

    /// Unpacks an image with `payload` and says whether an ELF image came of it.
    fn check(payload: &[u8], expected: bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinuz");
        fs::write(&path, image(payload)).unwrap();
        let kernel = Kernel::open(&path).unwrap();
        let unpacked = kernel.unpacked(&dir.path().join("unpacked")).unwrap();
        assert_eq!(unpacked != kernel, expected);
        assert_eq!(
            fs::read(&unpacked.path).unwrap().starts_with(elf::MAGIC),
            expected
        );
    }

    fn gzipped(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = Command::new("gzip")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        gzip.stdin.take().unwrap().write_all(bytes).unwrap();
        gzip.wait_with_output().unwrap().stdout
    }

    #[test]
    fn a_kernel_is_unpacked_only_if_qemu_can_enter_it() {
        check(&gzipped(&elf::tests::image(b"Xen\0", 18)), true);
        check(&gzipped(&elf::tests::image(b"GNU\0", 18)), false);
    }

    #[test]
    fn unpacking_takes_a_time_where_there_is_something_to_unpack() {
        let time = |bytes: &[u8]| {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("kernel");
            fs::write(&path, bytes).unwrap();
            let kernel = Kernel {
                path,
                release: String::new(),
                bytes: bytes.len() as u64,
            };
            kernel.unpacking(dir.path(), 2).unwrap()
        };
        let elf = elf::tests::image(b"Xen\0", 18);
        assert!(time(&image(&gzipped(&elf))).unwrap() > Duration::ZERO);
        assert_eq!(time(&image(b"packed in some other way")), None);
        assert_eq!(time(&elf), None);
    }

    #[test]
    fn a_kernel_that_nothing_unpacks_is_booted_as_it_is() {
        check(b"packed in some other way", false);
        check(b"\x1f\x8b but damaged", false);
        check(b"\x02\x21\x4c\x18 and damaged", false);
    }
}
