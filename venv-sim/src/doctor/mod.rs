//! What ails an environment, why, and what mends it.
//!
//! Everything is found by looking, but for one start of the interpreter at the end. A repair is
//! made of steps that leave the environment no worse at any moment; what it replaces is kept
//! below `kept` in the environment, where its user may look for it. While it is at that it holds
//! the environment, and follows no link in it.

mod configuration;
mod interpreter;
mod kept;
mod launchers;
mod packages;
mod store_links;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::occupancy::{Occupied, PATIENCE};
use crate::places::Search;
use crate::requirement::Name;

/// What was found in one environment, worst first.
#[derive(Debug)]
pub struct Health {
    /// Its directory, absolute.
    pub dir: PathBuf,
    /// What ails it; nothing where it is well.
    pub ailments: Vec<Ailment>,
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct Ailment {
    /// Which kind of thing.
    pub kind: AilmentKind,
    /// What is wrong, in a sentence.
    pub what: String,
    /// How that comes about, and what it leads to.
    pub why: String,
    /// What mends it: what `--fix` would do, or what only its user can.
    pub remedy: String,
    repair: Option<Repair>,
}

/// The kinds of things that can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AilmentKind {
    /// A process that was changing it was killed.
    HalfDone,
    /// `pyvenv.cfg` is not there, or lacks what Python looks for in it.
    Configuration,
    /// The interpreter that it was made from is gone.
    InterpreterGone,
    /// Its interpreter is of another minor version than its packages.
    InterpreterOther,
    /// Its interpreter was replaced by a later one of the same minor version.
    InterpreterUpdated,
    /// Its interpreter does not start.
    InterpreterFails,
    /// It lies elsewhere than its scripts say.
    Moved,
    /// A link in it leads nowhere.
    BrokenLink,
    /// A package lacks what it needs, or is for another Python.
    Unmet,
    /// A file is not as it was installed.
    Edited,
    /// What says that a package is installed is damaged.
    Damaged,
}

/// How `--fix` mends something.
#[derive(Debug)]
enum Repair {
    Recover,
    Configure(Vec<(&'static str, String)>),
    Upgrade(Box<Interpreter>),
    Launchers(launchers::Moved),
    Relink { link: PathBuf, to: PathBuf },
    Restore(Name),
    IntoStore(Name),
    SetAside(Vec<PathBuf>),
}

impl AilmentKind {
    /// A word for it, for programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::HalfDone => "half-done",
            Self::Configuration => "configuration",
            Self::InterpreterGone => "python-gone",
            Self::InterpreterOther => "python-other",
            Self::InterpreterUpdated => "python-updated",
            Self::InterpreterFails => "python-fails",
            Self::Moved => "moved",
            Self::BrokenLink => "broken-link",
            Self::Unmet => "unmet",
            Self::Edited => "edited",
            Self::Damaged => "damaged",
        }
    }
}

impl fmt::Display for AilmentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Ailment {
    /// Whether [`Health::mend`] can mend it.
    #[must_use]
    pub fn is_mendable(&self) -> bool {
        self.repair.is_some()
    }
}

/// Examines the environment at `dir`, whoever made it; `search` is where an interpreter in the
/// place of a lost one is looked for, and whose cache holds the store.
///
/// # Errors
/// [`Error::NotAnEnvironment`] where nothing there looks like an environment.
pub fn examine(dir: &Path, search: &Search) -> Result<Health> {
    let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    let mut ailments = Vec::new();
    ailments.extend(configuration::examine(&dir)?);
    ailments.extend(interpreter::examine(&dir, search));
    ailments.extend(launchers::examine(&dir));
    if let Ok(environment) = Environment::open(&dir) {
        ailments.extend(packages::half_done(&environment));
        ailments.extend(packages::examine(&environment, search)?);
        // Last, and only where nothing that was found explains it.
        if ailments
            .iter()
            .all(|one| one.kind > AilmentKind::InterpreterFails)
        {
            ailments.extend(interpreter::starts(&environment));
        }
    }
    ailments.sort_by_key(|ailment| ailment.kind);
    Ok(Health { dir, ailments })
}

impl Health {
    /// Mends what can be, and says what was done, a sentence each. What is replaced is kept.
    /// `say` is told, once for each repair, that another process is waited for that is changing
    /// the environment.
    ///
    /// # Errors
    /// Where a repair fails; those before it are done.
    pub fn mend(&self, search: &Search, say: fn(&str)) -> Result<Vec<String>> {
        let mut done = Vec::new();
        for ailment in &self.ailments {
            let Some(repair) = &ailment.repair else {
                continue;
            };
            let dir = &self.dir;
            let hold = || Occupied::take(dir, PATIENCE, say);
            done.push(match repair {
                Repair::Recover => packages::recover(dir)?,
                Repair::Configure(lines) => configuration::complete(&hold()?, lines)?,
                Repair::Upgrade(python) => interpreter::replace(dir, python, search, say)?,
                Repair::Launchers(moved) => moved.rewrite(&hold()?)?,
                Repair::Relink { link, to } => packages::relink(&hold()?, link, to)?,
                Repair::Restore(project) => packages::restore(&hold()?, project, search)?,
                Repair::IntoStore(project) => store_links::lead_back(&hold()?, project, search)?,
                Repair::SetAside(paths) => packages::set_aside(&hold()?, paths)?,
            });
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests;
