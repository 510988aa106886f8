//! The runtimes that are held to the specification: ours, and the peers that
//! hold the tests to it in turn.

use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::{crun, host};

/// Whose command line is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Isorun,
    Runc,
    Crun,
}

/// A runtime, and the user who starts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) runtime: Runtime,
    /// An ordinary user instead of root.
    pub(crate) rootless: bool,
}

/// Whether root runs these tests.
pub(crate) fn am_root() -> bool {
    own_ids().0 == 0
}

/// Who runs these tests: `/proc/self` belongs to its process's effective ids.
fn own_ids() -> (u32, u32) {
    let own = std::fs::metadata("/proc/self").unwrap();
    (own.uid(), own.gid())
}

/// The ordinary user: whoever runs the tests, or the one that every system has
/// for owning nothing (`nobody`: newuidmap demands a line in `/etc/passwd`).
pub(crate) fn ordinary_ids() -> (u32, u32) {
    match own_ids() {
        (0, _) => (65534, 65534),
        ids => ids,
    }
}

impl Runtime {
    pub(crate) const ALL: [Self; 3] = [Self::Isorun, Self::Runc, Self::Crun];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Isorun => "isorun",
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }

    fn program(self) -> &'static Path {
        match self {
            Self::Isorun => &ISORUN,
            Self::Runc | Self::Crun => Path::new(self.name()),
        }
    }

    /// The first line of `--version`, or nothing where it is not installed.
    pub(crate) fn version(self) -> Option<String> {
        let output = Command::new(self.program())
            .arg("--version")
            .output()
            .ok()?;
        let text = String::from_utf8_lossy(&output.stdout);
        Some(text.lines().next()?.to_owned())
    }
}

/// Ours, or the build of it that `ISOLAB_ISORUN` names, where an ordinary user can
/// execute it: a build directory may be closed to others. The copy goes with the
/// process that made it.
static ISORUN: LazyLock<PathBuf> = LazyLock::new(|| {
    let built = std::env::var_os("ISOLAB_ISORUN");
    let built = built.unwrap_or_else(|| env!("CARGO_BIN_EXE_isorun").into());
    let built = PathBuf::from(built);
    let mut probe = Command::new(&built);
    probe.arg("--version").stdout(Stdio::null());
    as_ordinary(&mut probe);
    if probe.status().is_ok_and(|status| status.success()) {
        return built;
    }
    let copy = copy();
    std::fs::copy(built, &copy).unwrap();
    copy
});

/// Where the copy is, if there is one.
fn copy() -> PathBuf {
    std::env::temp_dir().join(format!("isorun-{}", std::process::id()))
}

/// Removes what [`ISORUN`] may have made: not the build, wherever that is.
pub(crate) fn clean() {
    let _ = std::fs::remove_file(copy());
}

/// An input that is at its end: not `/dev/null`, of which crun makes a
/// container's user the owner, the host's own included.
fn nothing() -> Stdio {
    let (reader, _) = std::io::pipe().unwrap();
    reader.into()
}

fn as_ordinary(command: &mut Command) {
    if am_root() {
        let (uid, gid) = ordinary_ids();
        command.uid(uid).gid(gid);
    }
}

impl Subject {
    /// As in a trial's name and in the table of the document.
    pub(crate) fn name(self) -> String {
        let who = if self.rootless { "user" } else { "root" };
        format!("{}::{who}", self.runtime.name())
    }

    /// The user and group who own the container from outside.
    pub(crate) fn ids(self) -> (u32, u32) {
        if self.rootless {
            ordinary_ids()
        } else {
            (0, 0)
        }
    }

    /// The runtime's command, ready for its arguments.
    pub(crate) fn command(self, state_root: &Path) -> Command {
        let mut command = match (self.runtime, host::unified_beside_v1()) {
            (Runtime::Crun, Some(hierarchy)) if am_root() => self.crun_without(hierarchy),
            _ => {
                let mut command = Command::new(self.runtime.program());
                if self.rootless {
                    as_ordinary(&mut command);
                }
                command
            }
        };
        command
            .arg("--root")
            .arg(state_root)
            .env("XDG_RUNTIME_DIR", state_root)
            .current_dir("/")
            .stdin(nothing());
        command
    }

    fn crun_without(self, hierarchy: &Path) -> Command {
        let mut command = crun::without(hierarchy);
        if self.rootless {
            let (uid, gid) = ordinary_ids();
            let ids = [format!("--reuid={uid}"), format!("--regid={gid}")];
            command.arg("setpriv").args(ids).arg("--clear-groups");
        }
        command.arg(self.runtime.program());
        command
    }
}
