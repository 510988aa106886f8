//! Who types the verbs: a user with a home, and with the images in it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use isolab_oci::sys::process::effective_ids;
use libtest_mimic::Failed;
use serde_json::Value;

use crate::place::said;
use crate::shared::{self, once};

/// As whom the verbs are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// Whoever runs the tests.
    Myself,
    /// An ordinary user to whom many ids are mapped.
    Granted,
    /// An ordinary user with one id.
    Single,
}

impl User {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Myself => "as whoever tests",
            Self::Granted => "as a user with ids",
            Self::Single => "as a user with one id",
        }
    }

    /// The ids to become.
    pub(crate) fn ids(self) -> Option<(u32, u32)> {
        match self {
            Self::Myself => None,
            Self::Granted => somebody_granted(),
            Self::Single => Some((65_534, 65_534)),
        }
    }

    /// Why the verbs cannot be run as this user, if so.
    pub(crate) fn why_not(self) -> Option<String> {
        let is_root = effective_ids().0 == 0;
        if self != Self::Myself && !is_root {
            return Some("only root can become another user".to_owned());
        }
        if self == Self::Granted && self.ids().is_none() {
            return Some("nobody is granted ids in /etc/subuid".to_owned());
        }
        once(self.name(), || {
            let tried = Party::alone(self).and_then(|party| party.says(&["run", "hello-world"]));
            tried.err().map(|error| format!("no container: {error:?}"))
        })
    }
}

/// A user of this machine who is granted ids in both files.
fn somebody_granted() -> Option<(u32, u32)> {
    let read = |name: &str| fs::read_to_string(Path::new("/etc").join(name)).unwrap_or_default();
    let (subuid, subgid) = (read("subuid"), read("subgid"));
    let has = |text: &str, name: &str| {
        text.lines()
            .any(|line| line.split(':').next() == Some(name))
    };
    read("passwd").lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, ..] = fields[..] else {
            return None;
        };
        let granted = has(&subuid, name) && has(&subgid, name);
        granted.then_some((uid.parse().ok()?, gid.parse().ok()?))
    })
}

/// Somebody with a home of his own.
pub(crate) struct Party {
    home: PathBuf,
    program: PathBuf,
    ids: Option<(u32, u32)>,
    /// Of one that is alone.
    place: Option<tempfile::TempDir>,
}

impl Party {
    /// One whose home is `name` in `place`, which he can enter.
    pub(crate) fn new(place: &Path, name: &str, user: User) -> Result<Self, Failed> {
        let program = place.join("isolab");
        // Where the program was built, others may not reach it.
        if !program.exists() {
            shared::program(&program)?;
        }
        let home = place.join(name);
        fs::create_dir(&home)?;
        let ids = user.ids();
        if let Some((uid, gid)) = ids {
            for path in [place, &home] {
                std::os::unix::fs::chown(path, Some(uid), Some(gid))?;
            }
        }
        Ok(Self {
            home,
            program,
            ids,
            place: None,
        })
    }

    /// One with a place of his own, whose images go when he does.
    pub(crate) fn alone(user: User) -> Result<Self, Failed> {
        let place = tempfile::tempdir()?;
        let mut party = Self::new(place.path(), "home", user)?;
        party.place = Some(place);
        Ok(party)
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The store, which is an OCI layout.
    pub(crate) fn store(&self) -> PathBuf {
        self.home.join("data/isolab/images")
    }

    /// Whether he may do everything.
    pub(crate) fn is_root(&self) -> bool {
        self.ids.is_none() && effective_ids().0 == 0
    }

    /// A verb, in a process group of its own.
    pub(crate) fn isolab<S: AsRef<str>>(&self, words: &[S]) -> Command {
        let mut command = self.command(&self.program);
        command.args(words.iter().map(AsRef::as_ref));
        command
    }

    /// Any program, as he would run it at home, in a process group of its own.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(&self.home)
            .env("HOME", &self.home)
            .env("XDG_DATA_HOME", self.home.join("data"))
            .env("XDG_CACHE_HOME", self.home.join("cache"))
            .env("TMPDIR", &self.home)
            .env("XDG_RUNTIME_DIR", &self.home)
            .stdin(Stdio::null())
            .process_group(0);
        if let Some((uid, gid)) = self.ids {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// What it prints where it succeeds.
    pub(crate) fn says<S: AsRef<str>>(&self, words: &[S]) -> Result<String, Failed> {
        said(&mut self.isolab(words))
    }

    /// The same as JSON.
    pub(crate) fn json<S: AsRef<str>>(&self, words: &[S]) -> Result<Value, Failed> {
        Ok(serde_json::from_str(&self.says(words)?)?)
    }
}

impl Drop for Party {
    fn drop(&mut self) {
        if self.place.is_some() {
            // The files of an ordinary user's layers are not his outside of the room.
            let _ = self.isolab(&["system", "clean", "--yes"]).output();
        }
    }
}
