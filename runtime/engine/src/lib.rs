//! What stands above the OCI runtime: images and their store, root file systems,
//! bundles and default policy.
//!
//! The engine prepares, `isolab-oci` runs; a bundle directory is the seam
//! between them. Nothing here calls `clone(2)`, so nothing here is unsafe. [`run`]
//! starts a container from an image's layers, [`room`] is where an ordinary user
//! may work on them.
//!
//! ```no_run
//! use isolab_engine::{bundle, rootfs, spec};
//!
//! let place = std::path::Path::new("/tmp/bundle");
//! let program = rootfs::Entry::copy("/usr/bin/true-static", "/bin/true");
//! rootfs::lay_out(&place.join("rootfs"), &[program])?;
//! let container = spec::Settings::new("rootfs", ["/bin/true"]);
//! bundle::write(place, &spec::default_spec(&container))?;
//! # Ok::<(), isolab_engine::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod account;
pub mod archive;
pub mod bootstrap;
pub mod build;
pub mod bundle;
pub mod contents;
pub mod disk;
pub mod dockerfile;
pub mod error;
pub mod image;
pub mod layer;
pub mod registry;
mod removal;
pub mod room;
pub mod rootfs;
pub mod run;
pub mod seccomp;
pub mod spec;
mod stack;
pub mod store;

pub use error::{Error, Result};

/// The exit code of the task that this process was executed for, inside the
/// [room]; `None` where it was executed for something else.
///
/// To be called first of all by every program that uses this crate to run
/// containers or to work on layers.
#[must_use]
pub fn inside() -> Option<u8> {
    room::task::perform(&[run::TASK, run::COPY])
}
