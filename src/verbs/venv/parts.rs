//! Which parts of a project's own file are asked for.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use venv_sim::{Extras, Name};

use super::show::names;
use crate::hint;

/// Extras and groups.
#[derive(Debug, Args)]
pub(super) struct Parts {
    /// Also what this extra of the project needs, whose pyproject.toml is named with -r
    #[arg(long, value_name = "NAME", conflicts_with = "all_extras")]
    extra: Vec<String>,
    /// The same of all its extras
    #[arg(long)]
    all_extras: bool,
    /// Also what this group asks for, of the pyproject.toml here or of the one named before it
    #[arg(long, value_name = "[FILE:]NAME")]
    group: Vec<String>,
}

impl Parts {
    pub(super) fn is_empty(&self) -> bool {
        self.group.is_empty()
    }

    /// The extras that are asked for of `files`.
    pub(super) fn extras(&self, files: &[PathBuf]) -> Result<Extras> {
        let extras = Extras {
            all: self.all_extras,
            names: names(&self.extra)?,
        };
        let is_asked = extras.all || !extras.names.is_empty();
        if is_asked && !files.iter().any(|file| file.ends_with("pyproject.toml")) {
            return Err(hint::with(
                "an extra was asked for, and no project that has it",
                "name its file with `-r pyproject.toml`; of a project of the index it is `NAME[EXTRA]`",
            ));
        }
        Ok(extras)
    }

    /// The groups that are asked for, each with its file.
    pub(super) fn groups(&self) -> Result<Vec<(PathBuf, Name)>> {
        let group = |typed: &String| {
            let (file, name) = typed.rsplit_once(':').unwrap_or(("pyproject.toml", typed));
            let name = name.parse::<Name>().map_err(|why| {
                hint::with(
                    why.to_string(),
                    "give the name of a group, as `--group test`",
                )
            })?;
            Ok((PathBuf::from(file), name))
        };
        self.group.iter().map(group).collect()
    }
}
