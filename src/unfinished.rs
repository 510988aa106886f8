//! Files that are to replace others once they are whole, beside them meanwhile. Each
//! has a lock, by which the next command tells those of the living from what a
//! killed one left.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;
use tempfile::NamedTempFile;

/// An empty one in `directory`, with a name that begins with `prefix` and what the umask leaves of
/// `mode`, after those of such names that nobody writes any more are removed.
///
/// # Errors
/// If none can be made there.
pub(crate) fn file(directory: &Path, prefix: &str, mode: u32) -> io::Result<NamedTempFile> {
    clear(directory, prefix);
    loop {
        let mut builder = tempfile::Builder::new();
        builder.prefix(prefix);
        builder.permissions(Permissions::from_mode(mode));
        let file = builder.tempfile_in(directory)?;
        // Where locks cannot be had, nobody takes it for abandoned either.
        let locked = file.as_file().try_lock();
        // Until then it looks abandoned, and may be gone.
        if locked.is_err() || is_still(file.path(), file.as_file()) {
            return Ok(file);
        }
    }
}

fn clear(directory: &Path, prefix: &str) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        // In a directory like /tmp anybody may have put anything under such a name.
        let mut options = File::options();
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let opened = options
            .read(true)
            .custom_flags(flags.bits())
            .open(entry.path());
        let Ok(file) = opened else { continue };
        let is_mine = file.metadata().is_ok_and(|metadata| {
            metadata.is_file() && metadata.uid() == nix::unistd::geteuid().as_raw()
        });
        if is_mine && file.try_lock().is_ok() && is_still(&entry.path(), &file) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn is_still(path: &Path, held: &File) -> bool {
    let there = fs::symlink_metadata(path).map(|there| (there.dev(), there.ino()));
    let held = held.metadata().map(|held| (held.dev(), held.ino()));
    there
        .ok()
        .zip(held.ok())
        .is_some_and(|(there, held)| there == held)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const PREFIX: &str = ".isolab-x-";

    #[test]
    fn what_is_being_written_stays_and_what_nobody_writes_goes() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let living = file(place.path(), PREFIX, 0o666).unwrap();
        fs::write(at(".isolab-x-left"), "half").unwrap();
        fs::write(at("report.json"), "{}").unwrap();
        symlink(at("report.json"), at(".isolab-x-link")).unwrap();
        let next = file(place.path(), PREFIX, 0o666).unwrap();
        assert!(!at(".isolab-x-left").exists());
        for path in [
            living.path(),
            next.path(),
            &at("report.json"),
            &at(".isolab-x-link"),
        ] {
            assert!(path.exists(), "{}", path.display());
        }
    }
}
