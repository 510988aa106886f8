//! `RUN --mount`: what a program finds while it runs, and the layer does not have.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::fault::Fault;
use super::source::Source;
use super::stage::Stages;
use super::state::State;
use crate::dockerfile::ignore::Ignore;
use crate::dockerfile::{self, Mount};
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
        paths: Vec<PathBuf>,
        digest: String,
        writable: bool,
    },
    /// A directory that stays.
    Cache {
        id: String,
        read_only: bool,
        mode: u32,
    },
    /// An empty directory.
    Scratch,
    /// Something that must not be in the image, nor in a key.
    Secret {
        id: String,
        value: Vec<u8>,
        mode: u32,
    },
}

impl Mounted {
    /// What a step depends on of it.
    pub(super) fn key(&self) -> String {
        let what = match &self.what {
            What::Files { digest, .. } => format!("files {digest}"),
            // What a cache holds must not matter, nor a secret's value.
            What::Cache { id, .. } => format!("cache {id}"),
            What::Scratch => "scratch".to_owned(),
            What::Secret { id, .. } => format!("secret {id}"),
        };
        format!("{what} at {}", self.target.display())
    }
}

impl Stages<'_> {
    /// The mounts of a `RUN`, their variables replaced and their files found.
    pub(super) fn mounts(
        &mut self,
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

    fn find(&mut self, state: &State<'_>, mount: Mount) -> Result<Option<Mounted>, Fault> {
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
                let paths = tree.select(&source)?;
                let digest = tree.digest(&paths, &Ignore::default())?.to_string();
                let what = What::Files {
                    source: tree,
                    paths,
                    digest,
                    writable,
                };
                at(&target, what)
            }
            Mount::Cache {
                target,
                id,
                read_only,
                owner,
                ..
            } => {
                let mode = owner.mode.unwrap_or(0o755);
                at(
                    &target,
                    What::Cache {
                        id,
                        read_only,
                        mode,
                    },
                )
            }
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
                let mode = owner.mode.unwrap_or(0o400);
                at(&target, What::Secret { id, value, mode })
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
) -> Result<Vec<Bind>, Fault> {
    let mut binds = Vec::new();
    for (index, mount) in mounts.iter().enumerate() {
        let own = place.join(format!("mount-{index}"));
        let failed =
            |error: std::io::Error| Fault::new(format!("cannot make {}: {error}", own.display()));
        let (source, read_only) = match &mount.what {
            What::Files {
                source,
                paths,
                writable,
                ..
            } => {
                copy_out(source, paths, &own)?;
                (own, !writable)
            }
            What::Cache {
                id,
                read_only,
                mode,
            } => (stages.store.cache_directory(id, *mode)?, *read_only),
            What::Scratch => {
                fs::create_dir(&own).map_err(failed)?;
                (own, false)
            }
            What::Secret { value, mode, .. } => {
                fs::write(&own, value).map_err(failed)?;
                let mode = Permissions::from_mode(*mode);
                fs::set_permissions(&own, mode).map_err(failed)?;
                (own, true)
            }
        };
        binds.push(Bind {
            source,
            destination: mount.target.clone(),
            read_only,
        });
    }
    Ok(binds)
}

/// Copies files of a tree to `to`, so that a program may even write to them.
fn copy_out(source: &Source, paths: &[PathBuf], to: &Path) -> Result<(), Fault> {
    let failed =
        |error: std::io::Error| Fault::new(format!("cannot copy to {}: {error}", to.display()));
    for path in paths {
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
            } else if metadata.is_symlink() {
                symlink(item.link()?, &at).map_err(failed)?;
            } else if metadata.is_file() {
                fs::copy(&item.found.place, &at).map_err(failed)?;
            }
        }
    }
    Ok(())
}
