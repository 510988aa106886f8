//! `COPY`, `ADD` and `WORKDIR` as steps: what they depend on, and what they make.

use super::copy::{Copying, write_directory};
use super::fault::Fault;
use super::key::Key;
use super::source::Source;
use super::stage::Stages;
use super::state::State;
use super::{At, epoch};
use crate::account;
use crate::dockerfile::ignore::Ignore;
use crate::dockerfile::{Add, Copy, Source as From, Sources, Template};
use crate::image::{Descriptor, Digest};
use crate::stack::Stack;
use crate::store::Step;

/// More of a file that says who is who than any image has, in bytes.
const LONGEST_USERS: u64 = 4 << 20;

/// What `COPY` and `ADD` have in common.
pub(super) struct Asked<'a> {
    sources: &'a Sources,
    from: Option<&'a str>,
    chown: Option<&'a Template>,
    chmod: Option<&'a Template>,
    exclude: &'a [Template],
    parents: bool,
    /// Archives are unpacked, and addresses fetched.
    adds: bool,
    /// A flag of `ADD` that is not done.
    refused: Option<&'static str>,
}

impl<'a> std::convert::From<&'a Copy> for Asked<'a> {
    fn from(copy: &'a Copy) -> Self {
        Self {
            sources: &copy.sources,
            from: copy.from.as_deref(),
            chown: copy.chown.as_ref(),
            chmod: copy.chmod.as_ref(),
            exclude: &copy.exclude,
            parents: copy.parents,
            adds: false,
            refused: None,
        }
    }
}

impl<'a> std::convert::From<&'a Add> for Asked<'a> {
    fn from(add: &'a Add) -> Self {
        Self {
            sources: &add.sources,
            from: None,
            chown: add.chown.as_ref(),
            chmod: add.chmod.as_ref(),
            exclude: &add.exclude,
            parents: false,
            adds: true,
            refused: match add {
                Add {
                    checksum: Some(_), ..
                } => Some("--checksum"),
                Add {
                    keep_git_dir: true, ..
                } => Some("--keep-git-dir"),
                Add {
                    unpack: Some(true), ..
                } => Some("--unpack"),
                _ => None,
            },
        }
    }
}

impl Stages<'_> {
    pub(super) fn copy(
        &self,
        state: &State<'_>,
        asked: &Asked<'_>,
        at: At<'_>,
    ) -> Result<Step, Fault> {
        let source = self.source(asked.from)?;
        let copying = resolve(state, asked, &source)?;
        let mut key = Key::new("copy", state.layers.iter().map(|(_, diff_id)| diff_id));
        let digest = source.digest(&copying.paths, &copying.without)?;
        key.say("content", digest.to_string());
        let owner = state.expand_some(asked.chown)?;
        let told = [
            ("to", copying.to.clone()),
            ("owner", owner.clone().unwrap_or_default()),
            ("mode", format!("{:?}", copying.mode)),
            (
                "parents",
                format!("{:?} {:?}", copying.parents, copying.paths),
            ),
            ("inline", format!("{:?}", copying.inline)),
            ("epoch", format!("{:?}", copying.latest)),
        ];
        for (name, value) in told {
            key.say(name, value);
        }
        let layers = state.layers.clone();
        self.step(
            key,
            "the same files were copied onto the same layers",
            at,
            || {
                let below = self.stack(&layers)?;
                let owner = owner.map(|owner| who(&owner, &below)).transpose()?;
                let copying = Copying { owner, ..copying };
                let (paths, without) = (copying.paths.clone(), copying.without.clone());
                let layer = self.layer_of(|out| copying.write(&below, out).map_err(Fault::from))?;
                // Under this key no other files may be kept.
                match source.digest(&paths, &without)? == digest {
                    true => Ok(layer),
                    false => Err(Fault::new(
                        "the files changed while they were copied: build again",
                    )),
                }
            },
        )
    }

    /// The directory of a `WORKDIR`, where it is not there yet.
    pub(super) fn make_directory(
        &self,
        state: &State<'_>,
        at: At<'_>,
    ) -> Result<Option<Step>, Fault> {
        let directory = state.directory();
        if directory.parent().is_none() {
            return Ok(None);
        }
        let below = self.stack(&state.layers)?;
        let there = below.look(&below.resolve(&directory, true)?)?;
        if there.is_some_and(|there| there.metadata.is_dir()) {
            return Ok(None);
        }
        let mut key = Key::new("workdir", state.layers.iter().map(|(_, diff_id)| diff_id));
        key.say("directory", directory.as_os_str().as_encoded_bytes());
        key.say("epoch", format!("{:?}", epoch()));
        let made = self.step(key, "it was made upon the same layers", at, || {
            self.layer_of(|out| {
                write_directory(&directory, &below, epoch(), out).map_err(Fault::from)
            })
        });
        made.map(Some)
    }

    /// Packs the archive that `write` writes.
    pub(super) fn layer_of(
        &self,
        write: impl FnOnce(&mut crate::store::LayerWriter<'_>) -> Result<(), Fault>,
    ) -> Result<(Descriptor, Digest), Fault> {
        let mut layer = self.store.new_layer()?;
        write(&mut layer)?;
        Ok(layer.finish()?)
    }
}

/// Replaces the variables and finds the files.
fn resolve<'a>(
    state: &State<'_>,
    asked: &Asked<'_>,
    source: &'a Source,
) -> Result<Copying<'a>, Fault> {
    if let Some(flag) = asked.refused {
        return Err(Fault::new(format!(
            "{flag} of ADD cannot be done yet: leave it out"
        )));
    }
    let mut paths = Vec::new();
    let mut inline = Vec::new();
    for from in &asked.sources.sources {
        match from {
            From::Path(path) => {
                let path = state.expand(path)?;
                if asked.adds && (path.contains("://") || path.starts_with("git@")) {
                    return Err(Fault::new(
                        "ADD cannot fetch yet: fetch it with RUN, or into the build context first",
                    ));
                }
                let selected = source.select(&path)?;
                if asked.adds && selected.iter().any(|one| source.is_archive(&one.path)) {
                    return Err(Fault::new(
                        "ADD cannot unpack archives yet: unpack it with RUN, or COPY it as it is",
                    ));
                }
                paths.extend(selected);
            }
            From::Inline(file) => {
                let content = file.content(&|name| state.scope.lookup(name))?;
                inline.push((file.name().to_owned(), content));
            }
        }
    }
    let destination = state.expand(&asked.sources.destination)?;
    let slash = match destination.ends_with('/') || destination == "." {
        true => "/",
        false => "",
    };
    let to = state.within(&destination);
    let to = format!("{}{slash}", to.display().to_string().trim_end_matches('/'));
    let exclude: Vec<String> = asked
        .exclude
        .iter()
        .map(|pattern| state.expand(pattern))
        .collect::<Result<_, _>>()?;
    let without = Ignore::of_patterns(exclude.iter().map(String::as_str));
    Ok(Copying {
        from: source,
        paths,
        inline,
        to: if to.is_empty() { "/".to_owned() } else { to },
        owner: None,
        mode: mode(state.expand_some(asked.chmod)?.as_deref())?,
        without: without.map_err(|problems| Fault::new(problems.to_string()))?,
        parents: asked.parents,
        latest: epoch(),
    })
}

/// `--chmod`.
fn mode(text: Option<&str>) -> Result<Option<u32>, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let octal = u32::from_str_radix(text, 8).ok();
    match octal.filter(|mode| *mode <= 0o7777) {
        Some(mode) => Ok(Some(mode)),
        None => Err(Fault::new(format!(
            "--chmod={text} is no mode: write it as 0755"
        ))),
    }
}

/// User and group of `--chown`, by the image's own files. A user alone is his own
/// group, as docker has it.
fn who(text: &str, below: &Stack) -> Result<(u32, u32), Fault> {
    let file = |path: &str| {
        let read = below.read(path.as_ref(), LONGEST_USERS)?;
        Ok::<_, Fault>(read.unwrap_or_default())
    };
    let (passwd, group) = (file("/etc/passwd")?, file("/etc/group")?);
    let both = match text.contains(':') {
        true => text.to_owned(),
        false => format!("{text}:{text}"),
    };
    let account = match account::resolve(&both, &[], &passwd, &group) {
        Err(_) if !text.contains(':') => account::resolve(text, &[], &passwd, &group)?,
        account => account?,
    };
    Ok((account.uid, account.gid))
}
