//! What is asked for, and by which rules.

use std::path::PathBuf;

use crate::error::Result;
use crate::index::{IndexFlags, Variables};
use crate::requirement::Name;
use crate::requirements_file::{Extras, RequirementsFile, Wanted};
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

/// Where what is asked for is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'a> {
    /// What was typed.
    pub words: &'a [String],
    /// Files of requirements, projects' own files and scripts.
    pub files: &'a [PathBuf],
    /// Which extras of the projects, if any.
    pub extras: Option<&'a Extras>,
    /// Groups, each with the project's own file that has it.
    pub groups: &'a [(PathBuf, Name)],
    /// Files of constraints.
    pub constraints: &'a [PathBuf],
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
        let sources = Sources {
            words,
            files,
            constraints,
            ..Sources::default()
        };
        Self::read_from(&sources, rules, variables)
    }

    /// As [`read`](Self::read), also of extras and groups.
    ///
    /// # Errors
    /// As there, and where there is no such extra or group.
    pub fn read_from(sources: &Sources<'_>, rules: Rules, variables: &Variables) -> Result<Self> {
        let none = Extras::default();
        let extras = sources.extras.unwrap_or(&none);
        let mut asked = RequirementsFile::default();
        for word in sources.words {
            asked.wanted.push(Wanted::typed(word)?);
        }
        let variable = |name: &str| variables.get(name).cloned();
        for file in sources.files {
            asked.read_with(file, extras, &variable)?;
        }
        for (file, name) in sources.groups {
            asked.read_group(file, name)?;
        }
        for file in sources.constraints {
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
