//! A root that is a copy of the layers, where the kernel mounts no overlay: on another
//! overlay, as inside containers, on NFS, or in a user namespace before Linux 5.11.
//!
//! It costs the time and the disk of all files where their file system cannot share
//! blocks, and nothing else is different.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Container, Root};
use crate::error::{Error, Result};
use crate::layer::{Content, MergeHow, merge};
use crate::room::Room;
use crate::room::task::Task;
use crate::store::Owners;

/// Copies layers in the room: its words are the directory and the layers, the lowest
/// first.
pub const COPY: Task = Task {
    name: "copy",
    perform,
    mounts: false,
    starts_others: false,
};

/// `container` with a root of its own in its place: a copy of its layers.
///
/// # Errors
/// [`Error::Write`] and [`Error::Read`].
pub fn with_copied_root(container: &Container, room: &Room) -> Result<Container> {
    let Root::Layers(overlay) = &container.root else {
        return Ok(container.clone());
    };
    let root = container.place.join("root");
    let readable = Permissions::from_mode(0o755);
    let made = fs::create_dir(&root).and_then(|()| fs::set_permissions(&root, readable));
    made.map_err(Error::write(&root))?;
    if room.maps().is_some() && room.owners() == Owners::Mapped {
        let layers = overlay.lowers.iter().map(OsString::from);
        let words: Vec<_> = std::iter::once(OsString::from(&root))
            .chain(layers)
            .collect();
        if room.enter(&COPY, &words)? != 0 {
            let why = std::io::Error::other("the layers could not be copied");
            return Err(Error::write(&root)(why));
        }
    } else {
        let layers: Vec<&Path> = overlay.lowers.iter().map(|layer| &**layer).collect();
        copy(&root, &layers, room.owners())?;
    }
    Ok(Container {
        root: Root::Directory(root),
        ..container.clone()
    })
}

fn perform(words: &[OsString]) -> Result<u8> {
    let Some((root, layers)) = words.split_first() else {
        return Ok(1);
    };
    let layers: Vec<&Path> = layers.iter().map(Path::new).collect();
    copy(Path::new(root), &layers, Owners::Mapped)?;
    Ok(0)
}

fn copy(root: &Path, layers: &[&Path], owners: Owners) -> Result<()> {
    let how = MergeHow {
        content: Content::Copy,
        userxattr: owners != Owners::Real,
        ownership: owners.ownership(),
    };
    merge(layers, root, &how)
}
