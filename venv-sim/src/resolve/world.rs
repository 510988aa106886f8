//! All that is known so far: projects, their versions, and what these say of themselves.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use pep440_rs::Version;
use pubgrub::VersionSet as _;

use super::demand::{Demand, Held};
use super::direct;
use super::package::Flaw;
use super::project::{Candidate, Excluded, Exclusion, Project, Supply, sort};
use super::said::{self, Said};
use crate::catalogue::{Asked, Catalogue, Offer};
use crate::error::{Error, Result};
use crate::installed::recorded;
use crate::refusal::Refusal;
use crate::requirement::{Name, Requirement, Source, takes};
use crate::requirements_file::Wanted;
use crate::trouble::Trouble;
use crate::wheel::Metadata;

/// What is known. It only grows, apart from a project that was known in part.
pub(super) struct World<'a> {
    pub(super) demand: Demand<'a>,
    pub(super) said: HashMap<Name, Said>,
    /// The interpreter's version, as a release.
    pub(super) python: Version,
    /// Whether every file has to be vouched for.
    pub(super) vouched: bool,
    catalogue: &'a dyn Catalogue,
    projects: RefCell<Vec<Rc<Project>>>,
    numbers: RefCell<HashMap<Name, u32>>,
    extras: RefCell<Vec<Name>>,
    /// These are to be known as a whole, installed or not.
    whole: RefCell<Whole>,
}

/// Which projects are looked up although they are installed.
#[derive(Debug, Default)]
struct Whole {
    all: bool,
    these: Vec<Name>,
}

impl<'a> World<'a> {
    pub(super) fn new(demand: Demand<'a>, catalogue: &'a dyn Catalogue) -> Result<Self> {
        let python: Version = demand.markers.python_full_version.parse().map_err(|why| {
            let why = Refusal::new(format!("its version is none: {why}"));
            Error::BadRequirement {
                at: "the interpreter".to_owned(),
                cause: why,
                remedy: "ask the interpreter again",
            }
        })?;
        let hashed = |wanted: &Wanted| !wanted.hashes.is_empty();
        let said = said::of(&demand)?;
        let vouched = demand.rules.require_hashes || demand.wanted.iter().any(hashed);
        if vouched {
            said::check_vouched(&demand, &said)?;
        }
        Ok(Self {
            said,
            vouched,
            python: python.only_release(),
            demand,
            catalogue,
            projects: RefCell::default(),
            numbers: RefCell::default(),
            extras: RefCell::default(),
            whole: RefCell::default(),
        })
    }

    /// The project of this number.
    pub(super) fn project(&self, number: u32) -> Rc<Project> {
        Rc::clone(&self.projects.borrow()[number as usize])
    }

    /// The name of the extra of this number.
    pub(super) fn extra(&self, number: u32) -> Name {
        self.extras.borrow()[number as usize].clone()
    }

    /// The number of this extra, the same whosever it is.
    pub(super) fn extra_number(&self, extra: &Name) -> u32 {
        let mut extras = self.extras.borrow_mut();
        let found = extras.iter().position(|known| known == extra);
        let index = found.unwrap_or_else(|| {
            extras.push(extra.clone());
            extras.len() - 1
        });
        super::set::place(index)
    }

    /// What the user asks for of this project.
    pub(super) fn wanted_of(&self, name: &Name) -> Vec<&'a Wanted> {
        let markers = self.demand.markers;
        let holds = |wanted: &&Wanted| {
            let marker = wanted.requirement.marker.as_ref();
            wanted.requirement.name == *name
                && marker.is_none_or(|marker| marker.holds(markers, &[]))
        };
        self.demand.wanted.iter().filter(holds).collect()
    }

    /// The projects that the user asks for and that were looked at, of which no version does,
    /// in the order in which they are named.
    pub(super) fn hopeless(&self) -> Vec<u32> {
        let numbers = self.numbers.borrow();
        let mut found: Vec<u32> = Vec::new();
        for wanted in self.demand.wanted {
            let name = &wanted.requirement.name;
            let Some(number) = numbers.get(name).filter(|number| !found.contains(number)) else {
                continue;
            };
            let project = self.project(*number);
            let asked = self.wanted_of(name);
            let allowed = asked.iter().map(|one| match &one.requirement.source {
                Source::Versions(versions) => project.matching(versions),
                Source::Url(_) => project.all(),
            });
            let left = allowed.reduce(|one, other| one.intersection(&other));
            if left.is_some_and(|left| left.is_empty()) {
                found.push(*number);
            }
        }
        found
    }

    /// Who was asked.
    pub(super) fn asked(&self) -> Asked {
        self.catalogue.asked()
    }

    /// All projects that were looked at.
    pub(super) fn projects(&self) -> Vec<Rc<Project>> {
        self.projects.borrow().clone()
    }

    /// The number of the project, which is looked up where it is not known.
    pub(super) fn number(&self, name: &Name) -> Result<u32> {
        if let Some(number) = self.numbers.borrow().get(name) {
            let is_known = !self.project(*number).is_partial || !self.is_whole(name);
            if is_known {
                return Ok(*number);
            }
        }
        let project = Rc::new(self.look_up(name)?);
        let mut projects = self.projects.borrow_mut();
        if let Some(number) = self.numbers.borrow().get(name) {
            projects[*number as usize] = project;
            return Ok(*number);
        }
        projects.push(project);
        let number = super::set::place(projects.len() - 1);
        self.numbers.borrow_mut().insert(name.clone(), number);
        Ok(number)
    }

    /// Says that these are about to be asked for.
    pub(super) fn expect<'n>(&self, names: impl Iterator<Item = &'n Name>) {
        let numbers = self.numbers.borrow();
        let unknown = |name: &&Name| {
            !numbers.contains_key(*name) && self.said(name).is_none_or(|said| said.url.is_none())
        };
        let mut names: Vec<Name> = names.filter(unknown).cloned().collect();
        names.retain(|name| self.is_whole(name) || self.installed(name).is_none());
        names.dedup();
        if !names.is_empty() {
            self.catalogue.expect(&names);
        }
    }

    /// What exists of it and is not offered. Nobody is chosen from these, so nobody has to answer.
    pub(super) fn elsewhere(&self, name: &Name) -> Vec<Offer> {
        self.catalogue.elsewhere(name).unwrap_or_default()
    }

    /// Says that these are about to be asked what they say of themselves.
    pub(super) fn expect_metadata(&self, likely: &[(Rc<Project>, u32)]) {
        let candidates = likely
            .iter()
            .map(|(project, place)| project.candidate(*place));
        let unread = candidates.filter(|candidate| candidate.metadata.get().is_none());
        let offers: Vec<Offer> = unread.filter_map(Candidate::offer).cloned().collect();
        if !offers.is_empty() {
            self.catalogue.expect_metadata(&offers);
        }
    }

    pub(super) fn said(&self, name: &Name) -> Option<&Said> {
        self.said.get(name)
    }

    /// Looks the project up from now on, installed or not.
    pub(super) fn look_whole(&self, name: &Name) {
        self.whole.borrow_mut().these.push(name.clone());
    }

    /// Looks all projects up from now on; whether that is more than before.
    pub(super) fn look_at_all(&self) -> bool {
        let was_all = std::mem::replace(&mut self.whole.borrow_mut().all, true);
        let projects = self.projects.borrow();
        !was_all && projects.iter().any(|project| project.is_partial)
    }

    /// What the environment has of it, where that may stay.
    fn installed(&self, name: &Name) -> Option<&'a Held> {
        let rules = self.demand.rules;
        if rules.upgrade.contains(name) || rules.reinstall.contains(name) {
            return None;
        }
        self.at_hand(name)
    }

    /// What the environment has of it.
    pub(super) fn at_hand(&self, name: &Name) -> Option<&'a Held> {
        let mut installed = self.demand.held.iter();
        installed.find(|installed| installed.metadata.name == *name)
    }

    fn is_whole(&self, name: &Name) -> bool {
        let whole = self.whole.borrow();
        whole.all || whole.these.contains(name)
    }

    fn look_up(&self, name: &Name) -> Result<Project> {
        let said = self.said.get(name);
        if let Some(address) = said.and_then(|said| said.url.as_ref()) {
            return self.at_address(name, said, address);
        }
        let installed = self.installed(name).filter(|installed| {
            let constraints = said.into_iter().flat_map(|said| &said.constraints);
            let version = &installed.metadata.version;
            constraints
                .into_iter()
                .all(|(versions, _)| takes(versions, version))
        });
        let kept = installed.map(|installed| {
            let candidate = Candidate::new(installed.metadata.version.clone(), Supply::Installed);
            let metadata = Arc::new(installed.metadata.clone());
            let _ = candidate.metadata.set(Ok(metadata));
            candidate
        });
        let kept = match kept {
            Some(kept) if !self.is_whole(name) => {
                return Ok(self.made(name, vec![kept], Vec::new(), true));
            }
            kept => kept,
        };
        let listing = self.catalogue.listing(name)?;
        let (mut candidates, mut excluded) = sort(&listing, said, &self.demand, &self.python, name);
        if self.vouched && said.is_none_or(|said| said.hashes.is_empty()) {
            let lost = candidates.drain(..).map(|candidate| Excluded {
                version: candidate.version,
                why: Exclusion::Unvouched,
            });
            excluded.extend(lost);
            excluded.sort_by(|one, other| one.version.cmp(&other.version));
        }
        if let Some(kept) = kept {
            let search = candidates.binary_search_by(|other| other.version.cmp(&kept.version));
            match search {
                Ok(index) => candidates[index] = kept,
                Err(index) => candidates.insert(index, kept),
            }
        }
        Ok(self.made(name, candidates, excluded, false))
    }

    fn made(
        &self,
        name: &Name,
        candidates: Vec<Candidate>,
        excluded: Vec<Excluded>,
        is_partial: bool,
    ) -> Project {
        let named = self
            .said
            .get(name)
            .is_some_and(|said| said.names_prerelease);
        let is_release = |version: &Version| !version.any_prerelease();
        let has_release = candidates.iter().any(|one| is_release(&one.version))
            || excluded.iter().any(|one| is_release(&one.version));
        Project {
            name: name.clone(),
            candidates,
            excluded,
            prereleases_count: self.demand.rules.prereleases || named || !has_release,
            is_partial,
            url: None,
        }
    }

    /// The one candidate of a project whose file the user names.
    fn at_address(
        &self,
        name: &Name,
        said: Option<&Said>,
        address: &said::Address,
    ) -> Result<Project> {
        let refused = |(cause, remedy)| Error::BadRequirement {
            at: address.asked.clone(),
            cause,
            remedy,
        };
        let offer = direct::offer(name, &address.written).map_err(refused)?;
        let version = offer.version().clone();
        let is_same = |installed: &&Held| {
            installed.metadata.version == version
                && installed.url.as_deref().map(recorded) == Some(recorded(&address.written))
        };
        let (mut candidates, excluded) = match self.installed(name).filter(is_same) {
            Some(installed) => {
                let kept = Candidate::new(version, Supply::Installed);
                let _ = kept.metadata.set(Ok(Arc::new(installed.metadata.clone())));
                (vec![kept], Vec::new())
            }
            None => sort(&vec![offer].into(), said, &self.demand, &self.python, name),
        };
        let mut excluded = excluded;
        let unvouched = |candidate: &Candidate| {
            let digests = candidate.offer().map(|offer| &offer.digests);
            self.vouched
                && digests.is_some_and(Vec::is_empty)
                && said.is_none_or(|said| said.hashes.is_empty())
        };
        if candidates.iter().any(unvouched) {
            excluded.extend(candidates.drain(..).map(|candidate| Excluded {
                version: candidate.version,
                why: Exclusion::Unvouched,
            }));
        }
        Ok(Project {
            url: Some(address.written.clone()),
            ..self.made(name, candidates, excluded, false)
        })
    }

    /// What a candidate says of itself, or why it cannot be taken.
    ///
    /// # Errors
    /// Where nobody could be asked; that says nothing about the candidate.
    pub(super) fn metadata(
        &self,
        project: &Project,
        place: u32,
    ) -> Result<Result<Arc<Metadata>, Flaw>> {
        let candidate = project.candidate(place);
        if let Some(known) = candidate.metadata.get() {
            return Ok(known.clone());
        }
        let Some(offer) = candidate.offer() else {
            let why = Flaw::Broken("what is installed of it says nothing".to_owned());
            return Ok(Err(why));
        };
        let read = match self.catalogue.metadata(offer) {
            Ok(metadata) => self.judged(project, offer, metadata),
            Err(
                Error::BadWheel { cause, .. }
                | Error::Index {
                    cause: Trouble::Wrong(cause),
                    ..
                },
            ) => Err(Flaw::Broken(cause.to_string())),
            Err(error) => return Err(error),
        };
        let _ = candidate.metadata.set(read.clone());
        Ok(read)
    }

    fn judged(
        &self,
        project: &Project,
        offer: &Offer,
        metadata: Arc<Metadata>,
    ) -> Result<Arc<Metadata>, Flaw> {
        if (&metadata.name, &metadata.version) != (&project.name, offer.version()) {
            return Err(Flaw::Broken(format!(
                "its METADATA says that it is {} {}",
                metadata.name, metadata.version
            )));
        }
        match &metadata.requires_python {
            Some(python) if !takes(python, &self.python) => {
                Err(Flaw::Python(python.to_string().replace(", ", ",")))
            }
            _ => Ok(metadata),
        }
    }

    /// Those of `requires` that hold: all of the project's own where `extra` is none, and those
    /// that the extra adds otherwise.
    pub(super) fn active<'m>(
        &self,
        requires: &'m [Requirement],
        extra: Option<&Name>,
    ) -> impl Iterator<Item = &'m Requirement> {
        let extras: Vec<Name> = extra.cloned().into_iter().collect();
        let markers = self.demand.markers;
        requires.iter().filter(move |requirement| {
            let Some(marker) = &requirement.marker else {
                return extras.is_empty();
            };
            match extras.is_empty() {
                true => marker.holds(markers, &[]),
                false => marker.holds(markers, &extras) && !marker.holds(markers, &[]),
            }
        })
    }
}
