//! What is being written: each has a name of its own and a lock, until it is
//! whole.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::fs::{CWD, IFlags, RenameFlags, ioctl_getflags, ioctl_setflags, renameat_with};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::image::Digest;
use crate::removal::remove_tree;

/// A file or directory below `ingest/`, removed again unless it gets its name.
#[derive(Debug)]
pub(super) struct Pending {
    path: PathBuf,
    /// Open for its lock; of a file, also what is written to.
    held: File,
    is_directory: bool,
    placed: bool,
    /// Whether it stays, for whoever goes on with it, where it does not get its
    /// name.
    stays: bool,
}

/// How the names of files begin that somebody may go on with.
const PARTIAL: &str = ".part-";
/// How long they are waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);

impl Pending {
    /// An empty file, locked.
    pub(super) fn file(ingest: &Path) -> Result<Self> {
        Self::begin(ingest, false)
    }

    /// An empty directory, locked.
    pub(super) fn directory(ingest: &Path) -> Result<Self> {
        Self::begin(ingest, true)
    }

    fn begin(ingest: &Path, is_directory: bool) -> Result<Self> {
        loop {
            let path = ingest.join(next_name());
            let made = match is_directory {
                true => fs::create_dir(&path).and_then(|()| File::open(&path)),
                false => {
                    let mut options = OpenOptions::new();
                    options.write(true).read(true).create_new(true).mode(0o644);
                    options.open(&path)
                }
            };
            let held = match made {
                // Another's, in another pid namespace.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                made => made.map_err(Error::write(&path))?,
            };
            // Between its making and its lock it looks abandoned, and may be gone.
            if held.try_lock().is_ok() && is_still(&path, &held) {
                return Ok(Self {
                    path,
                    held,
                    is_directory,
                    placed: false,
                    stays: false,
                });
            }
        }
    }

    /// The file that is to be `digest`, with what an interrupted command got of
    /// it; `None` while another command is at it.
    pub(super) fn partial(ingest: &Path, digest: &Digest) -> Result<Option<Self>> {
        let (name, hex) = (digest.algorithm().name(), digest.hex());
        let path = ingest.join(format!("{PARTIAL}{name}-{hex}"));
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let held = options.mode(0o644).open(&path);
            let held = held.map_err(Error::write(&path))?;
            if held.try_lock().is_err() {
                return Ok(None);
            }
            // Whoever had it may have finished, and given it its name.
            if is_still(&path, &held) {
                return Ok(Some(Self {
                    path,
                    held,
                    is_directory: false,
                    placed: false,
                    stays: true,
                }));
            }
        }
    }

    /// Lets it go with this value, whoever might have gone on with it.
    pub(super) fn give_up(&mut self) {
        self.stays = false;
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn as_file(&mut self) -> &mut File {
        &mut self.held
    }

    /// Gives a directory its name, also in the place of one that is not whole, which goes
    /// then.
    ///
    /// Who finds the same damage waits, and finds what was put in its place: what one
    /// command put there may be in use already when another comes to it.
    pub(super) fn place_unless(self, name: &Path, is_whole: impl Fn() -> bool) -> Result<()> {
        let Ok(there) = File::open(name) else {
            return self.place(name);
        };
        there.lock().map_err(Error::write(name))?;
        if is_whole() {
            return Ok(());
        }
        match renameat_with(CWD, &self.path, CWD, name, RenameFlags::EXCHANGE) {
            // What was there has the name of this one now, and goes with it.
            Ok(()) => Ok(()),
            // A file system that does not know how.
            Err(Errno::INVAL) => {
                remove_tree(name).map_err(Error::write(name))?;
                self.place(name)
            }
            Err(errno) => Err(Error::write(name)(errno.into())),
        }
    }

    /// Gives it its name. Where a directory of that name is already, somebody
    /// was faster, and this one goes.
    pub(super) fn place(mut self, name: &Path) -> Result<()> {
        match fs::rename(&self.path, name) {
            Ok(()) => {
                self.placed = true;
                Ok(())
            }
            Err(error)
                if self.is_directory
                    && matches!(
                        error.kind(),
                        ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists
                    ) =>
            {
                Ok(())
            }
            Err(error) => Err(Error::write(name)(error)),
        }
    }
}

impl Pending {
    /// As [`place`](Self::place), but what has the name already is left alone, an empty
    /// directory, too.
    pub(super) fn place_first(mut self, name: &Path) -> Result<()> {
        match renameat_with(CWD, &self.path, CWD, name, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.placed = true;
                Ok(())
            }
            Err(Errno::EXIST) => Ok(()),
            // A file system that does not know how.
            Err(Errno::INVAL) => self.place(name),
            Err(errno) => Err(Error::write(name)(errno.into())),
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.placed && !self.stays {
            remove(&self.path);
        }
    }
}

/// Tells the file system that the directories below `ingest` have nothing to do with
/// each other. Else ext4 puts each layer right behind the last, where it searches
/// among the inodes of what was removed there: without a journal it takes none of
/// them for minutes, and each file of a layer is several times as dear. Elsewhere
/// nothing comes of it.
pub(super) fn spread(ingest: &Path) {
    let Ok(directory) = File::open(ingest) else {
        return;
    };
    if let Ok(flags) = ioctl_getflags(&directory) {
        let _ = ioctl_setflags(&directory, flags | IFlags::TOPDIR);
    }
}

/// Writes `bytes` as `name`, whole or not at all.
pub(super) fn write_whole(ingest: &Path, name: &Path, bytes: &[u8]) -> Result<()> {
    written(ingest, name, bytes)?.place(name)
}

/// The same, on the disk before it has the name: else a power failure may leave the name
/// with nothing in it, and what had it before is gone.
pub(super) fn write_to_disk(ingest: &Path, name: &Path, bytes: &[u8]) -> Result<()> {
    let mut pending = written(ingest, name, bytes)?;
    let flushed = pending.as_file().sync_all();
    flushed.map_err(Error::write(name))?;
    pending.place(name)
}

/// A file with `bytes` in it, which is to be `name`.
fn written(ingest: &Path, name: &Path, bytes: &[u8]) -> Result<Pending> {
    let mut pending = Pending::file(ingest)?;
    let written = pending.as_file().write_all(bytes);
    written.map_err(Error::write(name))?;
    Ok(pending)
}

/// Removes what nobody holds a lock on, but for what somebody may go on with.
pub(super) fn clear_abandoned(ingest: &Path) {
    clear(ingest, LONGEST_WAIT);
}

/// Removes what nobody holds a lock on.
pub(super) fn clear_all(ingest: &Path) {
    clear(ingest, Duration::ZERO);
}

fn clear(ingest: &Path, wait: Duration) {
    let mut abandoned = Vec::new();
    for entry in fs::read_dir(ingest).into_iter().flatten().flatten() {
        let path = entry.path();
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        let is_partial = entry.file_name().to_string_lossy().starts_with(PARTIAL);
        if is_partial && age().is_some_and(|age| age < wait) {
            continue;
        }
        let Ok(file) = File::open(&path) else {
            // A directory that a mapped user made may not be opened from outside
            // of the mapping: who is inside removes it.
            continue;
        };
        // Another may have removed it meanwhile, and a third made it anew.
        if file.try_lock().is_ok() && is_still(&path, &file) {
            abandoned.push((path, file));
        }
    }
    // Who left them may have had a container in one. Its control groups go first:
    // nothing else tells the next command that there are some.
    if !abandoned.is_empty() {
        let _ = isolab_oci::cgroup::sweep();
    }
    for (path, _locked) in &abandoned {
        remove(path);
    }
}

/// Removes a file, or a directory with all that is in it. What cannot be removed
/// stays for the next one to try.
pub(super) fn remove(path: &Path) {
    let _ = remove_tree(path);
}

fn is_still(path: &Path, held: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    let there = fs::symlink_metadata(path);
    let same = there.and_then(|there| held.metadata().map(|held| held.ino() == there.ino()));
    same.unwrap_or(false)
}

/// A name that no other living process of this pid namespace uses.
fn next_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!(".new-{}-{number}", std::process::id())
}
