//! `isolab image log` and `rollback`: what a tag stood for, and stands for again.

use std::process::ExitCode;

use anyhow::{Result, bail};
use isolab_engine::image::Reference;
use isolab_engine::store::Version;
use serde_json::json;

use super::when::ago;
use super::{image_of, size, store};
use crate::stdout;
use crate::verbs::table::table;

/// What `image log` is asked to show.
#[derive(Debug, clap::Args)]
pub struct LogArgs {
    /// The tag: NAME[:TAG]
    name: Reference,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What `image rollback` is asked to do.
#[derive(Debug, clap::Args)]
pub struct RollbackArgs {
    /// The tag: NAME[:TAG] for the version before, NAME[:TAG]@N for version N
    name: String,
}

/// Shows the log.
///
/// # Errors
/// If there is no such tag.
pub(super) fn log(args: &LogArgs) -> Result<ExitCode> {
    let store = store()?;
    let mut log = store.log(&args.name)?;
    log.reverse();
    let bytes = |version: &Version| {
        image_of(&store, version)
            .ok()
            .map(|image| image.packed_bytes())
    };
    if args.json {
        let versions: Vec<_> = log
            .iter()
            .map(|version| {
                json!({
                    "version": version.number, "current": version.current,
                    "digest": version.descriptor.digest, "packed_bytes": bytes(version),
                    "provenance": version.provenance,
                })
            })
            .collect();
        let name = args.name.name();
        let told = json!({ "schema": "isolab.image.log/1", "name": name, "versions": versions });
        stdout::print(format!("{told:#}\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = log
        .iter()
        .map(|version| row(version, bytes(version)))
        .collect();
    let header = [
        "VERSION", "", "WHEN", "HOW", "FROM", "BASE", "BY", "DIGEST", "PACKED",
    ];
    stdout::print(table(&header, &rows, Some(8)))?;
    Ok(ExitCode::SUCCESS)
}

fn row(version: &Version, bytes: Option<u64>) -> Vec<String> {
    let said = version.provenance.as_ref();
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    vec![
        format!("@{}", version.number),
        if version.current { "now" } else { "" }.to_owned(),
        ago(said.map(|said| &*said.time)),
        said.map_or("", |said| said.origin.name()).to_owned(),
        text(said.and_then(|said| said.from.as_ref())),
        text(said.and_then(|said| said.base.as_ref())),
        text(said.and_then(|said| said.by.as_ref())),
        version.descriptor.digest.short().to_owned(),
        bytes.map_or("gone".to_owned(), size),
    ]
}

/// Goes back.
///
/// # Errors
/// If there is no such tag or version.
pub(super) fn roll_back(args: &RollbackArgs) -> Result<ExitCode> {
    let (name, number) = match args.name.rsplit_once('@') {
        Some((name, number)) => match number.parse() {
            Ok(number) => (name, Some(number)),
            Err(_) => bail!("cannot go back to `{number}`: versions have numbers, such as @2"),
        },
        None => (&*args.name, None),
    };
    let tag: Reference = name.parse()?;
    let version = store()?.roll_back(&tag, number)?;
    let from = version.provenance.and_then(|said| said.from);
    let again = from.map_or_else(String::new, |from| format!(", {from} again"));
    let digest = version.descriptor.digest;
    stdout::print(format!("{tag} is {digest}{again} (@{})\n", version.number))?;
    Ok(ExitCode::SUCCESS)
}
