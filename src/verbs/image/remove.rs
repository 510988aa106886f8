//! `isolab rmi`: a name goes, and what only it led to.

use std::process::ExitCode;

use anyhow::{Result, bail};
use isolab_engine::image::Reference;
use isolab_engine::store::{Store, Version};

use super::{called, familiar, size, store};
use crate::{hint, stderr, stdout};

/// What `rmi` is asked to remove.
#[derive(Debug, clap::Args)]
pub struct RemoveArgs {
    /// The images: NAME[:TAG] with all its versions, NAME@N for one that no
    /// longer counts, or NAME@DIGEST or an id that has one name
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
    let by_digest = image.parse::<Reference>().ok();
    let by_digest = by_digest.filter(|reference| reference.digest().is_some());
    let version = match store.resolve_name(image) {
        Ok(version) if by_digest.is_none() => version,
        _ => of_one_name(store, image, by_digest.as_ref())?,
    };
    let name = called(&version);
    if version.is_untagged() {
        store.release(&version.name.parse()?, &[version.descriptor.digest])?;
        return Ok(format!("Untagged: {name}\n"));
    }
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

/// What an id or a digest stands for, where it has one name only: which of several is to
/// go, it does not say. A digest `of` a repository is a name itself where that holds it
/// without a tag, and else one of that repository's tags is meant.
fn of_one_name(store: &Store, id: &str, of: Option<&Reference>) -> Result<Version> {
    let version = store.resolve(id)?;
    if of.is_some() && version.is_untagged() {
        return Ok(version);
    }
    let (tags, untagged) = (store.tags()?, store.untagged()?);
    let is_meant = |name: &Version| {
        let repository = || familiar(&name.name).0;
        name.descriptor.digest == version.descriptor.digest
            && of.is_none_or(|of| of.familiar_repository() == repository())
    };
    let same = tags.iter().chain(&untagged).filter(|name| is_meant(name));
    let names: Vec<String> = same.map(called).collect();
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
