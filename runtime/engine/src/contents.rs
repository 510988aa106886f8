//! What is in an image, and what differs between two, read from the layers as they
//! lie packed: nothing is unpacked for it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use tar::EntryType;

use crate::archive::unpacked;
use crate::error::{Error, Result};
use crate::image::{Algorithm, Descriptor, Digest, Hasher};
use crate::store::{Image, Store};

/// More files than an image has: a bomb.
const MOST_ENTRIES: usize = 2_000_000;
/// What marks a file that a layer takes away, and a directory whose content below
/// is hidden.
///
/// Source: OCI image specification, `layer.md`, "Whiteouts".
const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    kind: Kind,
    mode: u32,
    owner: (u64, u64),
    /// The layer that brought it: what the same layer brought is the same.
    layer: Arc<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    /// Length and, where it was asked for, digest of the content.
    File(u64, Option<Digest>),
    Link(PathBuf),
    Other(EntryType),
}

/// How a file of one image differs in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Difference {
    /// Only the other has it.
    Added,
    /// Only the one has it.
    Removed,
    /// Its content, its target or its kind differs.
    Changed,
    /// Only its mode or its owner differs.
    Attributes,
}

/// A path at which two images differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The path, from the root.
    #[serde(serialize_with = "lossy")]
    pub path: PathBuf,
    /// How.
    pub difference: Difference,
    /// Its bytes in the one; 0 for what is no file.
    pub bytes_before: u64,
    /// Its bytes in the other.
    pub bytes_after: u64,
}

fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// Where `after` differs from `before`, in the order of the paths.
///
/// # Errors
/// [`Error::Missing`] for a layer that is not here; [`Error::Untrusted`] for one
/// that is no archive.
pub fn difference(store: &Store, before: &Image, after: &Image) -> Result<Vec<Change>> {
    // Only what is as long in both has to be read.
    let nothing = BTreeSet::new();
    let one = contents(store, before, &nothing)?;
    let other = contents(store, after, &nothing)?;
    let doubtful = doubtful(&one, &other);
    let one = contents(store, before, &doubtful)?;
    let other = contents(store, after, &doubtful)?;
    let mut changes = Vec::new();
    for (path, node) in &one {
        let found = other.get(path);
        if let Some(difference) = compare(node, found) {
            changes.push(change(path, difference, Some(node), found));
        }
    }
    for (path, node) in &other {
        if !one.contains_key(path) {
            changes.push(change(path, Difference::Added, None, Some(node)));
        }
    }
    changes.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(changes)
}

/// The files that may be the same although different layers brought them.
fn doubtful(one: &Nodes, other: &Nodes) -> BTreeSet<PathBuf> {
    let same = |node: &Node, found: &Node| {
        let is_file = matches!(node.kind, Kind::File(..));
        is_file && node.kind == found.kind && node.layer != found.layer
    };
    let found = one.iter().filter(|(path, node)| {
        let found = other.get(*path);
        found.is_some_and(|found| same(node, found))
    });
    found.map(|(path, _)| path.clone()).collect()
}

fn compare(before: &Node, after: Option<&Node>) -> Option<Difference> {
    let Some(after) = after else {
        return Some(Difference::Removed);
    };
    if before.layer == after.layer {
        return None;
    }
    if before.kind != after.kind {
        return Some(Difference::Changed);
    }
    let attributes = |node: &Node| (node.mode, node.owner);
    (attributes(before) != attributes(after)).then_some(Difference::Attributes)
}

fn change(
    path: &Path,
    difference: Difference,
    before: Option<&Node>,
    after: Option<&Node>,
) -> Change {
    let bytes = |node: Option<&Node>| match node.map(|node| &node.kind) {
        Some(Kind::File(bytes, _)) => *bytes,
        _ => 0,
    };
    Change {
        path: path.to_owned(),
        difference,
        bytes_before: bytes(before),
        bytes_after: bytes(after),
    }
}

type Nodes = BTreeMap<PathBuf, Node>;

/// Every path of an image; files at the paths in `read` with the digest of what
/// they hold.
fn contents(store: &Store, image: &Image, read: &BTreeSet<PathBuf>) -> Result<Nodes> {
    let mut nodes = Nodes::new();
    for (layer, diff_id) in image.layers() {
        let layer_id = Arc::new(diff_id.clone());
        apply(store, layer, &layer_id, read, &mut nodes)?;
    }
    Ok(nodes)
}

fn apply(
    store: &Store,
    layer: &Descriptor,
    layer_id: &Arc<Digest>,
    read: &BTreeSet<PathBuf>,
    nodes: &mut Nodes,
) -> Result<()> {
    let broken = |error: io::Error| Error::Untrusted {
        what: format!("layer {}", layer.digest),
        reason: format!("it is no archive: {error}"),
    };
    let blob = store.open_blob(layer, "the comparison")?;
    let (plain, _) = unpacked(blob).map_err(broken)?;
    let mut archive = tar::Archive::new(plain);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let Some(path) = rooted(&entry.path().map_err(broken)?) else {
            continue;
        };
        if takes_away(&path, layer_id, nodes) {
            continue;
        }
        let header = entry.header();
        let mode = header.mode().map_err(broken)? & 0o7777;
        let owner = (header.uid().map_err(broken)?, header.gid().map_err(broken)?);
        let kind = match header.entry_type() {
            EntryType::Directory => Kind::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let bytes = entry.size();
                let wanted = read.contains(&path);
                let digest = wanted.then(|| digest(&mut entry)).transpose();
                Kind::File(bytes, digest.map_err(broken)?)
            }
            EntryType::Symlink => {
                let to = entry.link_name().map_err(broken)?.unwrap_or_default();
                Kind::Link(to.into_owned())
            }
            EntryType::Link => {
                let to = entry.link_name().map_err(broken)?.unwrap_or_default();
                let there = rooted(&to).and_then(|to| nodes.get(&to));
                match there {
                    Some(node) => node.kind.clone(),
                    None => continue,
                }
            }
            other => Kind::Other(other),
        };
        if kind != Kind::Directory {
            remove_below(&path, nodes);
        }
        let node = Node {
            kind,
            mode,
            owner,
            layer: layer_id.clone(),
        };
        nodes.insert(path, node);
        if nodes.len() > MOST_ENTRIES {
            let many = format!("an image of more than {MOST_ENTRIES} files");
            return Err(broken(io::Error::other(many)));
        }
    }
    Ok(())
}

fn digest(content: &mut impl Read) -> io::Result<Digest> {
    let mut hasher = Hasher::new(Algorithm::Sha256);
    io::copy(content, &mut hasher)?;
    Ok(hasher.finish())
}

/// Whether the path is a mark, which is obeyed: it concerns what layers below
/// brought, not what its own did.
fn takes_away(path: &Path, layer: &Arc<Digest>, nodes: &mut Nodes) -> bool {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let Some(hidden) = name.strip_prefix(WHITEOUT) else {
        return false;
    };
    let directory = path.parent().unwrap_or(Path::new("/"));
    let is_hidden: Box<dyn Fn(&Path) -> bool> = if name == OPAQUE {
        Box::new(|path| path.starts_with(directory) && path != directory)
    } else {
        let hidden = directory.join(std::ffi::OsStr::from_bytes(hidden));
        Box::new(move |path| path.starts_with(&hidden))
    };
    let gone: Vec<PathBuf> = nodes
        .range(directory.to_owned()..)
        .take_while(|(path, _)| path.starts_with(directory))
        .filter(|(path, node)| node.layer != *layer && is_hidden(path))
        .map(|(path, _)| path.clone())
        .collect();
    for path in gone {
        nodes.remove(&path);
    }
    true
}

/// What is no directory any more has nothing below it.
fn remove_below(path: &Path, nodes: &mut Nodes) {
    let was_directory = nodes
        .get(path)
        .is_some_and(|node| node.kind == Kind::Directory);
    if !was_directory {
        return;
    }
    let below: Vec<PathBuf> = nodes
        .range(path.to_owned()..)
        .map(|(below, _)| below)
        .take_while(|below| below.starts_with(path))
        .cloned()
        .collect();
    for path in below {
        nodes.remove(&path);
    }
}

/// The path from the root; `None` for the root itself, and for what leads out of it.
fn rooted(path: &Path) -> Option<PathBuf> {
    let mut rooted = PathBuf::from("/");
    for component in path.components() {
        match component {
            Component::Normal(name) => rooted.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir => {
                if !rooted.pop() {
                    return None;
                }
            }
            Component::Prefix(_) => return None,
        }
    }
    rooted.parent().is_some().then_some(rooted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bootstrap::{Node as Made, Tree};
    use crate::image::{Config, Manifest, MediaType, Platform};
    use crate::store::tests::with_store;

    /// An image whose layers are these trees.
    fn image(store: &Store, layers: &[&[(&str, Made)]]) -> Image {
        let mut config = Config::empty(Platform::host());
        let mut descriptors = Vec::new();
        for nodes in layers {
            let mut tree = Tree::default();
            for (path, node) in *nodes {
                tree.put(path, node.clone());
            }
            let mut layer = store.new_layer().unwrap();
            tree.write(&mut layer, 0).unwrap();
            let (descriptor, diff_id) = layer.finish().unwrap();
            descriptors.push(descriptor);
            config.rootfs.diff_ids.push(diff_id);
        }
        let config = store.put_json(MediaType::Config, &config).unwrap();
        let manifest = Manifest::new(config, descriptors);
        let manifest = store.put_json(MediaType::Manifest, &manifest).unwrap();
        store.image(&manifest, &Platform::host()).unwrap()
    }

    fn file(content: &str) -> Made {
        Made::File(content.into(), 0o644)
    }

    fn told(changes: &[Change]) -> Vec<(String, Difference)> {
        let told = changes.iter();
        told.map(|change| (change.path.display().to_string(), change.difference))
            .collect()
    }

    #[test]
    fn what_layers_add_change_and_take_away_is_told() {
        use Difference::{Added, Attributes, Changed, Removed};
        let base: &[(&str, Made)] = &[
            ("a", file("a")),
            ("b", file("b")),
            ("d/x", file("x")),
            ("d/y", file("y")),
            ("e/z", file("z")),
            ("letter", file("b")),
            ("mode", file("same")),
            ("same", file("same")),
        ];
        with_store(|_, store| {
            let before = image(store, &[base]);
            let top: &[(&str, Made)] = &[
                (".wh.a", file("")),
                ("b", file("B, longer")),
                ("d/.wh..wh..opq", file("")),
                ("d/new", file("n")),
                ("e", Made::Link("d".to_owned())),
                ("mode", Made::File("same".into(), 0o755)),
                ("same", file("same")),
                ("letter", file("B")),
            ];
            let after = image(store, &[base, top]);
            let changes = difference(store, &before, &after).unwrap();
            let expected = [
                ("/a", Removed),
                ("/b", Changed),
                ("/d/new", Added),
                ("/d/x", Removed),
                ("/d/y", Removed),
                ("/e", Changed),
                ("/e/z", Removed),
                ("/letter", Changed),
                ("/mode", Attributes),
            ];
            let expected = expected.map(|(path, how)| (path.to_owned(), how));
            assert_eq!(told(&changes), expected);
            let bytes = &changes[1];
            assert_eq!((bytes.bytes_before, bytes.bytes_after), (1, 9));
            assert_eq!(difference(store, &after, &after).unwrap(), []);
        });
    }

    #[test]
    fn the_same_files_in_other_layers_are_the_same() {
        with_store(|_, store| {
            let one = image(store, &[&[("a", file("1")), ("b", file("2"))]]);
            let two = image(store, &[&[("b", file("2"))], &[("a", file("1"))]]);
            assert_eq!(difference(store, &one, &two).unwrap(), []);
        });
    }

    #[test]
    fn paths_are_taken_from_the_root() {
        for (path, expected) in [
            ("./a/b", Some("/a/b")),
            ("/a/../b/", Some("/b")),
            ("./", None),
            ("../a", None),
        ] {
            assert_eq!(
                rooted(Path::new(path)),
                expected.map(PathBuf::from),
                "{path}"
            );
        }
    }
}
