//! The bzImage format: what its header says, and the kernel proper inside it.
//!
//! Source: the kernel's `Documentation/arch/x86/boot.rst`.

use std::fs;
use std::path::Path;

use super::{Kernel, lz4};
use crate::error::{Error, Result};
use crate::whole_file;

/// How an ELF file begins.
pub(super) const ELF: &[u8] = b"\x7fELF";

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

/// A little-endian number of `len` bytes at `at`.
fn number(head: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = head.get(at..at + len)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, &byte| number << 8 | u64::from(byte)),
    )
}

/// Unpacks `kernel` into `dir`, or gives it back as it is where that is not possible.
pub(super) fn unpack(kernel: &Kernel, dir: &Path) -> Result<Kernel> {
    let refused = |reason: &str| Error::NotAKernel {
        path: kernel.path.clone(),
        reason: reason.to_owned(),
    };
    let target = dir.join(format!("vmlinux-{}-{}", kernel.release, kernel.bytes));
    let found = |path: &Path, bytes| Kernel {
        path: path.to_owned(),
        release: kernel.release.clone(),
        bytes,
    };
    if let Ok(metadata) = fs::metadata(&target) {
        return Ok(found(&target, metadata.len()));
    }
    let image = fs::read(&kernel.path).map_err(Error::file("read", &kernel.path))?;
    if image.starts_with(ELF) {
        return Ok(kernel.clone());
    }
    let header = Header::parse(&image).map_err(|reason| refused(&reason))?;
    let payload = header
        .payload(&image)
        .ok_or_else(|| refused("it is cut off"))?;
    if !payload.starts_with(lz4::LEGACY_MAGIC) {
        return Ok(kernel.clone());
    }
    let elf = lz4::decompress(payload).ok_or_else(|| refused("its compressed part is damaged"))?;
    if !elf.starts_with(ELF) {
        return Err(refused("its compressed part holds no ELF image"));
    }
    whole_file::write(&target, &elf)?;
    Ok(found(&target, elf.len() as u64))
}
