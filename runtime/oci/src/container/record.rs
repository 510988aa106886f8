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

use std::cell::Cell;
use std::ffi::CString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cgroup::Groups;
use crate::error::{Error, Result};
use crate::process::Latch;
use crate::rootfs::{self, HostRoot};
use crate::spec::{Spec, validate};
use crate::sys::{self, Descriptor, Errno, descriptor, file};

/// The directory below which commands keep what they know of containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRoot(PathBuf);

impl StateRoot {
    /// Takes a directory; it need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// `/run/isorun` for root, else `isorun` below `XDG_RUNTIME_DIR`, else a
    /// directory of the user's own in `/tmp`.
    #[must_use]
    pub fn default_path() -> PathBuf {
        let uid = sys::process::effective_ids().0;
        if uid == 0 {
            return "/run/isorun".into();
        }
        match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
            Some(directory) => PathBuf::from(directory).join("isorun"),
            None => format!("/tmp/isorun-{uid}").into(),
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The ids of all that is below it, sorted.
    pub(super) fn ids(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|source| self.unreadable(source))?,
        };
        let names = entries.flatten().map(|entry| entry.file_name());
        let mut ids: Vec<String> = names
            .filter_map(|name| name.into_string().ok())
            .filter(|id| validate::check_id(id).is_ok())
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }

    fn unreadable(&self, source: std::io::Error) -> Error {
        Error::Read {
            path: self.0.clone(),
            source,
        }
    }

    /// Opens it, making it where it is missing. In `/tmp` somebody else could
    /// have made it before.
    fn open(&self) -> Result<fs::File> {
        let failed = |source| Error::Write {
            path: self.0.clone(),
            source,
        };
        let open = || {
            let flags = libc::O_DIRECTORY | libc::O_CLOEXEC;
            fs::OpenOptions::new()
                .read(true)
                .custom_flags(flags)
                .open(&self.0)
        };
        let directory = match open() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let mut builder = fs::DirBuilder::new();
                builder.recursive(true).mode(0o700);
                builder.create(&self.0).map_err(failed)?;
                open()
            }
            opened => opened,
        };
        let directory = directory.map_err(failed)?;
        let owner = directory.metadata().map_err(failed)?.uid();
        if owner != sys::process::effective_ids().0 && owner != 0 {
            return Err(failed(std::io::Error::other(format!(
                "it belongs to user {owner}"
            ))));
        }
        Ok(directory)
    }
}

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
    /// Whether its root is mounted where others see it, and is to be unmounted.
    #[serde(default)]
    pub(super) host_root: bool,
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
            host_root: false,
        }
    }

    /// Undoes what is mounted where others see it.
    pub(super) fn unmount(&self) {
        if self.host_root
            && let Ok(path) = rootfs::root_path(&self.rootfs)
        {
            HostRoot::unmount(&path);
        }
    }
}

/// A process by its id, and by when it started: the id alone may be somebody
/// else's by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Init {
    pid: i32,
    started: u64,
}

impl Init {
    fn line(self) -> String {
        format!("{} {}\n", self.pid, self.started)
    }
}

/// A container's directory.
#[derive(Debug)]
pub(super) struct Record {
    id: String,
    path: PathBuf,
    directory: Descriptor,
    facts: Facts,
    init: Option<Init>,
    /// Whether `init` is final.
    complete: bool,
}

impl Record {
    /// Reserves `id`: makes its directory, locked. Nobody else can have it
    /// until [`remove`](Self::remove).
    pub(super) fn reserve(root: &StateRoot, id: &str) -> Result<Reserved> {
        let parent = root.open()?;
        // Between a directory's making and its locking somebody could take it
        // for one that was left behind.
        locked(parent.as_raw_fd(), &root.0)?;
        let path = root.0.join(id);
        let name = name(id);
        for _ in 0..2 {
            match file::mkdirat(parent.as_raw_fd(), &name, 0o700) {
                Ok(()) => {
                    let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
                    let directory = descriptor::openat(parent.as_raw_fd(), &name, flags, 0)
                        .map_err(|errno| {
                            let _ = file::rmdir(parent.as_raw_fd(), &name);
                            write_error(&path)(errno.into())
                        })?;
                    locked(directory.as_raw_fd(), &path)?;
                    return Ok(Reserved {
                        id: id.to_owned(),
                        path,
                        directory,
                        init: Cell::new(None),
                    });
                }
                Err(Errno(libc::EEXIST)) => {
                    let left = Self::load(root, id)?;
                    if !left.is_left_behind() {
                        break;
                    }
                    left.clear();
                    left.remove()?;
                }
                Err(errno) => return Err(write_error(&path)(errno.into())),
            }
        }
        Err(Error::Exists { id: id.to_owned() })
    }

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
        let path = root.0.join(id);
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
        let mut init = read_init(&path.join("init"));
        let mut complete = init.is_some();
        let facts = match fs::read(path.join("state.json")) {
            Ok(text) => serde_json::from_slice(&text).map_err(|source| Error::Malformed {
                path: path.join("state.json"),
                source,
            }),
            Err(source) => Err(Error::Read {
                path: path.join("state.json"),
                source,
            }),
        };
        let facts = match facts {
            Ok(facts) => facts,
            // Being made, or left behind before anything else was.
            Err(_) if !complete => Facts::none(),
            // Removed while we looked.
            Err(Error::Read { .. }) if !path.exists() => {
                return Err(Error::NotFound { id: id.to_owned() });
            }
            Err(_) if damaged => Facts::none(),
            Err(error) => return Err(error),
        };
        if !complete {
            init = read_init(&path.join("init.new"));
            if init.is_none() {
                // It has got its final name since we looked for that.
                init = read_init(&path.join("init"));
                complete = init.is_some();
            }
        }
        Ok(Self {
            id: id.to_owned(),
            path,
            directory,
            facts,
            init,
            complete,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn facts(&self) -> &Facts {
        &self.facts
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
        let init = self.init?;
        match life(init.pid) {
            Ok(started) => (started == Some(init.started)).then_some(init.pid),
            // What cannot be found out is no reason to take it for ended.
            Err(_) => Some(init.pid),
        }
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
        !self.complete
            && !matches!(
                descriptor::lock(self.directory.as_raw_fd(), false),
                Ok(true)
            )
    }

    /// Whether it was made to the end.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether a command was killed while it made it.
    pub(super) fn is_left_behind(&self) -> bool {
        // Locked by us from here on: it may have been finished since it was read.
        !self.complete && !self.is_being_made() && !self.path.join("init").exists()
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
        if !self.complete
            && let Some(init) = read_init(&self.path.join("init"))
        {
            self.init = Some(init);
            self.complete = true;
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
        if let Some(init) = self.init
            && let Ok(process) = sys::process::pidfd_open(init.pid)
            && life(init.pid).ok().flatten() == Some(init.started)
        {
            let _ = sys::process::pidfd_send_signal(process.as_raw_fd(), libc::SIGKILL);
        }
        let _ = self.facts.cgroups.remove();
        self.facts.unmount();
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

/// An id that nobody else can take, with nothing written yet. One that is
/// neither [completed](Self::complete) nor [given up](Self::give_up) is left
/// behind: the next who wants the id clears it.
#[derive(Debug)]
pub(super) struct Reserved {
    id: String,
    path: PathBuf,
    directory: Descriptor,
    init: Cell<Option<Noted>>,
}

/// The first process, before the container is made.
#[derive(Clone, Copy, Debug)]
struct Noted {
    init: Init,
    /// Whether it stands in `init.new`.
    written: bool,
}

impl Reserved {
    /// Writes down the config.
    pub(super) fn write_config(&self, text: &[u8]) -> Result<()> {
        self.file("config.json", text)
    }

    /// Writes down what will have to be removed.
    pub(super) fn write_facts(&self, facts: &Facts) -> Result<()> {
        let text = serde_json::to_vec(facts).map_err(|source| Error::Malformed {
            path: self.path.join("state.json"),
            source,
        })?;
        self.file("state.json", &text)
    }

    /// Takes note of the first process, in writing where others may have to
    /// find it before the container is made.
    pub(super) fn note_init(&self, pid: i32, written: bool) -> Result<()> {
        let started = life(pid).ok().flatten().unwrap_or(0);
        let init = Init { pid, started };
        self.init.set(Some(Noted { init, written }));
        match written {
            true => self.file("init.new", init.line().as_bytes()),
            false => Ok(()),
        }
    }

    /// Takes note of it once more, from the runtime's own time namespace: in the
    /// container's, the times of processes are told by other clocks
    /// (`time_namespaces(7)`).
    pub(super) fn note_init_again(&self) -> Result<()> {
        let Some(noted) = self.init.get() else {
            return Ok(());
        };
        if noted.written {
            let path = self.path.join("init.new");
            fs::remove_file(&path).map_err(write_error(&path))?;
        }
        self.note_init(noted.init.pid, false)
    }

    /// Makes the two fifos, and opens them for the first process.
    pub(super) fn make_latch(&self) -> Result<Latch> {
        let open = |name: &str| {
            let c_name = self::name(name);
            let directory = self.directory.as_raw_fd();
            let made = file::mknodat(directory, &c_name, libc::S_IFIFO | 0o600, 0);
            // For both, so that neither side waits for the other to be opened.
            made.and_then(|()| descriptor::openat(directory, &c_name, libc::O_RDWR, 0))
                .map(Descriptor::into_owned)
                .map_err(|errno| write_error(&self.path.join(name))(errno.into()))
        };
        Ok(Latch {
            start: open("start")?,
            started: open("started")?,
        })
    }

    /// From here on it is a container.
    pub(super) fn complete(self, facts: Facts) -> Result<Record> {
        let noted = self.init.get();
        match noted {
            Some(Noted {
                init,
                written: false,
            }) => self.file("init", init.line().as_bytes())?,
            _ => {
                let from = self.path.join("init.new");
                fs::rename(&from, self.path.join("init")).map_err(write_error(&from))?;
            }
        }
        // Unlocked: others may look now.
        let flags = libc::O_RDONLY | libc::O_DIRECTORY;
        let directory = descriptor::openat(self.directory.as_raw_fd(), c".", flags, 0)
            .map_err(|errno| write_error(&self.path)(errno.into()))?;
        Ok(Record {
            id: self.id.clone(),
            path: self.path.clone(),
            directory,
            facts,
            init: noted.map(|noted| noted.init),
            complete: true,
        })
    }

    /// Gives the id up: nothing of the container is left.
    pub(super) fn give_up(self) {
        let _ = fs::remove_dir_all(&self.path);
    }

    fn file(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        let mut options = fs::OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(content))
            .map_err(write_error(&path))
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

fn name(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
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

fn read_init(path: &Path) -> Option<Init> {
    parse_init(&fs::read_to_string(path).ok()?)
}

fn parse_init(text: &str) -> Option<Init> {
    let (pid, started) = text.trim_end().split_once(' ')?;
    let pid = pid.parse().ok().filter(|&pid: &i32| pid > 0)?;
    let started = started.parse().ok()?;
    Some(Init { pid, started })
}

/// When process `pid` started, in clock ticks since boot; `None` where there is
/// none, or it has ended and waits to be reaped (`proc_pid_stat(5)`, fields 3
/// and 22).
fn life(pid: i32) -> std::io::Result<Option<u64>> {
    // Of a file of procfs the size is not known before: one read of a page.
    let mut text = [0; 1024];
    let read = fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut f| f.read(&mut text));
    match read {
        Ok(length) => Ok(parse_life(&String::from_utf8_lossy(&text[..length]))),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a file of procfs is missing because its process is.
fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ESRCH))
}

fn parse_life(stat: &str) -> Option<u64> {
    // The command's name, in parentheses, may itself contain spaces and parentheses.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// What other commands read of a container's directory, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) fn fuzz(text: &[u8]) {
    if let Ok(facts) = serde_json::from_slice::<Facts>(text) {
        let written = serde_json::to_vec(&facts).expect("what was read can be written");
        serde_json::from_slice::<Facts>(&written).expect("what was written can be read");
    }
    let text = String::from_utf8_lossy(text);
    assert!(parse_init(&text).is_none_or(|init| init.pid > 0));
    let _ = parse_life(&text);
}
