//! Removing what containers and layers leave: files of owners whom this user is
//! only in the room.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::{Room, task};
use crate::error::{Error, Result};
use crate::removal::remove_tree;

/// Removes the tree at `path`, if there is one: as the user where that is enough,
/// which takes no other process, else inside the room.
///
/// # Errors
/// [`Error::Write`].
pub fn remove(room: &Room, path: &Path) -> Result<()> {
    match remove_tree(path) {
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
        remove_tree(path).map_err(Error::write(path))?;
    }
    Ok(0)
}
