//! What a root needs for mounts: directories and files for something else to lie on.
//!
//! Images lack some of them. Made in each container, they would be written to its
//! upper directory, which is the larger part of a start's work on the disk, and be
//! part of what is committed. As the lowest layer of all they are made once, and
//! whatever an image has of them is what is seen.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use crate::error::{Error, Result};

const DIRECTORIES: [&str; 4] = ["dev", "etc", "proc", "sys"];
const FILES: [&str; 3] = ["etc/hostname", "etc/hosts", "etc/resolv.conf"];

/// Makes `layer`, a layer of mount points: to be the lowest of every container.
/// Where it is already, this is one question to the disk.
///
/// # Errors
/// [`Error::Write`].
pub fn lay_mount_points(layer: &Path) -> Result<()> {
    if layer.is_dir() {
        return Ok(());
    }
    let new = layer.with_extension(format!("new-{}", std::process::id()));
    let made = make(&new).and_then(|()| fs::rename(&new, layer));
    made.or_else(|error| {
        let _ = fs::remove_dir_all(&new);
        // Somebody else was faster.
        match layer.is_dir() {
            true => Ok(()),
            false => Err(Error::write(layer)(error)),
        }
    })
}

fn make(layer: &Path) -> io::Result<()> {
    let readable = Permissions::from_mode(0o755);
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(layer)?;
    fs::set_permissions(layer, readable.clone())?;
    for name in DIRECTORIES {
        let path = layer.join(name);
        fs::create_dir(&path)?;
        fs::set_permissions(path, readable.clone())?;
    }
    for name in FILES {
        let file = File::create(layer.join(name))?;
        file.set_permissions(Permissions::from_mode(0o644))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_is_whole_and_nothing_lies_beside_it() {
        let place = tempfile::tempdir().unwrap();
        let layer = place.path().join("mount-points");
        lay_mount_points(&layer).unwrap();
        lay_mount_points(&layer).unwrap();
        assert!(DIRECTORIES.iter().all(|name| layer.join(name).is_dir()));
        assert!(FILES.iter().all(|name| layer.join(name).is_file()));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
        let error = lay_mount_points(Path::new("/proc/layer")).unwrap_err();
        assert!(error.to_string().contains("/proc/layer"), "{error}");
    }
}
