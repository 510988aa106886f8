//! `isolab rmi`: a name goes, and what only it led to.

use std::process::ExitCode;

use anyhow::{Result, bail};
use isolab_engine::store::{Store, Version};

use super::{familiar, size, store};
use crate::{hint, stderr, stdout};

/// What `rmi` is asked to remove.
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    /// The images: NAME[:TAG] with all its versions, NAME@N for one that no
    /// longer counts, or an id that has one name
    #[arg(required = true)]
    images: Vec<String>,
    /// An image that is not there is no error
    #[arg(short, long)]
    force: bool,
}

/// Does it: each is tried, whatever becomes of the others.
///
/// # Errors
/// If one cannot be removed.
pub fn remove(args: &RemoveArgs) -> Result<ExitCode> {
    let store = store()?;
    let mut failed = 0;
    for image in &args.images {
        match remove_one(&store, image) {
            Ok(told) => stdout::print(told)?,
            Err(error) if args.force && is_absence(&error) => {}
            Err(error) => {
                failed += 1;
                stderr::tell(format_args!("error: {error:#}"));
            }
        }
    }
    let root = store.root().to_owned();
    drop(store);
    match Store::sweep(&root)? {
        Some(swept) if swept.bytes > 0 => {
            let (blobs, layers) = (swept.blobs, swept.layers);
            let freed = size(swept.bytes);
            let told = format!("Freed: {freed} ({blobs} blobs, {layers} unpacked layers)\n");
            stdout::print(told)?;
        }
        Some(_) => {}
        None => stderr::tell(
            "note: another command uses the store: `isolab system prune` frees the space later",
        ),
    }
    match failed {
        0 => Ok(ExitCode::SUCCESS),
        1 => bail!("cannot remove everything: one image stays"),
        count => bail!("cannot remove everything: {count} images stay"),
    }
}

fn remove_one(store: &Store, image: &str) -> Result<String> {
    let version = match store.resolve_name(image) {
        Ok(version) => version,
        Err(_) => of_one_name(store, image)?,
    };
    let (repository, tag) = familiar(&version.name);
    let name = format!("{repository}:{tag}");
    if !version.current || super::names_version(image) {
        store.forget(&version)?;
        return Ok(format!("Removed: {name}@{}\n", version.number));
    }
    let removed = store.untag(&version.name.parse()?)?;
    let older = removed.len() - 1;
    Ok(match older {
        0 => format!("Untagged: {name}\n"),
        1 => format!("Untagged: {name}, and its older version\n"),
        older => format!("Untagged: {name}, and its {older} older versions\n"),
    })
}

/// What an id stands for, where it has one name only: which of several is to go, an
/// id does not say.
fn of_one_name(store: &Store, id: &str) -> Result<Version> {
    let version = store.resolve(id)?;
    let tags = store.tags()?;
    let same = tags
        .iter()
        .filter(|tag| tag.descriptor.digest == version.descriptor.digest);
    let names: Vec<String> = same
        .map(|tag| familiar(&tag.name))
        .map(|(name, tag)| format!("{name}:{tag}"))
        .collect();
    match names.len() {
        0 | 1 => Ok(version),
        _ => Err(hint::with(
            format!("cannot remove {id}: it is {}", names.join(" and ")),
            "name the one that is to go",
        )),
    }
}

fn is_absence(error: &anyhow::Error) -> bool {
    matches!(
        error.downcast_ref(),
        Some(isolab_engine::Error::NotFound { .. })
    )
}
