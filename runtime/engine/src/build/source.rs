//! Where files of a `COPY` come from: the build context, a stage, or an image.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::dockerfile::ignore::{Ignore, clean};
use crate::dockerfile::{Glob, means};
use crate::error::{Error, Result};
use crate::image::{Algorithm, Digest, Hasher};
use crate::stack::{Found, Stack};

/// A tree that files are taken from.
#[derive(Clone, Debug)]
pub(super) struct Source {
    stack: Stack,
    ignore: Ignore,
    /// Whether the files' owners are meant: the owners of a build context are
    /// whoever checked it out.
    keeps_owners: bool,
}

/// A path that a pattern means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selected {
    /// As it is named: what the copy is called.
    pub(super) named: PathBuf,
    /// What that leads to: what is copied.
    pub(super) path: PathBuf,
    /// What below it is meant, where that is not all.
    only: Option<Glob>,
}

/// A file, link or directory to copy.
#[derive(Debug)]
pub(super) struct Item {
    /// Its path from what was named; empty for that itself.
    pub(super) relative: PathBuf,
    pub(super) found: Found,
    pub(super) owner: (u32, u32),
}

impl Source {
    /// A build context.
    pub(super) fn context(root: &Path, ignore: Ignore) -> Self {
        Self {
            stack: Stack::new([root.to_owned()]),
            ignore,
            keeps_owners: false,
        }
    }

    /// The files of a stage or an image.
    pub(super) fn layers(stack: Stack) -> Self {
        Self {
            stack,
            ignore: Ignore::default(),
            keeps_owners: true,
        }
    }

    /// What `pattern` means, in the order of the names; links are followed. A wildcard
    /// may mean nothing, as docker has it: `yarn.lock*` is a file that may be missing.
    ///
    /// # Errors
    /// [`Error::NotFound`] where what it names is not there, be it a directory before a
    /// wildcard, with what leaves it out.
    pub(super) fn select(&self, pattern: &str) -> Result<Vec<Selected>> {
        let mut found = vec![PathBuf::from("/")];
        let mut is_wildcard = false;
        for part in Path::new(pattern).components() {
            let name = match part {
                Component::Normal(name) => name.to_string_lossy(),
                // The root is where it begins, and nothing is above it.
                Component::ParentDir => {
                    for path in &mut found {
                        path.pop();
                    }
                    continue;
                }
                _ => continue,
            };
            let begins = !is_wildcard && has_wildcard(&name);
            is_wildcard |= begins;
            let mut next = Vec::new();
            for directory in found {
                let directory = self.stack.resolve(&directory, true)?;
                // A stage of no layers has no root, either.
                if begins && directory.parent().is_some() && !self.has(&directory)? {
                    return Err(self.not_found(pattern));
                }
                if name.contains(['*', '?', '[', '\\']) {
                    let listed = self.stack.list(&directory)?;
                    let matching = listed.into_iter().filter(|path| {
                        let own = path.file_name().unwrap_or_default();
                        means(&name, &own.to_string_lossy())
                    });
                    next.extend(matching);
                } else {
                    next.push(directory.join(&*name));
                }
            }
            found = next;
        }
        let mut there = Vec::new();
        for named in found {
            // What is named is meant, and not the link to it.
            let path = self.stack.resolve(&named, true)?;
            if self.has(&path)? {
                there.push(Selected {
                    named,
                    path,
                    only: None,
                });
            }
        }
        match there.is_empty() && !is_wildcard {
            true => Err(self.not_found(pattern)),
            false => Ok(there),
        }
    }

    /// What `pattern` of `COPY --parents` means: directories, and what of them. A `/./`
    /// ends the part of it that is not kept, and `**` is any number of directories, which
    /// no link leads into.
    ///
    /// # Errors
    /// As [`Source::select`].
    pub(super) fn select_below(&self, pattern: &str) -> Result<Vec<Selected>> {
        let (root, below) = pattern.split_once("/./").unwrap_or(("", pattern));
        let below = clean(&format!("/{below}"));
        let below = below.trim_start_matches('/');
        let only = match below {
            "" => None,
            below => Some(Glob::parse(below).map_err(|_| self.not_found(pattern))?),
        };
        let mut there = Vec::new();
        for mut selected in self.select(root)? {
            selected.only.clone_from(&only);
            // The walk begins with the directory itself.
            if self.walk(&selected)?.len() > 1 {
                there.push(selected);
            }
        }
        match there.is_empty() && !has_wildcard(pattern) {
            true => Err(self.not_found(pattern)),
            false => Ok(there),
        }
    }

    /// The one thing that lies at `path`, in which nothing is a wildcard.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub(super) fn one(&self, path: &str) -> Result<Selected> {
        let named = Path::new("/").join(path.trim_start_matches('/'));
        let resolved = self.stack.resolve(&named, true)?;
        match self.has(&resolved)? {
            true => Ok(Selected {
                named,
                path: resolved,
                only: None,
            }),
            false => Err(self.not_found(path)),
        }
    }

    /// Whether its files are meant with their owners, and whatever they are.
    pub(super) fn keeps_owners(&self) -> bool {
        self.keeps_owners
    }

    fn not_found(&self, pattern: &str) -> Error {
        let decision = self.ignore.decide(pattern.trim_start_matches('/'));
        let why = match decision.because {
            Some((line, text)) if decision.excluded => {
                format!(", which line {line} of .dockerignore (`{text}`) leaves out")
            }
            _ => String::new(),
        };
        Error::NotFound {
            what: format!("`{pattern}` in {}{why}", self.name()),
        }
    }

    fn name(&self) -> &'static str {
        match self.keeps_owners {
            true => "the stage or image",
            false => "the build context",
        }
    }

    /// Opens what was selected, where it is a regular file.
    pub(super) fn open(&self, selected: &Selected) -> Result<Option<File>> {
        let found = self.stack.look(&selected.path)?;
        let file = found.filter(|found| found.metadata.is_file());
        let opened = file.map(|file| File::open(&file.place).map_err(Error::read(&file.place)));
        opened.transpose()
    }

    /// What was selected and what is meant of all below it, parents first, in the order
    /// of names. A directory that is left out comes along with what is meant below it.
    pub(super) fn walk(&self, selected: &Selected) -> Result<Vec<Item>> {
        self.walk_some(&selected.path, selected.only.as_ref())
    }

    fn walk_some(&self, path: &Path, only: Option<&Glob>) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        // Directories that are left out unless something below them is not, and where
        // they are.
        let mut held: Vec<(PathBuf, Item)> = Vec::new();
        let mut pending = vec![path.to_owned()];
        while let Some(at) = pending.pop() {
            let Some(found) = self.stack.look(&at)? else {
                continue;
            };
            let relative = at.strip_prefix(path).unwrap_or(&at).to_owned();
            let is_directory = found.metadata.is_dir();
            let name = relative.to_string_lossy();
            let is_meant = at == path || only.is_none_or(|only| only.matches_or_contains(&name));
            let may_hold = is_meant || only.is_some_and(|only| only.may_match_below(&name));
            if is_directory && at != path && (!may_hold || self.skips(&at)) {
                continue;
            }
            if is_directory {
                let mut below = self.stack.list(&at)?;
                below.reverse();
                pending.extend(below);
            }
            held.retain(|(above, _)| at.starts_with(above));
            let is_left_out = !is_meant || at != path && self.decides_against(&at);
            if is_left_out && !is_directory {
                continue;
            }
            let owner = match self.keeps_owners {
                true => self.stack.owner(&found.metadata),
                false => (0, 0),
            };
            let item = Item {
                relative,
                found,
                owner,
            };
            if is_left_out {
                held.push((at, item));
            } else {
                items.extend(held.drain(..).map(|(_, above)| above));
                items.push(item);
            }
        }
        Ok(items)
    }

    /// The digest of what a copy of `paths` would copy: names, kinds, modes,
    /// owners where they are meant, and content; never times.
    pub(super) fn digest(&self, paths: &[Selected], without: &Ignore) -> Result<Digest> {
        let mut hasher = Hasher::new(Algorithm::Sha256);
        for selected in paths {
            for item in self.walk(selected)? {
                if !leaves_out(without, &item) {
                    item.digest(&selected.named, &mut hasher)?;
                }
            }
        }
        Ok(hasher.finish())
    }

    /// Whether something lies at `path` that comes along, be it for what is below it.
    fn has(&self, path: &Path) -> Result<bool> {
        let Some(found) = self.stack.look(path)? else {
            return Ok(false);
        };
        if !self.decides_against(path) {
            return Ok(true);
        }
        // The walk begins with the directory itself.
        Ok(found.metadata.is_dir() && !self.skips(path) && self.walk_some(path, None)?.len() > 1)
    }

    fn decides_against(&self, path: &Path) -> bool {
        !self.ignore.is_empty() && self.ignore.decide(&relative(path)).excluded
    }

    fn skips(&self, path: &Path) -> bool {
        !self.ignore.is_empty() && self.ignore.may_skip_directory(&relative(path))
    }
}

/// Whether `--exclude` leaves an item out.
pub(super) fn leaves_out(without: &Ignore, item: &Item) -> bool {
    !without.is_empty() && without.decide(&item.relative.to_string_lossy()).excluded
}

impl Item {
    /// Opens a regular file.
    pub(super) fn open(&self) -> Result<File> {
        File::open(&self.found.place).map_err(Error::read(&self.found.place))
    }

    /// Where a symlink leads.
    pub(super) fn link(&self) -> Result<PathBuf> {
        fs::read_link(&self.found.place).map_err(Error::read(&self.found.place))
    }

    fn digest(&self, from: &Path, hasher: &mut Hasher) -> Result<()> {
        let metadata = &self.found.metadata;
        // What was named, itself: its name is the copy's where it is no directory.
        let own = from.file_name().unwrap_or_default();
        let name = match self.relative.as_os_str().is_empty() {
            true if metadata.is_dir() => Path::new(""),
            true => Path::new(own),
            false => &self.relative,
        };
        let mut field = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        field(name.as_os_str().as_bytes());
        field(&metadata.mode().to_le_bytes());
        field(&self.owner.0.to_le_bytes());
        field(&self.owner.1.to_le_bytes());
        if metadata.is_symlink() {
            field(self.link()?.as_os_str().as_bytes());
        } else if metadata.is_file() {
            field(&capability(&self.found.place).unwrap_or_default());
            field(&metadata.len().to_le_bytes());
            io::copy(&mut self.open()?, hasher).map_err(Error::read(&self.found.place))?;
        } else {
            field(&metadata.rdev().to_le_bytes());
        }
        Ok(())
    }
}

/// What a program may do beyond its user, as the file system keeps it.
pub(super) fn capability(file: &Path) -> Option<Vec<u8>> {
    // `struct vfs_ns_cap_data` is the longest (capability(7)).
    let mut value = [0; 64];
    let name = "security.capability";
    let length = rustix::fs::lgetxattr(file, name, &mut value[..]).ok()?;
    Some(value.get(..length)?.to_vec())
}

/// Whether a name may stand for several, or none.
fn has_wildcard(name: &str) -> bool {
    let mut characters = name.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// A path as a `.dockerignore` has it.
fn relative(path: &Path) -> String {
    path.to_string_lossy().trim_start_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn context(ignore: &str, then: impl FnOnce(&Path, &Source)) {
        let place = tempfile::tempdir().unwrap();
        for path in ["a.py", "b.py", "notes.md", "src/x.py", "src/deep/y.py"] {
            let path = place.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "content").unwrap();
        }
        symlink("a.py", place.path().join("link")).unwrap();
        let ignore = Ignore::parse(ignore.as_bytes()).unwrap();
        then(place.path(), &Source::context(place.path(), ignore));
    }

    fn selected(source: &Source, pattern: &str) -> Vec<String> {
        let paths = source.select(pattern).unwrap();
        paths
            .iter()
            .map(|selected| selected.path.display().to_string())
            .collect()
    }

    fn walked(source: &Source, path: &str) -> Vec<String> {
        let items = source.walk(&source.one(path).unwrap()).unwrap();
        let names = items.iter().map(|item| item.relative.display().to_string());
        names.collect()
    }

    #[test]
    fn names_and_wildcards_mean_what_is_there() {
        context("", |_, source| {
            assert_eq!(selected(source, "*.py"), ["/a.py", "/b.py"]);
            assert_eq!(selected(source, "./src/../a.py"), ["/a.py"]);
            assert_eq!(selected(source, "s*/d??p"), ["/src/deep"]);
            assert_eq!(selected(source, "/link"), ["/a.py"], "what it leads to");
            assert_eq!(
                selected(source, "../../a.py"),
                ["/a.py"],
                "nothing is above"
            );
            assert_eq!(selected(source, "."), ["/"]);
            for nothing in ["c.py", "a.py/x", "none/*", "none/s*/x", r"\*"] {
                let error = source.select(nothing).unwrap_err();
                assert!(error.to_string().contains(nothing), "{error}");
            }
        });
    }

    #[test]
    fn a_wildcard_may_mean_nothing() {
        context("*.md\n*.py", |_, source| {
            for nothing in ["*.rs", "src/?", "[c]", "none*/x", "notes*", "[ab].py"] {
                assert!(selected(source, nothing).is_empty(), "{nothing}");
            }
        });
        let nowhere = Source::layers(Stack::new([]));
        assert!(selected(&nowhere, "/*").is_empty());
    }

    #[test]
    fn what_is_ignored_is_not_there_and_the_error_says_why() {
        context("src\n!src/deep\n*.md", |_, source| {
            assert_eq!(
                walked(source, "/"),
                [
                    "",
                    "a.py",
                    "b.py",
                    "link",
                    "src",
                    "src/deep",
                    "src/deep/y.py"
                ]
            );
            let error = source.select("notes.md").unwrap_err().to_string();
            assert!(
                error.contains("line 3") && error.contains("*.md"),
                "{error}"
            );
        });
    }

    #[test]
    fn an_ignored_directory_is_there_for_what_is_brought_back_from_below_it() {
        for ignore in ["**\n!src/**", "*\n!src/*.py\n!src/deep/*.py"] {
            context(ignore, |_, source| {
                let all = ["", "deep", "deep/y.py", "x.py"];
                assert_eq!(selected(source, "src"), ["/src"], "{ignore}");
                assert_eq!(source.one("src").unwrap().path, Path::new("/src"));
                assert_eq!(walked(source, "/src"), all, "{ignore}");
                assert_eq!(selected(source, "s*"), ["/src"], "{ignore}");
                assert!(source.one("a.py").is_err(), "{ignore}");
            });
        }
        // A line that would bring something back finds nothing there.
        for ignore in ["src\n!src/*.rs", "**\n!src/deep/*.rs"] {
            context(ignore, |_, source| {
                assert!(source.one("src").is_err(), "{ignore}");
                let error = source.select("src").unwrap_err().to_string();
                assert!(error.contains("line 1"), "{error}");
            });
        }
    }

    #[test]
    fn a_digest_changes_with_what_is_copied_and_not_with_times() {
        context("*.md", |root, source| {
            let digest = || {
                let paths = source.select(".").unwrap();
                source.digest(&paths, &Ignore::default()).unwrap()
            };
            let before = digest();
            let time = std::time::SystemTime::UNIX_EPOCH;
            let file = File::options().write(true).open(root.join("a.py")).unwrap();
            file.set_modified(time).unwrap();
            fs::write(root.join("notes.md"), "other").unwrap();
            assert_eq!(digest(), before);
            fs::write(root.join("src/x.py"), "CONTENT").unwrap();
            let changed = digest();
            assert_ne!(changed, before);
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(root.join("a.py"), mode).unwrap();
            assert_ne!(digest(), changed);
            fs::rename(root.join("b.py"), root.join("c.py")).unwrap();
            assert_ne!(digest(), changed);
        });
    }
}
