//! Making ready what is mounted: each in a place of its own, or where it lies.

use std::fmt;
use std::fs::{self, File, FileTimes, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use super::cache::Caches;
use super::{Around, Files, What, digest};
use crate::build::copying::CHANGED;
use crate::build::fault::Fault;
use crate::build::source::{Selected, Source};
use crate::build::stage::Stages;
use crate::dockerfile::Owner;
use crate::error::Error;
use crate::run::{Bind, Settings, Tmpfs};

/// A file that a program sees, and that has a name only until it does: if this process
/// is killed, it is gone.
struct Secret {
    path: PathBuf,
    value: Vec<u8>,
    owner: Owner,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret of {}", self.path.display())
    }
}

/// What is mounted, and what must live as long.
#[derive(Debug)]
pub(crate) struct Ready {
    binds: Vec<Bind>,
    memory: Vec<Tmpfs>,
    variables: Vec<String>,
    secrets: Vec<Secret>,
    /// Open for their locks.
    _alone: Vec<File>,
}

impl Ready {
    /// Lets `settings` have it.
    pub(in crate::build) fn give(&self, settings: &mut Settings) {
        settings.binds.clone_from(&self.binds);
        settings.tmpfs.clone_from(&self.memory);
        settings.env.extend(self.variables.iter().cloned());
    }

    /// Lays out what is secret, until it is hidden.
    pub(in crate::build) fn lay_secrets(&self) -> Result<(), Fault> {
        self.hide_secrets();
        for secret in &self.secrets {
            let mut options = File::options();
            options.write(true).create_new(true).mode(0o600);
            let file = options.open(&secret.path);
            let written = file.and_then(|mut file| file.write_all(&secret.value));
            written.map_err(Error::write(&secret.path))?;
            give(&secret.path, &secret.owner, 0o400)?;
        }
        Ok(())
    }

    /// Takes the names of what is secret away. A container that has it mounted still
    /// sees it.
    pub(in crate::build) fn hide_secrets(&self) {
        for secret in &self.secrets {
            let _ = fs::remove_file(&secret.path);
        }
    }

    /// Where something is mounted.
    pub(in crate::build) fn targets(&self) -> impl Iterator<Item = &Path> {
        let binds = self.binds.iter().map(|bind| &*bind.destination);
        binds.chain(self.memory.iter().map(|tmpfs| &*tmpfs.destination))
    }
}

impl Around {
    /// Makes each ready in `place`, or finds where it lies.
    pub(in crate::build) fn make_ready(
        &self,
        stages: &Stages<'_>,
        place: &Path,
    ) -> Result<Ready, Fault> {
        let variables = self.variables.iter();
        let mut ready = Ready {
            binds: Vec::new(),
            memory: Vec::new(),
            variables: variables
                .map(|one| format!("{}={}", one.name, one.value))
                .collect(),
            secrets: Vec::new(),
            _alone: Vec::new(),
        };
        // Nobody waits for a cache while this copies files.
        let own = |index: usize| place.join(format!("mount-{index}"));
        for (index, mount) in self.mounted.iter().enumerate() {
            if let What::Files { files, .. } = &mount.what {
                files.copy_to(&own(index))?;
            }
        }
        let mut caches = Caches::of(&self.mounted);
        caches.take(stages)?;
        for (index, mount) in self.mounted.iter().enumerate() {
            let own = own(index);
            let (source, read_only) = match &mount.what {
                What::Memory(size) => {
                    ready.memory.push(Tmpfs {
                        destination: mount.target.clone(),
                        size: *size,
                    });
                    continue;
                }
                What::Files { writable, .. } => (own, !writable),
                What::Cache {
                    id,
                    read_only,
                    from,
                    ..
                } => (caches.path(id, from.as_ref()), *read_only),
                What::Secret { value, owner, .. } => {
                    ready.secrets.push(Secret {
                        path: own.clone(),
                        value: value.clone(),
                        owner: *owner,
                    });
                    (own, true)
                }
                What::Agent { socket, .. } => (socket.clone(), false),
            };
            ready.binds.push(Bind {
                source,
                destination: mount.target.clone(),
                read_only,
            });
        }
        ready._alone = caches.held();
        Ok(ready)
    }
}

/// Gives what was made the owner and mode that were asked for.
pub(super) fn give(path: &Path, owner: &Owner, usual: u32) -> Result<(), Fault> {
    let failed = |error: std::io::Error| {
        let (uid, gid) = (owner.uid, owner.gid);
        Fault::new(format!("a mount cannot be given to {uid}:{gid}: {error}"))
    };
    if (owner.uid, owner.gid) != (0, 0) {
        chown(path, Some(owner.uid), Some(owner.gid)).map_err(failed)?;
    }
    let mode = Permissions::from_mode(owner.mode.unwrap_or(usual));
    fs::set_permissions(path, mode).map_err(failed)
}

impl Files {
    /// Copies them to `to`, and sees that they are still those that the key names.
    pub(super) fn copy_to(&self, to: &Path) -> Result<(), Fault> {
        copy_out(&self.source, &self.selected, to)?;
        match self.may_change && digest(&self.source, &self.selected)? != self.digest {
            true => Err(Fault::new(CHANGED)),
            false => Ok(()),
        }
    }
}

/// Copies what was selected of a tree to `to`, so that a program may even write to
/// it. In one tree no link is in the way of what is below it.
fn copy_out(source: &Source, selected: &Selected, to: &Path) -> Result<(), Fault> {
    let failed =
        |error: std::io::Error| Fault::new(format!("cannot copy to {}: {error}", to.display()));
    let mut directories = Vec::new();
    for item in source.walk(selected)? {
        let at = match item.relative.as_os_str().is_empty() {
            true => to.to_owned(),
            false => to.join(&item.relative),
        };
        let metadata = &item.found.metadata;
        if let Some(parent) = at.parent() {
            fs::create_dir_all(parent).map_err(failed)?;
        }
        if metadata.is_dir() {
            fs::create_dir_all(&at).map_err(failed)?;
            directories.push((at.clone(), item.found.metadata.clone()));
        } else if metadata.is_symlink() {
            symlink(item.link()?, &at).map_err(failed)?;
        } else if metadata.is_file() {
            fs::copy(&item.found.place, &at).map_err(failed)?;
        } else {
            continue;
        }
        if item.owner != (0, 0) {
            lchown(&at, Some(item.owner.0), Some(item.owner.1)).map_err(failed)?;
        }
        if metadata.is_file() {
            keep_facts(&at, metadata).map_err(failed)?;
        }
    }
    // Last, from below: some could not be written to any more, and what is made in
    // one changes its time.
    for (directory, metadata) in directories.iter().rev() {
        keep_facts(directory, metadata).map_err(failed)?;
    }
    Ok(())
}

/// Gives a copy the time and the mode that the file has: a change of the owner takes
/// some of the mode away.
fn keep_facts(copy: &Path, of: &fs::Metadata) -> std::io::Result<()> {
    let times = FileTimes::new().set_modified(of.modified()?);
    File::open(copy)?.set_times(times)?;
    fs::set_permissions(copy, Permissions::from_mode(of.mode() & 0o7777))
}
