//! Running a container from an image's layers, in the foreground.
//!
//! Our own runtime starts it from this process: the container's first process
//! makes its namespaces and mounts its root there, so that no other program is
//! executed, and the kernel unmounts it however the container ends or whoever is
//! killed. A runtime of others is started inside the [room](crate::room), with the
//! root mounted there and a bundle beside it.
//!
//! ```no_run
//! use isolab_engine::room::Room;
//! use isolab_engine::run::{self, Container, Settings};
//!
//! let room = Room::find();
//! let mount_points = std::path::PathBuf::from("/layers/mount-points");
//! run::lay_mount_points(&mount_points)?;
//! let layers = vec![mount_points, "/layers/base".into(), "/layers/application".into()];
//! let place = std::path::Path::new("/containers/demo"); // there, empty, the user's
//! let container = Container::new(place, layers, Settings::new(["/bin/hello"]));
//! let ended = run::run(&container, &room);
//! isolab_engine::room::remove(&room, place)?;
//! std::process::exit(run::exit_code(&ended));
//! # #[allow(unreachable_code)]
//! # Ok::<(), isolab_engine::Error>(())
//! ```

mod copied;
mod external;
mod files;
mod mount_points;
mod program;
mod settings;
mod spec;
mod step;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use isolab_oci::process::foreground::{self, Signals, Terminal};
use isolab_oci::spec::IdMapping;
use isolab_oci::{Bundle, Cgroup, ExitStatus, Options, Overlay, Running, Spec, Stdio};

use crate::account::{self, Account};
use crate::error::{Error, Result};
use crate::room::Room;
use crate::stack::Stack;
pub use copied::{COPY, with_copied_root};
pub use external::TASK;
pub use mount_points::lay_mount_points;
pub use settings::{Bind, DEFAULT_PATH, Network, Settings, Tmpfs};
use spec::Within;
pub use step::run_step;

/// How much is read of a file that says who a container's users are, in bytes.
const MOST_USERS: u64 = 4 << 20;

/// A container to run.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its name for runtimes and control groups.
    pub id: String,
    /// A directory of its own, which exists: its `/etc/hosts`, what it
    /// writes and a bundle are there, and it is the caller's to [remove](crate::room::remove).
    pub place: PathBuf,
    /// Its root.
    pub root: Root,
    /// What it is to be.
    pub settings: Settings,
    /// Who runs it.
    pub runtime: Runtime,
}

/// What a container's root is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// Layers that are shared, and what it writes.
    Layers(Overlay),
    /// A directory that is its own: a copy, where no overlay can be mounted.
    Directory(PathBuf),
}

/// Who runs a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Runtime {
    /// We.
    #[default]
    Own,
    /// Another OCI runtime, by name or path.
    Other(PathBuf),
}

impl Container {
    /// A container of `layers`, the lowest first, that keeps what it writes in
    /// `place/upper`. It is thrown away at a crash of the machine.
    #[must_use]
    pub fn new(place: &Path, layers: Vec<PathBuf>, settings: Settings) -> Self {
        let name = place.file_name().unwrap_or_default().to_string_lossy();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        Self {
            id: format!("isolab-{}", name.replace(|c| !is_plain(c), "_")),
            place: place.to_owned(),
            root: Root::Layers(Overlay {
                lowers: layers,
                upper: place.join("upper"),
                work: place.join("work"),
                volatile: true,
            }),
            settings,
            runtime: Runtime::Own,
        }
    }
}

/// Runs it and stays with it until it has ended: signals go on to it, and what is
/// typed where it has a terminal. It is killed with this process.
///
/// # Errors
/// [`Error::Refused`] where no overlay can be mounted: nothing has happened then,
/// and [`with_copied_root`] makes one that can be run. [`Error::NotFound`] for
/// a user that the image does not know. [`Error::Container`] for what the runtime
/// says; [`exit_code`] tells what a shell would.
pub fn run(container: &Container, room: &Room) -> Result<ExitStatus> {
    match &container.runtime {
        Runtime::Own => {
            let spec = prepare(container, room, Within::Own)?;
            run_ourselves(container, spec, room)
        }
        Runtime::Other(runtime) => {
            let spec = prepare(container, room, Within::Room)?;
            external::run(container, runtime, spec, room)
        }
    }
}

/// Makes what it needs in its place, and says what it is to be.
fn prepare(container: &Container, room: &Room, within: Within) -> Result<Spec> {
    let settings = &container.settings;
    let account = who(container)?;
    is_mapped(&account, room)?;
    files::write(&container.place, settings)?;
    let root = prepare_root(container)?;
    let place = &container.place;
    Ok(spec::of(settings, &account, &root, place, room, within))
}

fn run_ourselves(container: &Container, spec: Spec, room: &Room) -> Result<ExitStatus> {
    let terminal = match container.settings.terminal {
        true => Some(Terminal::new()?),
        false => None,
    };
    let console = terminal.as_ref().map(|terminal| terminal.there.clone());
    let options = Options {
        console,
        ..options(container, room)
    };
    let bundle = Bundle::new(&container.place, spec)?;
    let signals = Signals::block();
    let mut running = start(container, &bundle, Stdio::inherit(), &options)?;
    drop(options);
    Ok(foreground::stay(&mut running, terminal, &signals)?)
}

fn options(container: &Container, room: &Room) -> Options {
    let is_root = room.maps().is_none() && !Overlay::has_user_attributes();
    Options {
        die_with_parent: true,
        // An ordinary user may make no groups where version 1 is in use.
        cgroup: match is_root {
            true => Cgroup::Owned,
            false => Cgroup::Inherit,
        },
        overlay: match &container.root {
            Root::Layers(overlay) => Some(overlay.clone()),
            Root::Directory(_) => None,
        },
        ..Options::default()
    }
}

fn start(
    container: &Container,
    bundle: &Bundle,
    stdio: Stdio<'_>,
    options: &Options,
) -> Result<Running> {
    let started = isolab_oci::Container::run(bundle, &container.id, stdio, options);
    started.map_err(|error| match error {
        why @ isolab_oci::Error::Overlay { .. } => Error::Refused { why },
        error => error.into(),
    })
}

/// Who its program is, by the files of its image.
fn who(container: &Container) -> Result<Account> {
    let layers = match &container.root {
        Root::Layers(overlay) => Stack::new(overlay.lowers.iter().cloned()),
        Root::Directory(path) => Stack::new([path.clone()]),
    };
    let read = |name: &str| layers.read(&Path::new("/etc").join(name), MOST_USERS);
    let (passwd, group) = (read("passwd")?, read("group")?);
    let settings = &container.settings;
    account::resolve(
        &settings.user,
        &settings.groups,
        &passwd.unwrap_or_default(),
        &group.unwrap_or_default(),
    )
}

/// Sees that a user namespace has the ids: the kernel's answer would be "invalid".
fn is_mapped(account: &Account, room: &Room) -> Result<()> {
    let Some(maps) = room.maps() else {
        return Ok(());
    };
    let has = |maps: &[IdMapping], id: u32| {
        let offset = |map: &IdMapping| id.checked_sub(map.container_id);
        maps.iter()
            .any(|map| offset(map).is_some_and(|offset| offset < map.size))
    };
    let missing = match (has(&maps.uids, account.uid), has(&maps.gids, account.gid)) {
        (false, _) => format!("user id {}", account.uid),
        (_, false) => format!("group id {}", account.gid),
        _ => return Ok(()),
    };
    let why = maps
        .why_single
        .as_deref()
        .unwrap_or("more would have to be granted");
    Err(Error::NotFound {
        what: format!("{missing} among the ids of this user: {why}"),
    })
}

/// Makes the directories of its root, and says where it will be.
fn prepare_root(container: &Container) -> Result<PathBuf> {
    let overlay = match &container.root {
        Root::Directory(path) => return Ok(path.clone()),
        Root::Layers(overlay) => overlay,
    };
    for path in [&overlay.upper, &overlay.work] {
        make_private(path).map_err(Error::write(path))?;
    }
    // The root's own attributes are those of the highest directory.
    if let Some(highest) = overlay.lowers.last() {
        let mode = fs::metadata(highest).map_err(Error::read(highest))?.mode();
        let mode = Permissions::from_mode(mode & 0o7777);
        fs::set_permissions(&overlay.upper, mode).map_err(Error::write(&overlay.upper))?;
    }
    // Mounted over what it writes to: one directory less to make.
    Ok(overlay.upper.clone())
}

fn make_private(directory: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// What a shell shows of how a container ended: its code, 128 and the signal, 127
/// for a program that is missing, 126 for one that cannot be executed, and 125
/// where there was no container, as docker does.
#[must_use]
pub fn exit_code(ended: &Result<ExitStatus>) -> i32 {
    match ended {
        Ok(status) => status.shell_code(),
        Err(Error::Container(isolab_oci::Error::Exec { source, .. })) => match source.kind() {
            io::ErrorKind::NotFound => 127,
            _ => 126,
        },
        Err(_) => 125,
    }
}
