//! Finding and mending what was changed in the store, mostly through a hard link.
//!
//! A file of an environment may be the very file of the store. Who edits it in place edits it
//! for everybody, so each use of an entry looks whether sizes and times are still those of the
//! manifest. The change time would tell more, but each new link changes it, too.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, SFlag, fstatat};

use super::manifest::{Directory, StoredFile, join};
use super::reader::SharedFile;
use super::{Store, Stored, place, unpack};
use crate::error::{Error, Result};
use crate::wheel::{Digest, ExtractError, Wheel};

/// A file of the store that was not what the wheel has, and is again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mended {
    /// The project whose file it is.
    pub project: String,
    /// The file, from the top of the wheel.
    pub file: PathBuf,
}

impl fmt::Display for Mended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} was changed in the store, probably in an environment that shares it: it was \
             unpacked anew, and what was changed stays where it is",
            self.file.display(),
            self.project
        )
    }
}

/// A directory tree of the store.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    /// The directory of all trees of its kind: one descriptor, however many wheels there are.
    pub(crate) root: Arc<File>,
    /// Where in that it lies.
    pub(crate) prefix: String,
}

impl Tree {
    /// Whether the file at this path from `root` has the size, the time and the mode that it was
    /// given.
    pub(crate) fn is_unchanged(&self, path: &str, file: &StoredFile) -> bool {
        let mode = if file.is_executable { 0o755 } else { 0o644 };
        fstatat(&*self.root, path, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok_and(|found| {
            found.st_mode == SFlag::S_IFREG.bits() | mode
                && u64::try_from(found.st_size) == Ok(file.size)
                && found.st_mtime == file.modified
        })
    }

    /// Whether a file's content is what it was.
    fn has_digest(&self, path: &str, file: &StoredFile) -> bool {
        let Ok(digest) = file.digest.parse::<Digest>() else {
            return false;
        };
        let mut checker = digest.checker();
        let mut buffer = vec![0; 128 * 1024];
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let Ok(content) = openat(&*self.root, path, flags, Mode::empty()) else {
            return false;
        };
        let mut content = File::from(content);
        loop {
            match content.read(&mut buffer) {
                Ok(0) => return checker.agrees(),
                Ok(count) => checker.read(&buffer[..count]),
                Err(_) => return false,
            }
        }
    }
}

impl Store {
    /// Looks at each file of the store, by its size and time or, with `contents`, by its digest,
    /// and unpacks anew what was changed.
    ///
    /// A change that keeps size and time is found by its digest alone.
    ///
    /// # Errors
    /// [`Error::Spoiled`] for the first changed file whose wheel is not kept any more.
    pub fn verify(&self, contents: bool) -> Result<Vec<Mended>> {
        let mut mended = Vec::new();
        for stored in self.entries()? {
            let tree = self.tree(&stored);
            let changed = changed(&stored.manifest.directories, |path, file| {
                let path = join(&tree.prefix, path);
                tree.is_unchanged(&path, file) && (!contents || tree.has_digest(&path, file))
            });
            mended.extend(self.mend(&stored, &changed)?);
        }
        Ok(mended)
    }

    /// The files of a wheel.
    pub(crate) fn tree(&self, stored: &Stored) -> Tree {
        let name = super::hex(&stored.sha256).unwrap_or_default();
        Tree {
            root: self.place.wheels_root(),
            prefix: format!("{name}/tree"),
        }
    }

    /// All wheels of the store.
    pub(crate) fn entries(&self) -> Result<Vec<Stored>> {
        let directory = self.place.wheels();
        let entries = fs::read_dir(&directory).map_err(Error::io("read directory", &directory))?;
        let digests = entries
            .flatten()
            .filter_map(|entry| super::unhex(entry.file_name().to_str()?));
        Ok(digests.filter_map(|digest| self.get(&digest)).collect())
    }

    /// Unpacks these files of `stored` anew.
    ///
    /// Each becomes another file under the old name: an environment that was edited keeps its
    /// edit, and shares it with nobody any more.
    pub(crate) fn mend(&self, stored: &Stored, paths: &[String]) -> Result<Vec<Mended>> {
        if paths.is_empty() {
            return Ok(Vec::new());
        }
        let spoiled = |path: &str| Error::Spoiled {
            path: stored.tree().join(path),
        };
        let archive = self.archive(&stored.sha256);
        let reader = File::open(&archive).and_then(SharedFile::new);
        let reader = reader.map_err(|_| spoiled(&paths[0]))?;
        let mut wheel =
            Wheel::read(&stored.manifest.file, reader).map_err(|cause| Error::BadWheel {
                path: archive.clone(),
                cause,
            })?;
        let members = wheel.members().to_vec();
        let mut mended = Vec::new();
        for path in paths {
            let member = members.iter().find(|member| member.path == Path::new(path));
            let file = stored.manifest.file(path);
            // What the wheel has must be what the manifest says: the wheel may be changed, too.
            let same = |member: &&crate::wheel::Member| {
                let digest = member.digest.as_ref().map(ToString::to_string);
                digest.is_some() && digest == file.map(|file| file.digest.clone())
            };
            let (Some(member), Some(file)) = (member.filter(same), file) else {
                return Err(spoiled(path));
            };
            self.unpack_anew(stored, &mut wheel, member, file)?;
            mended.push(Mended {
                project: stored.name.project.to_string(),
                file: path.into(),
            });
        }
        Ok(mended)
    }

    fn unpack_anew(
        &self,
        stored: &Stored,
        wheel: &mut Wheel<SharedFile>,
        member: &crate::wheel::Member,
        file: &StoredFile,
    ) -> Result<()> {
        // Among the archives: what a killed process leaves there is swept.
        let (mut to, temporary) = place::new_file(&self.place.archives())?;
        let target = stored.tree().join(&member.path);
        let mut mend = || -> Result<()> {
            let mode = if file.is_executable { 0o755 } else { 0o644 };
            to.set_permissions(fs::Permissions::from_mode(mode))
                .map_err(Error::io("set the mode of", &temporary))?;
            let mut buffer = vec![0; 128 * 1024];
            let done = wheel.extract(member, &mut to, &mut buffer);
            done.map_err(|error| match error {
                ExtractError::Write(error) => Error::io("write", &temporary)(error),
                ExtractError::Refused(cause) => Error::BadWheel {
                    path: self.archive(&stored.sha256),
                    cause,
                },
            })?;
            unpack::set_modified(&to, file.modified).map_err(Error::io("date", &temporary))?;
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent).map_err(Error::io("create directory", parent))?;
            }
            fs::rename(&temporary, &target).map_err(Error::io("replace", &target))
        };
        let done = mend();
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done
    }
}

/// The paths of the files for which `is_same` does not hold.
pub(crate) fn changed(
    directories: &[Directory],
    is_same: impl Fn(&str, &StoredFile) -> bool,
) -> Vec<String> {
    let mut changed = Vec::new();
    for directory in directories {
        for file in &directory.files {
            let path = join(&directory.path, &file.name);
            if !is_same(&path, file) {
                changed.push(path);
            }
        }
    }
    changed
}
