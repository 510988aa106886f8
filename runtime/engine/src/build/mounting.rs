//! `RUN --mount`: what a program finds while it runs, and the layer does not have.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::source::Source;
use super::stage::Stages;
use super::state::State;
use crate::dockerfile::ignore::Ignore;
use crate::dockerfile::{self, Mount, Owner, Sharing};
use crate::run::Bind;

/// Where a secret lies unless said otherwise.
const SECRETS: &str = "/run/secrets";

/// A mount whose files are known.
#[derive(Debug)]
pub(super) struct Mounted {
    target: PathBuf,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Files of a tree, by what they hold.
    Files {
        source: Source,
        path: PathBuf,
        digest: String,
        writable: bool,
    },
    /// A directory that stays.
    Cache {
        id: String,
        read_only: bool,
        owner: Owner,
        /// One build at a time has it.
        alone: bool,
    },
    /// An empty directory.
    Scratch,
    /// Something that must not be in the image, nor in a key.
    Secret {
        id: String,
        value: Vec<u8>,
        owner: Owner,
    },
}

/// What is mounted, and what must live as long.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) binds: Vec<Bind>,
    /// Open for their locks.
    _alone: Vec<File>,
}

impl Mounted {
    /// What a step depends on of it.
    pub(super) fn key(&self) -> String {
        let what = match &self.what {
            What::Files {
                digest, writable, ..
            } => format!("files {digest} {writable}"),
            // What a cache holds must not matter, nor a secret's value.
            What::Cache {
                id,
                read_only,
                owner,
                ..
            } => format!("cache {id} {read_only} {owner:?}"),
            What::Scratch => "scratch".to_owned(),
            What::Secret { id, owner, .. } => format!("secret {id} {owner:?}"),
        };
        format!("{what} at {}", self.target.display())
    }
}

impl Stages<'_> {
    /// The mounts of a `RUN`, their variables replaced and their files found.
    pub(super) fn mounts(
        &self,
        state: &State<'_>,
        asked: &dockerfile::Run,
    ) -> Result<Vec<Mounted>, Fault> {
        let mut mounted = Vec::new();
        for options in &asked.mounts {
            let mount = options.resolve(&|name| state.scope.lookup(name), state.escape())?;
            mounted.extend(self.find(state, mount)?);
        }
        Ok(mounted)
    }

    fn find(&self, state: &State<'_>, mount: Mount) -> Result<Option<Mounted>, Fault> {
        let at = |target: &str, what| {
            let target = state.within(target);
            Ok(Some(Mounted { target, what }))
        };
        match mount {
            Mount::Bind {
                target,
                source,
                from,
                writable,
            } => {
                let tree = self.source(from.as_deref())?;
                // Of several trees laid over each other one could lead out of another.
                let one = tree.one(&source)?;
                let path = one.path.clone();
                let digest = tree.digest(&[one], &Ignore::default())?.to_string();
                let what = What::Files {
                    source: tree,
                    path,
                    digest,
                    writable,
                };
                at(&target, what)
            }
            Mount::Cache {
                target,
                id,
                sharing,
                read_only,
                from,
                owner,
                ..
            } => {
                if from.is_some() {
                    return Err(Fault::new(
                        "a cache that is filled (from=) cannot be made yet",
                    ));
                }
                let alone = sharing == Sharing::Locked;
                at(
                    &target,
                    What::Cache {
                        id,
                        read_only,
                        owner,
                        alone,
                    },
                )
            }
            Mount::Tmpfs { size: Some(_), .. } => Err(Fault::new(
                "the size of a tmpfs cannot be held yet: leave size= out",
            )),
            Mount::Tmpfs { target, .. } => at(&target, What::Scratch),
            Mount::Secret {
                id,
                target,
                variable,
                required,
                owner,
            } => {
                if variable.is_some() {
                    return Err(Fault::new(
                        "a secret in a variable (env=) cannot be given yet",
                    ));
                }
                let Some(value) = self.request.secrets.get(&id).cloned() else {
                    return match required {
                        true => Err(Fault::new(format!(
                            "it needs secret `{id}`: give it with --secret id={id},src=FILE"
                        ))),
                        false => Ok(None),
                    };
                };
                let target = target.unwrap_or_else(|| format!("{SECRETS}/{id}"));
                at(&target, What::Secret { id, value, owner })
            }
            Mount::Ssh { id, .. } => Err(Fault::new(format!(
                "the agent `{id}` of --mount=type=ssh cannot be handed on yet"
            ))),
        }
    }
}

/// Makes each ready in `place`, or finds where it lies.
pub(super) fn mount_all(
    stages: &Stages<'_>,
    mounts: &[Mounted],
    place: &Path,
) -> Result<Ready, Fault> {
    let mut binds = Vec::new();
    let mut alone_with = Vec::new();
    for (index, mount) in mounts.iter().enumerate() {
        let own = place.join(format!("mount-{index}"));
        let failed =
            |error: std::io::Error| Fault::new(format!("cannot make {}: {error}", own.display()));
        let (source, read_only) = match &mount.what {
            What::Files {
                source,
                path,
                writable,
                ..
            } => {
                copy_out(source, path, &own)?;
                (own, !writable)
            }
            What::Cache {
                id,
                read_only,
                owner,
                alone,
            } => {
                let (cache, is_new) = stages.store.cache_directory(id)?;
                if is_new {
                    give(&cache, owner, 0o755)?;
                }
                if *alone {
                    let held = File::open(&cache).map_err(failed)?;
                    held.lock().map_err(failed)?;
                    alone_with.push(held);
                }
                (cache, *read_only)
            }
            What::Scratch => {
                fs::create_dir(&own).map_err(failed)?;
                (own, false)
            }
            What::Secret { value, owner, .. } => {
                let mut options = File::options();
                options.write(true).create_new(true).mode(0o600);
                let file = options.open(&own);
                let written = file.and_then(|mut file| file.write_all(value));
                written.map_err(failed)?;
                give(&own, owner, 0o400)?;
                (own, true)
            }
        };
        binds.push(Bind {
            source,
            destination: mount.target.clone(),
            read_only,
        });
    }
    Ok(Ready {
        binds,
        _alone: alone_with,
    })
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
