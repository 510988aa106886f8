//! The page cache, out of the way for a first start.

use std::fmt;
use std::fs::{self, File};
use std::path::PathBuf;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

/// What could be dropped before a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Every clean page, directory entry and inode of the machine.
    All,
    /// The clean pages of the subject's own files: all that an ordinary user
    /// may ask for.
    OwnFiles,
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::All => "dropped: the whole machine's",
            Self::OwnFiles => {
                "dropped: those of the subject's own files, as far as nobody else maps them"
            }
        })
    }
}

/// Drops the machine's caches where that is permitted, else asks the kernel to
/// forget the pages of `paths` and of everything below them.
///
/// Sources: `proc_sys_vm(5)`, `drop_caches`; `posix_fadvise(2)`.
#[must_use]
pub fn drop_for(paths: &[PathBuf]) -> Dropped {
    nix::unistd::sync();
    if fs::write("/proc/sys/vm/drop_caches", "3").is_ok() {
        return Dropped::All;
    }
    let mut pending = paths.to_vec();
    while let Some(path) = pending.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            pending.extend(
                fs::read_dir(&path)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|e| e.path()),
            );
        } else if metadata.is_file()
            && let Ok(file) = File::open(&path)
        {
            // Advice: that it was not taken is no reason not to measure.
            let _ = posix_fadvise(&file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
        }
    }
    Dropped::OwnFiles
}
