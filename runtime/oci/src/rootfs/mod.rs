//! The container's file system: a new root, built while the old one is still
//! there, then the exchange.
//!
//! Everything that can be known beforehand is prepared by the parent; the
//! steps here are made by the child, in the order that
//! [`crate::process`] gives them.

mod bind;
mod by_descriptor;
mod cgroup_mount;
mod console;
mod context;
mod copy_up;
mod devices;
mod exchange;
mod file_system;
mod hide;
mod id_mapped;
mod mounts;
mod options;
mod over_proc;
mod overlay;
mod remedy;
mod site;
mod sysctl;
mod target;
mod text;
mod walk;

use std::ffi::CString;
use std::fmt;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result, c_string};
use crate::sys::descriptor::openat;
use crate::sys::mount::{self, MountAttr};
use crate::sys::{self, Errno};

pub(crate) use cgroup_mount::CgroupMount;
pub(crate) use console::bind_console;
pub(crate) use context::Context;
pub(crate) use devices::Node;
pub(crate) use exchange::{HostRoot, Propagation, change_root};
pub(crate) use mounts::{Mount, binds_dev};
pub use options::known_words as known_mount_options;
pub use overlay::Overlay;
pub(crate) use overlay::{is_initial_user_namespace, refused as overlay_refused};
pub(crate) use site::Site;
pub(crate) use sysctl::Sysctl;
use target::Target;

/// One step of building the root.
#[derive(Debug)]
pub(crate) enum Step {
    /// Detach the mount table's events from the host's.
    Propagation(Propagation),
    /// Mount a procfs of a new pid namespace over the host's.
    Processes,
    /// Mount the root itself, of several directories.
    Overlay(overlay::Layers),
    /// Make the rootfs a mount of its own, and open it.
    OpenRoot(CString, Propagation),
    /// Mount one entry of `mounts`.
    Mount(Mount),
    /// Mount the control groups.
    Cgroups(CgroupMount),
    /// Make a device node.
    Node(Node),
    /// Make the symlinks of /dev.
    Links,
    /// Make a directory that may be missing.
    MakeDirectory(Inside),
    /// Set a kernel parameter.
    Sysctl(Sysctl),
    /// Hide a path.
    Mask(Inside),
    /// Protect a path.
    ReadOnlyPath(Inside),
    /// Protect a mount, now that all is made in it.
    ReadOnlyMount(Inside),
    /// Protect the whole root.
    ReadOnlyRoot,
    /// Make it the root, and let go of the old one.
    Pivot {
        propagation: Propagation,
        hidden: Vec<CString>,
    },
    /// Open the root that is mounted already.
    OpenMounted(CString),
    /// Make it this process's root: the mounts are not its own.
    ChangeRoot,
    /// Make it the root, over the old one.
    MoveRoot { hidden: Vec<CString> },
    /// Set how later mounts on the root spread.
    RootPropagation(u64),
}

/// A path of the container that a step works on.
#[derive(Debug)]
pub(crate) struct Inside(Target);

impl Inside {
    /// Takes the path that `field` names.
    pub(crate) fn new(field: &str, path: &Path) -> Result<Self> {
        Target::new(field, path, false).map(Self)
    }
}

/// How mounts spread, from `linux.rootfsPropagation` and the mounts' own words.
pub(crate) fn propagation(word: Option<&str>, context: &Context<'_>) -> Result<Propagation> {
    let root = word.filter(|word| !word.is_empty()).map(|word| {
        options::propagation(word).ok_or_else(|| Error::Invalid {
            field: "linux.rootfsPropagation".to_owned(),
            reason: format!("`{word}` is no propagation"),
            remedy: "one of private, slave, shared, unbindable, or with a leading r".to_owned(),
        })
    });
    let said = context.words().any(|w| options::propagation(w).is_some());
    Ok(Propagation::new(
        root.transpose()?,
        said,
        mounts::spreads(context),
    ))
}

/// The rootfs's directory as the kernel wants it.
pub(crate) fn root_path(path: &Path) -> Result<CString> {
    c_string("root.path", path.as_os_str().as_bytes())
}

impl Step {
    /// The exchange of roots; without `pivot_root(2)` where that is asked for.
    pub(crate) fn exchange(root: &Path, propagation: Propagation, no_pivot: bool) -> Result<Self> {
        let hidden = || {
            let table = std::fs::read("/proc/self/mountinfo");
            let table = table.map_err(|source| Error::Read {
                path: "/proc/self/mountinfo".into(),
                source,
            })?;
            Ok(exchange::kernel_mounts(&table, root))
        };
        if no_pivot {
            return Ok(Self::MoveRoot { hidden: hidden()? });
        }
        let hidden = match exchange::on_initial_ramfs() {
            true => hidden()?,
            false => Vec::new(),
        };
        Ok(Self::Pivot {
            propagation,
            hidden,
        })
    }

    /// Makes the step. `ready` is the set of control groups that were made.
    /// Runs in the child.
    pub(crate) fn perform(&self, site: &mut Site, ready: u64) -> sys::Result<()> {
        match self {
            Self::Propagation(propagation) => {
                mount::mount(None, c"/", None, propagation.first, None)
            }
            Self::Processes => {
                let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
                mount::mount(Some(c"proc"), c"/proc", Some(c"proc"), flags, None)
            }
            Self::Overlay(layers) => layers.mount(),
            Self::OpenRoot(path, propagation) => {
                site.begin(exchange::open_root(path, *propagation)?, path);
                Ok(())
            }
            Self::OpenMounted(path) => {
                let flags = libc::O_PATH | libc::O_DIRECTORY;
                site.begin(openat(libc::AT_FDCWD, path, flags, 0)?, path);
                Ok(())
            }
            Self::ChangeRoot => exchange::change_root(site.end()?.as_raw_fd()),
            Self::Mount(mount) => mount.perform(site),
            Self::Cgroups(mount) => mount.perform(site, ready),
            Self::Node(node) => node.perform(site),
            Self::Links => devices::make_links(site),
            Self::MakeDirectory(path) => site.point(&path.0, target::Kind::Directory).map(drop),
            Self::Sysctl(sysctl) => sysctl.perform(site),
            Self::Mask(path) => hide::mask(site, &path.0),
            Self::ReadOnlyPath(path) => hide::make_read_only(site, &path.0),
            Self::ReadOnlyMount(path) => {
                let mount = site.open(&path.0)?;
                mount::set_attr(mount.as_raw_fd(), &MountAttr::READ_ONLY, false)
            }
            Self::ReadOnlyRoot => mount::set_attr(site.root()?, &MountAttr::READ_ONLY, false),
            Self::Pivot {
                propagation,
                hidden,
            } => exchange::pivot_into(site.end()?.as_raw_fd(), *propagation, hidden),
            Self::MoveRoot { hidden } => exchange::move_into(site.end()?.as_raw_fd(), hidden),
            Self::RootPropagation(flags) => mount::mount(None, c"/", None, *flags, None),
        }
    }

    /// What to do where the kernel answered `errno`. `user` tells whether the
    /// container has a user namespace.
    pub(crate) fn remedy(&self, errno: Errno, user: bool) -> Option<&'static str> {
        let remedy = match (self, errno.code()) {
            (Self::Mount(mount), _) => mount.remedy(errno, user),
            (Self::Pivot { .. }, libc::EINVAL) => Some(
                "the kernel does not exchange a root on an initial ramfs or below a shared mount: \
                 try `--no-pivot`",
            ),
            (Self::Node(_), libc::ENODEV | libc::ENOENT) => Some(
                "nobody may make a device node here, and the host's file of that name is not the device",
            ),
            (Self::Node(_), libc::EEXIST) => {
                Some("the root file system has something else of that name: remove it there")
            }
            (Self::Mask(_), libc::ENODEV) => Some("the host's /dev/null is not the null device"),
            (Self::OpenRoot(..), libc::ENOENT) => {
                Some("put the container's files there, or name their directory in root.path")
            }
            (Self::Sysctl(_), libc::ENOENT) => Some("this kernel has no such parameter"),
            (Self::Sysctl(_), libc::EINVAL) => Some("the parameter does not take the value"),
            (_, errno) => remedy::path(errno),
        };
        match errno.code() {
            libc::EPERM if remedy.is_none() && !user => Some(remedy::PRIVILEGE),
            _ => remedy,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Propagation(_) => f.write_str("separate the mount table from the host's"),
            Self::ChangeRoot => f.write_str("change the root (chroot)"),
            Self::Processes => f.write_str("mount proc at /proc"),
            Self::Overlay(layers) => {
                write!(
                    f,
                    "mount an overlay at {}",
                    layers.target().to_string_lossy()
                )
            }
            Self::OpenMounted(path) | Self::OpenRoot(path, _) => {
                write!(f, "open the root at {}", path.to_string_lossy())
            }
            Self::Mount(mount) => write!(f, "{mount}"),
            Self::Cgroups(mount) => write!(f, "mount the control groups at {}", mount.target.shown),
            Self::Node(node) => write!(f, "make the device {}", node.target.shown),
            Self::Links => f.write_str("make the symlinks of /dev"),
            Self::MakeDirectory(path) => write!(f, "make the working directory {}", path.0.shown),
            Self::Sysctl(sysctl) => write!(f, "{sysctl}"),
            Self::Mask(path) => write!(f, "mask {}", path.0.shown),
            Self::ReadOnlyPath(path) | Self::ReadOnlyMount(path) => {
                write!(f, "make {} read-only", path.0.shown)
            }
            Self::ReadOnlyRoot => f.write_str("make the root read-only"),
            Self::Pivot { .. } => f.write_str("exchange the root (pivot_root)"),
            Self::MoveRoot { .. } => f.write_str("move the root over the old one"),
            Self::RootPropagation(_) => f.write_str("set the root's propagation"),
        }
    }
}

/// Paths, words and tables of any author, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) fn fuzz(text: &str) {
    let _ = exchange::kernel_mounts(text.as_bytes(), Path::new("/root"));
    let words: Vec<String> = text.split(',').map(str::to_owned).collect();
    let options = options::Options::parse(&words);
    assert!(options.changes(true).len() <= 2 + words.len());
    for path in text.lines().map(Path::new) {
        if let Ok(target) = Target::new("fuzzed", path, false) {
            let names = target.path.to_bytes().split(|&byte| byte == b'/');
            assert!(!target.path.is_empty());
            assert!(
                names
                    .into_iter()
                    .all(|name| name != b".." && !name.is_empty())
            );
        }
    }
    text::fuzz(text.as_bytes());
}
