//! The files that are the same in every environment: activation scripts, and the two notes to
//! version control and to backup programs.
//!
//! They hold no path, because each script asks its shell where it was read from. So one copy
//! serves all environments of a user, each of which has it by hard link: eight blocks saved,
//! seven files not written. The copy is read-only, and carries a fixed time: whoever edits it
//! in place changes the time, and it is shared no more.

use std::fs::{self, FileTimes};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::cache::{Cache, hash_of, is_ours, name_of_hash};
use crate::error::{Error, Result};

const SHARED: [(&str, Constant); 7] = [
    (
        "bin/activate",
        Constant::new(include_str!("activation/activate")),
    ),
    (
        "bin/activate.csh",
        Constant::new(include_str!("activation/activate.csh")),
    ),
    (
        "bin/activate.fish",
        Constant::new(include_str!("activation/activate.fish")),
    ),
    (
        "bin/activate.nu",
        Constant::new(include_str!("activation/activate.nu")),
    ),
    (
        "bin/Activate.ps1",
        Constant::new(include_str!("activation/Activate.ps1")),
    ),
    (
        ".gitignore",
        Constant::new("# Environments are made anew from a list of packages, not committed.\n*\n"),
    ),
    (
        "CACHEDIR.TAG",
        Constant::new(
            "Signature: 8a477f597d28d172789f06886806bc55\n\
             # A virtual environment: backups may leave it out. See https://bford.info/cachedir/\n",
        ),
    ),
];

/// What a file holds in every environment, and the hash that names its shared copy, worked out
/// by the compiler.
pub(crate) struct Constant {
    content: &'static str,
    hash: u64,
}

impl Constant {
    pub(crate) const fn new(content: &'static str) -> Self {
        Self {
            content,
            hash: hash_of(content.as_bytes()),
        }
    }
}

/// 1980-01-01, the earliest time that a zip file can hold.
const TIME: i64 = 315_532_800;

/// Puts the files into the environment at `dir`, which has its `bin`.
pub(crate) fn install(dir: &Path, cache: &Cache) -> Result<()> {
    for (name, content) in &SHARED {
        put(content, &dir.join(name), cache)?;
    }
    Ok(())
}

/// Puts `content` at `path`.
pub(crate) fn put(content: &Constant, path: &Path, cache: &Cache) -> Result<()> {
    // The cache may be on another file system, unwritable, or at the most links that its file
    // system allows: a file of the environment's own does as well.
    if share(content, path, cache).is_err() {
        fs::write(path, content.content).map_err(Error::io("write", path))?;
    }
    Ok(())
}

fn share(constant: &Constant, to: &Path, cache: &Cache) -> io::Result<()> {
    let content = constant.content;
    let name = format!("activation/{}", name_of_hash(constant.hash));
    let shared = cache.path(&name).ok_or(io::ErrorKind::NotFound)?;
    let intact = fs::symlink_metadata(&shared).is_ok_and(|found| {
        is_ours(&found)
            && found.size() == content.len() as u64
            && (found.mtime(), found.mtime_nsec()) == (TIME, 0)
    });
    if !intact {
        let time = UNIX_EPOCH + Duration::from_secs(TIME.unsigned_abs());
        let times = FileTimes::new().set_modified(time);
        cache.write_then(&name, content.as_bytes(), 0o444, |file| {
            file.set_times(times)
        })?;
    }
    fs::hard_link(&shared, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_in_place_is_not_passed_on() {
        let home = tempfile::tempdir().expect("a directory");
        let cache = Cache::at(home.path().join("cache"));
        let environment = |name: &str| {
            let dir = home.path().join(name);
            fs::create_dir_all(dir.join("bin")).expect("bin");
            install(&dir, &cache).expect("installed");
            dir.join("bin/activate")
        };
        let (one, two) = (environment("one"), environment("two"));
        let inode = |path: &Path| fs::metadata(path).expect("metadata").ino();
        assert_eq!(inode(&one), inode(&two), "shared");

        // As an editor does that must keep the inode: writable, same length, read-only again.
        let mut edited = fs::read(&one).expect("content");
        edited[0] = b'!';
        let mode = fs::metadata(&one).expect("metadata").permissions();
        let mut writable = mode.clone();
        #[allow(clippy::permissions_set_readonly_false)]
        // the cache's file, under a private directory
        writable.set_readonly(false);
        fs::set_permissions(&one, writable).expect("chmod");
        fs::write(&one, &edited).expect("edit");
        fs::set_permissions(&one, mode).expect("chmod");

        let three = environment("three");
        assert_eq!(
            fs::read(&three).expect("content"),
            SHARED[0].1.content.as_bytes()
        );
        assert_eq!(
            fs::read(&one).expect("content"),
            edited,
            "the user's edit stays the user's"
        );
    }

    #[test]
    fn without_a_cache_each_environment_has_its_own() {
        let home = tempfile::tempdir().expect("a directory");
        fs::create_dir(home.path().join("bin")).expect("bin");
        install(home.path(), &Cache::none()).expect("installed");
        let metadata = fs::metadata(home.path().join("bin/activate")).expect("metadata");
        assert_eq!(metadata.nlink(), 1);
    }
}
