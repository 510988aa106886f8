//! The guest's first file system, written as the archive format that the kernel unpacks itself.
//!
//! A guest whose root is an initramfs needs no disk image, no partition table, no driver module
//! and no root rights to build: device nodes are entries of the archive, not files of the host.
//! The archive is a pure function of what was added to it (sorted names, no times but those of
//! the host's files, numbered inodes, everything owned by root), so that two guests from the same
//! files are byte for byte the same and a digest can stand for their disk.
//!
//! Source: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`, `cpio(5)`.

mod newc;
mod read;
mod tree;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
pub use read::{Member, members};

/// A device's major and minor number.
pub type DeviceNumber = (u32, u32);

/// `/dev/console`, which the kernel opens as init's standard streams.
pub const CONSOLE: DeviceNumber = (5, 1);
/// `/dev/null`.
pub const NULL: DeviceNumber = (1, 3);
/// `/dev/urandom`.
pub const URANDOM: DeviceNumber = (1, 9);
/// `/dev/ttyS1`, the serial port that carries the workload's standard streams.
pub const CHANNEL: DeviceNumber = (4, 65);

/// Where a file's bytes come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Bytes(Vec<u8>),
    Host {
        path: PathBuf,
        len: u64,
        modified: u32,
    },
}

/// One entry, without its name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Dir { mode: u32 },
    File { mode: u32, content: Content },
    Link { to: PathBuf },
    Symlink { target: Vec<u8> },
    CharDevice { mode: u32, device: DeviceNumber },
}

/// An archive in the making: names to entries, in the order in which they are written.
///
/// Names are relative to the guest's root; a leading `/` is accepted and dropped. Missing parent
/// directories are added with mode 0755. Adding a name twice keeps the later entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    entries: BTreeMap<PathBuf, Node>,
}

impl Archive {
    /// An empty archive.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What every guest of ours holds: `init` as `/init`, the device nodes that it needs before
    /// anything is mounted, and empty `/proc`, `/sys` and `/tmp`.
    ///
    /// # Errors
    /// [`Error::Archive`] never in practice: the names are fixed.
    pub fn guest(init: &[u8]) -> Result<Self> {
        let mut archive = Self::new();
        archive.add_file("init", 0o755, init)?;
        archive.add_char_device("dev/console", 0o600, CONSOLE)?;
        archive.add_char_device("dev/null", 0o666, NULL)?;
        archive.add_char_device("dev/urandom", 0o666, URANDOM)?;
        archive.add_char_device("dev/ttyS1", 0o600, CHANNEL)?;
        archive.add_dir("proc", 0o555)?;
        archive.add_dir("sys", 0o555)?;
        archive.add_dir("tmp", 0o1777)?;
        Ok(archive)
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// [`Error::Archive`] if the name leaves the root or passes through something else than a
    /// directory. The same holds for all that follow.
    pub fn add_dir(&mut self, name: impl AsRef<Path>, mode: u32) -> Result<()> {
        self.insert(
            name.as_ref(),
            Node::Dir {
                mode: mode & 0o7777,
            },
        )
    }

    /// Adds a file with the given bytes.
    ///
    /// # Errors
    /// As [`Archive::add_dir`].
    pub fn add_file(
        &mut self,
        name: impl AsRef<Path>,
        mode: u32,
        bytes: impl Into<Vec<u8>>,
    ) -> Result<()> {
        let content = Content::Bytes(bytes.into());
        self.insert(
            name.as_ref(),
            Node::File {
                mode: mode & 0o7777,
                content,
            },
        )
    }

    /// Adds a symbolic link; its target is not looked at.
    ///
    /// # Errors
    /// As [`Archive::add_dir`].
    pub fn add_symlink(&mut self, name: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<()> {
        let target = target.as_ref().as_os_str().as_bytes().to_vec();
        self.insert(name.as_ref(), Node::Symlink { target })
    }

    /// Adds a character device node.
    ///
    /// # Errors
    /// As [`Archive::add_dir`].
    pub fn add_char_device(
        &mut self,
        name: impl AsRef<Path>,
        mode: u32,
        device: DeviceNumber,
    ) -> Result<()> {
        self.insert(
            name.as_ref(),
            Node::CharDevice {
                mode: mode & 0o7777,
                device,
            },
        )
    }

    /// Adds a hard link to a file that is in the archive already.
    ///
    /// # Errors
    /// [`Error::Archive`] if `existing` is not a file of this archive, else as
    /// [`Archive::add_dir`].
    pub fn add_hard_link(
        &mut self,
        name: impl AsRef<Path>,
        existing: impl AsRef<Path>,
    ) -> Result<()> {
        let existing = guest_name(existing.as_ref())?;
        let to = match self.entries.get(&existing) {
            Some(Node::File { .. }) => existing,
            Some(Node::Link { to }) => to.clone(),
            _ => {
                return Err(refused(
                    name.as_ref(),
                    "it links to a file that was not added",
                ));
            }
        };
        if guest_name(name.as_ref())? == to {
            return Ok(());
        }
        self.insert(name.as_ref(), Node::Link { to })
    }

    /// The number of entries, parents included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Writes the archive to `path` and returns its size in bytes.
    ///
    /// The file is complete or absent: one that could not be finished is removed.
    ///
    /// # Errors
    /// [`Error::File`] for the archive or for a host file in it, also one that changed its size
    /// since it was added.
    pub fn write_file(&self, path: &Path) -> Result<u64> {
        let written = (|| {
            let file = File::create(path).map_err(Error::file("create", path))?;
            let mut out = BufWriter::with_capacity(1 << 18, file);
            let bytes = newc::write(&self.entries, &mut out, path)?;
            out.flush().map_err(Error::file("write", path))?;
            Ok(bytes)
        })();
        if written.is_err() {
            // The first error is the one to tell.
            let _ = std::fs::remove_file(path);
        }
        written
    }

    /// The archive as bytes, for small ones.
    ///
    /// # Errors
    /// As [`Archive::write_file`], for host files.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        newc::write(&self.entries, &mut out, Path::new("memory"))?;
        Ok(out)
    }

    fn insert(&mut self, name: &Path, node: Node) -> Result<()> {
        let name = guest_name(name)?;
        if name.as_os_str().is_empty() {
            // The root exists already: the kernel mounts it before it unpacks.
            return match node {
                Node::Dir { .. } => Ok(()),
                _ => Err(refused(Path::new("/"), "the root is a directory")),
            };
        }
        for parent in name
            .ancestors()
            .skip(1)
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            match self.entries.get(parent) {
                None => {
                    self.entries
                        .insert(parent.to_owned(), Node::Dir { mode: 0o755 });
                }
                Some(Node::Dir { .. }) => {}
                Some(_) => {
                    let reason = format!("`{}` above it is no directory", parent.display());
                    return Err(refused(&name, reason));
                }
            }
        }
        match self.entries.get(&name) {
            Some(Node::Dir { .. }) if !matches!(node, Node::Dir { .. }) => {
                return Err(refused(&name, "a directory of that name was added before"));
            }
            Some(Node::File { .. }) if self.is_linked_to(&name) => {
                return Err(refused(
                    &name,
                    "hard links to the file of that name were added before",
                ));
            }
            _ => {}
        }
        self.entries.insert(name, node);
        Ok(())
    }

    fn is_linked_to(&self, name: &Path) -> bool {
        self.entries
            .values()
            .any(|node| matches!(node, Node::Link { to } if to == name))
    }
}

/// `name` relative to the guest's root, or the reason why it cannot be there.
fn guest_name(name: &Path) -> Result<PathBuf> {
    let mut clean = PathBuf::new();
    for component in name.components() {
        match component {
            Component::Normal(part) => clean.push(part),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err(refused(name, "`..` may leave the guest's root"));
            }
        }
    }
    if clean.as_os_str().as_bytes().contains(&0) {
        return Err(refused(name, "it holds a zero byte"));
    }
    if clean.as_os_str() == "TRAILER!!!" {
        return Err(refused(name, "that name ends the archive"));
    }
    Ok(clean)
}

fn refused(name: &Path, reason: impl Into<String>) -> Error {
    Error::Archive {
        name: name.display().to_string(),
        reason: reason.into(),
    }
}
