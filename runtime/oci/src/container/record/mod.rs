//! What is written down of a container: a directory that other commands read.
//!
//! ```text
//! ROOT/ID/            locked (flock) by the command that changes the container
//!   config.json       the config, as it was when the container was made
//!   state.json        what does not change: bundle, time, owner, control groups
//!   init.new          the first process: its id and start time; only where it
//!                     outlives the command, or a hook may ask for it
//!   init              the same under its final name: the container is made
//!   start, started    fifos: the first process waits on one, answers on the other
//! ```
//!
//! Nothing is written twice, so nothing is ever half changed. What a command
//! that was killed has left is told by `init` that is missing and a lock that
//! nobody holds; all that has to be removed then is in `state.json`, which is
//! written before anything is made that outlives the command.

mod init;
mod reserved;
mod root;

use std::ffi::CString;
use std::fs;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cgroup::Groups;
use crate::error::{Error, Result};
use crate::rootfs::{self, HostRoot};
use crate::spec::Spec;
use crate::sys::{self, Descriptor, Errno, descriptor, file};
use init::Init;
pub(super) use reserved::Reserved;
pub use root::StateRoot;

/// What does not change in a container's life.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Facts {
    pub(super) bundle: PathBuf,
    pub(super) rootfs: PathBuf,
    /// Seconds and nanoseconds since 1970 (UTC).
    pub(super) created: (u64, u32),
    pub(super) owner: u32,
    pub(super) cgroups: Groups,
    /// Whether the config has any. Where it has none nobody need read it again.
    #[serde(default = "unknown")]
    pub(super) hooks: bool,
    /// Its root is mounted where others see it, on this mount, and is to be
    /// unmounted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) host_root_on: Option<u64>,
    /// Whether the config has no process.
    #[serde(default)]
    pub(super) nothing_to_start: bool,
}

/// An older state does not say: who wants to know reads the config.
const fn unknown() -> bool {
    true
}

impl Facts {
    /// Of a container of which nothing is written down.
    fn none() -> Self {
        Self {
            bundle: PathBuf::new(),
            rootfs: PathBuf::new(),
            created: (0, 0),
            owner: 0,
            cgroups: Groups::default(),
            hooks: false,
            host_root_on: None,
            nothing_to_start: false,
        }
    }

    /// Undoes what is mounted where others see it.
    pub(super) fn unmount(&self) {
        if let Some(below) = self.host_root_on
            && let Ok(path) = rootfs::root_path(&self.rootfs)
        {
            HostRoot::unmount(&path, below);
        }
    }
}

/// A container's directory.
#[derive(Debug)]
pub(super) struct Record {
    id: String,
    path: PathBuf,
    directory: Descriptor,
    written: Written,
    /// Whether what cannot be read counts as not written.
    damaged: bool,
    /// Whether it is known that nobody makes it any more, though it is not
    /// complete.
    abandoned: bool,
}

/// What stands in the directory.
#[derive(Debug)]
struct Written {
    facts: Facts,
    init: Option<Init>,
    /// Whether `init` is final.
    complete: bool,
}

impl Written {
    fn read(id: &str, path: &Path, damaged: bool) -> Result<Self> {
        let init = Init::read(path.join("init"))?;
        if init.is_none() {
            let unfinished = Self {
                // There is none before anything else is.
                facts: read_facts(path).unwrap_or_else(|_| Facts::none()),
                init: Init::read(path.join("init.new"))?,
                complete: false,
            };
            // Finished since we looked: what was read before may be half of it.
            if !path.join("init").exists() {
                return Ok(unfinished);
            }
        }
        let init = match init {
            None => Init::read(path.join("init"))?,
            init => init,
        };
        let facts = match read_facts(path) {
            // Removed while we looked.
            Err(Error::Read { .. }) if !path.exists() => {
                return Err(Error::NotFound { id: id.to_owned() });
            }
            Err(_) if damaged || init.is_none() => Facts::none(),
            facts => facts?,
        };
        Ok(Self {
            facts,
            complete: init.is_some(),
            init,
        })
    }
}

fn read_facts(path: &Path) -> Result<Facts> {
    let path = path.join("state.json");
    match fs::read(&path) {
        Ok(text) => {
            serde_json::from_slice(&text).map_err(|source| Error::Malformed { path, source })
        }
        Err(source) => Err(Error::Read { path, source }),
    }
}

impl Record {
    /// Reads what there is.
    pub(super) fn load(root: &StateRoot, id: &str) -> Result<Self> {
        Self::read(root, id, false)
    }

    /// The same, to remove it: where `state.json` cannot be read, as if it knew
    /// of nothing.
    pub(super) fn load_damaged(root: &StateRoot, id: &str) -> Result<Self> {
        Self::read(root, id, true)
    }

    fn read(root: &StateRoot, id: &str, damaged: bool) -> Result<Self> {
        let path = root.path().join(id);
        let c_path = CString::new(path.as_os_str().as_encoded_bytes()).unwrap_or_default();
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let directory = match descriptor::openat(libc::AT_FDCWD, &c_path, flags, 0) {
            Err(Errno(libc::ENOENT | libc::ENOTDIR)) => {
                return Err(Error::NotFound { id: id.to_owned() });
            }
            Err(errno) => {
                return Err(Error::Read {
                    path,
                    source: errno.into(),
                });
            }
            Ok(directory) => directory,
        };
        check_owner(directory.as_raw_fd(), &path)?;
        Ok(Self {
            written: Written::read(id, &path, damaged)?,
            id: id.to_owned(),
            path,
            directory,
            damaged,
            abandoned: false,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.written.facts
    }

    pub(super) fn spec(&self) -> Result<Spec> {
        let path = self.path.join("config.json");
        let text = fs::read(&path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        Spec::from_slice(&text).map_err(|source| Error::Malformed { path, source })
    }

    /// Its first process, where that still runs.
    pub(super) fn init(&self) -> Option<i32> {
        // What cannot be found out is no reason to take it for ended.
        let running = self.written.init.filter(|init| init.runs().unwrap_or(true));
        running.map(|init| init.pid)
    }

    /// Whether the first process waits for its start.
    pub(super) fn waits(&self) -> bool {
        // Only who reads from a fifo keeps it open for us to write to.
        self.open_latch("start", libc::O_WRONLY).is_ok()
    }

    /// Opens one of the two fifos without waiting for the other side.
    pub(super) fn open_latch(&self, name: &str, flags: i32) -> sys::Result<Descriptor> {
        let name = CString::new(name).unwrap_or_default();
        let flags = flags | libc::O_NONBLOCK | libc::O_NOFOLLOW;
        descriptor::openat(self.directory.as_raw_fd(), &name, flags, 0)
    }

    /// The start is over: nobody waits any more.
    pub(super) fn remove_latch(&self) {
        for name in ["start", "started"] {
            let _ = fs::remove_file(self.path.join(name));
        }
    }

    /// Whether another command is at work on its making.
    pub(super) fn is_being_made(&self) -> bool {
        if self.written.complete || self.abandoned {
            return false;
        }
        let locked = descriptor::lock(self.directory.as_raw_fd(), false);
        if locked == Ok(true) {
            // Only looked: who wants the id is not to find it locked by us.
            descriptor::unlock(self.directory.as_raw_fd());
        }
        locked != Ok(true)
    }

    /// Whether it was made to the end.
    pub(super) fn is_complete(&self) -> bool {
        self.written.complete
    }

    /// Takes what a command left that was killed while it made the container:
    /// whether it is that, and nobody else's to remove from here on.
    fn take_left_behind(&self) -> Result<bool> {
        Ok(!self.written.complete
            && descriptor::lock(self.directory.as_raw_fd(), false) == Ok(true)
            // Finished, or removed by another, since it was read?
            && self.is_at_its_path()
            && Init::read(self.path.join("init"))?.is_none())
    }

    /// Waits until no other command changes it, and reads again what that may
    /// have changed.
    pub(super) fn lock(&mut self) -> Result<Lock> {
        locked(self.directory.as_raw_fd(), &self.path)?;
        // A copy: the lock belongs to the open file, whichever descriptor names it.
        let lock = descriptor::dup_from(self.directory.as_raw_fd(), 3).map(Lock);
        let lock = lock.map_err(|errno| write_error(&self.path)(errno.into()))?;
        if !self.is_at_its_path() {
            return Err(Error::NotFound {
                id: self.id.clone(),
            });
        }
        if !self.written.complete {
            self.written = Written::read(&self.id, &self.path, self.damaged)?;
            self.abandoned = !self.written.complete;
        }
        Ok(lock)
    }

    /// Whether its directory is still there, and not that of a container which
    /// got its id after it was deleted.
    fn is_at_its_path(&self) -> bool {
        let own = file::stat_at(self.directory.as_raw_fd(), c"");
        let there = fs::symlink_metadata(&self.path);
        matches!((own, there), (Ok(own), Ok(there))
            if (own.file_system, own.inode) == (there.dev(), there.ino()))
    }

    /// Ends what a killed command left: its process, and its control groups.
    pub(super) fn clear(&self) {
        if let Some(init) = self.written.init
            && let Ok(process) = sys::process::pidfd_open(init.pid)
            && init.runs().unwrap_or(false)
        {
            let _ = sys::process::pidfd_send_signal(process.as_raw_fd(), libc::SIGKILL);
        }
        let _ = self.written.facts.cgroups.remove();
        self.written.facts.unmount();
    }

    /// Removes the directory. The id is free then.
    pub(super) fn remove(&self) -> Result<()> {
        // Not `remove_dir_all` at once: of one that was made and started these
        // are all, in the order that tells others the right thing meanwhile.
        for name in ["init", "config.json", "state.json"] {
            let _ = fs::remove_file(self.path.join(name));
        }
        match fs::remove_dir(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(_) => fs::remove_dir_all(&self.path).map_err(write_error(&self.path)),
            Ok(()) => Ok(()),
        }
    }
}

/// A container that no other command changes, until this is dropped.
#[derive(Debug)]
pub(super) struct Lock(Descriptor);

impl Drop for Lock {
    fn drop(&mut self) {
        descriptor::unlock(self.0.as_raw_fd());
    }
}

/// Refuses the record that another user wrote below a root in `/tmp`, which
/// anybody can make before we do: what it says is done in our name, hooks above
/// all. Root may look after others' containers.
fn check_owner(directory: i32, path: &Path) -> Result<()> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let own = sys::process::effective_ids().0;
    if own == 0 {
        return Ok(());
    }
    let owner = file::stat_at(directory, c"").map_err(|errno| failed(errno.into()))?;
    match owner.uid {
        uid if uid == own || uid == 0 => Ok(()),
        uid => Err(failed(std::io::Error::other(format!(
            "it belongs to user {uid}"
        )))),
    }
}

fn locked(fd: i32, path: &Path) -> Result<()> {
    descriptor::lock(fd, true)
        .map(drop)
        .map_err(|errno| write_error(path)(errno.into()))
}

fn write_error(path: &Path) -> impl Fn(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Write {
        path: path.clone(),
        source,
    }
}

/// What other commands read of a container's directory, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) fn fuzz(text: &[u8]) {
    if let Ok(facts) = serde_json::from_slice::<Facts>(text) {
        let written = serde_json::to_vec(&facts).expect("what was read can be written");
        serde_json::from_slice::<Facts>(&written).expect("what was written can be read");
    }
    let text = String::from_utf8_lossy(text);
    init::fuzz(&text);
}
