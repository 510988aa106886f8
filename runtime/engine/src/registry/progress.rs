//! What whoever waits is told while blobs move.

use std::time::Duration;

use serde::Serialize;

use crate::image::Descriptor;

/// What became of a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// All of it moved.
    Moved,
    /// It moved from where an earlier attempt stopped.
    Resumed {
        /// The bytes that were there already.
        had: u64,
    },
    /// It was there.
    Skipped,
    /// The registry took it from another of its repositories.
    Mounted,
}

/// One blob of a pull or a push.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blob {
    /// The blob.
    pub descriptor: Descriptor,
    /// What became of it.
    pub fate: Fate,
    /// How many of its bytes went over the network.
    pub moved: u64,
}

/// Is told what happens, from several threads.
pub trait Progress: Sync {
    /// So many more bytes of `blob` went over the network.
    fn moved(&self, _blob: &Descriptor, _bytes: u64) {}
    /// There is no more to do about `blob`.
    fn done(&self, _blob: &Descriptor, _fate: Fate) {}
    /// Something went wrong that may pass; it is tried again after the pause.
    fn waits(&self, _why: &str, _pause: Duration) {}
    /// Whether it is still wanted; it ends soon after this turns.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Nobody is told.
impl Progress for () {}
