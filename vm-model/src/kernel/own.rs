//! A kernel that somebody names: whether QEMU can boot it, and whose it is.
//!
//! One that is found here was packed by a distribution, and its headers are enough. One that is
//! named may be anything, and QEMU's word for what it cannot boot is hard to read.

use std::fs;
use std::path::Path;

use super::elf::{self, number};
use super::{Kernel, image};
use crate::error::{Error, Result};

/// A named kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// The kernel, as it is: it is not unpacked.
    pub kernel: Kernel,
    /// Whether a distribution built it, as far as it says. One that is compressed does not say.
    pub is_a_distributions: bool,
}

/// How a kernel begins to say what it is.
const BANNER: &[u8] = b"Linux version ";

/// The longest banner.
const LONGEST: usize = 512;

/// What stands in the banners of distributions.
const DISTRIBUTIONS: [&str; 8] = [
    "debian", "ubuntu", "fedora", "redhat", "suse", "arch", "alpine", "nixos",
];

/// More than the largest kernel has with all that a debugger wants, in bytes.
const LARGEST: u64 = 2 << 30;

/// The kernel at `path`.
///
/// # Errors
/// As [`Kernel::open`]; [`Error::NotAKernel`] also for an uncompressed one that QEMU cannot enter.
pub fn own(path: &Path) -> Result<Own> {
    let mut kernel = Kernel::open(path)?;
    if kernel.is_compressed() {
        return Ok(Own {
            kernel,
            is_a_distributions: false,
        });
    }
    if kernel.bytes > LARGEST {
        return Err(Error::NotAKernel {
            path: path.to_owned(),
            reason: format!(
                "it has {} MiB, and no kernel has so many",
                kernel.bytes >> 20
            ),
        });
    }
    let elf = fs::read(path).map_err(Error::file("read", path))?;
    if !elf::has_pvh_entry(&elf) {
        return Err(Error::NotAKernel {
            path: path.to_owned(),
            reason: "it is not compressed and has no PVH entry (CONFIG_PVH)".to_owned(),
        });
    }
    let banner = banner(&elf).unwrap_or_default();
    if kernel.release == image::UNNAMED
        && let Some(release) = banner.split(' ').nth(2)
    {
        kernel.release = release.to_owned();
    }
    let banner = banner.to_lowercase();
    Ok(Own {
        kernel,
        is_a_distributions: DISTRIBUTIONS.iter().any(|name| banner.contains(name)),
    })
}

/// What the kernel says of itself first: `Linux version RELEASE (BUILDER) …`.
fn banner(elf: &[u8]) -> Option<String> {
    // The text stands there more than once, and the first may be a pattern (`Linux version %s`).
    let mut rest = elf;
    loop {
        let at = rest.windows(BANNER.len()).position(|text| text == BANNER)?;
        let text = &rest[at..rest.len().min(at + LONGEST)];
        let end = text.iter().position(|byte| matches!(byte, 0 | b'\n'));
        let text = String::from_utf8_lossy(&text[..end.unwrap_or(text.len())]);
        if text[BANNER.len()..].starts_with(|c: char| c.is_ascii_digit()) {
            return Some(text.into_owned());
        }
        rest = &rest[at + BANNER.len()..];
    }
}

/// The processor that an image is for, if it is another than ours.
///
/// Sources: `elf(5)`, `e_machine`; the kernel's `Documentation/arch/arm64/booting.rst` and
/// `riscv/boot-image-header.rst`, the magic numbers at 56.
pub(super) fn foreign(head: &[u8]) -> Option<String> {
    const X86_64: u64 = 62;
    if !head.starts_with(elf::MAGIC) {
        return match head.get(56..60)? {
            b"ARM\x64" => Some("arm64".to_owned()),
            b"RSC\x05" => Some("riscv".to_owned()),
            _ => None,
        };
    }
    match number(head, 18, 2)? {
        X86_64 => None,
        3 => Some("32-bit x86".to_owned()),
        40 => Some("arm".to_owned()),
        183 => Some("arm64".to_owned()),
        243 => Some("riscv".to_owned()),
        other => Some(format!("another processor (ELF machine {other})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An uncompressed kernel of that machine which says `banner`.
    fn vmlinux(machine: u8, banner: &str) -> Vec<u8> {
        let mut elf = elf::tests::image(b"Xen\0", 18);
        elf[18] = machine;
        elf.extend(b"Linux version %s\0");
        elf.extend(banner.as_bytes());
        elf.push(0);
        elf
    }

    fn opened(bytes: &[u8]) -> Result<Own> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vmlinux");
        fs::write(&path, bytes).unwrap();
        own(&path)
    }

    #[test]
    fn a_kernel_says_who_built_it() {
        let debian = "Linux version 6.1.0-1-amd64 (debian-kernel@lists.debian.org) (gcc) #1";
        let own = opened(&vmlinux(62, debian)).unwrap();
        assert!(own.is_a_distributions);
        assert_eq!(own.kernel.release, "6.1.0-1-amd64");
        let mine = opened(&vmlinux(62, "Linux version 6.9.0 (me@here) (gcc) #1")).unwrap();
        assert!(!mine.is_a_distributions);
        assert_eq!(mine.kernel.release, "6.9.0");
    }

    #[test]
    fn what_qemu_could_not_enter_is_refused_with_the_reason() {
        let refusal = |bytes: &[u8]| opened(bytes).unwrap_err().to_string();
        let arm = refusal(&vmlinux(183, ""));
        assert!(arm.contains("a kernel for arm64"), "{arm}");
        let mut no_entry = elf::tests::image(b"GNU\0", 18);
        no_entry[18] = 62;
        let no_entry = refusal(&no_entry);
        assert!(no_entry.contains("PVH"), "{no_entry}");
        let mut image = vec![0; 4096];
        image[56..60].copy_from_slice(b"ARM\x64");
        assert!(refusal(&image).contains("arm64"));
        assert!(refusal(b"#!/bin/sh\n").contains("no x86 boot header"));
        assert!(refusal(b"").contains("no x86 boot header"));
        assert!(refusal(b"\x7fELF").contains("PVH"));
    }
}
