//! What an image is, by OCI's image specification: names, digests, and the three
//! documents that lead from a name to files.
//!
//! A [`Reference`] names an image. It leads to a [`Descriptor`]: type, digest and
//! size of a blob. That blob is an [`Index`] (one manifest a platform) or a
//! [`Manifest`], which lists the layers and the [`Config`]: what to run, and what
//! each layer is once it is uncompressed.
//!
//! All of it comes from strangers. Each document is read through
//! [`Document::parse`] or [`Config::parse`], which know how long one may be and
//! what must agree, and nothing here touches a file.

mod config;
mod descriptor;
mod digest;
mod document;
mod media_type;
mod platform;
mod reference;

pub use config::{Config, Empty, Healthcheck, History, RootFs, Run};
pub use descriptor::Descriptor;
pub use digest::{Algorithm, Digest, Hasher};
pub use document::{Document, Index, LONGEST_DOCUMENT, Manifest};
pub use media_type::{Compression, MediaType};
pub use platform::Platform;
pub use reference::Reference;

/// Why a document or a name is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not valid: {reason}")]
pub struct Invalid {
    /// What was read.
    pub what: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Invalid {
    pub(crate) fn new(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            reason: reason.into(),
        }
    }
}
