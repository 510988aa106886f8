//! Real PEP 405 virtual environments, made fast.
//!
//! A virtual environment isolates less than its name says: it is a directory in which Python
//! looks for packages first. This crate makes such directories so that CPython, pip and the
//! user's shell accept them as their own, and makes them in about a millisecond, by
//!
//! 1. asking an interpreter about itself once, and remembering the answer ([`discover`]),
//! 2. sharing what is the same in every environment by hard link ([`Cache`]),
//! 3. building beside the destination and renaming into place ([`create`]), so that no half
//!    environment is ever seen under the name asked for.
//!
//! ```no_run
//! let python = venv_sim::discover(Some("3.11"))?;
//! println!("{}: {}", python.executable.display(), python.why());
//! let made = venv_sim::create(".venv".as_ref(), &python, &venv_sim::Options::default())?;
//! println!("{}", made.python.display());
//! # Ok::<(), venv_sim::Error>(())
//! ```

#![forbid(unsafe_code)]

mod activation;
mod ask;
mod cache;
mod catalogue;
mod chosen;
mod config;
mod create;
mod discover;
mod doctor;
mod environment;
mod error;
mod external;
mod facts;
pub mod fill;
pub mod index;
pub mod install;
pub mod installed;
mod interpreter;
mod layout;
mod legacy;
mod linking;
mod occupancy;
mod options;
mod pipe;
mod places;
mod pyenv;
mod redaction;
mod refusal;
mod request;
mod requirement;
pub mod requirements_file;
mod resolve;
mod seed;
mod staging;
mod store;
mod sys_path;
mod tags;
mod threads;
mod trouble;
mod upgrade;
mod usage;
pub mod wheel;

pub use cache::Cache;
pub use catalogue::{Asked, Catalogue, Kind, Listing, Location, MetadataOffer, Offer};
pub use chosen::{Chosen, Surroundings, Why};
pub use config::{env_flag, shell_word};
pub use create::create;
pub use discover::{Candidate, discover, interpreters};
pub use doctor::{Ailment, AilmentKind, Health, examine};
pub use environment::Environment;
pub use error::{Error, Result};
pub use index::{Index, IndexFlags, IndexSettings, look_up};
pub use installed::{Distribution, Installed};
pub use interpreter::Interpreter;
pub use options::Options;
pub use places::{Origin, Search};
pub use refusal::Refusal;
pub use requirement::{Marker, MarkerEnvironment, Name, Requirement, Source};
pub use requirements_file::{Extras, Position, RequirementsFile, Wanted};
pub use resolve::{Demand, Held, Pick, Projects, Resolution, Rules, Strategy, resolve};
#[cfg(fuzzing)]
pub use store::rewrite_manifest;
pub use store::{Mended, Prune, Pruned, Size, Store, Stored};
pub use sys_path::{Entry as SysPathEntry, Kind as SysPathKind, PthLine, SysPath, sys_path};
pub use tags::Tags;
pub use trouble::Trouble;
pub use usage::{Amount, PackageUsage, Usage, usage};
