//! Where this crate keeps what it would otherwise find out or write again: a directory of the
//! user's own, whose loss costs only time.
//!
//! Nothing in it is trusted because of its name. Under sudo, HOME may still name the user's
//! directory: a file that belongs to someone else is as good as absent.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process;

use nix::unistd::geteuid;

/// The directory for remembered interpreter facts and shared activation files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    directory: Option<PathBuf>,
}

impl Cache {
    /// The user's: `$XDG_CACHE_HOME/isolab`, else `~/.cache/isolab`; none where neither
    /// variable holds an absolute path, or where the directory is another user's: under sudo,
    /// HOME may still be the user's own, who could not use what root puts there.
    ///
    /// Source: XDG Base Directory Specification.
    #[must_use]
    pub fn of_user() -> Self {
        let absolute = |name| {
            let path = std::env::var_os(name).map(PathBuf::from);
            path.filter(|path| path.is_absolute())
        };
        let home = || absolute("HOME").map(|home| (home.join(".cache"), home));
        let base = absolute("XDG_CACHE_HOME")
            .map(|base| (base.clone(), base))
            .or_else(home);
        let own = |path: &Path| {
            fs::metadata(path).map_or(true, |found| found.uid() == geteuid().as_raw())
        };
        let base = base.filter(|(_, owned)| own(owned));
        Self {
            directory: base.map(|(base, _)| base.join("isolab")),
        }
    }

    /// In `directory`, which is made when first needed.
    #[must_use]
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: Some(directory.into()),
        }
    }

    /// No cache: interpreters are asked each time, and nothing is shared.
    #[must_use]
    pub const fn none() -> Self {
        Self { directory: None }
    }

    /// Where it is; none for [`Cache::none`].
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The path of `name` in the cache.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.directory
            .as_ref()
            .map(|directory| directory.join(name))
    }

    /// The content of `name`, if it is there, ours, and not absurdly long.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        const LONGEST: u64 = 64 * 1024;
        self.read_up_to(name, LONGEST)
    }

    /// As [`Cache::read`], where an entry may be `longest` bytes long.
    pub(crate) fn read_up_to(&self, name: &str, longest: u64) -> Option<Vec<u8>> {
        let (mut file, size) = self.open(name, longest)?;
        // It is replaced whole and never grows: one read, and none to learn that it ends.
        let mut content = vec![0; usize::try_from(size).ok()?];
        file.read_exact(&mut content).ok()?;
        Some(content)
    }

    /// The file `name`, to be read, and its size, on the terms of [`Cache::read_up_to`].
    pub(crate) fn open(&self, name: &str, longest: u64) -> Option<(File, u64)> {
        let file = File::open(self.path(name)?).ok()?;
        let metadata = file.metadata().ok()?;
        let size = metadata.size();
        (is_ours(&metadata) && size <= longest).then_some((file, size))
    }

    /// Puts `content` at `name` in one step: a reader sees all of it or none.
    pub(crate) fn write(&self, name: &str, content: &[u8], mode: u32) -> io::Result<()> {
        self.write_then(name, content, mode, |_| Ok(()))
    }

    /// As [`Cache::write`], with `finish` applied before the file gets its name.
    pub(crate) fn write_then(
        &self,
        name: &str,
        content: &[u8],
        mode: u32,
        finish: impl FnOnce(&File) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = self.path(name).ok_or(io::ErrorKind::NotFound)?;
        let directory = path.parent().unwrap_or(Path::new("/"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        let (mut file, temporary) = new_file(directory, mode)?;
        let written = file
            .write_all(content)
            .and_then(|()| finish(&file))
            .and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        sweep(directory);
        written
    }
}

/// How the name of a file begins that is not complete yet. Its writer has it locked.
const UNFINISHED: &str = ".new-";

/// A new file in `directory`, to be read and written, that [`sweep`] removes once its writer is
/// dead.
///
/// Its name is drawn: processes that share a directory need not see each other's numbers.
pub(crate) fn new_file(directory: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(mode);
    loop {
        let number = RandomState::new().hash_one(process::id());
        let path = directory.join(format!("{UNFINISHED}{number:016x}"));
        let file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            file => file?,
        };
        // Where files cannot be locked, none is swept either.
        let swept = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        if !swept && file.metadata()?.nlink() > 0 {
            return Ok((file, path));
        }
        // A sweeper came between the two: the file is as good as gone.
    }
}

/// Removes what writers that were killed left unfinished in `directory`.
pub(crate) fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let unfinished = name.as_encoded_bytes().starts_with(UNFINISHED.as_bytes());
        // What is no file might not end to be opened.
        if unfinished
            && entry.file_type().is_ok_and(|kind| kind.is_file())
            && let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether only the current user (or root) can have written this file.
pub(crate) fn is_ours(metadata: &Metadata) -> bool {
    metadata.is_file() && metadata.uid() == geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

/// A short name for `bytes`: FNV-1a, 64 bits. Names only, nothing is secured by it.
pub(crate) fn name_of(bytes: &[u8]) -> String {
    name_of_hash(hash_of(bytes))
}

/// As [`name_of`], of what [`hash_of`] gave.
pub(crate) fn name_of_hash(hash: u64) -> String {
    format!("{hash:016x}")
}

/// FNV-1a, which the compiler can work out for what it knows.
pub(crate) const fn hash_of(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_writer_left_is_swept_and_what_a_live_one_writes_is_not() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path());
        // The dead one's number is that of a process that lives, and not the other way round.
        let dead = home.path().join(format!(".new-{}-0", process::id()));
        fs::write(&dead, "half").expect("written");
        let (_held, live) = new_file(home.path(), 0o600).expect("created");
        cache.write("entry", b"whole", 0o600).expect("written");
        assert_eq!(cache.read("entry").as_deref(), Some(&b"whole"[..]));
        assert!(!dead.exists() && live.exists());
    }

    #[test]
    fn a_file_that_others_can_write_is_not_read() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path());
        cache.write("entry", b"mine", 0o600).expect("written");
        let open = fs::Permissions::from_mode(0o666);
        fs::set_permissions(home.path().join("entry"), open).expect("chmod");
        assert_eq!(cache.read("entry"), None);
    }
}
