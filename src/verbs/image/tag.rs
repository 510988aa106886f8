//! `isolab tag`: one more name for an image.

use std::process::ExitCode;

use anyhow::Result;
use isolab_engine::image::Reference;
use isolab_engine::store::{Origin, Provenance};

use super::{by_me, number, store};

/// What `tag` is asked to name.
#[derive(Debug, clap::Args)]
pub struct TagArgs {
    /// The image: NAME[:TAG], NAME@N for a version, or an id
    image: String,
    /// Its new name
    name: Reference,
}

/// Does it.
///
/// # Errors
/// If there is no such image.
pub fn tag(args: &TagArgs) -> Result<ExitCode> {
    let store = store()?;
    let version = store.resolve(&args.image)?;
    let provenance = Provenance {
        from: Some(match number(&version) {
            Some(number) => format!("{}@{number}", version.name),
            None => version.name.clone(),
        }),
        ..by_me(Provenance::now(Origin::Tagged))
    };
    store.tag(&args.name, &version.descriptor, &provenance)?;
    Ok(ExitCode::SUCCESS)
}
