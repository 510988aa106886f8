//! Images, with the verbs that docker users' fingers know, and with the versions
//! that each tag had.

mod archive;
mod bootstrap;
mod build;
mod diff;
pub mod fetch;
mod history;
mod inspect;
mod list;
mod log;
mod remote;
mod remove;
pub mod room;
pub mod run;
mod tag;
mod tree;
mod when;

pub use archive::{LoadArgs, SaveArgs, load, save};
pub use build::{BuildArgs, build};
pub use history::{HistoryArgs, history};
pub use list::{ListArgs, list};
pub use remote::{
    LoginArgs, LogoutArgs, PullArgs, PushArgs, SearchArgs, login, logout, pull, push, search,
};
pub use remove::{RemoveArgs, remove};
pub use run::RunArgs;
pub use tag::{TagArgs, tag};
pub use tree::{ExportArgs, ImportArgs, export, import};

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use isolab_engine::image::{Platform, Reference};
use isolab_engine::store::{Image, Provenance, Store, Version};

use crate::observation::Unit;
use crate::places;
use crate::report::quantity::human;

/// What can be done with an image beyond docker's verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a base image of what this machine has, without a registry
    Bootstrap(bootstrap::Args),
    /// Show which files differ between two images, or two versions of one
    Diff(diff::Args),
    /// Print all that is known of an image, as JSON
    Inspect(inspect::Args),
    /// The versions that a tag had, the newest first
    Log(log::LogArgs),
    /// Let a tag stand for an older version again; nothing is copied
    Rollback(log::RollbackArgs),
}

/// Does it.
///
/// # Errors
/// If there is no such image, or it cannot be read.
pub fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Bootstrap(args) => bootstrap::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Log(args) => log::log(args),
        Command::Rollback(args) => log::roll_back(args),
    }
}

/// The user's store.
///
/// # Errors
/// If it cannot be made or opened.
pub fn store() -> Result<Store> {
    Ok(Store::open(&places::make_data()?.join("images"))?)
}

/// The user's store, where there is one.
///
/// # Errors
/// If it is there and cannot be opened.
pub fn existing_store() -> Result<Option<Store>> {
    let root = places::data().map(|data| data.join("images"));
    let root = root.filter(|root| root.join("oci-layout").exists());
    Ok(root.map(|root| Store::open(&root)).transpose()?)
}

/// The image that a version is on this machine.
fn image_of(store: &Store, version: &Version) -> Result<Image> {
    Ok(store.image(&version.descriptor, &Platform::host())?)
}

/// `provenance` with the name of who does it.
fn by_me(provenance: Provenance) -> Provenance {
    // In the engine room everybody is root.
    let user = std::env::var("USER").ok().filter(|user| !user.is_empty());
    let user = user.or_else(|| {
        let user = nix::unistd::User::from_uid(nix::unistd::geteuid());
        user.ok().flatten().map(|user| user.name)
    });
    let host = nix::unistd::gethostname().ok();
    let host = host.map(|host| host.to_string_lossy().into_owned());
    let by = user.zip(host).map(|(user, host)| format!("{user}@{host}"));
    Provenance { by, ..provenance }
}

/// Whether `text` is `NAME@N`: one version of a tag, and not the tag.
fn names_version(text: &str) -> bool {
    let number = text
        .rsplit_once('@')
        .map(|(_, number)| number.parse::<u32>());
    number.is_some_and(|number| number.is_ok())
}

fn size(bytes: u64) -> String {
    human(bytes as f64, Unit::Bytes)
}

/// Which version of its tag it is, where it has one.
fn number(version: &Version) -> Option<u32> {
    (!version.is_untagged()).then_some(version.number)
}

/// A version's name as people write it, whole.
fn called(version: &Version) -> String {
    let parsed: Result<Reference, _> = version.name.parse();
    parsed.map_or_else(|_| version.name.clone(), |name| name.to_string())
}

/// A tag as people write it: registry and repository, and tag.
fn familiar(name: &str) -> (String, String) {
    let parsed: Result<Reference, _> = name.parse();
    match parsed {
        Ok(reference) => {
            let tag = reference.tag().unwrap_or_default().to_owned();
            (reference.familiar_repository(), tag)
        }
        Err(_) => (name.to_owned(), String::new()),
    }
}
