//! The guest's kernel: one that lies on this machine, or one from the distribution, without root.
//!
//! The guest runs an ordinary distribution kernel, since that is what a student's virtual machine
//! runs. [`find`] looks where this user can read; [`fetch`] gets a package and unpacks it, which
//! takes no privilege; [`Kernel::unpacked`] strips the compression once, so that no boot pays for it.

mod apt;
mod decompress;
mod elf;
mod fetch;
mod find;
mod image;
mod lz4;
mod modules;
mod own;
mod scratch;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::whole_file;
pub use fetch::{Provenance, fetch};
pub use find::{find, store};
pub use modules::{Module, Modules};
pub use own::{Own, own};

/// The part of a bzImage that holds its headers, generously.
const HEADERS: usize = 0x1_0000;

/// A kernel image that QEMU can boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// The image: a bzImage, or an uncompressed `vmlinux` with a PVH entry.
    pub path: PathBuf,
    /// The release that it names, such as `6.1.0-56-cloud-amd64`.
    pub release: String,
    /// Its size in bytes.
    pub bytes: u64,
}

impl Kernel {
    /// The kernel at `path`, after a look at its headers.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, [`Error::NotAKernel`] if it is not an x86 kernel or
    /// is shorter than it says.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = whole_file::open(path).map_err(Error::file("read", path))?;
        let mut head = Vec::new();
        file.by_ref()
            .take(HEADERS as u64)
            .read_to_end(&mut head)
            .map_err(Error::file("read", path))?;
        let bytes = file
            .seek(SeekFrom::End(0))
            .map_err(Error::file("read", path))?;
        let refused = |reason| Error::NotAKernel {
            path: path.to_owned(),
            reason,
        };
        if let Some(processor) = own::foreign(&head) {
            return Err(refused(format!("it is a kernel for {processor}")));
        }
        let release = if head.starts_with(elf::MAGIC) {
            // An ELF kernel does not say its release in a header; its directory's note may.
            std::fs::read_to_string(path.with_file_name("release")).map_or_else(
                |_| "unnamed".to_owned(),
                |release| release.trim().to_owned(),
            )
        } else {
            let header = image::Header::parse(&head).map_err(refused)?;
            if bytes < header.length() {
                return Err(refused(format!(
                    "it has {bytes} bytes and should have at least {}: it is cut off",
                    header.length()
                )));
            }
            header.release(&head)
        };
        Ok(Self {
            path: path.to_owned(),
            release,
            bytes,
        })
    }

    /// Whether it unpacks itself when it is booted. One that cannot be read is taken for such.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        let mut magic = [0; elf::MAGIC.len()];
        let read = File::open(&self.path).and_then(|mut file| file.read_exact(&mut magic));
        read.is_err() || magic != elf::MAGIC
    }

    /// The SHA-256 of the image, in hexadecimal.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read.
    pub fn sha256(&self) -> Result<String> {
        sha256_of(&self.path)
    }

    /// The same kernel without its compression, as an ELF image in `dir`; or the kernel itself,
    /// where no program here unpacks it or QEMU could not enter it directly.
    ///
    /// Unpacking happens once; later calls find the file. Skipping the kernel's own decompression
    /// is the largest single saving in an emulated boot, and a file that is mapped is shared by
    /// all guests that boot it.
    ///
    /// # Errors
    /// [`Error::File`] if `dir` cannot be written, [`Error::NotAKernel`] if the image is damaged.
    pub fn unpacked(&self, dir: &Path) -> Result<Self> {
        image::unpack(self, dir)
    }

    /// How long unpacking it takes on this machine, the shortest of `times`; nothing where it is not
    /// compressed, or no program here unpacks it. What it does itself when it is booted is as much.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, or `dir` cannot be written.
    pub fn unpacking(&self, dir: &Path, times: u32) -> Result<Option<Duration>> {
        image::unpacking(self, dir, times)
    }
}

/// The SHA-256 of a file, in hexadecimal.
pub(crate) fn sha256_of(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(Error::file("read", path))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 17];
    loop {
        let read = file.read(&mut buffer).map_err(Error::file("read", path))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
