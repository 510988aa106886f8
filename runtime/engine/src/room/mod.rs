//! The engine room: where this user is root as far as files and mounts go.
//!
//! Layers have files of many owners, and overlays have to be mounted. Root does
//! both on the machine itself, and needs a mount namespace only so that no mount
//! outlives whoever made it. An ordinary user does both in a user namespace, in
//! which ids of the host that he was granted are the image's users. When the last
//! process of the room ends, however it ends, its mounts are gone.
//!
//! A container that our own runtime runs needs no room: it mounts its root in its
//! own namespaces ([`crate::run`]). What does are tasks on files of others
//! (unpacking, removing) and runtimes of others. For them the program executes
//! itself inside, with a hidden word first ([`task`]).
//!
//! ```no_run
//! use isolab_engine::room::{self, Room};
//!
//! fn main() {
//!     // First of all: this may be the program inside.
//!     if let Some(code) = isolab_engine::inside() {
//!         std::process::exit(code.into());
//!     }
//!     let room = Room::find();
//!     if let Some(why) = room.why_single() {
//!         eprintln!("all files will be yours: {why}");
//!     }
//!     room::remove(&room, "/layers/old".as_ref()).unwrap();
//! }
//! ```

mod maps;
mod remove;
pub mod subordinate;
pub mod task;

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::Path;

use isolab_oci::process::foreground::{self, Signals};
use isolab_oci::process::spawn_apart;
use isolab_oci::sys::mount::NewFileSystem;
use isolab_oci::sys::process::effective_ids;
use isolab_oci::{Apart, Options, Overlay, Program, Session, Stdio};

use crate::error::Result;
use crate::store::Owners;
pub use maps::Maps;
pub use remove::remove;
use task::Task;

/// How this user gets to work on layers and mounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    /// The user namespace that it takes; none for a root that may mount.
    maps: Option<Maps>,
}

impl Room {
    /// Finds out, once for a command. Nothing is made that others see.
    #[must_use]
    pub fn find() -> Self {
        // By doing: root in a container often may not. The kernel asks as much for
        // the beginning as for the mount, whose end would wait for a grace period.
        let may_mount = || NewFileSystem::begin(c"tmpfs").is_ok();
        let is_root = effective_ids().0 == 0 && may_mount();
        Self {
            maps: (!is_root).then(Maps::find),
        }
    }

    /// The maps of its user namespace, where it has one.
    #[must_use]
    pub fn maps(&self) -> Option<&Maps> {
        self.maps.as_ref()
    }

    /// Why all files have one owner there, where that is so.
    #[must_use]
    pub fn why_single(&self) -> Option<&str> {
        self.maps.as_ref()?.why_single.as_deref()
    }

    /// Whose the files of layers are that are unpacked there.
    #[must_use]
    pub fn owners(&self) -> Owners {
        match &self.maps {
            // As root of somebody's user namespace.
            None if Overlay::has_user_attributes() => Owners::Mapped,
            None => Owners::Real,
            Some(maps) if maps.has_many() => Owners::Mapped,
            Some(_) => Owners::Single,
        }
    }

    /// Performs a task inside and stays until it is done; its exit code.
    ///
    /// Signals go on to it, the standard streams and the terminal are this
    /// process's, and it ends with this process.
    ///
    /// # Errors
    /// [`Error::Container`](crate::Error::Container) where there is no such namespace to be had, and what
    /// the task fails with where it needs none.
    pub fn enter(&self, task: &Task, words: &[OsString]) -> Result<u8> {
        self.enter_with(task, words, Stdio::inherit(), None)
    }

    /// The same with somebody outside: `attend` is called once it has started, with its
    /// process id, in a thread that is left to itself.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn enter_attended(
        &self,
        task: &Task,
        words: &[OsString],
        attend: Box<Attend>,
    ) -> Result<u8> {
        self.enter_with(task, words, Stdio::inherit(), Some(attend))
    }

    /// The same where what is to be read is handed in: the standard input of a task
    /// that a process of its own performs. In the room the user's groups do not count,
    /// so he opens outside what he may read.
    ///
    /// # Errors
    /// As [`enter`](Self::enter).
    pub fn enter_reading(
        &self,
        task: &Task,
        words: &[OsString],
        input: BorrowedFd<'_>,
    ) -> Result<u8> {
        let stdio = Stdio {
            stdin: input,
            ..Stdio::inherit()
        };
        self.enter_with(task, words, stdio, None)
    }

    fn enter_with(
        &self,
        task: &Task,
        words: &[OsString],
        stdio: Stdio<'_>,
        attend: Option<Box<Attend>>,
    ) -> Result<u8> {
        if self.maps.is_none() && !task.mounts {
            return (task.perform)(words);
        }
        let (uids, gids) = self
            .maps
            .clone()
            .map_or_else(|| (Vec::new(), Vec::new()), |maps| (maps.uids, maps.gids));
        let apart = Apart {
            uids,
            gids,
            pids: task.starts_others,
        };
        let options = Options {
            die_with_parent: true,
            // The terminal is to be its own, too.
            session: Session::Inherit,
            ..Options::default()
        };
        let program = task::program(task, words)?;
        let signals = Signals::block();
        let mut running = spawn_apart(&program, &apart, stdio, &options)?;
        if let Some(attend) = attend {
            let pid = running.pid();
            // Only now: what is copied while there are threads may hold their locks.
            std::thread::spawn(move || attend(pid));
        }
        let status = foreground::stay_beside(&mut running, &signals)?;
        Ok(u8::try_from(status.shell_code()).unwrap_or(1))
    }
}

/// As [`Room::enter_attended`] calls it.
pub type Attend = dyn FnOnce(i32) + Send;

/// This program's own file, whatever became of its name.
const OWN_FILE: &str = "/proc/self/exe";

/// A program with this process's environment.
pub(crate) fn program_at(path: &Path, args: Vec<String>) -> Program {
    let env = std::env::vars_os().filter_map(|(name, value)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        Some(format!("{name}={value}"))
    });
    Program {
        path: path.to_owned(),
        args,
        env: env.collect(),
        cwd: None,
    }
}
