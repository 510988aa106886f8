//! What is asked for, and by which rules.

use std::path::PathBuf;

use crate::error::Result;
use crate::index::{IndexFlags, Variables};
use crate::requirement::Name;
use crate::requirements_file::{RequirementsFile, Wanted};
use crate::resolve::Rules;

/// What is to be in an environment.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// What is asked for, and what must hold of it.
    pub asked: RequirementsFile,
    /// By which rules versions are chosen.
    pub rules: Rules,
    /// Whether everything else is taken out.
    pub is_exact: bool,
    /// Whether it is only planned.
    pub is_dry_run: bool,
}

impl Order {
    /// Reads what was typed, files of requirements and files of constraints; what the files set
    /// for all lines becomes part of `rules`.
    ///
    /// # Errors
    /// [`Error::BadRequirement`](crate::Error::BadRequirement), by file and line where it is of a
    /// file, and [`Error::Io`](crate::Error::Io).
    pub fn read(
        words: &[String],
        files: &[PathBuf],
        constraints: &[PathBuf],
        rules: Rules,
        variables: &Variables,
    ) -> Result<Self> {
        let mut asked = RequirementsFile::default();
        for word in words {
            asked.wanted.push(Wanted::typed(word)?);
        }
        let variable = |name: &str| variables.get(name).cloned();
        for file in files {
            asked.read(file, &variable)?;
        }
        for file in constraints {
            asked.read_constraints(file, &variable)?;
        }
        let settings = &asked.settings;
        let mut rules = rules;
        rules.prereleases |= settings.prereleases;
        rules.require_hashes |= settings.require_hashes;
        rules.no_binary = settings.no_binary.clone();
        Ok(Self {
            asked,
            rules,
            ..Self::default()
        })
    }

    /// The projects that are asked for, and not only needed.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.asked
            .wanted
            .iter()
            .map(|wanted| &wanted.requirement.name)
    }

    /// What the command line says of the index, with what files of requirements add to it.
    pub(super) fn index_flags(&self, typed: &IndexFlags) -> IndexFlags {
        let mut flags = typed.clone();
        self.asked.settings.add_to(&mut flags);
        flags
    }
}
