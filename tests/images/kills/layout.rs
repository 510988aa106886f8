//! A store as others read it: by the image specification, with `tar` and `du`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::Failed;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::same;
use crate::place::said;

/// Reads `index.json` and all that it leads to, and holds every file that is named
/// after its content to its name. Gives the digest of each tag's manifest.
pub(crate) fn read(store: &Path) -> Result<BTreeMap<String, String>, Failed> {
    for blob in files(&store.join("blobs/sha256"))? {
        let digest = Sha256::digest(fs::read(&blob)?);
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let is_named = blob.ends_with(&hex);
        is_named
            .then_some(())
            .ok_or_else(|| wrong(&blob, "it has another digest"))?;
    }
    let (mut tags, mut layers) = (BTreeMap::new(), BTreeMap::new());
    let index: Value = serde_json::from_slice(&fs::read(store.join("index.json"))?)?;
    for entry in list(&index["manifests"]) {
        let manifest: Value = serde_json::from_slice(&blob(store, entry)?)?;
        let config: Value = serde_json::from_slice(&blob(store, &manifest["config"])?)?;
        let diff_ids = list(&config["rootfs"]["diff_ids"]);
        let count = list(&manifest["layers"]).len();
        same(&diff_ids.len(), &count, "layers")?;
        for (layer, diff_id) in list(&manifest["layers"]).iter().zip(diff_ids) {
            blob(store, layer)?;
            layers.insert(text(diff_id), path(store, layer));
        }
        let name = &entry["annotations"]["org.opencontainers.image.ref.name"];
        if let Some(name) = name.as_str() {
            let before = tags.insert(name.to_owned(), text(&entry["digest"]));
            same(&before, &None, &format!("another image of {name}"))?;
        }
    }
    unpacked(store, &layers)?;
    Ok(tags)
}

/// Every layer that lies unpacked and that an image has: all of its archive is there.
fn unpacked(store: &Path, layers: &BTreeMap<String, PathBuf>) -> Result<(), Failed> {
    for owners in files(&store.join("layers"))? {
        for layer in files(&owners)? {
            let hex = layer.file_name().unwrap_or_default().to_string_lossy();
            let Some(archive) = layers.get(&format!("sha256:{hex}")) else {
                continue;
            };
            let listed = said(Command::new("tar").arg("-tzf").arg(archive))?;
            for name in listed.lines().filter(|name| !name.contains(".wh.")) {
                let there = layer.join("fs").join(name.trim_end_matches('/'));
                let found = fs::symlink_metadata(&there);
                found.map_err(|error| wrong(&there, &error.to_string()))?;
            }
        }
    }
    Ok(())
}

/// What is below `ingest/`, but for half a download that somebody may go on with.
pub(crate) fn unfinished(store: &Path) -> Result<BTreeSet<PathBuf>, Failed> {
    let all = files(&store.join("ingest"))?.into_iter();
    let is_partial = |path: &PathBuf| path.to_string_lossy().contains("/ingest/.part-");
    Ok(all.filter(|path| !is_partial(path)).collect())
}

/// What `du` says of a directory, in allocated bytes.
pub(crate) fn allocated(path: &Path) -> Result<u64, Failed> {
    let told = said(Command::new("du").args(["-s", "--block-size=1"]).arg(path))?;
    Ok(told.split_whitespace().next().unwrap_or_default().parse()?)
}

fn files(directory: &Path) -> Result<Vec<PathBuf>, Failed> {
    let entries = fs::read_dir(directory).map_err(|error| wrong(directory, &error.to_string()))?;
    Ok(entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?)
}

/// The bytes that a descriptor promises.
fn blob(store: &Path, descriptor: &Value) -> Result<Vec<u8>, Failed> {
    let path = path(store, descriptor);
    let bytes = fs::read(&path).map_err(|error| wrong(&path, &error.to_string()))?;
    let is_long = Some(bytes.len() as u64) == descriptor["size"].as_u64();
    is_long
        .then_some(bytes)
        .ok_or_else(|| wrong(&path, "it has another length"))
}

fn path(store: &Path, descriptor: &Value) -> PathBuf {
    store
        .join("blobs")
        .join(text(&descriptor["digest"]).replace(':', "/"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn wrong(path: &Path, why: &str) -> Failed {
    format!("{}: {why}", path.display()).into()
}
