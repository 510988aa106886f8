//! The making of a container's directory, file by file.

use std::cell::Cell;
use std::ffi::CString;
use std::fs;
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::init::Init;
use super::{Facts, Record, StateRoot, Written, locked, write_error};
use crate::error::{Error, Result};
use crate::process::Latch;
use crate::sys::{Descriptor, Errno, descriptor, file};

/// How often an id is tried for that somebody makes, deletes or looks at just
/// now, and the pause between.
const TRIES: u32 = 5;
const GLANCE: Duration = Duration::from_millis(2);

/// An id that nobody else can take, with nothing written yet. One that is
/// neither [completed](Self::complete) nor [given up](Self::give_up) is left
/// behind: the next who wants the id clears it.
#[derive(Debug)]
pub(in crate::container) struct Reserved {
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
    /// Reserves `id`: makes its directory, locked. Nobody else can have it
    /// until [`Record::remove`].
    pub(in crate::container) fn reserve(root: &StateRoot, id: &str) -> Result<Self> {
        let parent = root.open()?;
        let path = root.path().join(id);
        for _ in 0..TRIES {
            // Between a directory's making and its locking somebody could take
            // it for one that was left behind.
            locked(parent.as_raw_fd(), root.path())?;
            match Self::make(parent.as_raw_fd(), id, path.clone()) {
                Err(Error::Exists { .. }) => {}
                made => return made,
            }
            let left = match Record::load(root, id) {
                // Deleted meanwhile.
                Err(Error::NotFound { .. }) => continue,
                left => left?,
            };
            if left.is_complete() {
                break;
            }
            if left.take_left_behind()? {
                // It is ours to remove, and others need not wait for that.
                descriptor::unlock(parent.as_raw_fd());
                left.clear();
                left.remove()?;
            } else {
                // Somebody makes it, or only looks whether somebody does.
                descriptor::unlock(parent.as_raw_fd());
                std::thread::sleep(GLANCE);
            }
        }
        Err(Error::Exists { id: id.to_owned() })
    }

    fn make(parent: RawFd, id: &str, path: PathBuf) -> Result<Self> {
        let name = c_name(id);
        match file::mkdirat(parent, &name, 0o700) {
            Ok(()) => {}
            Err(Errno(libc::EEXIST)) => return Err(Error::Exists { id: id.to_owned() }),
            Err(errno) => return Err(write_error(&path)(errno.into())),
        }
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let directory = descriptor::openat(parent, &name, flags, 0).map_err(|errno| {
            let _ = file::rmdir(parent, &name);
            write_error(&path)(errno.into())
        })?;
        locked(directory.as_raw_fd(), &path)?;
        Ok(Self {
            id: id.to_owned(),
            path,
            directory,
            init: Cell::new(None),
        })
    }

    /// Writes down the config.
    pub(in crate::container) fn write_config(&self, text: &[u8]) -> Result<()> {
        self.file("config.json", text)
    }

    /// Writes down what will have to be removed.
    pub(in crate::container) fn write_facts(&self, facts: &Facts) -> Result<()> {
        let text = serde_json::to_vec(facts).map_err(|source| Error::Malformed {
            path: self.path.join("state.json"),
            source,
        })?;
        self.file("state.json", &text)
    }

    /// Takes note of the first process, in writing where others may have to
    /// find it before the container is made.
    pub(in crate::container) fn note_init(&self, pid: i32, written: bool) -> Result<()> {
        let init = Init::of(pid).map_err(|source| Error::Read {
            path: format!("/proc/{pid}/stat").into(),
            source,
        })?;
        self.init.set(Some(Noted { init, written }));
        match written {
            true => self.file("init.new", init.line().as_bytes()),
            false => Ok(()),
        }
    }

    /// Takes note of it once more, from the runtime's own time namespace: in the
    /// container's, the times of processes are told by other clocks
    /// (`time_namespaces(7)`).
    pub(in crate::container) fn note_init_again(&self) -> Result<()> {
        let Some(Noted { init, written }) = self.init.get() else {
            return Ok(());
        };
        self.init.set(None);
        self.note_init(init.pid, false)?;
        if let (true, Some(noted)) = (written, self.init.get()) {
            // At no moment is there none: who is killed here has let go of it.
            self.file("init.again", noted.init.line().as_bytes())?;
            let (from, to) = (self.path.join("init.again"), self.path.join("init.new"));
            fs::rename(&from, to).map_err(write_error(&from))?;
            self.init.set(Some(Noted { written, ..noted }));
        }
        Ok(())
    }

    /// Makes the two fifos, and opens them for the first process.
    pub(in crate::container) fn make_latch(&self) -> Result<Latch> {
        let open = |name: &str| {
            let c_name = c_name(name);
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
    pub(in crate::container) fn complete(self, facts: Facts) -> Result<Record> {
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
            written: Written {
                facts,
                init: noted.map(|noted| noted.init),
                complete: true,
            },
            damaged: false,
            abandoned: false,
        })
    }

    /// Gives the id up: nothing of the container is left.
    pub(in crate::container) fn give_up(self) {
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

fn c_name(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
}
