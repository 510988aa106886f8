//! Choosing versions that fit together.
//!
//! [`resolve`] is given what is wanted and a [`Catalogue`], and gives one wheel for each project
//! that is needed, or an explanation why there is no such choice. The search is PubGrub's, by
//! the crate of that name: it learns from each conflict, and what it learned is the explanation.
//!
//! What is here is Python's part:
//! - the versions of a project are numbered, and each specifier is the set of those that it takes
//!   (`set`, `project`);
//! - what cannot be taken never enters the search, and is told if it was asked for: other
//!   interpreters' wheels, projects of sources only, what a constraint or a hash excludes;
//! - an extra is a package of its own, at its project's version (`package`);
//! - what is installed is looked at before anybody is asked (`world`).
//!
//! Source: *Dependency specifiers*, *Version specifiers* and *Binary distribution format* of the
//! Python Packaging User Guide (PEP 440, 508, 592); N. Weizenbaum, *PubGrub: Next-Generation
//! Version Solving*.

mod demand;
mod direct;
mod explain;
mod outcome;
mod package;
mod project;
mod provider;
mod resolution;
mod said;
mod set;
mod world;

pub use demand::{Demand, Held, Projects, Rules, Strategy};
pub use resolution::{Pick, Resolution};

use pubgrub::PubGrubError;

use crate::catalogue::Catalogue;
use crate::error::Result;
use package::Package;
use provider::{Provider, Stop};
use world::World;

/// Chooses a version of everything that `demand` needs.
///
/// The answer depends on what is asked and on what the catalogue says, and on nothing else.
///
/// # Errors
/// [`crate::Error::Unsatisfiable`] where no choice fits, with the reasons; [`crate::Error::BadRequirement`] where
/// what is asked for can never be had; and those of the catalogue.
pub fn resolve(demand: &Demand<'_>, catalogue: &dyn Catalogue) -> Result<Resolution> {
    let world = World::new(*demand, catalogue)?;
    loop {
        let provider = Provider::new(&world);
        let stop = match pubgrub::resolve(&provider, Package::User, 0u32) {
            Ok(solution) => return outcome::gather(&world, solution),
            // What is installed may be the reason.
            Err(PubGrubError::NoSolution(_)) if world.look_at_all() => continue,
            Err(PubGrubError::NoSolution(tree)) => return Err(explain::conflict(&world, &tree)),
            Err(
                PubGrubError::ErrorRetrievingDependencies { source, .. }
                | PubGrubError::ErrorChoosingVersion { source, .. }
                | PubGrubError::ErrorInShouldCancel(source),
            ) => source,
        };
        match stop {
            Stop::LookUp(name) => world.look_whole(&name),
            Stop::Failed(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests;
