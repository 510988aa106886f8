//! `COPY`, as an archive: what lies where afterwards is written straight into the
//! layer, and nothing is copied on the disk first.
//!
//! A layer that brings `/tmp/x` has to say what `/tmp` is, too: on overlay the
//! topmost layer's directory counts, with its mode and owner. So every directory
//! above what is copied is told again, as it is.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tar::{Builder, EntryType, Header};

use super::mode::Chmod;
use super::source::{Item, Selected, Source, capability, leaves_out};
use crate::dockerfile::ignore::Ignore;
use crate::error::{Error, Result};
use crate::stack::Stack;

/// A copy whose every variable is replaced.
#[derive(Debug)]
pub(super) struct Copying {
    /// What is copied.
    pub(super) parts: Vec<Part>,
    /// Files that stand in the Dockerfile: name and content.
    pub(super) inline: Vec<(String, String)>,
    /// Where to; absolute. A slash at its end makes it a directory.
    pub(super) to: String,
    /// `--chown`.
    pub(super) owner: Option<(u32, u32)>,
    /// `--chmod`.
    pub(super) mode: Option<Chmod>,
    /// `--exclude`.
    pub(super) without: Ignore,
    /// `--parents`: the directories of what is named are kept.
    pub(super) parents: bool,
    /// No time is later, in seconds since 1970.
    pub(super) latest: Option<u64>,
}

/// Files of a tree.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) tree: Source,
    pub(super) selected: Selected,
    /// No time of it is later, in seconds since 1970.
    pub(super) latest: Option<u64>,
}

/// What is written at a path.
struct Planned {
    kind: Kind,
    mode: u32,
    owner: (u32, u32),
    modified: u64,
    /// `security.capability`: what its program may do.
    capability: Option<Vec<u8>>,
}

enum Kind {
    Directory,
    File(Box<Item>),
    Bytes(Vec<u8>),
    Link(PathBuf),
    /// A device of this number, or a fifo.
    Node(EntryType, u64),
}

/// What a layer brings, parents before what is in them.
type Plan = BTreeMap<PathBuf, Planned>;

impl Copying {
    /// Writes the layer that this copy makes upon `below`.
    ///
    /// # Errors
    /// [`Error::Outside`] where a directory would replace a file or the other way
    /// round; [`Error::Read`] for a source; [`Error::Write`].
    pub(super) fn write(self, below: &Stack, out: impl Write) -> Result<()> {
        let latest = self.latest;
        let mut builder = Builder::new(out);
        for (path, planned) in self.plan(below)? {
            append(&mut builder, &path, planned, latest)?;
        }
        builder.finish().map_err(not_written)
    }

    fn plan(self, below: &Stack) -> Result<Plan> {
        let to = below.resolve(Path::new(&self.to), true)?;
        let mut walks = Vec::new();
        for part in &self.parts {
            walks.push((part, part.tree.walk(&part.selected)?));
        }
        let is_directory = |path: &Path| {
            let found = below.look(path)?;
            Ok::<_, Error>(found.is_some_and(|found| found.metadata.is_dir()))
        };
        let into = self.to.ends_with('/')
            || walks.len() + self.inline.len() > 1
            || self.parents
            || is_directory(&to)?;
        let mut planning = Planning {
            below,
            plan: Plan::new(),
            owner: self.owner.unwrap_or((0, 0)),
        };
        for (part, items) in walks {
            let path = &part.selected.named;
            let top = match items.first() {
                Some(first) if first.found.metadata.is_dir() => to.clone(),
                _ if into => to.join(path.file_name().unwrap_or_default()),
                _ => to.clone(),
            };
            // What the parents are in is not copied itself.
            for item in items.into_iter().skip(usize::from(self.parents)) {
                if !leaves_out(&self.without, &item) {
                    let at = match item.relative.as_os_str().is_empty() {
                        true => top.clone(),
                        false => top.join(&item.relative),
                    };
                    planning.put_item(&at, item, &self, (&part.tree, part.latest))?;
                }
            }
        }
        for (name, content) in &self.inline {
            let at = if into { to.join(name) } else { to.clone() };
            planning.put(
                &at,
                Planned {
                    kind: Kind::Bytes(content.clone().into_bytes()),
                    mode: self.mode_of(0o644, false),
                    owner: self.owner.unwrap_or((0, 0)),
                    modified: self.latest.unwrap_or_else(now),
                    capability: None,
                },
            )?;
        }
        Ok(planning.plan)
    }

    fn mode_of(&self, mode: u32, is_directory: bool) -> u32 {
        let chmod = self.mode.as_ref();
        chmod.map_or(mode, |chmod| chmod.of(mode, is_directory))
    }
}

/// Writes the layer that makes `directory` upon `below`, and those above it that are
/// missing, for `owner`.
///
/// # Errors
/// [`Error::Outside`] where a file is in its way; [`Error::Write`].
pub(super) fn write_directory(
    directory: &Path,
    owner: (u32, u32),
    below: &Stack,
    latest: Option<u64>,
    out: impl Write,
) -> Result<()> {
    let mut planning = Planning {
        below,
        plan: Plan::new(),
        owner,
    };
    let directory = below.resolve(directory, true)?;
    planning.make_parents(&directory.join("what is in it"))?;
    let mut builder = Builder::new(out);
    for (path, planned) in planning.plan {
        append(&mut builder, &path, planned, latest)?;
    }
    builder.finish().map_err(not_written)
}

struct Planning<'a> {
    below: &'a Stack,
    plan: Plan,
    /// Of directories that have to be made.
    owner: (u32, u32),
}

impl Planning<'_> {
    fn put_item(
        &mut self,
        at: &Path,
        item: Item,
        copying: &Copying,
        (tree, latest): (&Source, Option<u64>),
    ) -> Result<()> {
        let metadata = &item.found.metadata;
        let told = Planned {
            kind: Kind::Directory,
            mode: copying.mode_of(metadata.mode() & 0o7777, metadata.is_dir()),
            owner: copying.owner.unwrap_or(item.owner),
            modified: seconds(metadata.mtime()).min(latest.unwrap_or(u64::MAX)),
            capability: None,
        };
        let kind = metadata.file_type();
        if kind.is_dir() {
            let is_top = item.relative.as_os_str().is_empty();
            return self.put_directory(at, told, is_top);
        }
        if kind.is_symlink() {
            let kind = Kind::Link(item.link()?);
            return self.put(
                at,
                Planned {
                    kind,
                    mode: 0o777,
                    ..told
                },
            );
        }
        if !kind.is_file() {
            let Some(node) = node(&item, tree) else {
                return Err(Error::Outside {
                    path: item.found.place,
                    reason: "it is no file, link or directory, and cannot be copied: a line of \
                             .dockerignore leaves it out",
                });
            };
            return self.put(at, Planned { kind: node, ..told });
        }
        let capability = capability(&item.found.place);
        let kind = Kind::File(Box::new(item));
        self.put(
            at,
            Planned {
                kind,
                capability,
                ..told
            },
        )
    }

    /// A directory that is there stays as it is where it is what was named, and becomes
    /// what the source's is below that: as docker has it. What a link of the image leads
    /// to is not among what is copied.
    fn put_directory(&mut self, at: &Path, told: Planned, is_top: bool) -> Result<()> {
        let to = self.below.resolve(at, true)?;
        let is_there = self.is_planned(&to)? || self.exists(&to)?;
        if is_there && (is_top || self.below.resolve(at, false)? != to) {
            return Ok(());
        }
        self.make_parents(&to)?;
        self.plan.insert(to, told);
        Ok(())
    }

    /// Anything but a directory, in place of what is there.
    fn put(&mut self, at: &Path, planned: Planned) -> Result<()> {
        let (Some(parent), Some(name)) = (at.parent(), at.file_name()) else {
            return Err(is_directory(at));
        };
        let at = self.below.resolve(parent, true)?.join(name);
        let there = self.below.look(&at)?;
        let replaces_directory = there.is_some_and(|found| found.metadata.is_dir())
            || matches!(
                self.plan.get(&at),
                Some(Planned {
                    kind: Kind::Directory,
                    ..
                })
            );
        if replaces_directory {
            return Err(is_directory(&at));
        }
        self.make_parents(&at)?;
        self.plan.insert(at, planned);
        Ok(())
    }

    fn make_parents(&mut self, at: &Path) -> Result<()> {
        let mut above: Vec<&Path> = at.ancestors().skip(1).collect();
        above.reverse();
        for directory in above.into_iter().skip(1) {
            if self.is_planned(directory)? || self.exists(directory)? {
                continue;
            }
            let made = Planned {
                kind: Kind::Directory,
                mode: 0o755,
                owner: self.owner,
                modified: now(),
                capability: None,
            };
            self.plan.insert(directory.to_owned(), made);
        }
        Ok(())
    }

    /// Whether a directory is brought already; a file of the same name is an error.
    fn is_planned(&self, directory: &Path) -> Result<bool> {
        match self.plan.get(directory).map(|planned| &planned.kind) {
            Some(Kind::Directory) => Ok(true),
            Some(_) => Err(is_no_directory(directory)),
            None => Ok(false),
        }
    }

    /// Whether a directory is there, which is told again then.
    fn exists(&mut self, directory: &Path) -> Result<bool> {
        let Some(found) = self.below.look(directory)? else {
            return Ok(false);
        };
        let metadata = &found.metadata;
        if !metadata.is_dir() {
            return Err(is_no_directory(directory));
        }
        if directory.parent().is_some() {
            let told = Planned {
                kind: Kind::Directory,
                mode: metadata.mode() & 0o7777,
                owner: self.below.owner(metadata),
                modified: seconds(metadata.mtime()),
                capability: None,
            };
            self.plan.insert(directory.to_owned(), told);
            self.make_parents(directory)?;
        }
        Ok(true)
    }
}

/// A device or a fifo, where files of this tree are meant with all that they are: an
/// image's, or an archive's.
fn node(item: &Item, tree: &Source) -> Option<Kind> {
    let metadata = &item.found.metadata;
    let kind = metadata.file_type();
    let kind = match () {
        () if !tree.keeps_owners() => return None,
        () if kind.is_char_device() => EntryType::Char,
        () if kind.is_block_device() => EntryType::Block,
        () if kind.is_fifo() => EntryType::Fifo,
        () => return None,
    };
    Some(Kind::Node(kind, metadata.rdev()))
}

fn is_no_directory(path: &Path) -> Error {
    Error::Outside {
        path: path.to_owned(),
        reason: "it is no directory in the image, and something would be copied below it",
    }
}

fn is_directory(path: &Path) -> Error {
    Error::Outside {
        path: path.to_owned(),
        reason: "it is a directory in the image, and a file would be copied in its place",
    }
}

fn append<W: Write>(
    builder: &mut Builder<W>,
    path: &Path,
    planned: Planned,
    latest: Option<u64>,
) -> Result<()> {
    let inside = path.strip_prefix("/").unwrap_or(path);
    if let Some(capability) = &planned.capability {
        let record = ("SCHILY.xattr.security.capability", &capability[..]);
        builder
            .append_pax_extensions([record])
            .map_err(not_written)?;
    }
    let mut header = Header::new_gnu();
    header.set_mode(planned.mode);
    header.set_uid(planned.owner.0.into());
    header.set_gid(planned.owner.1.into());
    header.set_mtime(planned.modified.min(latest.unwrap_or(u64::MAX)));
    header.set_size(0);
    match planned.kind {
        Kind::Directory => {
            header.set_entry_type(EntryType::Directory);
            let mut name = inside.as_os_str().to_owned();
            name.push("/");
            let appended = builder.append_data(&mut header, name, io::empty());
            appended.map_err(not_written)
        }
        Kind::Link(to) => {
            header.set_entry_type(EntryType::Symlink);
            // As it is: the archive's own way would clean it.
            let bytes = to.as_os_str().as_bytes();
            if header.set_link_name_literal(bytes).is_ok() {
                let appended = builder.append_data(&mut header, inside, io::empty());
                return appended.map_err(not_written);
            }
            let appended = builder.append_link(&mut header, inside, &to);
            appended.map_err(not_written)
        }
        Kind::Node(kind, device) => {
            header.set_entry_type(kind);
            if kind != EntryType::Fifo {
                let set = header
                    .set_device_major(rustix::fs::major(device))
                    .and_then(|()| header.set_device_minor(rustix::fs::minor(device)));
                set.map_err(not_written)?;
            }
            let appended = builder.append_data(&mut header, inside, io::empty());
            appended.map_err(not_written)
        }
        Kind::Bytes(bytes) => {
            header.set_size(bytes.len() as u64);
            let appended = builder.append_data(&mut header, inside, &bytes[..]);
            appended.map_err(not_written)
        }
        Kind::File(item) => {
            use std::io::Read as _;
            let file = item.open()?;
            let bytes = file
                .metadata()
                .map_err(Error::read(&item.found.place))?
                .len();
            header.set_size(bytes);
            let mut content = file.take(bytes);
            let appended = builder.append_data(&mut header, inside, &mut content);
            appended.map_err(not_written)?;
            // A shorter file would shift all that follows in the archive.
            if content.limit() > 0 {
                let shrank = io::Error::other("it became shorter while it was copied");
                return Err(Error::read(&item.found.place)(shrank));
            }
            Ok(())
        }
    }
}

fn seconds(time: i64) -> u64 {
    u64::try_from(time).unwrap_or(0)
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |passed| passed.as_secs())
}

fn not_written(source: io::Error) -> Error {
    Error::Write {
        path: "the layer".into(),
        source,
    }
}

#[cfg(test)]
mod tests;
