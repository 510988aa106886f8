//! Layers read as overlay would show them, where none is mounted.
//!
//! Before a container is started its users have to be known, and its root is
//! mounted only by its own first process. What an image's `/etc/passwd` is follows
//! from overlay's rules: the highest layer that has a name decides, a whiteout
//! says that there is none, and below an opaque directory nothing is looked for.
//!
//! Layers are what others wrote: no layer's symlink is followed by the kernel. One
//! that is found is followed here, beneath the layers, a bounded number of times.
//!
//! Source: Documentation/filesystems/overlayfs.rst.

use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, FileType, Mode, OFlags, ResolveFlags};

/// How many symlinks are followed, as by the kernel (`path_resolution(7)`).
const MOST_LINKS: u32 = 40;

/// Several directories as one.
#[derive(Debug)]
pub struct Layered {
    /// The highest first.
    layers: Vec<OwnedFd>,
    /// The attribute that makes a directory opaque.
    opaque: &'static str,
}

/// What stands at a path.
enum Found {
    /// Nothing.
    Nothing,
    Directory,
    Link(PathBuf),
    /// A file in this layer.
    File(usize),
}

impl Layered {
    /// Opens directories, the lowest first. `user_attributes`: overlay's marks are
    /// in `user.overlay.*`.
    ///
    /// # Errors
    /// Those of opening, with the path.
    pub fn open<'a>(
        lowest_first: impl DoubleEndedIterator<Item = &'a Path>,
        user_attributes: bool,
    ) -> Result<Self, (PathBuf, io::Error)> {
        let open = |path: &Path| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let layer = fs::open(path, flags, Mode::empty());
            layer.map_err(|errno| (path.to_owned(), errno.into()))
        };
        let layers: Result<_, _> = lowest_first.rev().map(open).collect();
        Ok(Self {
            layers: layers?,
            opaque: match user_attributes {
                true => "user.overlay.opaque",
                false => "trusted.overlay.opaque",
            },
        })
    }

    /// What the regular file at `path` holds, at most `most` bytes of it; `None`
    /// where there is no such file.
    ///
    /// # Errors
    /// Those of reading; `ELOOP` for too many symlinks.
    pub fn read(&self, path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
        let Some((layer, path)) = self.resolve(path)? else {
            return Ok(None);
        };
        // Should a fifo have taken its place, it does not make us wait.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = self.open_in(layer, &path, flags)?;
        if FileType::from_raw_mode(fs::fstat(&file)?.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let mut content = Vec::new();
        File::from(file).take(most).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    /// The layer that has the file, and its path there without symlinks.
    fn resolve(&self, path: &Path) -> io::Result<Option<(usize, PathBuf)>> {
        let mut at = PathBuf::new();
        let mut ahead = components(path);
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            at.push(&name);
            match self.find(&at)? {
                Found::Nothing => return Ok(None),
                Found::Directory => {}
                Found::File(layer) => return Ok(ahead.is_empty().then_some((layer, at))),
                Found::Link(target) => {
                    links += 1;
                    if links > MOST_LINKS {
                        return Err(io::Error::from_raw_os_error(libc::ELOOP));
                    }
                    match target.is_absolute() {
                        true => at = PathBuf::new(),
                        false => drop(at.pop()),
                    }
                    ahead.extend(components(&target));
                }
            }
        }
        Ok(None)
    }

    /// Looks for `path`, whose parents are directories, from the highest layer on.
    fn find(&self, path: &Path) -> io::Result<Found> {
        let mut directory = false;
        for (index, layer) in self.layers.iter().enumerate() {
            let mut opaque = false;
            let mut prefix = PathBuf::new();
            let count = path.components().count();
            for (depth, name) in (1..).zip(path) {
                prefix.push(name);
                let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let here = match open_beneath(layer, &prefix, flags) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    here => here?,
                };
                let stat = fs::fstat(&here)?;
                let is_last = depth == count;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => {
                        opaque |= self.is_opaque(layer, &prefix)?;
                        directory |= is_last;
                    }
                    // A whiteout, or what is in the way of what is below.
                    _ if directory || !is_last => return Ok(directory_or_nothing(directory)),
                    FileType::CharacterDevice if stat.st_rdev == 0 => return Ok(Found::Nothing),
                    FileType::Symlink => {
                        let target = fs::readlinkat(&here, c"", Vec::new())?;
                        return Ok(Found::Link(OsString::from_vec(target.into_bytes()).into()));
                    }
                    _ => return Ok(Found::File(index)),
                }
            }
            if opaque {
                break;
            }
        }
        Ok(directory_or_nothing(directory))
    }

    fn is_opaque(&self, layer: &OwnedFd, path: &Path) -> io::Result<bool> {
        let directory = match open_beneath(layer, path, OFlags::RDONLY | OFlags::DIRECTORY) {
            // Whoever may not read it cannot see what is below it either.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
            directory => directory?,
        };
        let mut value = [0; 2];
        let length = fs::fgetxattr(&directory, self.opaque, &mut value);
        Ok(length.is_ok_and(|length| value[..length] == *b"y"))
    }

    fn open_in(&self, layer: usize, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        open_beneath(&self.layers[layer], path, flags)
    }
}

fn directory_or_nothing(directory: bool) -> Found {
    match directory {
        true => Found::Directory,
        false => Found::Nothing,
    }
}

fn open_beneath(layer: &OwnedFd, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    // The last name may be a symlink, which is then opened itself.
    let resolve = match flags.contains(OFlags::PATH | OFlags::NOFOLLOW) {
        true => ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS,
        false => resolve,
    };
    Ok(fs::openat2(
        layer,
        &path,
        flags | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )?)
}

/// The names of a path, the last of them first.
fn components(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    });
    let mut names: Vec<_> = names.collect();
    names.reverse();
    names
}

#[cfg(test)]
mod tests {
    use std::fs as std_fs;
    use std::os::unix::fs::symlink;

    use super::*;

    struct Layers(tempfile::TempDir);

    impl Layers {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(self, layer: u32, path: &str, content: &str) -> Self {
            let path = self.path(layer, path);
            std_fs::create_dir_all(path.parent().unwrap()).unwrap();
            std_fs::write(path, content).unwrap();
            self
        }

        fn link(self, layer: u32, path: &str, target: &str) -> Self {
            let path = self.path(layer, path);
            std_fs::create_dir_all(path.parent().unwrap()).unwrap();
            symlink(target, path).unwrap();
            self
        }

        fn opaque(self, layer: u32, path: &str) -> Self {
            let path = self.path(layer, path);
            std_fs::create_dir_all(&path).unwrap();
            let flags = fs::XattrFlags::empty();
            fs::setxattr(&path, "user.overlay.opaque", b"y", flags).unwrap();
            self
        }

        /// A whiteout, which every user may make.
        fn gone(self, layer: u32, path: &str) -> Self {
            let path = self.path(layer, path);
            std_fs::create_dir_all(path.parent().unwrap()).unwrap();
            let kind = FileType::CharacterDevice;
            fs::mknodat(fs::CWD, &path, kind, Mode::empty(), 0).unwrap();
            self
        }

        fn path(&self, layer: u32, path: &str) -> PathBuf {
            self.0.path().join(layer.to_string()).join(path)
        }

        fn check(&self, path: &str, expected: Option<&str>) {
            let layers: Vec<_> = (0..3).map(|n| self.path(n, "")).collect();
            for layer in &layers {
                std_fs::create_dir_all(layer).unwrap();
            }
            let layered = Layered::open(layers.iter().map(PathBuf::as_path), true).unwrap();
            let content = layered.read(Path::new(path), 100).unwrap();
            let content = content.map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(content.as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn the_highest_layer_that_has_a_name_decides() {
        Layers::new()
            .file(0, "etc/passwd", "low")
            .file(2, "etc/passwd", "high")
            .file(2, "etc/other", "")
            .file(0, "etc/group", "low")
            .check("/etc/passwd", Some("high"));
        Layers::new()
            .file(0, "etc/group", "low")
            .file(2, "etc/other", "")
            .check("etc/group", Some("low"));
    }

    #[test]
    fn what_is_taken_away_is_not_found_below() {
        let layers = Layers::new().file(0, "etc/passwd", "low");
        layers.gone(1, "etc/passwd").check("etc/passwd", None);
        let layers = Layers::new().file(0, "etc/passwd", "low");
        layers.gone(2, "etc").check("etc/passwd", None);
        let layers = Layers::new().file(0, "etc/passwd", "low");
        layers.opaque(1, "etc").check("etc/passwd", None);
        let layers = Layers::new().file(0, "etc/passwd", "low");
        layers.file(1, "etc", "a file").check("etc/passwd", None);
    }

    #[test]
    fn a_symlink_leads_to_what_the_layers_have_there_and_never_out() {
        let layers = Layers::new().link(0, "etc", "/usr/etc");
        layers
            .file(1, "usr/etc/passwd", "there")
            .check("etc/passwd", Some("there"));
        let layers = Layers::new().link(1, "etc/passwd", "../../../../etc/hostname");
        layers.check("etc/passwd", None);
        let layers = Layers::new().link(0, "etc/passwd", "../../lib/passwd");
        layers
            .file(2, "lib/passwd", "inside")
            .check("etc/passwd", Some("inside"));
        let layers = Layers::new().link(0, "out", "/etc/hostname");
        layers.check("out", None);
    }

    #[test]
    fn symlinks_without_end_are_an_error_and_what_is_no_file_is_none() {
        let layers = Layers::new().link(0, "a", "b").link(0, "b", "a");
        let layered = Layered::open([layers.path(0, "").as_path()].into_iter(), true).unwrap();
        let error = layered.read(Path::new("a"), 10).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ELOOP));
        let fifo = layers.path(0, "fifo");
        fs::mknodat(fs::CWD, &fifo, FileType::Fifo, Mode::from(0o600), 0).unwrap();
        assert_eq!(layered.read(Path::new("fifo"), 10).unwrap(), None);
        assert_eq!(layered.read(Path::new(""), 10).unwrap(), None);
    }
}
