//! What goes: the files that a RECORD lists, their bytecode, and the directories that are empty
//! without them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;

use super::ground::{Found, Ground};
use super::present::{Owner, Present, is_absence};
use super::{at, named};
use crate::error::{Error, Result};
use crate::requirement::Name;
use crate::wheel::Digest;

/// What is to be moved away, each with all that is in it.
#[derive(Debug, Default)]
pub(crate) struct Removal {
    /// Files, and directories all of whose files go; from the environment's top.
    pub(crate) outs: Vec<String>,
    /// Files that go and that another project had brought before, with its name: what was in
    /// its place was not its own.
    pub(crate) lost: Vec<(String, Name)>,
}

/// A directory of what goes.
#[derive(Debug, Default)]
struct Node {
    files: HashSet<String>,
    directories: BTreeMap<String, Node>,
}

impl Removal {
    pub(crate) fn plan(
        ground: &Ground,
        present: &Present,
        going: &[usize],
        warnings: &mut Vec<String>,
    ) -> Result<Self> {
        let mut paths: HashMap<String, Vec<Digest>> = HashMap::new();
        for (index, distribution) in present.all() {
            if going.contains(&index) {
                for listed in distribution.files(ground)? {
                    paths.entry(listed.path).or_default().extend(listed.digest);
                }
                let info = format!("{}/{}", ground.site, distribution.info);
                // Written there since by others, and of no use without the rest.
                for name in ["RECORD", "INSTALLER", "REQUESTED", "direct_url.json"] {
                    paths.entry(format!("{info}/{name}")).or_default();
                }
            }
        }
        if paths.is_empty() {
            return Ok(Self::default());
        }
        let mut removal = Self::default();
        let mut owners = present.owners(ground, going);
        let mut top = Node::default();
        for (path, digests) in paths {
            match owners.remove(&path) {
                None => top.insert(&path),
                Some(owner) if replaced(ground, &path, &digests, &owner)? => {
                    top.insert(&path);
                    removal.lost.push((path, owner.name));
                }
                Some(_) => {}
            }
        }
        removal.walk(ground, "", &top, None, warnings)?;
        removal.lost.sort_unstable();
        Ok(removal)
    }

    /// Whether all of the directory at `path` goes; if not, what of it goes is noted.
    ///
    /// `sources` are the modules that go and whose bytecode lies in this directory.
    fn walk(
        &mut self,
        ground: &Ground,
        path: &str,
        node: &Node,
        sources: Option<&HashSet<String>>,
        warnings: &mut Vec<String>,
    ) -> Result<bool> {
        let directory = at(ground, path);
        let entries = match fs::read_dir(&directory) {
            Err(error) if is_absence(&error) => return Ok(false),
            entries => entries.map_err(Error::io("read directory", &directory))?,
        };
        let mut stays = false;
        let mut outs = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io("read directory", &directory))?;
            let kind = entry
                .file_type()
                .map_err(Error::io("look at", entry.path()))?;
            let goes = match entry.file_name().into_string() {
                Err(_) => None,
                Ok(name) if kind.is_dir() => {
                    let below = join(path, &name);
                    let empty = Node::default();
                    let sources = (name == "__pycache__").then_some(&node.files);
                    let node = node.directories.get(&name);
                    let looked = match node {
                        // Where nothing goes, a directory is somebody's, empty or not. Only
                        // Python makes this one, and makes it again.
                        None if sources.is_none_or(HashSet::is_empty) => {
                            name == "__pycache__" && is_empty(&entry.path())
                        }
                        node => {
                            let node = node.unwrap_or(&empty);
                            self.walk(ground, &below, node, sources, warnings)?
                        }
                    };
                    looked.then_some(name)
                }
                Ok(name) => {
                    if kind.is_symlink() && node.directories.contains_key(&name) {
                        warnings.push(format!(
                            "what is behind the link {} stays: it lies elsewhere",
                            named(&join(path, &name))
                        ));
                    }
                    let listed = node.files.contains(&name)
                        || sources.is_some_and(|sources| is_bytecode_of(&name, sources))
                        || is_old_bytecode_of(&name, &node.files);
                    listed.then_some(name)
                }
            };
            match goes {
                Some(name) => outs.push(join(path, &name)),
                None => stays = true,
            }
        }
        if stays || is_kept(ground, path) {
            self.outs.append(&mut outs);
            return Ok(false);
        }
        Ok(true)
    }
}

impl Node {
    fn insert(&mut self, path: &str) {
        let (directories, name) = path.rsplit_once('/').unwrap_or(("", path));
        let names = directories.split('/').filter(|name| !name.is_empty());
        let node = names.fold(self, |node, name| {
            node.directories.entry(name.to_owned()).or_default()
        });
        node.files.insert(name.to_owned());
    }
}

/// Whether what is at `path` is what goes brought, with one of these digests, in the place of what
/// `owner` had there. What somebody edited is the owner's: it may be its last copy.
fn replaced(ground: &Ground, path: &str, digests: &[Digest], owner: &Owner) -> Result<bool> {
    if digests.is_empty() || ground.look(path)? != Found::File {
        return Ok(false);
    }
    let path = at(ground, path);
    let content = fs::read(&path).map_err(Error::io("read", &path))?;
    let has = |digests: &[Digest]| digests.iter().any(|digest| digest.is_of(&content));
    // An owner that gives no digest may have had just this.
    Ok(has(digests) && !owner.digests.is_empty() && !has(&owner.digests))
}

/// The directories of an environment that has nothing installed.
fn is_kept(ground: &Ground, path: &str) -> bool {
    let above_site = ground.site.strip_prefix(path);
    path.is_empty()
        || matches!(path, "bin" | "include")
        || above_site.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `x.cpython-311.pyc` and `x.cpython-311.opt-1.pyc` of `x.py`.
fn is_bytecode_of(name: &str, sources: &HashSet<String>) -> bool {
    let Some(stem) = name.strip_suffix(".pyc") else {
        return false;
    };
    let tagged = stem.rsplit_once('.').map(|(stem, last)| match last {
        last if last.starts_with("opt-") => stem.rsplit_once('.').map_or(stem, |(stem, _)| stem),
        _ => stem,
    });
    tagged.is_some_and(|stem| sources.contains(&format!("{stem}.py")))
}

/// `x.pyc` and `x.pyo` beside `x.py`, where Python 2 puts them.
fn is_old_bytecode_of(name: &str, sources: &HashSet<String>) -> bool {
    let stem = name
        .strip_suffix(".pyc")
        .or_else(|| name.strip_suffix(".pyo"));
    stem.is_some_and(|stem| sources.contains(&format!("{stem}.py")))
}

fn is_empty(directory: &std::path::Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

fn join(directory: &str, name: &str) -> String {
    crate::store::join(directory, name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_directory_that_held_nothing_that_goes_stays() {
        let scratch = tempfile::tempdir().expect("a directory");
        let dir = scratch.path();
        for name in [
            "mydata",
            "site/ns",
            "site/tiny/__pycache__",
            "site/tiny/mine",
        ] {
            fs::create_dir_all(dir.join(name)).expect("made");
        }
        let info = "site/tiny-1.dist-info";
        fs::create_dir(dir.join(info)).expect("made");
        let record = "tiny/a.py,,\ntiny/below/b.py,,\ntiny-1.dist-info/RECORD,,\n";
        fs::write(dir.join(info).join("RECORD"), record).expect("written");
        fs::create_dir(dir.join("site/tiny/below")).expect("made");
        for name in ["site/tiny/a.py", "site/tiny/below/b.py"] {
            fs::write(dir.join(name), "").expect("written");
        }
        let ground = Ground::bare(dir);
        let present = Present::read(&ground).expect("read");
        let plan = Removal::plan(&ground, &present, &[0], &mut Vec::new());
        let mut outs = plan.expect("planned").outs;
        outs.sort();
        let expected = [
            info,
            "site/tiny/__pycache__",
            "site/tiny/a.py",
            "site/tiny/below",
        ];
        assert_eq!(outs, expected);
    }

    #[test]
    fn bytecode_is_that_of_its_source_alone() {
        let sources = HashSet::from(["a.py".to_owned(), "b.c.py".to_owned()]);
        for name in [
            "a.cpython-311.pyc",
            "a.cpython-36.opt-2.pyc",
            "a.pypy310.pyc",
            "b.c.cpython-312.pyc",
        ] {
            assert!(is_bytecode_of(name, &sources), "{name}");
        }
        for name in [
            "ab.cpython-311.pyc",
            "a.b.cpython-311.pyc",
            "c.cpython-311.pyc",
            "a.pyc",
            "a.py",
            "a.cpython-311.pyc.bak",
        ] {
            assert!(!is_bytecode_of(name, &sources), "{name}");
        }
        assert!(is_old_bytecode_of("a.pyo", &sources));
        assert!(!is_old_bytecode_of("c.pyc", &sources));
    }
}
