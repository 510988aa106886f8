//! One mount of `mounts`, prepared by the parent and made by the child.

use std::ffi::CStr;
use std::fmt;
use std::os::fd::AsRawFd;

use super::Inside;
use super::bind::Bind;
use super::by_descriptor::ByDescriptor;
use super::context::Context;
use super::file_system::FileSystem;
use super::options::Options;
use super::over_proc;
use super::site::{Point, Site};
use super::target::{Kind, Target};
use crate::error::{Result, c_string};
use crate::spec;
use crate::sys;
use crate::sys::mount::{self, MountAttr, Parameter};

/// A mount, ready to be made.
#[derive(Debug)]
pub(crate) struct Mount {
    index: usize,
    pub(super) target: Target,
    what: What,
    /// What is changed once it is mounted, each with whether it is recursive.
    changes: Vec<(MountAttr, bool)>,
    /// Whether it may cover what a procfs shows.
    over_proc: bool,
}

#[derive(Debug)]
enum What {
    /// A new instance of a file system.
    New(FileSystem),
    /// A tree that exists.
    Bind(Bind),
    /// Nothing new: the mount that is there is changed, and its file system
    /// where there is something for that.
    Remount(Vec<Parameter>),
}

impl Mount {
    /// Prepares entry `index` of `mounts`. With it, the path of a mount that is
    /// to become read-only when all is made in it.
    pub(crate) fn prepare(
        index: usize,
        entry: &spec::Mount,
        context: &Context<'_>,
    ) -> Result<(Self, Option<Inside>)> {
        let mut options = Options::parse(&entry.options);
        let fstype = entry.fstype.as_deref().unwrap_or("");
        let bind = options.bind.or((fstype == "bind").then_some(false));
        let field = format!("mounts[{index}].destination");
        let strict = bind.is_none() && matches!(fstype, "proc" | "sysfs");
        let target = Target::new(&field, &entry.destination, strict)?;
        if !entry.destination.has_root() {
            context.warn(format!(
                "{field}: `{}` is not absolute: taken from the container's root",
                entry.destination.display()
            ));
        }
        let over_proc = over_proc::check(&field, &target, entry, bind.is_some(), context)?;
        let mut late = None;
        let what = if options.remount {
            What::Remount(parameters(index, &options, bind.is_some(), context)?)
        } else if let Some(recursive) = bind {
            What::Bind(Bind::prepare(index, entry, &options, recursive, context)?)
        } else {
            let filled_later = fstype == "tmpfs" || target.path.as_c_str() == c"dev";
            if filled_later && options.flags & libc::MS_RDONLY != 0 {
                options.flags &= !libc::MS_RDONLY;
                late = Some(Inside::new(&field, &entry.destination)?);
            }
            What::New(FileSystem::prepare(index, entry, &options, context)?)
        };
        let changes = match what {
            What::Bind(_) => Vec::new(), // made before it is attached
            What::New(_) => options.changes(false),
            What::Remount(_) => options.changes(true),
        };
        let mount = Self {
            index,
            target,
            what,
            changes,
            over_proc,
        };
        Ok((mount, late))
    }

    // ANCHOR: mounts
    /// Makes the mount point where it is missing, and mounts onto it.
    pub(super) fn perform(&self, site: &mut Site) -> sys::Result<()> {
        match &self.what {
            What::New(new) => {
                let point = self.point(site, Kind::Directory)?;
                new.perform(&point, || site.open(&self.target))?;
                site.mounted(&self.target, &point, new.fstype.as_c_str() == c"tmpfs")?;
            }
            What::Bind(bind) => {
                let point = self.point(site, bind.kind)?;
                let tree = bind.tree()?;
                mount::attach(tree.as_raw_fd(), point.dir, point.name)?;
                site.mounted(&self.target, &point, false)?;
            }
            What::Remount(parameters) if parameters.is_empty() => {}
            // Not `mount(2)`, which would take from the mount each flag that is
            // not named again.
            What::Remount(parameters) => {
                mount::reconfigure(site.open(&self.target)?.as_raw_fd(), parameters)?;
            }
        }
        if !self.changes.is_empty() {
            let made = site.open(&self.target)?;
            for (change, recursive) in &self.changes {
                mount::set_attr(made.as_raw_fd(), change, *recursive)?;
            }
        }
        Ok(())
    }
    // ANCHOR_END: mounts

    fn point<'t>(&'t self, site: &mut Site, kind: Kind) -> sys::Result<Point<'t>> {
        let point = site.point(&self.target, kind)?;
        // A path that may hold no symlink was judged by its name.
        if !self.over_proc && !point.made && !self.target.is_strict() {
            over_proc::refuse(point.dir)?;
        }
        Ok(point)
    }

    /// What the kernel's bare errno hides.
    pub(super) fn remedy(&self, errno: sys::Errno, user: bool) -> Option<&'static str> {
        match &self.what {
            What::New(new) => super::remedy::file_system(&new.fstype, errno, user),
            What::Bind(_) => super::remedy::bind(errno),
            What::Remount(parameters) => super::remedy::remount(errno, !parameters.is_empty()),
        }
    }
}

/// What a remount asks of the file system. A bind mount shares that with its
/// source, and changes only itself.
fn parameters(
    index: usize,
    options: &Options,
    bind: bool,
    context: &Context<'_>,
) -> Result<Vec<Parameter>> {
    if bind {
        options.warn_of_data(index, context);
        return Ok(Vec::new());
    }
    let text = |text: &str| c_string(format_args!("mounts[{index}].options"), text);
    // A word may itself be a list, as with `mount(2)`.
    let words = options.data.iter().flat_map(|word| word.split(','));
    words
        .filter(|word| !word.is_empty())
        .map(|word| match word.split_once('=') {
            Some((name, value)) => Ok((text(name)?, Some(text(value)?))),
            None => Ok((text(word)?, None)),
        })
        .collect()
}

/// `mount(2)` onto a point.
pub(super) fn mount_on(
    point: &Point<'_>,
    source: Option<&CStr>,
    fstype: Option<&CStr>,
    flags: u64,
    data: Option<&CStr>,
) -> sys::Result<()> {
    let target = ByDescriptor::new(point.dir, point.name);
    mount::mount(source, target.path(), fstype, flags, data)
}

/// Whether mounts may spread from or to the host.
pub(crate) fn spreads(context: &Context<'_>) -> bool {
    context.words().any(|word| {
        let spread = matches!(word, "shared" | "rshared" | "slave" | "rslave");
        // Said of one mount alone: those below it stay as the host has them.
        spread || matches!(word, "private" | "unbindable")
    })
}

/// Whether the host's own `/dev` is bound: it is left as it is.
pub(crate) fn binds_dev(mounts: &[spec::Mount]) -> bool {
    mounts.iter().any(|mount| {
        let bind = mount.options.iter().any(|o| o == "bind" || o == "rbind");
        let bind = bind || mount.fstype.as_deref() == Some("bind");
        let dev = Target::new("", &mount.destination, false);
        bind && dev.is_ok_and(|dev| dev.path.as_c_str() == c"dev")
    })
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::New(new) => write!(f, "mount {} at ", new.fstype.to_string_lossy())?,
            What::Bind(bind) => write!(f, "bind {} to ", bind.source.to_string_lossy())?,
            What::Remount(_) => f.write_str("change the mount at ")?,
        }
        write!(f, "{} (mounts[{}])", self.target.shown, self.index)
    }
}
