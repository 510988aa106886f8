//! An overlay as the root: directories that many containers share, and above
//! them one that takes what this container writes.
//!
//! Whoever mounts it needs no place on the host for it: a container mounts its
//! root in its own mount namespace, and the kernel unmounts it with that,
//! however the container ends and whoever is killed.
//!
//! The directories are opened first and named by their descriptors,
//! `/proc/self/fd/7`. So there is nothing to escape, where `:`, `,` and `\` mean
//! something in the options of `mount(2)`; 200 layers fit in the page that these
//! options may take; and what is renamed meanwhile changes nothing.

use std::ffi::{CStr, CString, OsStr};
use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::text::Text;
use crate::error::{Error, Result, c_string};
use crate::sys::descriptor::openat;
use crate::sys::mount::{self, NewFileSystem};
use crate::sys::{self, Descriptor, Errno};

/// How many bytes of options `mount(2)` takes, their terminating zero among them.
const PAGE: usize = 4096;

/// How many layers the kernel stacks (`OVL_MAX_STACK`, fs/overlayfs/params.h).
const MOST: usize = 500;

/// What the kernel may do by default, as its builder or administrator set it: leave a
/// renamed directory, or a file of which only the mode changed, in the layer below, and
/// note in the upper one where. Then the upper directory by itself is no layer. With
/// `userxattr` the kernel does neither.
const NOTED: [&CStr; 2] = [c"redirect_dir", c"metacopy"];

/// A directory with a file for each of them that this kernel knows.
const PARAMETERS: &str = "/sys/module/overlay/parameters";

/// A root of several directories (`overlayfs`, Documentation/filesystems/overlayfs.rst).
///
/// ```no_run
/// # use isolab_oci::Overlay;
/// let overlay = Overlay {
///     lowers: vec!["/layers/base".into(), "/layers/application".into()],
///     upper: "/containers/demo/upper".into(),
///     work: "/containers/demo/work".into(),
///     volatile: true,
/// };
/// overlay.mount("/containers/demo/root".as_ref())?; // needs CAP_SYS_ADMIN
/// # Ok::<(), isolab_oci::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overlay {
    /// The directories that stay as they are, the lowest first.
    pub lowers: Vec<PathBuf>,
    /// The directory that takes what is written.
    pub upper: PathBuf,
    /// An empty directory of the kernel's own, on the file system of `upper`.
    pub work: PathBuf,
    /// What is written need not reach the disk: after a crash of the machine
    /// `upper` is worth nothing, and the kernel refuses to mount it again while
    /// `work` has what says so (`work/incompat/volatile`).
    pub volatile: bool,
}

impl Overlay {
    /// Whether the kernel keeps its marks on files (an opaque directory among
    /// them) in `user.overlay.*` and not in `trusted.overlay.*`: in a user
    /// namespace nobody may write the latter.
    #[must_use]
    pub fn has_user_attributes() -> bool {
        !is_initial_user_namespace()
    }

    /// Mounts it at `target`, in the mount namespace that this process is in.
    ///
    /// # Errors
    /// [`Error::Read`] for a directory that cannot be opened, [`Error::Overlay`]
    /// where the kernel refuses.
    pub fn mount(&self, target: &Path) -> Result<()> {
        let path = c_string("root.path", target.as_os_str().as_bytes())?;
        let layers = self.prepare(Self::has_user_attributes(), path)?;
        layers.mount().map_err(|errno| refused(errno, target))
    }

    /// What the child needs. Runs in the parent.
    pub(crate) fn prepare(&self, user_attributes: bool, target: CString) -> Result<Layers> {
        if self.lowers.len() > MOST {
            return Err(Error::Invalid {
                field: "root".to_owned(),
                reason: format!("it has {} layers", self.lowers.len()),
                remedy: format!("the kernel stacks at most {MOST}: merge some"),
            });
        }
        let name = |path: &PathBuf| {
            // What is missing is told by its name, which the kernel does not say.
            fs::metadata(path).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })?;
            c_string("root", path.as_os_str().as_bytes())
        };
        let lowers: Result<Vec<_>> = self.lowers.iter().rev().map(name).collect();
        Ok(Layers {
            lowers: lowers?,
            upper: name(&self.upper)?,
            work: name(&self.work)?,
            user_attributes,
            off: match user_attributes {
                true => Vec::new(),
                false => known(Path::new(PARAMETERS)),
            },
            volatile: self.volatile,
            target,
        })
    }
}

/// Those of [`NOTED`] that the kernel knows, and so takes as options.
fn known(parameters: &Path) -> Vec<&'static CStr> {
    if !parameters.exists() {
        // Asked for one, the kernel loads what overlays are made by, and has parameters.
        drop(NewFileSystem::begin(c"overlay"));
    }
    let is_known = |name: &&CStr| parameters.join(OsStr::from_bytes(name.to_bytes())).exists();
    NOTED.into_iter().filter(is_known).collect()
}

/// What the kernel's refusal means.
pub(crate) fn refused(errno: Errno, target: &Path) -> Error {
    let remedy = match errno.code() {
        libc::EPERM => "this kernel lets no ordinary user mount one: Linux 5.11 or newer is needed",
        libc::ENODEV => "this kernel has none: `modprobe overlay`",
        libc::EINVAL => {
            "the file system of the upper directory cannot be one, as on NFS or on another overlay"
        }
        libc::EBUSY => "the upper or the work directory is in use by another one",
        _ => "use a copy of the files as the root",
    };
    Error::Overlay {
        target: target.to_owned(),
        source: errno.into(),
        remedy: remedy.to_owned(),
    }
}

/// What there is to mount.
#[derive(Debug)]
pub(crate) struct Layers {
    /// The highest first, as the kernel wants them.
    lowers: Vec<CString>,
    upper: CString,
    work: CString,
    user_attributes: bool,
    /// What is turned off.
    off: Vec<&'static CStr>,
    volatile: bool,
    target: CString,
}

/// A directory's name by its descriptor: `/proc/self/fd/7`.
type Name = Text<32>;

impl Layers {
    /// Mounts it. Runs in the child, in the mount namespace that it is mounted in:
    /// the kernel takes no directory of another.
    pub(crate) fn mount(&self) -> sys::Result<()> {
        let mut open = [const { None }; MOST];
        for (slot, path) in open.iter_mut().zip(&self.lowers) {
            *slot = Some(open_directory(path)?);
        }
        let lowers = || open.iter().map_while(Option::as_ref);
        let (upper, work) = (open_directory(&self.upper)?, open_directory(&self.work)?);
        let mut options = Text::empty();
        match self.in_a_page(&mut options, lowers(), &upper, &work) {
            Ok(()) => {
                let overlay = Some(c"overlay");
                mount::mount(overlay, &self.target, overlay, 0, Some(options.c_str()))
            }
            Err(_) => self.one_by_one(lowers(), &upper, &work),
        }
    }

    /// All options at once. Fails where they are too long.
    fn in_a_page<'a>(
        &self,
        options: &mut Text<PAGE>,
        lowers: impl Iterator<Item = &'a Descriptor>,
        upper: &Descriptor,
        work: &Descriptor,
    ) -> sys::Result<()> {
        let mut before: &[u8] = b"lowerdir=";
        for lower in lowers {
            options.append(before)?;
            options.append(name(lower)?.c_str().to_bytes())?;
            before = b":";
        }
        for (key, directory) in [(",upperdir=", upper), (",workdir=", work)] {
            options.append(key.as_bytes())?;
            options.append(name(directory)?.c_str().to_bytes())?;
        }
        for flag in self.flags() {
            options.append(b",")?;
            options.append(flag.to_bytes())?;
        }
        for key in &self.off {
            options.append(b",")?;
            options.append(key.to_bytes())?;
            options.append(b"=off")?;
        }
        Ok(())
    }

    /// `lowerdir+` for each (since Linux 6.7).
    fn one_by_one<'a>(
        &self,
        lowers: impl Iterator<Item = &'a Descriptor>,
        upper: &Descriptor,
        work: &Descriptor,
    ) -> sys::Result<()> {
        let overlay = NewFileSystem::begin(c"overlay")?;
        for lower in lowers {
            overlay.set(c"lowerdir+", Some(name(lower)?.c_str()))?;
        }
        overlay.set(c"upperdir", Some(name(upper)?.c_str()))?;
        overlay.set(c"workdir", Some(name(work)?.c_str()))?;
        for flag in self.flags() {
            overlay.set(flag, None)?;
        }
        for key in &self.off {
            overlay.set(key, Some(c"off"))?;
        }
        let tree = overlay.mount()?;
        mount::attach(tree.as_raw_fd(), libc::AT_FDCWD, &self.target)
    }

    fn flags(&self) -> impl Iterator<Item = &'static CStr> {
        let user = self.user_attributes.then_some(c"userxattr");
        let volatile = self.volatile.then_some(c"volatile");
        user.into_iter().chain(volatile)
    }

    pub(crate) fn target(&self) -> &CStr {
        &self.target
    }
}

fn open_directory(path: &CStr) -> sys::Result<Descriptor> {
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    openat(libc::AT_FDCWD, path, flags, 0)
}

fn name(directory: &Descriptor) -> sys::Result<Name> {
    let mut digits = [0; 10];
    let mut start = digits.len();
    let mut number = directory.as_raw_fd().unsigned_abs();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let mut name = Name::empty();
    name.append(b"/proc/self/fd/")?;
    name.append(&digits[start..])?;
    Ok(name)
}

/// Whether every id is one's own (`user_namespaces(7)`): no other namespace
/// than the first can map all of them.
pub(crate) fn is_initial_user_namespace() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let numbers: Vec<&str> = map.split_ascii_whitespace().collect();
    numbers == ["0", "0", "4294967295"]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(place: &Path, count: usize) -> Overlay {
        let directory = |name: &str| {
            let path = place.join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        Overlay {
            lowers: (0..count).map(|n| directory(&format!("l{n}"))).collect(),
            upper: directory("upper"),
            work: directory("work"),
            volatile: true,
        }
    }

    /// The options for a number of layers, as they would be told at once.
    fn options(count: usize) -> sys::Result<(Vec<Descriptor>, String)> {
        let place = tempfile::tempdir().unwrap();
        let overlay = overlay(place.path(), count);
        told(&overlay.prepare(true, c"/x".into()).unwrap())
    }

    fn told(layers: &Layers) -> sys::Result<(Vec<Descriptor>, String)> {
        let open = |path: &CString| open_directory(path).unwrap();
        let lowers: Vec<_> = layers.lowers.iter().map(open).collect();
        let (upper, work) = (open(&layers.upper), open(&layers.work));
        let mut text = Text::empty();
        layers.in_a_page(&mut text, lowers.iter(), &upper, &work)?;
        Ok((lowers, text.c_str().to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_highest_layer_is_named_first_and_none_by_its_path() {
        let (lowers, options) = options(2).unwrap();
        let [high, low] = lowers.iter().map(AsRawFd::as_raw_fd).collect::<Vec<_>>()[..] else {
            panic!("{options}")
        };
        let expected = format!("lowerdir=/proc/self/fd/{high}:/proc/self/fd/{low},upperdir=/");
        assert!(options.starts_with(&expected), "{options}");
        assert!(options.ends_with(",userxattr,volatile"), "{options}");
        let leads = std::fs::read_link(format!("/proc/self/fd/{high}")).unwrap();
        assert!(leads.to_str().unwrap().contains("/l1"), "{leads:?}");
    }

    #[test]
    fn what_would_leave_something_of_the_upper_directory_below_is_off_where_it_is_known() {
        let place = tempfile::tempdir().unwrap();
        let overlay = overlay(place.path(), 1);
        let layers = |user| overlay.prepare(user, c"/x".into()).unwrap();
        assert!(layers(true).off.is_empty(), "user attributes have neither");
        let parameters = Path::new(PARAMETERS);
        let exists = |name: &str| parameters.join(name).exists();
        if exists("redirect_dir") && exists("metacopy") {
            let (_, options) = told(&layers(false)).unwrap();
            let end = ",volatile,redirect_dir=off,metacopy=off";
            assert!(options.ends_with(end), "{options}");
        }
        // Before Linux 4.19 there was one of them.
        std::fs::write(place.path().join("redirect_dir"), "Y").unwrap();
        assert_eq!(known(place.path()), [c"redirect_dir"]);
    }

    #[test]
    fn two_hundred_layers_fit_in_a_page_and_four_hundred_do_not() {
        options(200).unwrap();
        assert!(options(400).is_err());
    }

    #[test]
    fn more_layers_than_the_kernel_stacks_are_refused_beforehand() {
        let place = tempfile::tempdir().unwrap();
        let mut overlay = overlay(place.path(), 1);
        overlay.lowers = vec![overlay.lowers[0].clone(); MOST + 1];
        let error = overlay.prepare(false, c"/x".into()).unwrap_err();
        assert!(error.to_string().contains("501 layers"), "{error}");
    }

    #[test]
    fn a_layer_that_is_not_there_is_an_error_that_names_it() {
        let place = tempfile::tempdir().unwrap();
        let mut overlay = overlay(place.path(), 1);
        overlay.lowers.push("/nowhere/layer".into());
        let error = overlay.prepare(false, c"/x".into()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nowhere/layer");
    }
}
