//! The making of a container's directory, file by file.

use std::cell::Cell;
use std::ffi::CString;
use std::fs;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use super::init::Init;
use super::{Facts, Record, StateRoot, locked, write_error};
use crate::error::{Error, Result};
use crate::process::Latch;
use crate::sys::{Descriptor, Errno, descriptor, file};

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
        // Between a directory's making and its locking somebody could take it
        // for one that was left behind.
        locked(parent.as_raw_fd(), root.path())?;
        let path = root.path().join(id);
        let name = c_name(id);
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
                    return Ok(Self {
                        id: id.to_owned(),
                        path,
                        directory,
                        init: Cell::new(None),
                    });
                }
                Err(Errno(libc::EEXIST)) => {
                    let left = Record::load(root, id)?;
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
        let init = Init::of(pid);
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
            facts,
            init: noted.map(|noted| noted.init),
            complete: true,
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
