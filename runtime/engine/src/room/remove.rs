//! Removing what containers and layers leave: files of owners whom this user is
//! only in the room.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Room, task};
use crate::error::{Error, Result};

/// Removes the tree at `path`, if there is one: as the user where that is enough,
/// which takes no other process, else inside the room.
///
/// # Errors
/// [`Error::Write`].
pub fn remove(room: &Room, path: &Path) -> Result<()> {
    match remove_here(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && room.maps.is_some() => {
            match room.enter(&task::REMOVE, &[path.into()])? {
                0 => Ok(()),
                _ => Err(Error::write(path)(error)),
            }
        }
        removed => removed.map_err(Error::write(path)),
    }
}

/// Inside.
pub(super) fn perform(words: &[OsString]) -> Result<u8> {
    for path in words {
        let path = Path::new(path);
        remove_here(path).map_err(Error::write(path))?;
    }
    Ok(0)
}

/// Directories that may not be entered are opened to their owner first, such as
/// the one that overlay makes in its work directory, of mode 0.
fn remove_here(path: &Path) -> io::Result<()> {
    let first = fs::remove_dir_all(path);
    match first {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(path)?;
            fs::remove_dir_all(path)
        }
        removed => removed,
    }
}

fn open_up(directory: &Path) -> io::Result<()> {
    let meta = fs::symlink_metadata(directory)?;
    if meta.permissions().mode() & 0o700 != 0o700 {
        fs::set_permissions(directory, Permissions::from_mode(0o700))?;
    }
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_may_not_be_entered_is_removed_and_a_link_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let tree = place.path().join("tree");
        let kept = place.path().join("kept");
        fs::create_dir_all(tree.join("work").join("work").join("deep")).unwrap();
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("file"), "").unwrap();
        std::os::unix::fs::symlink(&kept, tree.join("link")).unwrap();
        fs::set_permissions(tree.join("work").join("work"), Permissions::from_mode(0o0)).unwrap();
        remove_here(&tree).unwrap();
        assert!(!tree.exists() && kept.join("file").exists());
        remove_here(&tree).unwrap();
    }
}
