//! `isolab images`: what is here.

use std::process::ExitCode;

use anyhow::Result;
use isolab_engine::image::Reference;
use isolab_engine::store::Version;
use serde_json::json;

use super::when::ago;
use super::{called, familiar, image_of, number, size, store};
use crate::stderr;
use crate::stdout;
use crate::verbs::table::table;

/// What `images` is asked to list.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// Only this repository, or this tag or digest of it
    name: Option<String>,
    /// Print only the ids
    #[arg(short, long)]
    quiet: bool,
    /// Show whole digests
    #[arg(long)]
    no_trunc: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

/// Does it.
///
/// # Errors
/// If the store cannot be read.
pub fn list(args: &ListArgs) -> Result<ExitCode> {
    let store = store()?;
    let wanted: Option<Reference> = args.name.as_deref().map(str::parse).transpose()?;
    // `app` means every tag of it, `app:latest` one.
    let names_tag = args.name.as_ref().is_some_and(|name| {
        let last = name.rsplit('/').next().unwrap_or(name);
        last.contains(':')
    });
    let is_wanted = |version: &Version| {
        let Some(wanted) = &wanted else { return true };
        let of_repository = || familiar(&version.name).0 == wanted.familiar_repository();
        match wanted.digest() {
            Some(digest) => version.descriptor.digest == *digest && of_repository(),
            None if names_tag => version.name == wanted.name(),
            None => of_repository(),
        }
    };
    let mut rows = Vec::new();
    let mut all = Vec::new();
    let mut ids = Vec::new();
    let mut versions = store.tags()?;
    versions.extend(store.untagged()?);
    for version in versions.iter().filter(|version| is_wanted(version)) {
        let (repository, tag) = familiar(&version.name);
        let image = match image_of(&store, version) {
            Ok(image) => image,
            // What a registry's client pushed by its digest need not be an image.
            Err(_) if version.is_untagged() => continue,
            Err(error) => {
                let name = called(version);
                stderr::tell(format_args!("warning: {name} cannot be read: {error:#}"));
                continue;
            }
        };
        let tag = (!version.is_untagged()).then_some(tag);
        let number = number(version);
        let created = image.config.created.as_deref();
        let id = match args.no_trunc {
            true => image.id().to_string(),
            false => image.id().short().to_owned(),
        };
        let bytes = image.packed_bytes();
        all.push(json!({
            "repository": repository, "tag": tag, "version": number,
            "id": image.id(), "digest": version.descriptor.digest, "created": created,
            "platform": image.config.platform.to_string(), "packed_bytes": bytes,
        }));
        ids.push(id.clone());
        let number = number.map_or_else(String::new, |number| format!("@{number}"));
        let tag = tag.unwrap_or_else(|| "<none>".to_owned());
        rows.push(vec![repository, tag, number, id, ago(created), size(bytes)]);
    }
    stdout::print(if args.json {
        format!(
            "{:#}\n",
            json!({ "schema": "isolab.images/1", "images": all })
        )
    } else if args.quiet {
        ids.dedup();
        ids.iter().map(|id| format!("{id}\n")).collect()
    } else {
        let header = [
            "REPOSITORY",
            "TAG",
            "VERSION",
            "IMAGE ID",
            "CREATED",
            "PACKED",
        ];
        table(&header, &rows, Some(5))
    })?;
    Ok(ExitCode::SUCCESS)
}
