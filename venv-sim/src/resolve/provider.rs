//! What the solver is told: which versions there are, which comes first, and what each needs.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::rc::Rc;

use pubgrub::{Dependencies, DependencyProvider, PackageResolutionStatistics, VersionSet};

use super::demand::Strategy;
use super::package::{Flaw, Package};
use super::project::Project;
use super::said::short;
use super::set::Versions;
use super::world::World;
use crate::error::Error;
use crate::requirement::{Name, Requirement, Source};

/// One attempt to solve.
pub(super) struct Provider<'w, 'a> {
    world: &'w World<'a>,
    /// Of each project, the versions that were left when it was last looked at.
    left: RefCell<HashMap<u32, Versions>>,
}

/// Why an attempt ends before there is an answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// What is installed of this project does not do: look at all of it, and begin again.
    #[error("{0} has to be looked up")]
    LookUp(Name),
    /// Somebody could not be asked.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// How soon a project is decided, the greatest first: by its kind, then by when it was named, so
/// that what the user names first gets the best version. A project of one version goes before,
/// because there is nothing to decide; one that was in conflicts, because it will be again.
///
/// Source: the order is uv's, and of pubgrub's guide before it.
pub(super) type Priority = (Haste, Reverse<u32>, u8);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Haste {
    Usual,
    Contested,
    Single,
    User,
}

/// So many conflicts make a project contested.
const MANY_CONFLICTS: u32 = 5;

impl<'w, 'a> Provider<'w, 'a> {
    pub(super) fn new(world: &'w World<'a>) -> Self {
        Self {
            world,
            left: RefCell::default(),
        }
    }

    /// The best of `versions`.
    fn best(&self, project: &Project, versions: &Versions) -> Option<u32> {
        let rules = self.world.demand.rules;
        let count = project.candidates.len();
        let places = || versions.places(count);
        let stays = |place: &u32| project.candidate(*place).is_installed();
        if let Some(place) = places().find(stays) {
            return Some(place);
        }
        let is_usual = |place: &u32| {
            let candidate = project.candidate(*place);
            project.prereleases_count || !candidate.version.any_prerelease()
        };
        match rules.strategy {
            Strategy::Highest => places().rev().find(is_usual).or(places().next_back()),
            Strategy::Lowest => places().find(is_usual).or(places().next()),
        }
    }

    /// What these requirements come to; `Err` where they can never be met.
    fn needs<'r>(
        &self,
        requirements: impl Iterator<Item = &'r Requirement> + Clone,
        owner: Option<(u32, u32)>,
    ) -> Result<Result<Vec<(Package, Versions)>, Flaw>, Stop> {
        self.world
            .expect(requirements.clone().map(|needed| &needed.name));
        let mut needs: Vec<(Package, Versions)> = Vec::new();
        let mut likely = Vec::new();
        for requirement in requirements {
            let number = self.world.number(&requirement.name)?;
            let project = self.world.project(number);
            let versions = match &requirement.source {
                Source::Versions(versions) => project.matching(versions),
                Source::Url(url) if project.url.as_ref() == Some(url) => project.all(),
                Source::Url(_) => return Ok(Err(Flaw::Address(short(requirement)))),
            };
            if project.is_partial && versions.is_empty() {
                return Err(Stop::LookUp(requirement.name.clone()));
            }
            let versions = match owner {
                Some((own, place)) if own == number => {
                    if !versions.contains(&place) {
                        return Ok(Err(Flaw::Itself(short(requirement))));
                    }
                    Versions::singleton(place)
                }
                _ => {
                    let best = self.best(&project, &versions);
                    likely.extend(best.map(|best| (Rc::clone(&project), best)));
                    narrow(&mut needs, Package::Project(number), &versions);
                    versions
                }
            };
            for extra in &requirement.extras {
                let extra = self.world.extra_number(extra);
                narrow(&mut needs, Package::Extra(number, extra), &versions);
            }
        }
        self.world.expect_metadata(&likely);
        Ok(Ok(needs))
    }

    fn needs_of(
        &self,
        number: u32,
        extra: Option<u32>,
        place: u32,
    ) -> Result<Result<Vec<(Package, Versions)>, Flaw>, Stop> {
        let project = self.world.project(number);
        let metadata = match self.world.metadata(&project, place)? {
            Ok(metadata) => metadata,
            Err(flaw) => return Ok(Err(flaw)),
        };
        if self.world.demand.rules.no_dependencies {
            return Ok(Ok(Vec::new()));
        }
        let extra = extra.map(|extra| self.world.extra(extra));
        let active: Vec<_> = self
            .world
            .active(&metadata.requires, extra.as_ref())
            .collect();
        self.needs(active.iter().copied(), Some((number, place)))
    }
}

/// Two requirements for one package are one for what both allow.
fn narrow(needs: &mut Vec<(Package, Versions)>, package: Package, versions: &Versions) {
    match needs.iter_mut().find(|(other, _)| *other == package) {
        Some((_, both)) => *both = both.intersection(versions),
        None => needs.push((package, versions.clone())),
    }
}

impl DependencyProvider for Provider<'_, '_> {
    type P = Package;
    type V = u32;
    type VS = Versions;
    type M = Flaw;
    type Priority = Priority;
    type Err = Stop;

    fn prioritize(
        &self,
        package: &Package,
        range: &Versions,
        conflicts: &PackageResolutionStatistics,
    ) -> Priority {
        let Some(number) = package.project() else {
            return (Haste::User, Reverse(0), 0);
        };
        let kind = match package {
            Package::Extra(..) => 2,
            Package::Project(_) | Package::User => 1,
            Package::Beyond(..) => 0,
        };
        if kind == 1 {
            self.left.borrow_mut().insert(number, range.clone());
        }
        let count = self.world.project(number).candidates.len();
        let mut places = range.places(count);
        let haste = match (places.next(), places.next()) {
            (_, None) => Haste::Single,
            _ if conflicts.conflict_count() >= MANY_CONFLICTS => Haste::Contested,
            _ => Haste::Usual,
        };
        (haste, Reverse(number), kind)
    }

    fn choose_version(&self, package: &Package, range: &Versions) -> Result<Option<u32>, Stop> {
        let Some(number) = package.project() else {
            return Ok(Some(0));
        };
        let project = self.world.project(number);
        let mut left = self.left.borrow_mut();
        let place = match package {
            Package::Project(_) => {
                let place = self.best(&project, range);
                left.extend(place.map(|place| (number, Versions::singleton(place))));
                place
            }
            // An extra goes with its project: what is left for both, if anything.
            _ => {
                let both = left.get(&number).map(|left| left.intersection(range));
                let place = both.and_then(|both| self.best(&project, &both));
                place.or_else(|| self.best(&project, range))
            }
        };
        Ok(place)
    }

    fn get_dependencies(
        &self,
        package: &Package,
        place: &u32,
    ) -> Result<Dependencies<Package, Versions, Flaw>, Stop> {
        let needs = match *package {
            Package::User => {
                let holds = |wanted: &&crate::Wanted| {
                    let marker = wanted.requirement.marker.as_ref();
                    marker.is_none_or(|marker| marker.holds(self.world.demand.markers, &[]))
                };
                let wanted = self.world.demand.wanted.iter().filter(holds);
                self.needs(wanted.map(|wanted| &wanted.requirement), None)?
            }
            Package::Project(number) => self.needs_of(number, None, *place)?,
            Package::Extra(number, extra) => Ok(vec![
                (Package::Project(number), Versions::singleton(*place)),
                (Package::Beyond(number, extra), Versions::singleton(*place)),
            ]),
            Package::Beyond(number, extra) => self.needs_of(number, Some(extra), *place)?,
        };
        Ok(match needs {
            Ok(needs) => Dependencies::Available(needs.into_iter().collect()),
            Err(flaw) => Dependencies::Unavailable(flaw),
        })
    }
}
