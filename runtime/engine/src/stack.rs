//! What layers look like on each other, without a mount: overlay's rules, followed
//! from the top layer down.
//!
//! A `COPY` has to know what lies at its destination: a directory, a link to one,
//! nothing. And before a container starts its users have to be known, whose root is
//! mounted by its own first process. Mounting all layers to look at one path would
//! cost more than what it is looked at for.
//!
//! Layers are what others wrote: the kernel follows none of their symlinks. One that
//! is found is followed here, within the layers.
//!
//! Source: the kernel's `Documentation/filesystems/overlayfs.rst`.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::store::Owners;

/// As many symlinks as the kernel follows (`path_resolution(7)`).
const MOST_LINKS: u32 = 40;

/// Unpacked layers, the lowest first.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    layers: Vec<PathBuf>,
    owners: Owners,
}

/// What lies at a path.
#[derive(Debug)]
pub(crate) struct Found {
    /// Where it lies on the disk.
    pub(crate) place: PathBuf,
    /// What is known of it.
    pub(crate) metadata: Metadata,
}

impl Stack {
    pub(crate) fn new(layers: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            layers: layers.into_iter().collect(),
            owners: Owners::Real,
        }
    }

    /// The same layers, unpacked with these owners.
    pub(crate) fn owned_by(self, owners: Owners) -> Self {
        Self { owners, ..self }
    }

    /// User and group that a file has in the image: where all files are one user's on
    /// the disk, they are root's there.
    pub(crate) fn owner(&self, metadata: &Metadata) -> (u32, u32) {
        match self.owners {
            Owners::Single => (0, 0),
            Owners::Real | Owners::Mapped => (metadata.uid(), metadata.gid()),
        }
    }

    /// What lies at `path`, no part of which is a symlink but perhaps the last.
    pub(crate) fn look(&self, path: &Path) -> Result<Option<Found>> {
        for layer in self.layers.iter().rev() {
            match look_in(layer, path).map_err(Error::read(&layer.join(inside(path))))? {
                InLayer::Found(found) => return Ok(Some(found)),
                InLayer::Hidden => return Ok(None),
                InLayer::Absent => {}
            }
        }
        Ok(None)
    }

    /// `path` with its symlinks followed, those of the last part too where `last`
    /// says so; what is missing stays as it is written. A link leads nowhere out of
    /// the root.
    pub(crate) fn resolve(&self, path: &Path, last: bool) -> Result<PathBuf> {
        let mut links = 0;
        let mut resolved = PathBuf::from("/");
        let mut ahead: Vec<PathBuf> = parts(path);
        while let Some(part) = ahead.pop() {
            if part == Path::new("..") {
                resolved.pop();
                continue;
            }
            let next = resolved.join(&part);
            let follows = last || !ahead.is_empty();
            let found = self.look(&next)?;
            let link = found.filter(|found| follows && found.metadata.is_symlink());
            let Some(link) = link else {
                resolved = next;
                continue;
            };
            links += 1;
            if links > MOST_LINKS {
                return Err(Error::Outside {
                    path: path.to_owned(),
                    reason: "its symlinks lead to each other",
                });
            }
            let to = fs::read_link(&link.place).map_err(Error::read(&link.place))?;
            if to.is_absolute() {
                resolved = PathBuf::from("/");
            }
            ahead.extend(parts(&to));
        }
        Ok(resolved)
    }

    /// What a directory holds, by name, each once.
    pub(crate) fn list(&self, directory: &Path) -> Result<Vec<PathBuf>> {
        let mut names = std::collections::BTreeSet::new();
        for layer in self.layers.iter().rev() {
            let place = layer.join(inside(directory));
            match look_in(layer, directory).map_err(Error::read(&place))? {
                InLayer::Found(found) if found.metadata.is_dir() => {
                    for entry in fs::read_dir(&place).map_err(Error::read(&place))? {
                        names.insert(entry.map_err(Error::read(&place))?.file_name());
                    }
                    if is_opaque(&place) {
                        break;
                    }
                }
                InLayer::Found(_) | InLayer::Hidden => break,
                InLayer::Absent => {}
            }
        }
        let paths = names.into_iter().map(|name| directory.join(name));
        let mut there = Vec::new();
        for path in paths {
            if self.look(&path)?.is_some() {
                there.push(path);
            }
        }
        Ok(there)
    }

    /// The whole of a small file, symlinks followed; `None` where there is none.
    pub(crate) fn read(&self, path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
        use std::io::Read as _;
        let path = self.resolve(path, true)?;
        let Some(found) = self.look(&path)?.filter(|found| found.metadata.is_file()) else {
            return Ok(None);
        };
        let file = fs::File::open(&found.place).map_err(Error::read(&found.place))?;
        let mut bytes = Vec::new();
        let read = file.take(most).read_to_end(&mut bytes);
        read.map_err(Error::read(&found.place))?;
        Ok(Some(bytes))
    }
}

enum InLayer {
    Found(Found),
    /// Here it was taken away, or something stands in its way.
    Hidden,
    /// Nothing is said of it.
    Absent,
}

fn look_in(layer: &Path, path: &Path) -> io::Result<InLayer> {
    let mut place = layer.to_owned();
    let mut metadata = fs::symlink_metadata(&place)?;
    let mut opaque = false;
    for part in inside(path).components() {
        if !metadata.is_dir() {
            return Ok(InLayer::Hidden);
        }
        // One part at a time, and no link among them: nothing leads out of the layer.
        place.push(part);
        metadata = match fs::symlink_metadata(&place) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound && opaque => {
                return Ok(InLayer::Hidden);
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(InLayer::Absent),
            Err(error) => return Err(error),
        };
        if is_whiteout(&metadata) {
            return Ok(InLayer::Hidden);
        }
        opaque |= metadata.is_dir() && is_opaque(&place);
    }
    Ok(InLayer::Found(Found { place, metadata }))
}

fn is_whiteout(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device() && metadata.rdev() == 0
}

fn is_opaque(directory: &Path) -> bool {
    ["user.overlay.opaque", "trusted.overlay.opaque"]
        .iter()
        .any(|name| {
            let mut value = [0; 1];
            let read = rustix::fs::lgetxattr(directory, *name, &mut value[..]);
            read == Ok(1) && value == *b"y"
        })
}

/// A path as one of a layer's directory.
fn inside(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

/// The parts of a path, the last first.
fn parts(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().rev().filter_map(|part| match part {
        Component::Normal(name) => Some(PathBuf::from(name)),
        Component::ParentDir => Some(PathBuf::from("..")),
        _ => None,
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, Mode, XattrFlags};

    use super::*;

    /// Layers with these files (`path=content`), directories (`path/`), links
    /// (`path->to`), whiteouts (`!path`) and opaque directories (`path//`).
    fn check(layers: &[&[&str]], then: impl FnOnce(&Stack)) {
        let place = tempfile::tempdir().unwrap();
        let mut paths = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let root = place.path().join(index.to_string());
            fs::create_dir(&root).unwrap();
            for entry in *layer {
                make(&root, entry);
            }
            paths.push(root);
        }
        then(&Stack::new(paths));
    }

    fn make(root: &Path, entry: &str) {
        let ready = |path: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        if let Some(path) = entry.strip_prefix('!') {
            let path = ready(path);
            let kind = FileType::CharacterDevice;
            rustix::fs::mknodat(CWD, path, kind, Mode::empty(), 0).unwrap();
        } else if let Some((path, to)) = entry.split_once("->") {
            symlink(to, ready(path)).unwrap();
        } else if let Some((path, content)) = entry.split_once('=') {
            fs::write(ready(path), content).unwrap();
        } else {
            let path = ready(entry.trim_end_matches('/'));
            fs::create_dir_all(&path).unwrap();
            if entry.ends_with("//") {
                let flags = XattrFlags::empty();
                rustix::fs::setxattr(&path, "user.overlay.opaque", b"y", flags).unwrap();
            }
        }
    }

    fn content(stack: &Stack, path: &str) -> Option<String> {
        let read = stack.read(Path::new(path), 100).unwrap();
        read.map(|bytes| String::from_utf8(bytes).unwrap())
    }

    fn resolved(stack: &Stack, path: &str) -> String {
        stack
            .resolve(Path::new(path), true)
            .unwrap()
            .display()
            .to_string()
    }

    #[test]
    fn the_topmost_counts_and_what_is_taken_away_is_gone() {
        let layers: [&[&str]; 3] = [
            &["a=1", "b=1", "d/x=1", "e/x=1", "f/x=1", "g=1"],
            &["a=2", "!b", "!d", "e//", "e/y=2", "f=2", "g/h=2"],
            &["b=3", "d/y=3"],
        ];
        check(&layers, |stack| {
            assert_eq!(content(stack, "/a").as_deref(), Some("2"));
            assert_eq!(content(stack, "/b").as_deref(), Some("3"));
            assert_eq!(content(stack, "/d/x"), None, "below a whiteout");
            assert_eq!(content(stack, "/d/y").as_deref(), Some("3"));
            assert_eq!(content(stack, "/e/x"), None, "below an opaque directory");
            assert_eq!(content(stack, "/e/y").as_deref(), Some("2"));
            assert_eq!(content(stack, "/f/x"), None, "a file is in the way");
            assert_eq!(content(stack, "/g/h").as_deref(), Some("2"));
            assert_eq!(content(stack, "/nothing/at/all"), None);
            let names = |path: &str| {
                let paths = stack.list(Path::new(path)).unwrap();
                let names = paths.iter().map(|path| path.display().to_string());
                names.collect::<Vec<_>>()
            };
            assert_eq!(names("/"), ["/a", "/b", "/d", "/e", "/f", "/g"]);
            assert_eq!(names("/e"), ["/e/y"]);
            assert_eq!(names("/d"), ["/d/y"]);
        });
    }

    #[test]
    fn links_are_followed_within_the_root_whatever_layer_they_are_in() {
        let layers: [&[&str]; 2] = [
            &[
                "usr/lib/l=1",
                "lib->usr/lib",
                "up->../../../etc",
                "etc/passwd=inside",
            ],
            &["abs->/lib", "loop->loop", "usr/lib/m=2", "gone->/no/such"],
        ];
        check(&layers, |stack| {
            assert_eq!(content(stack, "/abs/l").as_deref(), Some("1"));
            assert_eq!(content(stack, "/lib/m").as_deref(), Some("2"));
            assert_eq!(content(stack, "/up/passwd").as_deref(), Some("inside"));
            assert_eq!(resolved(stack, "/abs/new/file"), "/usr/lib/new/file");
            assert_eq!(resolved(stack, "/gone/x"), "/no/such/x");
            assert_eq!(resolved(stack, "/../../a/./b"), "/a/b");
            let link = stack.resolve(Path::new("/abs"), false).unwrap();
            assert_eq!(link, Path::new("/abs"));
            assert!(stack.resolve(Path::new("/loop"), true).is_err());
        });
    }
}
