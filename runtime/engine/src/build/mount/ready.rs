//! Making ready what is mounted: each in a place of its own, or where it lies.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Around, Files, What};
use crate::build::fault::Fault;
use crate::build::source::Source;
use crate::build::stage::{Stages, interrupted};
use crate::dockerfile::{Owner, Sharing};
use crate::error::Error;
use crate::run::{Bind, Settings, Tmpfs};

/// How often it is asked whether somebody else's cache is free.
const OFTEN: Duration = Duration::from_millis(50);

/// What is mounted, and what must live as long.
#[derive(Debug)]
pub(crate) struct Ready {
    binds: Vec<Bind>,
    memory: Vec<Tmpfs>,
    variables: Vec<String>,
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
            _alone: Vec::new(),
        };
        for (index, mount) in self.mounted.iter().enumerate() {
            let own = place.join(format!("mount-{index}"));
            let (source, read_only) = match &mount.what {
                What::Memory(size) => {
                    ready.memory.push(Tmpfs {
                        destination: mount.target.clone(),
                        size: *size,
                    });
                    continue;
                }
                What::Files { files, writable } => {
                    copy_out(&files.source, &files.path, &own)?;
                    (own, !writable)
                }
                What::Cache {
                    id,
                    read_only,
                    owner,
                    sharing,
                    from,
                } => {
                    let cache = Cache {
                        id,
                        owner,
                        from: from.as_ref(),
                    };
                    let (path, held) = cache.had(stages, *sharing)?;
                    ready._alone.extend(held);
                    (path, *read_only)
                }
                What::Secret { value, owner, .. } => {
                    let mut options = File::options();
                    options.write(true).create_new(true).mode(0o600);
                    let file = options.open(&own);
                    let written = file.and_then(|mut file| file.write_all(value));
                    written.map_err(Error::write(&own))?;
                    give(&own, owner, 0o400)?;
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
        Ok(ready)
    }
}

/// A directory that stays.
struct Cache<'a> {
    id: &'a str,
    owner: &'a Owner,
    from: Option<&'a Files>,
}

impl Cache<'_> {
    /// Where it lies, and what holds it, where it is had alone.
    fn had(&self, stages: &Stages<'_>, sharing: Sharing) -> Result<(PathBuf, Option<File>), Fault> {
        let mut number = 0;
        loop {
            let path = self.directory(stages, number)?;
            if sharing == Sharing::Shared {
                return Ok((path, None));
            }
            let held = File::open(&path).map_err(Error::read(&path))?;
            if held.try_lock().is_ok() {
                return Ok((path, Some(held)));
            }
            if stages.is_unwanted() {
                return Err(interrupted());
            }
            match sharing {
                // Whoever comes while others have theirs gets another.
                Sharing::Private => number += 1,
                Sharing::Locked | Sharing::Shared => std::thread::sleep(OFTEN),
            }
        }
    }

    /// The one of this number, made where it is not there.
    fn directory(&self, stages: &Stages<'_>, number: u32) -> Result<PathBuf, Fault> {
        let mut id = self.id.to_owned();
        if let Some(files) = self.from {
            id += &format!(" upon {}", files.digest);
        }
        if number > 0 {
            id += &format!(" for {number} more");
        }
        stages.store.cache_directory(&id, |new| {
            if let Some(files) = self.from {
                copy_out(&files.source, &files.path, new)?;
            }
            give(new, self.owner, 0o755)
        })
    }
}

/// Gives what was made the owner and mode that were asked for.
fn give(path: &Path, owner: &Owner, usual: u32) -> Result<(), Fault> {
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

/// Copies what lies at `path` of a tree to `to`, so that a program may even write to
/// it. In one tree no link is in the way of what is below it.
fn copy_out(source: &Source, path: &Path, to: &Path) -> Result<(), Fault> {
    let failed =
        |error: std::io::Error| Fault::new(format!("cannot copy to {}: {error}", to.display()));
    let mut directories = Vec::new();
    for item in source.walk(path)? {
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
            let mode = Permissions::from_mode(metadata.mode() & 0o7777);
            directories.push((at.clone(), mode));
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
    }
    // Last: some could not be written to any more.
    for (directory, mode) in directories {
        fs::set_permissions(directory, mode).map_err(failed)?;
    }
    Ok(())
}
