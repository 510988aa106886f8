//! Where answers are kept that are dear to find again, and what tells that a file is the same.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// `$XDG_CACHE_HOME/isolab`, else `~/.cache/isolab`.
pub(crate) fn directory() -> Option<PathBuf> {
    let absolute = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("isolab"))
}

/// What changes when the file at `path` is written or replaced: its place, number, size and times.
/// Reading fifty megabytes for a digest takes longer than many a boot under KVM.
pub(crate) fn identity(path: &Path) -> Option<String> {
    let path = path.canonicalize().ok()?;
    let file = fs::metadata(&path).ok()?;
    Some(format!(
        "{} {}:{} {} {}.{} {}.{}",
        path.display(),
        file.dev(),
        file.ino(),
        file.len(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_written_or_replaced_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "one").unwrap();
        let first = identity(&path).unwrap();
        assert_eq!(identity(&path), Some(first.clone()));
        fs::write(dir.path().join("other"), "two").unwrap();
        fs::rename(dir.path().join("other"), &path).unwrap();
        let second = identity(&path).unwrap();
        assert_ne!(first, second);
        fs::write(&path, "three").unwrap();
        assert_ne!(Some(second), identity(&path));
        assert_eq!(identity(Path::new("/nonexistent")), None);
    }
}
