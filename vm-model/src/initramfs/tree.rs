//! A directory of the host, taken into an archive as the guest shall see it.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{Archive, Content, Node, guest_name, refused};
use crate::error::{Error, Result};

impl Archive {
    /// Adds everything below the host's directory `host` under the guest's directory `prefix`
    /// (`""` or `/` for its root).
    ///
    /// Symbolic links stay links and are not followed, so that nothing outside `host` can come in.
    /// Names that share a file on the host share it in the guest. Files are read when the archive
    /// is written. Owners are dropped; modes and the files' modification times are kept: Python
    /// trusts its cached bytecode only while the source has the time that it wrote down.
    ///
    /// # Errors
    /// [`Error::File`] for what cannot be read, [`Error::Archive`] for sockets, pipes and devices.
    pub fn add_tree(&mut self, host: &Path, prefix: impl AsRef<Path>) -> Result<()> {
        let prefix = guest_name(prefix.as_ref())?;
        let metadata = fs::metadata(host).map_err(Error::file("read", host))?;
        self.add_dir(&prefix, metadata.permissions().mode())?;
        let mut first_names = HashMap::new();
        let mut pending = vec![(host.to_owned(), prefix)];
        while let Some((host, guest)) = pending.pop() {
            for (name, metadata) in sorted_children(&host)? {
                let (host, guest) = (host.join(&name), guest.join(&name));
                if metadata.is_dir() {
                    self.add_dir(&guest, metadata.permissions().mode())?;
                    pending.push((host, guest));
                } else {
                    self.add_leaf(host, guest, &metadata, &mut first_names)?;
                }
            }
        }
        Ok(())
    }

    /// Adds the host's file `host` under the guest's name `name`, with its mode.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, else as [`Archive::add_dir`].
    pub fn add_host_file(&mut self, host: &Path, name: impl AsRef<Path>) -> Result<()> {
        let metadata = fs::metadata(host).map_err(Error::file("read", host))?;
        if !metadata.is_file() {
            return Err(refused(name.as_ref(), "it is no regular file on the host"));
        }
        let content = Content::Host {
            path: host.to_owned(),
            len: metadata.len(),
            modified: modified(&metadata),
        };
        let mode = metadata.permissions().mode() & 0o7777;
        self.insert(name.as_ref(), Node::File { mode, content })
    }

    fn add_leaf(
        &mut self,
        host: PathBuf,
        guest: PathBuf,
        metadata: &Metadata,
        first_names: &mut HashMap<(u64, u64), PathBuf>,
    ) -> Result<()> {
        let kind = metadata.file_type();
        if kind.is_symlink() {
            let target = fs::read_link(&host).map_err(Error::file("read", &host))?;
            return self.add_symlink(guest, target);
        }
        if !kind.is_file() {
            let kind = match () {
                () if kind.is_socket() => "a socket",
                () if kind.is_fifo() => "a named pipe",
                () => "a device",
            };
            let reason = format!(
                "{} is {kind} on the host; only files, directories and links are taken",
                host.display()
            );
            return Err(refused(&guest, reason));
        }
        if metadata.nlink() > 1 {
            let identity = (metadata.dev(), metadata.ino());
            if let Some(first) = first_names.get(&identity) {
                return self.add_hard_link(guest, first);
            }
            first_names.insert(identity, guest.clone());
        }
        let content = Content::Host {
            path: host,
            len: metadata.len(),
            modified: modified(metadata),
        };
        let mode = metadata.permissions().mode() & 0o7777;
        self.insert(&guest, Node::File { mode, content })
    }
}

/// A file's modification time in seconds; the format has 32 bits for it.
fn modified(metadata: &Metadata) -> u32 {
    u32::try_from(metadata.mtime()).unwrap_or(0)
}

/// The children of a directory in byte order: the order in which the host lists them is chance.
fn sorted_children(dir: &Path) -> Result<Vec<(PathBuf, Metadata)>> {
    let mut children: Vec<(PathBuf, Metadata)> = Vec::new();
    for child in fs::read_dir(dir).map_err(Error::file("list", dir))? {
        let child = child.map_err(Error::file("list", dir))?;
        let metadata = child
            .metadata()
            .map_err(Error::file("read", &child.path()))?;
        children.push((child.file_name().into(), metadata));
    }
    children.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(children)
}
