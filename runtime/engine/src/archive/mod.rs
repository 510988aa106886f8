//! Images in one file: what `docker save`, `podman save` and `skopeo` write, read;
//! and what they all read, written.
//!
//! There are two kinds. An OCI archive is an image layout as a tar archive:
//! `index.json` names manifests. A Docker archive has a `manifest.json` that names
//! a configuration and layers by their paths, and before Docker 25 those paths say
//! nothing about content. What is written here is both at once: the layout, and a
//! `manifest.json` whose paths are the layout's blobs.
//!
//! Sources: OCI image specification, `image-layout.md`; moby, `image/spec`.

mod in_one_pass;
mod load;
mod packed;
mod save;
mod tree;

use serde::{Deserialize, Serialize};

pub use packed::unpacked;

/// One image of a Docker archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerEntry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// The annotation in which containerd, and so Docker, names an image whole.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// The one of the image specification, which may be a tag alone.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

#[cfg(test)]
mod tests;
