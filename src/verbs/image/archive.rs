//! `isolab save` and `load`: images in one file, for docker, podman and us.

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use isolab_engine::image::{Platform, Reference};
use isolab_engine::store::{Image, Origin, Owners, Provenance, Store};

use super::{by_me, called, image_of, store};
use crate::report::output::Target;
use crate::{hint, stdout};

/// What `save` is asked to write.
#[derive(Debug, clap::Args)]
pub struct SaveArgs {
    /// The images
    #[arg(required = true)]
    images: Vec<String>,
    /// Write to FILE instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What `load` is asked to read.
#[derive(Debug, clap::Args)]
pub struct LoadArgs {
    /// Read FILE instead of standard input; it may be packed by gzip or zstd
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Print only errors
    #[arg(short, long)]
    quiet: bool,
}

/// Writes an archive.
///
/// # Errors
/// If there is no such image, or it cannot be written.
pub fn save(args: &SaveArgs) -> Result<ExitCode> {
    let store = store()?;
    let images = chosen(&store, &args.images)?;
    to(args.output.as_deref(), |out| Ok(store.save(&images, out)?))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes an archive to a file, which appears whole or not at all, or to standard
/// output.
///
/// # Errors
/// Those of `write`, and if it cannot be written to.
pub(super) fn to(
    output: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    match output {
        Some(path) => to_file(path, write),
        None if io::stdout().is_terminal() => Err(hint::with(
            "cannot write an archive to a terminal",
            "name a file with `-o FILE.tar`, or pipe it on",
        )),
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            write(&mut out)?;
            out.flush().context("cannot write to standard output")
        }
    }
}

/// The images that are named, each once, with the names that were given for it.
fn chosen(store: &Store, names: &[String]) -> Result<Vec<(Vec<Reference>, Image)>> {
    let mut images: Vec<(Vec<Reference>, Image)> = Vec::new();
    for text in names {
        let version = store.resolve(text)?;
        let image = image_of(store, &version)?;
        // An id has no name to be carried.
        let name: Option<Reference> = text.parse().ok();
        let name = name.filter(|name| name.name() == version.name);
        match images.iter_mut().find(|(_, other)| *other == image) {
            Some((names, _)) => names.extend(name),
            None => images.push((name.into_iter().collect(), image)),
        }
    }
    Ok(images)
}

/// The file appears whole or not at all; a pipe or a device is written to as it is.
fn to_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let failed = || format!("cannot write {}", path.display());
    let write = |file: &mut File| -> Result<()> {
        let mut out = BufWriter::new(file);
        write(&mut out)?;
        out.flush().with_context(failed)
    };
    if path
        .metadata()
        .is_ok_and(|there| !there.is_file() && !there.is_dir())
    {
        let file = File::options().write(true).open(path);
        return write(&mut file.with_context(failed)?);
    }
    Target::at(path).replace_with(write)?
}

/// Reads an archive, and unpacks what is for this machine.
///
/// # Errors
/// If it is none, or cannot be read.
pub fn load(args: &LoadArgs) -> Result<ExitCode> {
    if args.input.is_none() && io::stdin().is_terminal() {
        return Err(hint::with(
            "cannot load an image from a terminal",
            "name a file with `-i FILE.tar`, or pipe one in",
        ));
    }
    let open = || super::room::input(args.input.as_deref());
    super::room::unpacking(open, |owners| load_here(args, &open()?, owners))
}

fn load_here(args: &LoadArgs, input: &File, owners: Option<Owners>) -> Result<ExitCode> {
    let store = store()?;
    let provenance = Provenance {
        from: args.input.as_ref().map(|path| path.display().to_string()),
        ..by_me(Provenance::now(Origin::Loaded))
    };
    if let Some(owners) = owners {
        let taken = store.take_layers(input, owners, &Platform::host());
        taken.context("cannot read the archive")?;
    }
    let loaded = store.load_file(input, &provenance)?;
    // Before a layer is refused: they are here, whatever becomes of their files.
    if !args.quiet {
        let told = loaded.iter().map(|version| {
            let name = called(version);
            format!("Loaded image: {name}\n")
        });
        stdout::print(told.collect::<String>())?;
    }
    if let Some(owners) = owners {
        for version in &loaded {
            // Of another machine's, or of what is no image, there is nothing to run.
            if let Ok(image) = store.image(&version.descriptor, &Platform::host()) {
                store.layers_of(&image, owners)?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
