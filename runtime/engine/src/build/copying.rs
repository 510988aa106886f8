//! `COPY`, `ADD` and `WORKDIR` as steps: what they depend on, and what they make.

use std::path::Path;

use super::add::{Adding, Piece, Yard};
use super::copy::{Copying, write_directory};
use super::fault::Fault;
use super::key::Key;
use super::mode::Chmod;
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

/// Why what was copied is not what its key says.
pub(super) const CHANGED: &str = "the files changed while they were copied: build again";

/// What `COPY` and `ADD` have in common.
pub(super) struct Asked<'a> {
    sources: &'a Sources,
    from: Option<&'a str>,
    chown: Option<&'a Template>,
    chmod: Option<&'a Template>,
    exclude: &'a [Template],
    parents: bool,
    /// The flags of `ADD`: archives are unpacked then, and addresses fetched.
    adds: Option<&'a Add>,
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
            adds: None,
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
            adds: Some(add),
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
        // What is fetched and unpacked lies here until its layer is written.
        let place = asked.adds.map(|_| self.store.new_place()).transpose()?;
        let mut yard = Yard::new(place.as_ref().map_or(Path::new(""), |place| place.path()));
        let exclude = exclude(state, asked)?;
        let without = Ignore::of_patterns(exclude.iter().map(String::as_str));
        let without = without.map_err(|problems| Fault::new(problems.to_string()))?;
        let pieces = self.pieces(state, asked, &without, &mut yard)?;
        let inline = inline(state, asked)?;
        let to = destination(state, asked)?;
        let mode = state.expand_some(asked.chmod)?;
        let mode = mode.filter(|text| !text.is_empty());
        let mode = mode.map(|text| Chmod::parse(&text)).transpose()?;
        let chown = state.expand_some(asked.chown)?;
        let mut key = Key::new("copy", state.layers.iter().map(|(_, diff_id)| diff_id));
        for piece in &pieces {
            key.say("piece", piece.key());
        }
        for (name, value) in [
            ("to", to.clone()),
            ("owner", chown.clone().unwrap_or_default()),
            ("mode", format!("{mode:?}")),
            // What is fetched or unpacked is known whole, without what stays away.
            ("exclude", format!("{exclude:?}")),
            ("parents", asked.parents.to_string()),
            ("inline", format!("{inline:?}")),
            ("epoch", format!("{:?}", epoch())),
        ] {
            key.say(name, value);
        }
        self.step(
            key,
            "the same files were copied onto the same layers",
            at,
            || {
                let below = self.stack(&state.layers)?;
                let parts = pieces.iter().map(|piece| self.part(piece, &mut yard));
                let copying = Copying {
                    parts: parts.collect::<Result<_, _>>()?,
                    inline,
                    to,
                    owner: chown
                        .map(|user| owner(&user, &Users::of(&below)?))
                        .transpose()?,
                    mode,
                    without: without.clone(),
                    parents: asked.parents,
                    latest: epoch(),
                };
                let layer = self.layer_of(|out| copying.write(&below, out).map_err(Fault::from))?;
                // Under this key no other files may be kept.
                for piece in &pieces {
                    if !piece.is_unchanged(&without)? {
                        return Err(Fault::new(CHANGED));
                    }
                }
                Ok(layer)
            },
        )
    }

    /// What is copied, of which what has to be fetched to be known is there now.
    fn pieces(
        &self,
        state: &State<'_>,
        asked: &Asked<'_>,
        without: &Ignore,
        yard: &mut Yard<'_>,
    ) -> Result<Vec<Piece>, Fault> {
        let source = self.source(asked.from)?;
        let adding = asked.adds.map(|add| {
            let checksum = state.expand_some(add.checksum.as_ref())?;
            Ok::<_, Fault>(Adding {
                checksum: checksum.filter(|text| !text.is_empty()),
                keep_git_dir: add.keep_git_dir,
                unpack: add.unpack,
            })
        });
        let adding = adding.transpose()?;
        let mut pieces = Vec::new();
        for from in &asked.sources.sources {
            let From::Path(path) = from else { continue };
            let path = state.expand(path)?;
            if let Some(adding) = &adding {
                pieces.extend(self.added(&path, adding, &source, without, yard)?);
                continue;
            }
            let selected = match asked.parents {
                true => source.select_below(&path)?,
                false => source.select(&path)?,
            };
            for selected in selected {
                pieces.push(Piece::of_tree(&source, selected, without)?);
            }
        }
        Ok(pieces)
    }

    /// The directory of a `WORKDIR`, where it is not there yet: its user's.
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
        let user = &state.config.config.user;
        // Who is unknown need not stay so, and until then it is root's: as docker has it.
        let owner = owner(user, &Users::of(&below)?).unwrap_or_default();
        let mut key = Key::new("workdir", state.layers.iter().map(|(_, diff_id)| diff_id));
        key.say("directory", directory.as_os_str().as_encoded_bytes());
        key.say("owner", format!("{owner:?}"));
        key.say("epoch", format!("{:?}", epoch()));
        let made = self.step(key, "it was made upon the same layers", at, || {
            self.layer_of(|out| {
                write_directory(&directory, owner, &below, epoch(), out).map_err(Fault::from)
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

/// The files that stand in the Dockerfile: name and content.
fn inline(state: &State<'_>, asked: &Asked<'_>) -> Result<Vec<(String, String)>, Fault> {
    let mut files = Vec::new();
    for from in &asked.sources.sources {
        if let From::Inline(file) = from {
            let content = file.content(&|name| state.scope.lookup(name))?;
            files.push((file.name().to_owned(), content));
        }
    }
    Ok(files)
}

/// Where to, absolute; a directory where it ends with a slash.
fn destination(state: &State<'_>, asked: &Asked<'_>) -> Result<String, Fault> {
    let destination = state.expand(&asked.sources.destination)?;
    let slash = match destination.ends_with('/') || destination == "." {
        true => "/",
        false => "",
    };
    let to = state.within(&destination);
    let to = format!("{}{slash}", to.display().to_string().trim_end_matches('/'));
    Ok(if to.is_empty() { "/".to_owned() } else { to })
}

/// The patterns of `--exclude`.
fn exclude(state: &State<'_>, asked: &Asked<'_>) -> Result<Vec<String>, Fault> {
    let exclude = asked.exclude.iter().map(|pattern| state.expand(pattern));
    exclude.collect()
}

/// The image's own files that say who is who.
struct Users {
    passwd: Vec<u8>,
    group: Vec<u8>,
}

impl Users {
    fn of(below: &Stack) -> Result<Self, Fault> {
        let file = |path: &str| {
            let read = below.read(path.as_ref(), LONGEST_USERS)?;
            Ok::<_, Fault>(read.unwrap_or_default())
        };
        Ok(Self {
            passwd: file("/etc/passwd")?,
            group: file("/etc/group")?,
        })
    }
}

/// User and group of what a user owns. A user alone is his own group, as docker has it.
fn owner(text: &str, users: &Users) -> Result<(u32, u32), Fault> {
    let resolve = |text: &str| account::resolve(text, &[], &users.passwd, &users.group);
    let account = match text.contains(':') {
        true => resolve(text)?,
        false => resolve(&format!("{text}:{text}")).or_else(|_| resolve(text))?,
    };
    Ok((account.uid, account.gid))
}
