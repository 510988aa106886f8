//! `isolab image inspect`: all that is known, with docker's keys where docker has
//! some.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;
use isolab_engine::store::{Store, Version};
use serde_json::{Value, json};

use super::{called, familiar, image_of, number, store};
use crate::stdout;

/// What `image inspect` is asked about.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The images
    #[arg(required = true)]
    images: Vec<String>,
    /// Print JSON, which it does anyway
    #[arg(long, hide = true)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// If there is no such image.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let store = store()?;
    let all: Result<Vec<Value>> = args
        .images
        .iter()
        .map(|image| facts(&store, &store.resolve(image)?))
        .collect();
    stdout::print(format!("{:#}\n", Value::from(all?)))?;
    Ok(ExitCode::SUCCESS)
}

fn facts(store: &Store, version: &Version) -> Result<Value> {
    let image = image_of(store, version)?;
    let same = |other: &&Version| other.descriptor.digest == version.descriptor.digest;
    let (tags, untagged) = (store.tags()?, store.untagged()?);
    let names: Vec<_> = tags.iter().filter(same).map(called).collect();
    let digest = &version.descriptor.digest;
    let repositories: BTreeSet<_> = tags
        .iter()
        .chain(&untagged)
        .filter(same)
        .map(|version| familiar(&version.name).0)
        .collect();
    let digests: Vec<_> = repositories
        .iter()
        .map(|name| format!("{name}@{digest}"))
        .collect();
    let layers: Vec<_> = image
        .layers()
        .map(|(layer, diff_id)| {
            json!({
                "Digest": layer.digest, "DiffId": diff_id, "MediaType": layer.media_type,
                "Size": layer.size,
            })
        })
        .collect();
    let config = &image.config;
    Ok(json!({
        "Id": image.id(),
        "RepoTags": names,
        "RepoDigests": digests,
        "Version": number(version),
        "Provenance": version.provenance,
        "Created": config.created,
        "Author": config.author,
        "Architecture": config.platform.architecture,
        "Variant": config.platform.variant,
        "Os": config.platform.os,
        "Config": config.config,
        "Manifest": image.descriptor,
        "PackedSize": image.packed_bytes(),
        "Layers": layers,
        "RootFS": { "Type": "layers", "Layers": config.rootfs.diff_ids },
        "Annotations": image.manifest.annotations,
    }))
}
