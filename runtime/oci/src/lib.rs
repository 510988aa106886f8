//! A low-level OCI container runtime for Linux: library and the `isorun` command.
//!
//! It knows bundles, namespaces, control groups and mounts; it knows no images,
//! which are the business of the engine above it.
//!
//! ```no_run
//! use isolab_oci::{Bundle, Container, Options, Stdio};
//!
//! let bundle = Bundle::load("/tmp/bundle".as_ref())?;
//! let mut running = Container::run(&bundle, "demo", Stdio::inherit(), &Options::default())?;
//! println!("exit status {}", running.wait()?.shell_code());
//! # Ok::<(), isolab_oci::Error>(())
//! ```
//!
//! Floors, from the ground, each importing only those below it: [`mod@error`],
//! [`sys`]; [`spec`], [`namespace`], `id_map`, [`cgroup`], [`security`],
//! `rootfs`; [`process`]; [`container`]; the binary.
#![deny(unsafe_code)]

pub mod cgroup;
pub mod container;
pub mod error;
pub mod features;
#[cfg(fuzzing)]
pub mod fuzz;
mod id_map;
pub mod namespace;
pub mod process;
mod rootfs;
pub mod security;
pub mod spec;
#[allow(unsafe_code)]
pub mod sys;

pub use container::{Begin, Bundle, Container, State, StateRoot, Status};
pub use error::{Error, Result};
pub use features::features;
pub use process::{Cgroup, ExitStatus, Options, Program, Running, Session, Stdio};
pub use rootfs::known_mount_options;
pub use spec::Spec;
