//! Where answers and wheels are kept, as the verbs are told it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use venv_sim::Cache;

use super::asked::Means;
use crate::hint;

/// What of it is kept.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is kept")]
pub(super) struct Kept {
    /// Where wheels and answers are kept [default: $XDG_CACHE_HOME/isolab, ~/.cache/isolab]
    #[arg(long, value_name = "DIR", conflicts_with = "no_cache")]
    cache_dir: Option<PathBuf>,
    /// Keep nothing, and use nothing that was kept
    #[arg(long, visible_alias = "no-cache-dir")]
    pub(super) no_cache: bool,
}

impl Kept {
    pub(super) fn cache(&self) -> Result<Cache> {
        match self.no_cache {
            true => Ok(Cache::none()),
            false => cache_at(self.cache_dir.as_deref()),
        }
    }
}

impl Kept {
    /// A link into what is not kept would lead nowhere.
    pub(super) fn check_links(&self, means: &Means) -> Result<()> {
        match self.no_cache && means.links() {
            true => Err(hint::with(
                "symbolic links need what is kept, and `--no-cache` keeps nothing",
                "leave out one of the two; `--link-mode copy` needs nothing that is kept",
            )),
            false => Ok(()),
        }
    }
}

/// The cache in the directory that was named, else the user's.
pub(super) fn cache_at(directory: Option<&Path>) -> Result<Cache> {
    let Some(directory) = directory else {
        return Ok(Cache::of_user());
    };
    // Links into it are read from elsewhere.
    let absolute = std::path::absolute(directory);
    Ok(Cache::at(absolute.with_context(|| {
        format!("cannot find {}", directory.display())
    })?))
}
