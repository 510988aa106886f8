//! What verbs need that ask an index and change no environment.

use anyhow::Result;
use venv_sim::fill;
use venv_sim::index::variables_of_process;
use venv_sim::install::InstallOptions;

use super::asked::Index;
use super::kept::Kept;
use super::watch::Watch;

/// Does `work`, which `watch` sees.
pub(super) fn asking<T>(
    kept: &Kept,
    index: &Index,
    watch: &Watch,
    work: impl FnOnce(&fill::Means<'_>) -> venv_sim::Result<T>,
) -> Result<T> {
    let (cache, variables, flags) = (kept.cache()?, variables_of_process(), index.flags());
    let means = fill::Means {
        cache: &cache,
        variables: &variables,
        index: &flags,
        install: InstallOptions::default(),
        progress: &|step| watch.step(step),
    };
    Ok(work(&means)?)
}
