//! `isolab import` and `export`: an image as one tree of files.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use isolab_engine::bootstrap::{About, source_date_epoch};
use isolab_engine::build;
use isolab_engine::image::Reference;
use isolab_engine::store::{Origin, Provenance};

use super::{archive, by_me, image_of, store};
use crate::{hint, stdout};

/// What `import` is asked to read.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// A tar archive, perhaps packed by gzip or zstd; - for standard input
    file: PathBuf,
    /// What the image is called [default: imported:ID]
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<Reference>,
    /// An instruction for its configuration, such as `CMD ["sh"]`; may be given again
    #[arg(short, long, value_name = "INSTRUCTION")]
    change: Vec<String>,
    /// What its history says
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

/// What `export` is asked to write.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Docker exports a container. None stays here when its program has ended, so this \
    takes an image: a container that has changed nothing."
)]
pub struct ExportArgs {
    /// The image: NAME[:TAG], NAME@N for a version, or an id
    image: String,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Makes an image of files.
///
/// # Errors
/// If the archive cannot be read, or is none that can be unpacked.
pub fn import(args: &ImportArgs) -> Result<ExitCode> {
    let run = build::configured(&args.change)?;
    let from = args.file.display().to_string();
    let file = Some(&*args.file).filter(|file| *file != Path::new("-"));
    if file.is_none() && io::stdin().is_terminal() {
        return Err(hint::with(
            "cannot import files from a terminal",
            "name a file, or pipe one in",
        ));
    }
    let open = || super::room::input(file);
    super::room::unpacking(open, |owners| {
        let store = store()?;
        let input = open()?;
        let about = About {
            run: run.clone(),
            created_by: args
                .message
                .clone()
                .unwrap_or_else(|| format!("imported from {from}")),
            epoch: now(),
        };
        let made = store.import(input, &about, owners);
        let made = made.with_context(|| format!("cannot import {from}"))?;
        let name = match &args.name {
            Some(name) => name.clone(),
            // A name keeps it from being swept.
            None => format!("imported:{}", made.digest.short()).parse()?,
        };
        let provenance = Provenance {
            from: Some(from.clone()),
            ..by_me(Provenance::now(Origin::Imported))
        };
        let version = store.tag(&name, &made, &provenance)?;
        stdout::print(format!("{name} is {}\n", version.descriptor.digest))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// When it is imported: what `SOURCE_DATE_EPOCH` says, or now; in seconds since 1970.
fn now() -> u64 {
    if std::env::var_os("SOURCE_DATE_EPOCH").is_some() {
        return source_date_epoch();
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |passed| passed.as_secs())
}

/// Writes the files of an image.
///
/// # Errors
/// If there is no such image, or it cannot be written.
pub fn export(args: &ExportArgs) -> Result<ExitCode> {
    super::room::within(|room| {
        let store = store()?;
        let version = store.resolve(&args.image)?;
        let image = image_of(&store, &version)?;
        archive::to(args.output.as_deref(), |out| {
            Ok(store.export(&image, room.owners(), out)?)
        })?;
        Ok(ExitCode::SUCCESS)
    })
}
