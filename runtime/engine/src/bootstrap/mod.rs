//! Base images made from what the machine has, without a registry.
//!
//! Each is the same, bit for bit, wherever it is made of the same packages: files
//! are written in the order of their paths, belong to root, and carry the time
//! that `SOURCE_DATE_EPOCH` gives, or none.
//!
//! Source: reproducible-builds.org, `SOURCE_DATE_EPOCH` specification.

mod busybox;
mod debian;
mod tree;

use std::time::{Duration, SystemTime};

pub use busybox::{busybox, is_static};
pub use debian::{Debian, debian};
pub use tree::{Node, Tree};

use crate::error::Result;
use crate::image::{Config, Descriptor, Digest, History, Manifest, MediaType, Platform, Run};
use crate::store::Store;

/// What is said of an image beside its layers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// What it runs.
    pub run: Run,
    /// How its layer was made.
    pub created_by: String,
    /// When, in seconds since 1970.
    pub epoch: u64,
}

/// The time that reproducible images carry: `SOURCE_DATE_EPOCH`, or the beginning
/// of all time.
#[must_use]
pub fn source_date_epoch() -> u64 {
    let said = std::env::var("SOURCE_DATE_EPOCH").ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// An image of one layer that is here already.
///
/// # Errors
/// [`crate::Error::Write`].
pub fn of_layer(
    store: &Store,
    layer: Descriptor,
    diff_id: Digest,
    about: &About,
) -> Result<Descriptor> {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(about.epoch);
    let time = humantime::format_rfc3339_seconds(time).to_string();
    let mut config = Config::empty(Platform::host());
    config.created = Some(time.clone());
    config.config = about.run.clone();
    config.rootfs.diff_ids.push(diff_id);
    config.history.push(History {
        created: Some(time),
        created_by: Some(about.created_by.clone()),
        ..History::default()
    });
    let config = store.put_json(MediaType::Config, &config)?;
    store.put_json(MediaType::Manifest, &Manifest::new(config, vec![layer]))
}

/// An image of one layer that holds `tree`.
///
/// # Errors
/// [`crate::Error::Read`] for a file of the tree, [`crate::Error::Write`].
pub fn of_tree(store: &Store, tree: &Tree, about: &About) -> Result<Descriptor> {
    let mut layer = store.new_layer()?;
    tree.write(&mut layer, about.epoch)?;
    let (layer, diff_id) = layer.finish()?;
    of_layer(store, layer, diff_id, about)
}

#[cfg(test)]
mod tests;
