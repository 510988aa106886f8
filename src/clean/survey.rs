//! What lies in our directories, and how much disk it takes.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Fence, is_absence};
use crate::places::Place;

/// The size of the blocks that `st_blocks` counts. Source: `stat(2)`.
const BLOCK: u64 = 512;

/// One of our directories, with what is in it.
#[derive(Clone, Debug, Serialize)]
pub struct Holding {
    /// `cache`, `data` or `temporary`.
    pub kind: &'static str,
    /// Where.
    #[serde(serialize_with = "super::lossy")]
    pub path: PathBuf,
    /// Allocated bytes of all of it, hard links counted once.
    pub bytes: u64,
    /// What lies directly in it, largest first.
    pub parts: Vec<Part>,
    /// Why it is not touched, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<&'static str>,
}

/// A file or directory directly in one of ours.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it is, in a few words.
    pub what: &'static str,
    /// Allocated bytes, hard links counted once.
    pub bytes: u64,
}

/// Looks at each of `places` that is there, or of which that cannot be told.
#[must_use]
pub fn survey(places: &[Place]) -> Vec<Holding> {
    let fence = Fence::here();
    let mut seen = HashSet::new();
    let absent = |place: &&Place| {
        let found = fs::symlink_metadata(&place.path);
        found.is_err_and(|error| is_absence(&error))
    };
    let there = places.iter().filter(|place| !absent(place));
    there
        .map(|place| holding(place, &fence, &mut seen))
        .collect()
}

fn holding(place: &Place, fence: &Fence, seen: &mut HashSet<(u64, u64)>) -> Holding {
    let left = fence.why_not_root(&place.path);
    let mut parts: Vec<Part> = match left {
        Some(_) => Vec::new(),
        None => entries(&place.path)
            .into_iter()
            .map(|path| part(&path, fence, seen))
            .collect(),
    };
    parts.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let own = fs::symlink_metadata(&place.path).map_or(0, |found| found.blocks() * BLOCK);
    Holding {
        kind: place.kind.name(),
        path: place.path.clone(),
        bytes: own + parts.iter().map(|part| part.bytes).sum::<u64>(),
        parts,
        left,
    }
}

fn part(path: &Path, fence: &Fence, seen: &mut HashSet<(u64, u64)>) -> Part {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Part {
        what: meaning(&name),
        name: name.into_owned(),
        bytes: allocated(path, fence, seen),
    }
}

/// Allocated bytes of what is ours below `path`. What cannot be read counts as
/// nothing: it is not what a removal would free.
fn allocated(path: &Path, fence: &Fence, seen: &mut HashSet<(u64, u64)>) -> u64 {
    let mut pending = vec![path.to_owned()];
    let mut bytes = 0;
    while let Some(path) = pending.pop() {
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if fence.why_not(&path).is_some() || !seen.insert((metadata.dev(), metadata.ino())) {
            continue;
        }
        bytes += metadata.blocks() * BLOCK;
        if metadata.is_dir() {
            pending.extend(entries(&path));
        }
    }
    bytes
}

/// What lies directly in `dir`, by name.
pub(super) fn entries(dir: &Path) -> Vec<PathBuf> {
    let listing = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut entries: Vec<PathBuf> = listing.map(|entry| entry.path()).collect();
    entries.sort();
    entries
}

/// What a name of ours stands for.
fn meaning(name: &str) -> &'static str {
    match name {
        "scratch" => "working files of commands",
        "kernels" => "kernels for guests",
        "disks" => {
            "disks of guests, each made of an image: `isolab system prune` frees those \
             whose image is gone"
        }
        "snapshots" => "guests that were saved: `isolab vm snapshot ls`",
        "images" => "images: of guests in the cache, of containers in the data",
        "reports" => "reports that `compare` kept",
        "predictions.jsonl" => "your predictions",
        _ if name.starts_with("accel") => "whether KVM works here",
        "demo" => "recordings of the demo",
        _ => "found out or made once, to be used again",
    }
}
