//! One mount of `mounts`, prepared by the parent and made by the child.

use std::ffi::{CStr, CString};
use std::fmt;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::options::Options;
use super::target::{ByDescriptor, Kind, Target};
use crate::error::{Error, Result};
use crate::spec;
use crate::sys::mount::{self, MountAttr};
use crate::sys::{self, Descriptor, Errno};

/// A mount, ready to be made.
#[derive(Debug)]
pub(crate) struct Mount {
    pub(super) target: Target,
    what: What,
    propagation: Vec<u64>,
}

#[derive(Debug)]
enum What {
    /// A new instance of a file system.
    New {
        fstype: CString,
        source: CString,
        flags: u64,
        data: CString,
        otherwise: Option<CString>,
    },
    /// A tree that exists.
    Bind {
        source: CString,
        recursive: bool,
        kind: Kind,
        attr: MountAttr,
        deep: MountAttr,
    },
}

impl Mount {
    /// Prepares entry `index` of `mounts`.
    pub(crate) fn prepare(
        index: usize,
        mount: &spec::Mount,
        bundle: &Path,
        user_namespace: bool,
    ) -> Result<Self> {
        let field = |name: &str| format!("mounts[{index}].{name}");
        let options = Options::parse(&mount.options);
        let fstype = mount.fstype.as_deref().unwrap_or("none");
        let is_kernels = matches!(fstype, "proc" | "sysfs");
        let target = Target::new(&field("destination"), &mount.destination, is_kernels)?;
        let text = |name: &str, bytes: &[u8]| {
            CString::new(bytes).map_err(|_| Error::Invalid {
                field: field(name),
                reason: "it contains a zero byte".to_owned(),
                remedy: "remove it".to_owned(),
            })
        };
        let bind = options.bind.or((fstype == "bind").then_some(false));
        let what = if let Some(recursive) = bind {
            let source = mount.source.as_deref().ok_or_else(|| Error::Invalid {
                field: field("source"),
                reason: "a bind mount needs one".to_owned(),
                remedy: "name the file or directory to bind".to_owned(),
            })?;
            let source = bundle.join(source);
            let meta = std::fs::metadata(&source).map_err(|error| Error::Read {
                path: source.clone(),
                source: error,
            })?;
            What::Bind {
                source: text("source", source.as_os_str().as_bytes())?,
                recursive,
                kind: if meta.is_dir() {
                    Kind::Directory
                } else {
                    Kind::File
                },
                attr: options.attr,
                deep: options.recursive,
            }
        } else {
            let source = mount.source.as_deref().unwrap_or(Path::new(fstype));
            What::New {
                fstype: text("type", fstype.as_bytes())?,
                source: text("source", source.as_os_str().as_bytes())?,
                flags: options.flags,
                data: text("options", options.data.as_bytes())?,
                // A sysfs shows a network namespace: only its owner may mount
                // one. In a user namespace with the host's network, the host's
                // own is bound instead, as runc does.
                otherwise: (fstype == "sysfs" && user_namespace).then(|| c"/sys".to_owned()),
            }
        };
        Ok(Self {
            target,
            what,
            propagation: options.propagation,
        })
    }

    // ANCHOR: mounts
    /// Makes the mount point where it is missing, and mounts onto it.
    pub(super) fn perform(&self, root: RawFd) -> sys::Result<()> {
        match &self.what {
            What::New {
                fstype,
                source,
                flags,
                data,
                otherwise,
            } => {
                let point = self.target.open_or_make(root, Kind::Directory)?;
                let data = (!data.is_empty()).then_some(data.as_c_str());
                let mounted = mount_on(&point, Some(source), Some(fstype), *flags, data);
                match (mounted, otherwise) {
                    (Err(Errno(libc::EPERM)), Some(host)) => {
                        bind(
                            host,
                            &point,
                            true,
                            &MountAttr::READ_ONLY,
                            &MountAttr::default(),
                        )?;
                    }
                    (result, _) => result?,
                }
            }
            What::Bind {
                source,
                recursive,
                kind,
                attr,
                deep,
            } => {
                let point = self.target.open_or_make(root, *kind)?;
                bind(source, &point, *recursive, attr, deep)?;
            }
        }
        if !self.propagation.is_empty() {
            let made = self.target.open(root)?;
            for &kind in &self.propagation {
                mount_on(&made, None, None, kind, None)?;
            }
        }
        Ok(())
    }
    // ANCHOR_END: mounts
}

/// `mount(2)` onto a descriptor.
pub(super) fn mount_on(
    point: &Descriptor,
    source: Option<&CStr>,
    fstype: Option<&CStr>,
    flags: u64,
    data: Option<&CStr>,
) -> sys::Result<()> {
    mount::mount(
        source,
        ByDescriptor::new(point.as_raw_fd()).path(),
        fstype,
        flags,
        data,
    )
}

/// A copy of the mount at `source`, changed while nobody sees it, then attached.
fn bind(
    source: &CStr,
    point: &Descriptor,
    recursive: bool,
    attr: &MountAttr,
    deep: &MountAttr,
) -> sys::Result<()> {
    let tree = mount::clone_tree(libc::AT_FDCWD, source, recursive)?;
    if !deep.is_empty() {
        mount::set_attr(tree.as_raw_fd(), deep, true)?;
    }
    if !attr.is_empty() {
        mount::set_attr(tree.as_raw_fd(), attr, false)?;
    }
    mount::attach(tree.as_raw_fd(), point.as_raw_fd(), c"")
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::New { fstype, .. } => {
                write!(
                    f,
                    "mount {} at {}",
                    fstype.to_string_lossy(),
                    self.target.shown
                )
            }
            What::Bind { source, .. } => {
                write!(
                    f,
                    "bind {} to {}",
                    source.to_string_lossy(),
                    self.target.shown
                )
            }
        }
    }
}
